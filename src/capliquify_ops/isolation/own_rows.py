"""INT-16, INT-17 and SEC-015: result sets and totals are made of the tenant's own rows, all of them and no others."""

from collections.abc import Mapping

from capliquify_ops.configuration import Route
from capliquify_ops.isolation.exchange import Call, Exchange, leaves, objects
from capliquify_ops.isolation.foreign_totals import foreign_total
from capliquify_ops.isolation.probe import OWN_OR_REFUSED, SUCCESS, Probes, noted
from capliquify_ops.isolation.routes import OTHER, lacks_own, listing, own_page, reads_item, reads_own
from capliquify_ops.isolation.world_model import World

ROLES = ("viewer", "member", "admin", "owner")
"""From the least to the highest: a list may need more than the least."""


def a_sees_only_a(world: World) -> Probes:
    """INT-16: tenant A's lists hold A's rows and none of B."""
    yield from _sees_only(world, "a")


def b_sees_only_b(world: World) -> Probes:
    """INT-17: tenant B's lists hold B's rows and none of A."""
    yield from _sees_only(world, "b")


def _sees_only(world: World, key: str) -> Probes:
    """The other tenant is asked in between: what it was just told must not come to this one."""
    least = ROLES.index(world.planting_route().least_role) if world.planting_route().least_role in ROLES else 0
    names = [name for name, who in world.people.items() if who.tenant == key and who.role in ROLES[least:]]
    for name in names:
        answer = world.get(name, own_page(world, name))
        yield answer.probe(f"{name} lists", SUCCESS, problem=lacks_own(world, name, answer))
    yield reads_own(world, f"{OTHER[key]}.owner")
    for route in world.lists():
        answer = world.get(f"{key}.owner", route.path)
        yield answer.probe(f"{key}.owner reads {route.path}", OWN_OR_REFUSED, problem=_strangers(world, key, answer))
    yield reads_own(world, f"{OTHER[key]}.owner")


def result_sets(world: World) -> Probes:
    """SEC-015: every list of both tenants, asked in turns, and totals that another tenant's write does not move."""
    for key in ("a", "b"):
        yield reads_own(world, f"{key}.owner")
        for plant in world.planted(key, world.planting_route().name):
            yield reads_item(world, plant)
    for route in world.lists():
        for key in ("a", "b", "a"):
            yield from _one_list(world, key, route)
    for route in world.profile.routes.values():
        if route.kind == "public" and "GET" in route.methods:
            yield world.send(Call("GET", route.path)).probe(
                f"{route.path}, open to everybody", OWN_OR_REFUSED, needs="a.owner reads own rows"
            )
    for key in ("a", "b"):
        yield from _unmoved(world, key)


def _one_list(world: World, key: str, route: Route) -> Probes:
    who = f"{key}.owner"
    needs = f"{who} reads own rows"
    for number, answer in enumerate(listing(world, who, route)):
        problem = _strangers(world, key, answer) or foreign_total(key, answer.data)
        if not number:
            problem = problem or _absent(world, key, route, answer)
        yield answer.probe(f"{who} lists {answer.call.path}", OWN_OR_REFUSED, needs=needs, problem=problem)


def _absent(world: World, key: str, route: Route, answer: Exchange) -> str:
    """A tenant that sees none of its own rows may be looking into another schema."""
    plants = world.planted(key, route.name)
    wanted = [plant for plant in plants if plant.labels]
    if not wanted or not answer.is_success or any(plant.labels & answer.own for plant in wanted):
        return ""
    if not world.is_throwaway and sum(1 for _ in objects(answer.data)) >= len(wanted):
        # A tenant that was there before may have more rows than a page shows.
        return ""
    return f"none of the tenant's own {len(wanted)} rows is in the answer"


def _strangers(world: World, key: str, answer: Exchange) -> str:
    """Return which people of the other tenant a list of users names."""
    if world.profile.route("users") is None or not answer.call.path.startswith(world.route("users").path):
        return ""
    listed = {value for row in objects(answer.data) for value in row.values() if isinstance(value, str)}
    others = [name for name, person in world.people.items() if person.tenant == OTHER[key] and person.email in listed]
    return f"the list names {', '.join(others)} of the other tenant" if others else ""


def _unmoved(world: World, key: str) -> Probes:
    """What a tenant reads is the same before and after another tenant wrote; what moves by itself is left out."""
    who = f"{key}.owner"
    route = world.planting_route()
    for _attempt in ("once", "confirmed"):
        first, second = _observed(world, who), _observed(world, who)
        with world.temporary(world.plant(OTHER[key], route)):
            third = _observed(world, who)
        moved = {path: _difference(first[path], second[path], third[path]) for path in second}
        if not any(moved.values()):
            break
    for path, what in moved.items():
        problem = f"{what} changed when {OTHER[key]}.owner wrote" if what else ""
        yield noted(
            f"{who} reads {path} before and after", problem, request=f"GET {path} as {who}", needs=f"{who} reads own rows"
        )


def _observed(world: World, who: str) -> dict[str, Mapping[str, object]]:
    return {route.path: dict(leaves(world.get(who, route.path).document)) for route in world.lists()}


def _difference(first: Mapping[str, object], second: Mapping[str, object], third: Mapping[str, object]) -> str:
    """Return the leaf that changed although it had not changed by itself, "" when there is none.

    A list that moves by itself (an audit log that the reading itself writes to) is left out as a whole: its places shift.
    """
    moving = {_list_of(path) for path in first.keys() | second.keys() if first.get(path) != second.get(path)}
    steady = {path for path in second.keys() | third.keys() if _list_of(path) not in moving}
    return next((path for path in sorted(steady) if second.get(path) != third.get(path)), "")


def _list_of(path: str) -> str:
    return path.partition("[")[0]
