"""One [targets.NAME] table: parsed, complete, its secrets read."""

from collections.abc import Mapping
from dataclasses import fields
from pathlib import Path
from urllib.parse import urlsplit

from capliquify_ops.configuration.identity_table import parse_identity
from capliquify_ops.configuration.integration_table import parse_integrations
from capliquify_ops.configuration.nearest import nearest, unknown
from capliquify_ops.configuration.profile import load_profile
from capliquify_ops.configuration.secret_setting import read_secret, spellings
from capliquify_ops.configuration.target import Target, TargetClass
from capliquify_ops.model.errors import ConfigurationInvalid
from capliquify_ops.model.roles import Roles

_SECRETS = ("database_url", "operator_url")
_KNOWN = frozenset(
    {"class", "app_role", "base_url", "profile", "prometheus_url", "pooled", "identity", "roles", "integrations"}
    | {"log_files", "mail_folder"}
    | spellings(_SECRETS)
)


def parse_target(name: str, row: object, *, where: str, folder: Path, env: Mapping[str, str]) -> Target:
    """Parse one target. Relative files are relative to the configuration file. Raises ConfigurationInvalid."""
    at = f"{where}: targets.{name}"
    if not isinstance(row, dict):
        raise ConfigurationInvalid(f"{at} must be a table.")
    for key in row:
        if key not in _KNOWN:
            raise unknown("key", key, _KNOWN, at)
    (database_url, no_database), (operator_url, no_operator) = (read_secret(row, key, at, folder, env) for key in _SECRETS)
    return Target(
        name=name,
        kind=_class(row.get("class", TargetClass.PRODUCTION.value), at),
        profile=load_profile(_text(row, "profile", at) or "capliquify", folder),
        database_url=database_url,
        operator_url=operator_url,
        base_url=_http(_text(row, "base_url", at), f"{at}.base_url"),
        prometheus_url=_http(_text(row, "prometheus_url", at), f"{at}.prometheus_url"),
        pooled=_flag(row, "pooled", at),
        roles=_roles(row, at),
        identity=parse_identity(row.get("identity", {}), f"{at}.identity", folder, env),
        integrations=parse_integrations(row.get("integrations", {}), f"{at}.integrations", folder, env, _http),
        missing=tuple(filter(None, (no_database, no_operator))),
        log_files=_files(row, "log_files", at, folder),
        mail_folder=folder / mail if (mail := _text(row, "mail_folder", at)) else None,
    )


def _class(value: object, at: str) -> TargetClass:
    try:
        return TargetClass(str(value))
    except ValueError:
        raise ConfigurationInvalid(f"{at}: class {value!r} is unknown.", hint=nearest(str(value), TargetClass)) from None


def _text(row: Mapping[str, object], key: str, at: str) -> str:
    value = row.get(key, "")
    if not isinstance(value, str):
        raise ConfigurationInvalid(f"{at}.{key} must be text.")
    return value


def _files(row: Mapping[str, object], key: str, at: str, folder: Path) -> tuple[Path, ...]:
    value = row.get(key, [])
    if not isinstance(value, list) or not all(isinstance(name, str) and name for name in value):
        raise ConfigurationInvalid(f"{at}.{key} must be a list of files.")
    return tuple(folder / name for name in value)


def _flag(row: Mapping[str, object], key: str, at: str) -> bool:
    value = row.get(key, False)
    if not isinstance(value, bool):
        raise ConfigurationInvalid(f"{at}.{key} must be true or false.")
    return value


def _http(url: str, at: str) -> str:
    if not url:
        return ""
    try:
        parts = urlsplit(url)
        usable = parts.scheme in {"http", "https"} and bool(parts.hostname) and parts.port != 0
    except ValueError:
        usable = False
    if not usable:
        raise ConfigurationInvalid(f"{at} is not an http or https address.")
    if parts.username or parts.password:
        raise ConfigurationInvalid(
            f"{at} carries a user or password.", hint="Put credentials into targets.*.identity or targets.*.integrations."
        )
    return url.rstrip("/")


def _roles(row: Mapping[str, object], at: str) -> Roles:
    given = row.get("roles", {})
    if not isinstance(given, dict):
        raise ConfigurationInvalid(f"{at}.roles must be a table.")
    known = {field.name for field in fields(Roles)}
    for key in given:
        if key not in known:
            raise unknown("key", key, known, f"{at}.roles")
    names = {key: _text(given, key, f"{at}.roles") for key in given}
    if app := _text(row, "app_role", at):
        names["app"] = app
    return Roles(**names)
