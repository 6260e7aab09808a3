"""A profile: how a deployment names things, so that the same suites run against any schema-per-tenant service."""

import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib import resources
from pathlib import Path
from types import MappingProxyType

from capliquify_ops.configuration.nearest import unknown
from capliquify_ops.configuration.profile_http import body, tenant_host, tenant_path
from capliquify_ops.configuration.profile_registry import Registry, parse_registry
from capliquify_ops.configuration.profile_routes import Route, parse_routes
from capliquify_ops.model.errors import ConfigurationInvalid

__all__ = ["Answer", "Profile", "Route", "load_profile", "parse_profile"]

PROFILE_VERSION = 1
MOST_EXTENDED = 4
"""A profile that extends itself ends here."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What a situation is answered with: allowed statuses and allowed error codes."""

    statuses: tuple[int, ...]
    codes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Profile:
    """A deployment's own names. `rate_limit` is requests per second and tenant, 0 when unknown.

    `required_environment` are the variables without which the service does not start; the names alone. `not_applicable`
    gives the reason why a check, or a surface, does not exist on this service, by its id or name; reports print it.
    `openapi` is the path of a document that lists every route. `tenant_host` and `tenant_path` are templates of the host's name
    and of the path's beginning where those choose the tenant; `body` is json or form. `sign_out_bound_s` and
    `suspension_bound_s` are the seconds after which such a change must have taken effect, `cache_bound_s` those after which a
    list must show what was written.
    """

    name: str
    registry: Registry
    tenant_tables: tuple[str, ...]
    shared_tables: tuple[str, ...]
    provision: str
    organization_header: str
    organization_claim: str
    routes: Mapping[str, Route]
    answers: Mapping[str, Answer]
    rate_limit: int
    suspension_bound_s: float
    metrics: Mapping[str, str]
    required_environment: tuple[str, ...] = ()
    sign_out_bound_s: float = 0.0
    cache_bound_s: float = 0.0
    idempotency_header: str = ""
    api_key_header: str = ""
    cache_header: str = ""
    openapi: str = ""
    tenant_host: str = ""
    tenant_path: str = ""
    body: str = "json"
    not_applicable: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))

    @property
    def registry_table(self) -> str:
        """The registry as schema.table."""
        return self.registry.table

    def surface(self, name: str) -> list[Route]:
        """Return the routes of a surface, in the profile's order."""
        return [route for route in self.routes.values() if route.surface == name]

    def route(self, name: str) -> Route | None:
        """Return a route by its name or, where none is called so, the first one of that surface."""
        return self.routes.get(name) or next(iter(self.surface(name)), None)

    @property
    def has_http(self) -> bool:
        """Whether the profile describes an HTTP surface at all."""
        return bool(self.routes)


_KNOWN = frozenset(
    {"version", "name", "extends", "registry", "database", "http", "routes", "answers", "metrics", "deployment", "not_applicable"}
)
_HTTP = frozenset(
    {
        "organization_header", "organization_claim", "rate_limit", "suspension_bound_s", "sign_out_bound_s", "idempotency_header",
        "api_key_header", "cache_header", "cache_bound_s", "openapi", "tenant_host", "tenant_path", "body",
    }
)  # fmt: skip
_DEPLOYMENT = frozenset({"required_environment"})
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


def load_profile(name: str, folder: Path) -> Profile:
    """Load a packaged profile by name, or a file by path (relative to `folder`). Raises ConfigurationInvalid."""
    text, where = _read(name, folder)
    return parse_profile(text, where, folder)


def _read(name: str, folder: Path) -> tuple[str, str]:
    packaged = resources.files("capliquify_ops.configuration") / "profiles" / f"{name}.toml"
    if "/" not in name and not name.endswith(".toml") and packaged.is_file():
        return packaged.read_text(encoding="utf-8"), f"profile {name}"
    path = folder / name
    try:
        return path.read_text(encoding="utf-8"), str(path)
    except (OSError, UnicodeDecodeError):
        message = f"The profile {name!r} is neither packaged nor a readable file."
        raise ConfigurationInvalid(message, hint='The default is profile = "capliquify".') from None


def parse_profile(text: str, where: str, folder: Path = Path()) -> Profile:
    """Parse a profile's TOML, laid over the profile that it `extends` (found as `load_profile` finds one). Raises likewise."""
    table = _extended(_table(text, where), where, folder, MOST_EXTENDED)
    try:
        return _profile(table, where)
    except (KeyError, TypeError, AttributeError, ValueError) as error:
        raise ConfigurationInvalid(f"{where}: incomplete, {type(error).__name__} at {error}.") from None


def _table(text: str, where: str) -> dict[str, object]:
    try:
        table = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ConfigurationInvalid(f"{where}: {error}.") from None
    for key in table:
        if key not in _KNOWN:
            raise unknown("key", key, _KNOWN, where)
    if table.get("version") != PROFILE_VERSION:
        raise ConfigurationInvalid(f"{where}: version must be {PROFILE_VERSION}.")
    return table


def _extended(table: dict[str, object], where: str, folder: Path, left: int) -> dict[str, object]:
    name = table.get("extends")
    if name is None:
        return table
    if not isinstance(name, str) or not left:
        raise ConfigurationInvalid(f"{where}: extends must name another profile, {MOST_EXTENDED} deep at most.")
    text, base = _read(name, folder)
    return _over(_extended(_table(text, base), base, folder, left - 1), table)


def _over(base: Mapping[str, object], own: Mapping[str, object]) -> dict[str, object]:
    """Lay a profile over the one that it extends: tables are merged by key, down to the single route; all else is replaced."""
    merged = dict(base)
    for key, value in own.items():
        before = merged.get(key)
        if isinstance(before, dict) and isinstance(value, dict):
            merged[key] = before | value
        else:
            merged[key] = value
    return merged


def _not_applicable(rows: object, where: str) -> Mapping[str, str]:
    if not isinstance(rows, dict) or not all(isinstance(why, str) and why.strip() for why in rows.values()):
        raise ConfigurationInvalid(f"{where}: not_applicable must give a reason for each check or surface it names.")
    return dict(rows)


def _profile(table: Mapping[str, Mapping[str, object] | object], where: str) -> Profile:
    section = {key: value for key, value in table.items() if isinstance(value, dict)}
    http = section.get("http", {})
    for key in http:
        if key not in _HTTP:
            raise unknown("key", key, _HTTP, f"{where}: http")
    return Profile(
        name=str(table["name"]),
        registry=parse_registry(section["registry"], where),
        tenant_tables=tuple(section["database"]["tenant_tables"]),
        shared_tables=tuple(section["database"]["shared_tables"]),
        provision=str(section["database"].get("provision", "")),
        organization_header=str(http.get("organization_header", "")),
        organization_claim=str(http.get("organization_claim", "none")),
        routes=parse_routes(section.get("routes", {}), where),
        answers={name: Answer(tuple(row["status"]), tuple(row["code"])) for name, row in section.get("answers", {}).items()},
        rate_limit=int(http.get("rate_limit", 0)),
        suspension_bound_s=float(http.get("suspension_bound_s", 0)),
        metrics=dict(section.get("metrics", {})),
        required_environment=_required_environment(table.get("deployment", {}), where),
        sign_out_bound_s=float(http.get("sign_out_bound_s", 0)),
        cache_bound_s=float(http.get("cache_bound_s", 0)),
        idempotency_header=str(http.get("idempotency_header", "")),
        api_key_header=str(http.get("api_key_header", "")),
        cache_header=str(http.get("cache_header", "")),
        openapi=str(http.get("openapi", "")),
        tenant_host=tenant_host(http, where),
        tenant_path=tenant_path(http, where),
        body=body(http, where),
        not_applicable=_not_applicable(table.get("not_applicable", {}), where),
    )


def _required_environment(row: object, where: str) -> tuple[str, ...]:
    if not isinstance(row, dict):
        raise ConfigurationInvalid(f"{where}: deployment must be a table.")
    for key in row:
        if key not in _DEPLOYMENT:
            raise unknown("key", key, _DEPLOYMENT, f"{where}: deployment")
    names = row.get("required_environment", [])
    if not isinstance(names, list) or not all(isinstance(name, str) and _VARIABLE.fullmatch(name) for name in names):
        raise ConfigurationInvalid(f"{where}: deployment.required_environment must be a list of names of variables.")
    return tuple(dict.fromkeys(names))
