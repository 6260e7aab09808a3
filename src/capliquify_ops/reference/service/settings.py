"""The service's settings: one JSON file in, one frozen value out. The environment is never read."""

import dataclasses
import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from capliquify_ops.reference.service.switches import Switches

_Settings = TypeVar("_Settings")


class SettingsInvalid(Exception):
    """The settings file cannot be used; the text says which key and why, never a value."""


@dataclass(frozen=True, slots=True)
class ServiceSettings:
    """What the service is told at its start; the defaults are those of the HTTP contract."""

    host: str
    port: int
    instance: str
    run_folder: str
    database_url: str = field(repr=False)
    platform_database_url: str = field(repr=False)
    owner_role: str
    issuer: str
    authorized_party: str
    keys_file: str
    identity_url: str
    workers: int = 1
    pool_size: int = 10
    rate_limit_per_s: float = 200.0
    rate_limit_burst: float = 400.0
    access_log: str | None = None
    listen_database_url: str = field(default="", repr=False)
    """Where LISTEN works, if `database_url` leads through a pooler."""
    pooled: bool = False
    """Whether `database_url` leads through a pooler such as PgBouncer."""
    serials: bool = False
    """Whether each tenant also has a table of serial ids: serials.sql."""
    switches: str = ""
    """Names of defects and twins, comma between: switches.py."""

    @property
    def pool_size_per_worker(self) -> int:
        """The share of each worker: the service as a whole never holds more than pool_size connections."""
        return max(1, self.pool_size // self.workers)


@dataclass(frozen=True, slots=True)
class IdentitySettings:
    """What the identity process is told at its start."""

    host: str
    port: int
    instance: str
    run_folder: str
    admin_token: str = field(repr=False)


def load_settings(path: Path) -> ServiceSettings:
    """The service's settings from a JSON file; SettingsInvalid when a key is missing, unknown or of the wrong type."""
    settings = _build(ServiceSettings, _document(path), path)
    positive = ("workers", "pool_size", "rate_limit_per_s", "rate_limit_burst")
    for name in positive:
        if getattr(settings, name) <= 0:
            raise SettingsInvalid(f"{path}: '{name}' must be greater than zero; correct it and start again.")
    try:
        Switches(settings.switches, path.parent)
    except ValueError as problem:
        raise SettingsInvalid(f"{path}: {problem}") from None
    if settings.workers > settings.pool_size:
        raise SettingsInvalid(f"{path}: every worker needs a connection; lower 'workers' or raise 'pool_size'.")
    return settings


def load_identity_settings(path: Path) -> IdentitySettings:
    """The identity process's settings from a JSON file; SettingsInvalid as for load_settings."""
    return _build(IdentitySettings, _document(path), path)


def _document(path: Path) -> dict[str, object]:
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as problem:
        raise SettingsInvalid(
            f"{path} cannot be read as JSON ({type(problem).__name__}); give a readable file with --settings."
        ) from None
    if not isinstance(document, dict):
        raise SettingsInvalid(f"{path} must hold one JSON object; give such a file with --settings.")
    return document


def _build(kind: type[_Settings], document: dict[str, object], path: Path) -> _Settings:
    fields = {item.name: item for item in dataclasses.fields(kind)}  # type: ignore[arg-type]
    required = {name for name, item in fields.items() if item.default is dataclasses.MISSING}
    if unknown := document.keys() - fields.keys():
        raise SettingsInvalid(f"{path} has unknown keys: {', '.join(sorted(unknown))}; remove them.")
    if missing := required - document.keys():
        raise SettingsInvalid(f"{path} lacks keys: {', '.join(sorted(missing))}; add them.")
    values: dict[str, Any] = {name: _typed(name, value, fields[name].type, path) for name, value in document.items()}
    return kind(**values)


def _typed(name: str, value: object, wanted: object, path: Path) -> object:
    if wanted is float and type(value) in (int, float):
        return float(value)  # type: ignore[arg-type]
    if wanted is bool and value in (0, 1):
        return bool(value)
    if wanted in (str, int) and type(value) is wanted:
        return value
    if wanted == str | None and (value is None or type(value) is str):
        return value
    raise SettingsInvalid(f"{path}: '{name}' has the wrong type ({type(value).__name__}); correct it and start again.")
