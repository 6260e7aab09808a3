"""The routes of a profile: one row each, and the surface of the service that it belongs to."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

from capliquify_ops.configuration.nearest import unknown
from capliquify_ops.model.errors import ConfigurationInvalid

SURFACES = (
    "collection", "item", "children", "users", "user", "own_profile", "search", "report", "lookup", "export", "export_state",
    "export_file", "job", "job_state", "events", "api_keys", "api_key", "invitations", "invitation", "invitation_acceptance",
    "serialised", "audit_log", "sign_out", "tenants", "tenant", "tenant_suspension", "tenant_resumption", "other",
)  # fmt: skip
"""What a route is to its tenant; docs/reference/profile.md says what each one takes and returns."""
KINDS = ("tenant", "public", "platform")
_NAMED_SO: Mapping[str, str] = MappingProxyType(
    {"users": "users", "user": "user", "user_profile": "own_profile", "audit_logs": "audit_log", "sign_out": "sign_out"}
)
"""Routes whose names say what they are, since before there were surfaces."""
_KNOWN = frozenset(
    {"path", "kind", "methods", "least_role", "feature", "fields", "surface", "query", "returns", "table", "delete_role"}
)
_NOTHING: Mapping[str, str] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class Route:
    """One route of the service. `path` may hold `{id}`; `kind` is tenant, public or platform.

    `surface` is one of SURFACES, `query` the name of the parameter that a search takes. `returns` names members of the
    answer where a surface gives something to go on with, such as `secret` (a new API key) or `state` (of a job). `table` is
    the tenant's table that a collection's rows stand in: the route's name where the profile does not say.
    `delete_role` is the least role that deletes a row.
    """

    name: str
    path: str
    kind: str
    methods: tuple[str, ...]
    least_role: str
    feature: str
    fields: Mapping[str, object]
    surface: str = "other"
    query: str = ""
    returns: Mapping[str, str] = field(default_factory=lambda: _NOTHING)
    table: str = ""
    delete_role: str = "admin"


def parse_routes(rows: Mapping[str, Mapping[str, object]], where: str) -> dict[str, Route]:
    """Return the routes by name. Raises ConfigurationInvalid for an unknown key, kind or surface."""
    return {name: _route(name, row, f"{where}: routes.{name}") for name, row in rows.items()}


def _route(name: str, row: Mapping[str, object], where: str) -> Route:
    for key in row:
        if key not in _KNOWN:
            raise unknown("key", key, _KNOWN, where)
    methods, fields, returns = row.get("methods", ["GET"]), row.get("fields", {}), row.get("returns", {})
    if not isinstance(methods, list) or not isinstance(fields, dict) or not isinstance(returns, dict):
        raise TypeError(f"routes.{name}")
    route = Route(
        name=name,
        path=str(row["path"]),
        kind=_one_of("kind", str(row["kind"]), KINDS, where),
        methods=tuple(methods),
        least_role=str(row.get("least_role", "viewer")),
        feature=str(row.get("feature", "")),
        fields=fields,
        surface=_one_of("surface", str(row.get("surface", _NAMED_SO.get(name, ""))) or _usual(row), SURFACES, where),
        query=str(row.get("query", "")),
        returns={str(key): str(value) for key, value in returns.items()},
        table=str(row.get("table", name)),
        delete_role=str(row.get("delete_role", "admin")),
    )
    if route.surface == "search" and not route.query:
        raise ConfigurationInvalid(f'{where}: a search needs the name of its parameter, such as query = "q".')
    return route


def _usual(row: Mapping[str, object]) -> str:
    """Return what a route without a surface is: a row of a collection, a collection where rows are made, or something else."""
    path = str(row["path"])
    if row["kind"] != "tenant":
        return "other"
    if path.endswith("/{id}"):
        return "item"
    return "collection" if "{id}" not in path and row.get("fields") else "other"


def _one_of(what: str, value: str, known: tuple[str, ...], where: str) -> str:
    if value not in known:
        raise unknown(what, value, known, where)
    return value
