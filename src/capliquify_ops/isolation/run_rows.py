"""The rows that an audit's run left in tenants that it did not make: found on every page of every list by what they carry."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from urllib.parse import quote

from capliquify_ops.configuration import Route
from capliquify_ops.isolation.bodies import references
from capliquify_ops.isolation.canary import carries
from capliquify_ops.isolation.made_objects import ID, MAKING, makes
from capliquify_ops.isolation.paging import NotShown, pages, rows_of
from capliquify_ops.isolation.probe import CannotTell
from capliquify_ops.isolation.world_model import Plant, World

LISTED = frozenset({"collection", "api_keys", "invitations", "users", "export", "job", "other"})
"""Surfaces whose lists show rows themselves, and not what is searched, added up or streamed."""
TELLING = frozenset({"text", "unique", "email"})
"""Kinds of fields that carry the run."""


@dataclass(frozen=True, slots=True)
class RunRow:
    """One row of a run: the tenant's key, the route that lists it, and its address, "" where no route deletes it.

    `depth`: rows that name others come before those.
    """

    tenant: str
    route: str
    id: str
    path: str
    depth: int = 0


@dataclass
class Search:
    """What was found; `failed` says what could not be looked through, `unseen` what no route shows or takes away."""

    rows: list[RunRow] = field(default_factory=list)
    failed: list[str] = field(default_factory=list)
    unseen: list[str] = field(default_factory=list)


def find_rows(world: World) -> Search:
    """Look through both tenants, as their owners. Raises TargetUnreachable."""
    search = Search(unseen=list(_unseen(world)))
    for key, tenant in world.tenants.items():
        try:
            world.person(f"{key}.owner")
        except CannotTell as error:
            search.failed.append(f"rows of tenant {tenant.slug}, which nobody looked for: {error}")
            continue
        known: dict[str, set[str]] = {}
        for route in sorted(listed(world), key=lambda one: _depth(world, one)):
            known[route.name] = set(_collect(world, key, route, known, search))
        for route in world.profile.surface("children"):
            if "GET" in route.methods:
                _children(world, key, route, known, search)
    return search


def listed(world: World) -> list[Route]:
    """Return the routes that list a tenant's rows."""
    return [route for route in world.routes("GET") if route.surface in LISTED]


def has_removal(world: World, plant: Plant) -> bool:
    """Whether a route deletes what was planted."""
    item = world.item_of(world.route(plant.route))
    return bool(plant.path) and item is not None and "DELETE" in item.methods


def _collect(world: World, key: str, route: Route, known: Mapping[str, set[str]], search: Search) -> Iterator[str]:
    """Note the rows of the run in one list, and yield their ids."""
    owner, depth = world.person(f"{key}.owner"), _depth(world, route)
    for row in _rows(world, key, route, route.path, search):
        if _is_of_run(world.run, route, row, known):
            row_id = str(row["id"])
            # Whoever deletes cannot go on after the own user is gone.
            path = "" if owner.email in map(str, row.values()) else _deleted_at(world, route, row_id)
            search.rows.append(RunRow(key, route.name, row_id, path, depth))
            yield row_id


def _children(world: World, key: str, route: Route, known: Mapping[str, set[str]], search: Search) -> None:
    """Note what hangs on rows of the run and is not in a list of its own: no other address of it is known."""
    source = next((one for one in world.routes("GET") if one.path == route.path.partition(ID)[0]), None)
    have = {(row.tenant, row.id) for row in search.rows}
    for parent in sorted(known.get(source.name, ())) if source else ():
        for row in _rows(world, key, route, route.path.format(id=quote(parent, safe="")), search):
            if (key, str(row["id"])) not in have and _is_of_run(world.run, route, row, known):
                search.rows.append(RunRow(key, route.name, str(row["id"]), ""))


def _rows(world: World, key: str, route: Route, path: str, search: Search) -> Iterator[Mapping[str, object]]:
    """Yield the rows of a list; why it is not shown, or not to its end, is noted. What the tier does not have is unseen only."""
    try:
        for page in pages(world, f"{key}.owner", path):
            yield from rows_of(page.data)
    except CannotTell as error:
        where = search.unseen if isinstance(error, NotShown) and (route.feature or not route.fields) else search.failed
        where.append(f"rows of {route.name} in tenant {world.tenants[key].slug}, which may be there: {error}")


def _is_of_run(run: str, route: Route, row: Mapping[str, object], known: Mapping[str, set[str]]) -> bool:
    """Whether the run made a row: by its own texts and codes, or because it names another row of the run.

    A user is one that a first login of the audit made: texts in a profile may have been put there by others.
    """
    if route.surface == "users":
        return any(re.fullmatch(rf"user_{run}_\w+([+\w]*@[\w.]+)?", str(value)) for value in row.values())
    named = references(route.fields)
    return any(carries(run, value) for value in _own(row)) or any(
        str(row.get(name)) in known.get(target, ()) for name, target in named.items()
    )


def _own(value: object) -> Iterator[object]:
    """Yield the values of a row without those of other rows that it shows."""
    inner: Sequence[object] = ()
    if isinstance(value, Mapping):
        inner = list(value.values())
    elif isinstance(value, list):
        inner = value
    else:
        yield value
    for one in inner:
        if not (isinstance(one, Mapping) and "id" in one):
            yield from _own(one)


def _deleted_at(world: World, route: Route, row_id: str) -> str:
    item = world.item_of(route)
    return item.path.format(id=quote(row_id, safe="")) if item is not None and "DELETE" in item.methods else ""


def _depth(world: World, route: Route, above: frozenset[str] = frozenset()) -> int:
    """Return how many rows hang one on the other up to a row of this route."""
    above |= {route.name}
    targets = [world.profile.routes.get(name) for name in references(route.fields).values()]
    return 1 + max((_depth(world, one, above) for one in targets if one is not None and one.name not in above), default=0)


def _unseen(world: World) -> Iterator[str]:
    """Say what such a search cannot find."""
    shown = {route.name for route in listed(world)}
    for route in world.profile.routes.values():
        if route.kind != "tenant":
            continue
        if makes(route) and route.name not in shown:
            yield f"what was made through the route {route.name}: no route lists it"
        elif route.surface in MAKING and makes(route) and route.fields and not _tells(route):
            yield f"rows made through the route {route.name}: no field of theirs can carry the run"
    if world.profile.surface("audit_log"):
        yield "entries of the audit log: they stay as the record of what was done"


def _tells(route: Route) -> bool:
    return bool(references(route.fields)) or any(kind in TELLING for kind in route.fields.values())
