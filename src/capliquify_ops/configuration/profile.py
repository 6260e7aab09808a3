"""A profile: how a deployment names things, so that the same suites run against any schema-per-tenant service."""

import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import resources
from pathlib import Path

from capliquify_ops.configuration.nearest import unknown
from capliquify_ops.configuration.profile_registry import Registry, parse_registry
from capliquify_ops.model.errors import ConfigurationInvalid

PROFILE_VERSION = 1


@dataclass(frozen=True, slots=True)
class Route:
    """One route of the service. `path` may hold `{id}`; `kind` is tenant, public or platform."""

    name: str
    path: str
    kind: str
    methods: tuple[str, ...]
    least_role: str
    feature: str
    fields: Mapping[str, object]


@dataclass(frozen=True, slots=True)
class Answer:
    """What a situation is answered with: allowed statuses and allowed error codes."""

    statuses: tuple[int, ...]
    codes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Profile:
    """A deployment's own names. `rate_limit` is requests per second and tenant, 0 when unknown.

    `required_environment` are the variables without which the service does not start; the names alone.
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

    @property
    def registry_table(self) -> str:
        """The registry as schema.table."""
        return self.registry.table

    @property
    def has_http(self) -> bool:
        """Whether the profile describes an HTTP surface at all."""
        return bool(self.routes)


_KNOWN = frozenset({"version", "name", "registry", "database", "http", "routes", "answers", "metrics", "deployment"})
_DEPLOYMENT = frozenset({"required_environment"})
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


def load_profile(name: str, folder: Path) -> Profile:
    """Load a packaged profile by name, or a file by path (relative to `folder`). Raises ConfigurationInvalid."""
    packaged = resources.files("capliquify_ops.configuration") / "profiles" / f"{name}.toml"
    if "/" not in name and not name.endswith(".toml") and packaged.is_file():
        return parse_profile(packaged.read_text(encoding="utf-8"), f"profile {name}")
    path = folder / name
    try:
        return parse_profile(path.read_text(encoding="utf-8"), str(path))
    except (OSError, UnicodeDecodeError):
        message = f"The profile {name!r} is neither packaged nor a readable file."
        raise ConfigurationInvalid(message, hint='The default is profile = "capliquify".') from None


def parse_profile(text: str, where: str) -> Profile:
    """Parse a profile's TOML."""
    try:
        table = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ConfigurationInvalid(f"{where}: {error}.") from None
    for key in table:
        if key not in _KNOWN:
            raise unknown("key", key, _KNOWN, where)
    if table.get("version") != PROFILE_VERSION:
        raise ConfigurationInvalid(f"{where}: version must be {PROFILE_VERSION}.")
    try:
        return _profile(table, where)
    except (KeyError, TypeError, AttributeError, ValueError) as error:
        raise ConfigurationInvalid(f"{where}: incomplete, {type(error).__name__} at {error}.") from None


def _profile(table: Mapping[str, Mapping[str, object] | object], where: str) -> Profile:
    section = {key: value for key, value in table.items() if isinstance(value, dict)}
    http = section.get("http", {})
    return Profile(
        name=str(table["name"]),
        registry=parse_registry(section["registry"], where),
        tenant_tables=tuple(section["database"]["tenant_tables"]),
        shared_tables=tuple(section["database"]["shared_tables"]),
        provision=str(section["database"].get("provision", "")),
        organization_header=str(http.get("organization_header", "")),
        organization_claim=str(http.get("organization_claim", "none")),
        routes={name: _route(name, row) for name, row in section.get("routes", {}).items()},
        answers={name: Answer(tuple(row["status"]), tuple(row["code"])) for name, row in section.get("answers", {}).items()},
        rate_limit=int(http.get("rate_limit", 0)),
        suspension_bound_s=float(http.get("suspension_bound_s", 0)),
        metrics=dict(section.get("metrics", {})),
        required_environment=_required_environment(table.get("deployment", {}), where),
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


def _route(name: str, row: Mapping[str, object]) -> Route:
    methods, fields = row.get("methods", ["GET"]), row.get("fields", {})
    if not isinstance(methods, list) or not isinstance(fields, dict):
        raise TypeError(f"routes.{name}")
    return Route(
        name=name,
        path=str(row["path"]),
        kind=str(row["kind"]),
        methods=tuple(methods),
        least_role=str(row.get("least_role", "viewer")),
        feature=str(row.get("feature", "")),
        fields=fields,
    )
