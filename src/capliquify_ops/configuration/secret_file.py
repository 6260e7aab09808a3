"""Secrets in files. What stands in a file's place by mistake (a URL, a key) is never repeated."""

import re
from pathlib import Path

from capliquify_ops.model.errors import ConfigurationInvalid

_FILE_NAME = re.compile(r"(?!.*:/)[^=\n]*")
"""Not a URL, not `key=value`, not the text of a key."""


def require_file_name(value: str, at: str) -> None:
    """Refuse what is a secret itself and not the name of a file. Raises ConfigurationInvalid without repeating it."""
    if not _FILE_NAME.fullmatch(value):
        raise ConfigurationInvalid(f"{at}: this is a URL or a secret itself, not the name of a file.")


def read_secret_file(path: Path, at: str) -> str:
    """Read a secret from a file, without its final line break."""
    try:
        return path.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError, ValueError):
        raise ConfigurationInvalid(f"{at}: {path} cannot be read.") from None
