"""INT-18 and SEC-001: one tenant's valid credentials against everything that belongs to another."""

from functools import partial

from capliquify_ops.configuration import Route
from capliquify_ops.isolation import upserts
from capliquify_ops.isolation.bodies import references
from capliquify_ops.isolation.exchange import Call, objects
from capliquify_ops.isolation.paging import pages
from capliquify_ops.isolation.probe import (
    NO_SUCCESS,
    OWN_OR_REFUSED,
    REFUSED,
    SUCCESS,
    CannotTell,
    Probes,
    answers,
    noted,
    untried,
)
from capliquify_ops.isolation.refused_writes import Wrong, clean, refused_writes
from capliquify_ops.isolation.routes import (
    NO_HEADER,
    OTHER,
    has_header,
    has_row_with,
    is_as_it_was,
    reads_item,
    reads_own,
    row_of,
    user_row_id,
)
from capliquify_ops.isolation.world_model import GUESSABLE_LENGTH, Plant, World

ITEM_METHODS = ("GET", "HEAD", "PUT", "PATCH", "DELETE")
ATTEMPTS = 12
"""Rows made in search of an id that only one tenant uses."""


def foreign_resource(world: World) -> Probes:
    """INT-18: asking for another tenant's row by its id is answered as an id that does not exist."""
    expected = answers(world.profile, "unknown_resource")
    route = world.planting_route()
    for key in ("a", "b"):
        yield (control := reads_own(world, f"{key}.owner"))
        for plant in foreign_plants(world, key, route):
            yield reads_item(world, plant)
            answer = world.get(f"{key}.owner", plant.path)
            yield answer.probe(f"{key}.owner reads {plant.route} {plant.id[-6:]} of {plant.tenant}", expected, needs=control.name)


def foreign_plants(world: World, key: str, route: Route) -> list[Plant]:
    """Return rows of the other tenant whose ids the own tenant does not use too; at least one, made where necessary."""
    usable = [plant for plant in world.planted(OTHER[key], route.name) if not is_shared_id(world, key, plant)]
    return usable or [victim_of(world, key, route)]


def victim_of(world: World, key: str, route: Route) -> Plant:
    """Make a row of the other tenant for a probe to aim at, with an id that the own tenant does not use too."""
    coincident: list[Plant] = []
    for _ in range(ATTEMPTS):
        plant = world.plant(OTHER[key], route)
        if not is_shared_id(world, key, plant):
            world.uproot(coincident)
            return plant
        coincident.append(plant)
    world.uproot(coincident)
    raise CannotTell(f"Each of {ATTEMPTS} new {route.name} rows of {OTHER[key]} has an id that {key} uses too.")


def is_shared_id(world: World, key: str, plant: Plant) -> bool:
    """Whether a short id also names a row of the own tenant.

    Where every schema counts on its own, equal ids are ordinary: asking for one rightly gives the own row, so only the
    content can tell, and a write would hit the own row.
    """
    if len(plant.id) >= GUESSABLE_LENGTH:
        return False
    answer = world.get(f"{key}.owner", plant.path)
    return answer.is_success and not answer.foreign


def other_tenants_data(world: World) -> Probes:
    """SEC-001: every item, collection and write of the other tenant, with the own session; then its rows are unchanged."""
    for key in ("a", "b"):
        yield reads_own(world, f"{key}.owner")
        yield from _collections(world, key)
        yield from _items(world, key)
        yield from _users(world, key)
        yield from _as_other_organization(world, key)
        yield from _writes_for_other(world, key)
        yield from _foreign_references(world, key)
        yield reads_own(world, f"{OTHER[key]}.owner")


def _collections(world: World, key: str) -> Probes:
    """Every list with the own session and organisation: the other tenant's rows are not in it."""
    for route in world.lists():
        answer = world.get(f"{key}.owner", route.path)
        yield answer.probe(f"{key}.owner reads {route.path}", OWN_OR_REFUSED, needs=f"{key}.owner reads own rows")


def _items(world: World, key: str) -> Probes:
    """Every method on a row of the other tenant. The row is made for this, so that nothing else is lost when one succeeds."""
    who, needs = f"{key}.owner", f"{key}.owner reads own rows"
    route = world.planting_route()
    for method in ITEM_METHODS:
        with world.temporary(victim_of(world, key, route)) as victim:
            yield (seen := reads_item(world, victim))
            before = row_of(world, victim)
            content = None if method in {"GET", "HEAD", "DELETE"} else _takeover(world, key, route)
            answer = world.send(Call(method, victim.path, world.person(who), json=content))
            what = f"the row of {victim.tenant} was changed or deleted by {method} of {who}"
            problem = "" if is_as_it_was(world, victim, before) else what
            another = partial(_takeover, world, key, route)
            expected = REFUSED if problem else upserts.allowed(world, answer, victim.id, REFUSED, another)
            yield answer.probe(f"{who} {method} on a {route.name} row of {victim.tenant}", expected, needs=needs)
            yield noted(f"the row after {method}", problem, request=answer.call.line(), needs=seen.name, is_change=True)


def _takeover(world: World, key: str, route: Route) -> object:
    return world.draft(key, route, "takeover")[0]


def _users(world: World, key: str) -> Probes:
    """Changing the role of another tenant's user."""
    if world.profile.route("user") is None or world.profile.route("users") is None:
        return
    who, other = f"{key}.owner", f"{OTHER[key]}.member"
    row_id = foreign_user_id(world, who, other)
    if not row_id:
        yield untried(
            f"{who} changes the role of {other}", "no row of that user with an id of its own is listed", is_optional=True
        )
        return
    path = world.route("user").path.format(id=row_id)
    answer = world.send(Call("PATCH", path, world.person(who), json={"role": "viewer"}))
    yield answer.probe(f"{who} changes the role of {other}", REFUSED, needs=f"{who} reads own rows")
    listed = pages(world, f"{OTHER[key]}.owner", world.route("users").path)
    rows = (row for page in listed for row in objects(page.data))
    role = next((row.get("role") for row in rows if str(row["id"]) == row_id), None)
    problem = "" if role in {world.person(other).role, None} else f"{other} is now {role!r}"
    yield noted(f"the role of {other} afterwards", problem, request=answer.call.line(), is_change=True)
    if problem:
        world.send(Call("PATCH", path, world.person(f"{OTHER[key]}.owner"), json={"role": world.person(other).role}))


def foreign_user_id(world: World, who: str, other: str) -> str:
    """Return the id of another tenant's user, "" where none is listed or the own tenant uses that id too."""
    if other not in world.people:
        return ""
    own = {str(row["id"]) for page in pages(world, who, world.route("users").path) for row in objects(page.data)}
    row_id = user_row_id(world, f"{world.person(other).tenant}.owner", other)
    return "" if row_id in own else row_id


def _as_other_organization(world: World, key: str) -> Probes:
    """Every list with the other tenant's organisation in the header and the own session."""
    who, organization = f"{key}.owner", world.tenant(OTHER[key]).organization_id
    if not has_header(world):
        yield untried(f"{who} in the organisation of {OTHER[key]}", NO_HEADER, is_optional=True)
        return
    expected = answers(world.profile, "not_member")
    for route in world.lists():
        answer = world.send(Call("GET", route.path, world.person(who), organization=organization))
        yield answer.probe(f"{who} on {route.path} of {OTHER[key]}", expected, needs=f"{who} reads own rows")
    for plant in world.planted(OTHER[key], world.planting_route().name)[:1]:
        answer = world.send(Call("GET", plant.path, world.person(who), organization=organization))
        yield answer.probe(f"{who} on a row of {OTHER[key]} in its organisation", expected, needs=f"{who} reads own rows")


def _writes_for_other(world: World, key: str) -> Probes:
    """Writing in the other tenant: by its header, or by naming it in the body."""
    who, other = f"{key}.owner", world.tenant(OTHER[key])
    owner, needs = f"{OTHER[key]}.owner", f"{key}.owner reads own rows"
    asked = Call("POST", "", world.person(who), organization=other.organization_id)
    what = f"the organisation of {other.key} and the session of {who}"
    if has_header(world):
        yield from refused_writes(world, other.key, Wrong(asked, what, answers(world.profile, "not_member"), needs))
    route = world.planting_route()
    content, canary = world.draft(key, route, "smuggled")
    named = {"tenant_id": other.id, "organization_id": other.organization_id, "tenant": other.slug, "schema": other.schema_name}
    answer = world.send(
        Call("POST", route.path, world.person(who), json=content | named, shown=" naming the other tenant in the body")
    )
    yield answer.probe(f"{who} names {other.key} in the body", OWN_OR_REFUSED, needs=needs)
    made = next(objects(answer.data), None) if answer.is_success else None
    if made is not None:
        world.uproot([world.remember(key, route, str(made["id"]), canary)])
    problem = f"a row that {who} made stands in {other.key}" if has_row_with(world, owner, canary.token) else ""
    yield noted(f"rows of {other.key} afterwards", problem, request=answer.call.line(), is_change=True)


def _foreign_references(world: World, key: str) -> Probes:
    """The other tenant's ids inside the own valid bodies (rows that hang off another row)."""
    who = f"{key}.owner"
    for route in world.creatable():
        pointing = references(route.fields)
        if not pointing:
            continue
        foreign = {name: _foreign_id(world, key, target) for name, target in pointing.items()}
        if all(foreign.values()):
            content, _ = world.draft(key, route, "reference")
            answer = world.send(Call("POST", route.path, world.person(who), json=content | foreign))
            yield answer.probe(
                f"{who} makes a {route.name} row on a row of {OTHER[key]}", NO_SUCCESS, needs=f"{who} reads own rows"
            )
        content, _ = world.draft(key, route, "own reference")
        proper = world.send(Call("POST", route.path, world.person(who), json=content))
        yield proper.probe(f"{who} makes a {route.name} row on an own row", SUCCESS, is_control=True)
        clean(world, key, route, proper)


def _foreign_id(world: World, key: str, route: str) -> str:
    """Return the id of the other tenant's row of a route, "" where it has none that only it uses."""
    usable = (plant.id for plant in world.planted(OTHER[key], route) if plant.path and not is_shared_id(world, key, plant))
    return next(usable, "")
