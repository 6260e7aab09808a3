"""From environment and TOML file to frozen settings, with the origin of each value."""

import os
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from capliquify_ops.configuration.limits import Limits, load_limits, require_tightened
from capliquify_ops.configuration.nearest import nearest, unknown
from capliquify_ops.configuration.profile import load_profile
from capliquify_ops.configuration.suppressions import Suppression, parse_suppressions
from capliquify_ops.configuration.target import EMBEDDED, FROM_ENVIRONMENT, Target, TargetClass
from capliquify_ops.configuration.target_table import parse_target
from capliquify_ops.model.errors import ConfigurationInvalid, UsageError
from capliquify_ops.model.secret import Secret

DEFAULT_FILE = "capliquify-ops.toml"
DEFAULT_EVIDENCE = ".readiness"
_KNOWN = frozenset({"targets", "default_target", "evidence_dir", "limits", "suppressions"})


@dataclass(frozen=True, slots=True)
class Settings:
    """The effective configuration. `origins` says for each option where its value came from."""

    targets: Mapping[str, Target]
    default_target: str
    evidence_dir: Path
    limits: Limits
    file: Path | None
    origins: Mapping[str, str]
    suppressions: tuple[Suppression, ...] = ()

    def target(self, name: str | None, *, observing: bool) -> Target:
        """Choose the target: named, the default, the only one, DATABASE_URL for observing commands, else embedded."""
        return self._chosen(name, observing=observing).require_complete()

    def _chosen(self, name: str | None, *, observing: bool) -> Target:
        wanted = name or self.default_target
        if wanted:
            return self._named(wanted)
        configured = [found for key, found in self.targets.items() if key not in {EMBEDDED, FROM_ENVIRONMENT}]
        if len(configured) == 1:
            return configured[0]
        if configured:
            names = ", ".join(sorted(found.name for found in configured))
            raise UsageError("Several targets are configured and none was chosen.", hint=f"Add --target with one of: {names}.")
        if observing and FROM_ENVIRONMENT in self.targets:
            return self.targets[FROM_ENVIRONMENT]
        return self.targets[EMBEDDED]

    def _named(self, name: str) -> Target:
        if name == FROM_ENVIRONMENT and name not in self.targets:
            raise UsageError("Target 'env' needs the variable DATABASE_URL, which is not set.")
        if name not in self.targets:
            raise UsageError(f"There is no target {name!r}.", hint=nearest(name, self.targets))
        return self.targets[name]


def load_settings(
    file: Path | None = None, evidence_dir: Path | None = None, environment: Mapping[str, str] | None = None
) -> Settings:
    """Read the configuration.

    `file` and `evidence_dir` come from the command line and win over CAPLIQUIFY_CONFIG and CAPLIQUIFY_EVIDENCE_DIR; the
    file defaults to capliquify-ops.toml of the current folder. Raises ConfigurationInvalid with file and line.
    """
    env = os.environ if environment is None else environment
    path, path_origin = _file(file, env)
    table = _read(path) if path else {}
    where = str(path) if path else ""
    for key in table:
        if key not in _KNOWN:
            raise unknown("key", key, _KNOWN, where)
    limits = _section(table, "limits", where)
    require_tightened(limits, where)
    folder, folder_origin = _evidence(evidence_dir, env, table, where)
    targets = _targets(table, where, path, env)
    return Settings(
        targets=targets,
        default_target=env.get("CAPLIQUIFY_TARGET", _default_target(table, where, targets)),
        evidence_dir=folder,
        limits=load_limits(limits, where),
        file=path,
        origins={"file": path_origin, "evidence_dir": folder_origin},
        suppressions=parse_suppressions(table.get("suppressions", []), where),
    )


def _file(file: Path | None, env: Mapping[str, str]) -> tuple[Path | None, str]:
    if file is not None:
        return file, "--config"
    if env.get("CAPLIQUIFY_CONFIG"):
        return Path(env["CAPLIQUIFY_CONFIG"]), "CAPLIQUIFY_CONFIG"
    default = Path(DEFAULT_FILE)
    return (default, "current folder") if default.is_file() else (None, "none found")


def _read(path: Path) -> dict[str, object]:
    text = ""
    try:
        text = path.read_text(encoding="utf-8")
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        said = str(error).replace("at end of document", f"at line {text.count(chr(10)) + 1}, the end of the document")
        raise ConfigurationInvalid(f"{path} is not valid TOML: {said}.") from None
    except UnicodeDecodeError:
        raise ConfigurationInvalid(f"{path} is not UTF-8 text.") from None
    except OSError as error:
        raise ConfigurationInvalid(f"{path} cannot be read: {error.strerror}.", hint="Check --config.") from None


def _section(table: Mapping[str, object], key: str, where: str) -> Mapping[str, object]:
    found = table.get(key, {})
    if not isinstance(found, dict):
        raise ConfigurationInvalid(f"{where}: {key} must be a table.")
    return found


def _text(table: Mapping[str, object], key: str, where: str) -> str:
    found = table.get(key, "")
    if not isinstance(found, str):
        raise ConfigurationInvalid(f"{where}: {key} must be text.")
    return found


def _default_target(table: Mapping[str, object], where: str, targets: Mapping[str, Target]) -> str:
    name = _text(table, "default_target", where)
    if name and name not in {*targets, FROM_ENVIRONMENT}:
        raise unknown("default_target", name, targets, where)
    return name


def _evidence(option: Path | None, env: Mapping[str, str], table: Mapping[str, object], where: str) -> tuple[Path, str]:
    if option is not None:
        return option, "--evidence-dir"
    if env.get("CAPLIQUIFY_EVIDENCE_DIR"):
        return Path(env["CAPLIQUIFY_EVIDENCE_DIR"]), "CAPLIQUIFY_EVIDENCE_DIR"
    if "evidence_dir" in table:
        return Path(_text(table, "evidence_dir", where)), where
    return Path(DEFAULT_EVIDENCE), "default"


def _targets(table: Mapping[str, object], where: str, path: Path | None, env: Mapping[str, str]) -> dict[str, Target]:
    folder = path.parent if path else Path()
    profile = load_profile("capliquify", folder)
    found = {EMBEDDED: Target(name=EMBEDDED, kind=TargetClass.LOOPBACK, profile=profile)}
    if env.get("DATABASE_URL"):
        found[FROM_ENVIRONMENT] = Target(
            name=FROM_ENVIRONMENT,
            kind=TargetClass.PRODUCTION,
            profile=profile,
            database_url=Secret(env["DATABASE_URL"]),
        )
    for name, row in _section(table, "targets", where).items():
        if name in {EMBEDDED, FROM_ENVIRONMENT}:
            raise ConfigurationInvalid(f"{where}: the target name {name!r} is reserved.")
        found[name] = parse_target(name, row, where=where, folder=folder, env=env)
    return found
