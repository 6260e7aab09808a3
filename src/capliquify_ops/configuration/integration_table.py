"""The [targets.NAME.integrations.*] tables: which outside services belong to a target, and how one gets in there."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from capliquify_ops.configuration.nearest import unknown
from capliquify_ops.configuration.secret_setting import SUFFIXES, read_secret, spellings
from capliquify_ops.configuration.target import Integration
from capliquify_ops.model.errors import ConfigurationInvalid
from capliquify_ops.model.secret import Secret


@dataclass(frozen=True, slots=True)
class _Keys:
    """The keys of one service's table; `needed` are options and secrets without which nothing can be asked of it."""

    secrets: tuple[str, ...]
    options: tuple[str, ...] = ()
    needed: tuple[str, ...] = ()
    has_address: bool = True


SERVICES: Mapping[str, _Keys] = {
    "render": _Keys(("token",), ("service",), ("token", "service")),
    "sentry": _Keys(("token",), ("organization", "project", "region"), ("token", "organization", "project")),
    "clerk": _Keys(("secret_key",), (), ("secret_key",)),
    "prometheus": _Keys(("token",), ("user",), has_address=False),
    "pagerduty": _Keys(("token", "routing_key"), ("user", "service")),
    "slack": _Keys(("token", "webhook"), ("channel",)),
    "pgbouncer": _Keys(("url",), (), ("url",), has_address=False),
}
"""Prometheus is at the target's prometheus_url; its table is for the proxy before it. PgBouncer's url is that of its console."""


def parse_integrations(
    row: object, at: str, folder: Path, env: Mapping[str, str], address: Callable[[str, str], str]
) -> Mapping[str, Integration]:
    """Parse the tables. A secret that is not here stops only what needs that service. Raises ConfigurationInvalid."""
    if not isinstance(row, dict):
        raise ConfigurationInvalid(f"{at} must be a table.")

    def secret(table: Mapping[str, object], key: str, place: str) -> tuple[Secret | None, str]:
        return read_secret(table, key, place, folder, env)

    found: dict[str, Integration] = {}
    for name, table in row.items():
        if name not in SERVICES:
            raise unknown("service", name, SERVICES, at)
        if not isinstance(table, dict):
            raise ConfigurationInvalid(f"{at}.{name} must be a table.")
        found[name] = _integration(SERVICES[name], table, f"{at}.{name}", secret, address)
    return found


def _integration(
    keys: _Keys,
    table: Mapping[str, object],
    at: str,
    secret: Callable[[Mapping[str, object], str, str], tuple[Secret | None, str]],
    address: Callable[[str, str], str],
) -> Integration:
    texts = (*keys.options, *(["base_url"] if keys.has_address else []))
    _require_known(table, keys, texts, at)
    options = {key: _text(table, key, at) for key in texts}
    if keys.has_address:
        options["base_url"] = address(options["base_url"], f"{at}.base_url")
    read = {key: secret(table, key, at) for key in keys.secrets}
    secrets = {key: found for key, (found, _) in read.items() if found is not None}
    return Integration(options, secrets, " ".join(why for _, why in read.values() if why))


def _require_known(table: Mapping[str, object], keys: _Keys, texts: tuple[str, ...], at: str) -> None:
    known = spellings(keys.secrets) | set(texts)
    for key in table:
        if key not in known:
            raise unknown("key", key, known, at)
    for key in keys.needed:
        if not any(f"{key}{suffix}" in table for suffix in SUFFIXES):
            raise ConfigurationInvalid(f"{at} lacks {key}.", hint=f"Add {key}{'_env' if key in keys.secrets else ''}.")


def _text(table: Mapping[str, object], key: str, at: str) -> str:
    value = table.get(key, "")
    if not isinstance(value, str):
        raise ConfigurationInvalid(f"{at}.{key} must be text.")
    return value
