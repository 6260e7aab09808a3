"""The TOML file in which a running stack is the target `running`."""

import json
import sys
from collections.abc import Mapping
from pathlib import Path

from capliquify_ops.model.roles import Roles
from capliquify_ops.reference.run_folder import RunFolder


def write(folder: RunFolder, roles: Roles, urls: Mapping[str, str], *, base_url: str, profile: str) -> Path:
    """Write the connection strings into files and a configuration that names them; return the configuration's path."""
    observer = folder.write("observer.url", urls["observer"] + "\n")
    operator = folder.write("operator.url", urls["operator"] + "\n")
    lines = [
        "[targets.running]",
        'class = "loopback"',
        f"database_url_file = {_text(observer)}",
        f"operator_url_file = {_text(operator)}",
        f"app_role = {_text(roles.app)}",
        *([f"base_url = {_text(base_url)}"] if base_url else []),
        *([f"log_files = [{_text(folder.path / 'service.log')}, {_text(folder.path / 'access.log')}]"] if base_url else []),
        f"profile = {_text(profile)}",
        "[targets.running.roles]",
        *(f"{name} = {_text(getattr(roles, name))}" for name in ("owner", "observer", "operator")),
    ]
    if base_url:
        command = [sys.executable, "-m", "capliquify_ops.cli", "reference", "tokens", "--run-folder", str(folder.path)]
        lines += ["[targets.running.identity]", 'provider = "command"', f"command = [{', '.join(map(_text, command))}]"]
    return folder.write("capliquify-ops.toml", "\n".join(lines) + "\n")


def _text(value: object) -> str:
    """Quote for TOML: its basic strings escape as JSON's do, apart from characters that JSON would write as surrogates."""
    return json.dumps(str(value), ensure_ascii=False)
