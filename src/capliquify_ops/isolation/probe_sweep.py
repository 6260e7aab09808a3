"""What a tenant and a stranger read after somebody else's trouble: every kind of route, over every connection of the service."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from capliquify_ops.configuration import Route
from capliquify_ops.isolation.exchange import TOO_MANY, Call, Exchange
from capliquify_ops.isolation.met_connections import Connections
from capliquify_ops.isolation.probe import OWN_OR_REFUSED, Probe, Probes, untried
from capliquify_ops.isolation.routes import PAGE, lacks_own, own_page
from capliquify_ops.isolation.world_model import Plant, World
from capliquify_ops.model.errors import TargetUnreachable

WANTED = "canary"
"""What is searched for: the part that all secrets have in common, and so none of them."""
FAMILIES: Mapping[str, str] = {
    "search": "search",
    "report": "reports",
    "lookup": "rows",
    "item": "rows",
    "children": "rows",
    "collection": "lists",
}
"""Routes of a kind share code; those that most often forget the tenant come first."""
ENDLESS = frozenset({"events"})
_SERVER_ERROR = 500


@dataclass(frozen=True, slots=True)
class Asked:
    """One read of a sweep. `is_served`: it was answered 2xx before anything was done to the service."""

    call: Call
    is_served: bool


def sweep_of(world: World, key: str) -> dict[str, list[Asked]]:
    """Return what a tenant's owner, and a stranger, can read, by family; each read is sent once to know its usual answer."""
    names = (*dict.fromkeys(FAMILIES.values()), "others", "open to everybody")
    found: dict[str, list[Asked]] = {name: [] for name in names}
    for route in world.profile.routes.values():
        call = _call(world, key, route)
        if call is not None:
            answer = world.send(call)
            if answer.status < _SERVER_ERROR:
                family = "open to everybody" if route.kind == "public" else FAMILIES.get(route.surface, "others")
                found[family].append(Asked(call, answer.is_success))
    return {name: asked for name, asked in found.items() if asked}


def sweep(world: World, name: str, family: str, asked: Sequence[Asked], connections: Connections) -> Probes:
    """Send reads of a family, its routes in turns, until they have met each connection; the first proof ends it.

    A pool that hands out its oldest connection meets all within as many reads as it has; with several workers it takes more.
    """
    before, sent, wanted = connections.used(), 0, max(connections.count, len(asked))
    while wanted:
        for number in range(sent, sent + wanted):
            probe = _probe(world, f"{name}, {family}", asked[number % len(asked)])
            yield probe
            if probe.is_proof():
                return
        sent += wanted
        wanted = connections.left(family, before, sent)


def _probe(world: World, name: str, asked: Asked) -> Probe:
    answer = _sent(world, asked.call)
    who = asked.call.who.name if asked.call.who else "nobody"
    if (answer.status >= _SERVER_ERROR or answer.status == TOO_MANY) and not answer.foreign:
        return untried(f"{name}: {who}", f"{answer.call.line()} was answered {answer.status}", is_optional=True)
    return answer.probe(f"{name}: {who}", OWN_OR_REFUSED, problem=_own_lost(world, asked, answer))


def _sent(world: World, call: Call) -> Exchange:
    """Send it over a connection of its own, so that with several workers each of them is met; again when that is lost."""
    try:
        with world.caller.wire(call) as wire:
            wire.send()
            return world.caller.read(call, wire.answer())
    except TargetUnreachable:
        return world.send(call)


def _own_lost(world: World, asked: Asked, answer: Exchange) -> str:
    """Return what a tenant should have seen of its own and did not: another schema may have answered."""
    who = asked.call.who
    if who is None or not asked.is_served:
        return ""
    if not answer.is_success and answer.status // 100 == 4:  # noqa: PLR2004 -- 4xx
        return f"it was served before, and is answered {answer.status} {answer.code}".rstrip()
    main = world.planting_route()
    if answer.call.path.startswith(main.path + PAGE):
        return lacks_own(world, who.name, answer)
    plant = _own(world, who.tenant)
    is_own_row = plant is not None and answer.call.path == plant.path
    return "the answer does not hold the row's own content" if is_own_row and plant and not plant.labels & answer.own else ""


def _own(world: World, key: str) -> Plant | None:
    return next(iter(world.planted(key, world.planting_route().name)), None)


def _call(world: World, key: str, route: Route) -> Call | None:
    """Return a read of a route; None where it cannot be read, or only with an id that is not known."""
    if "GET" not in route.methods or route.surface in ENDLESS or route.kind == "platform":
        return None
    person = None if route.kind == "public" else world.person(f"{key}.owner")
    path = _path(world, key, route)
    return Call("GET", path, person, may_be_busy=True) if path else None


def _path(world: World, key: str, route: Route) -> str:
    if "{id}" in route.path:
        collection = route.path.partition("/{id}")[0]
        rows: Callable[[Plant], bool] = lambda plant: world.route(plant.route).path == collection  # noqa: E731
        own = next((plant for plant in world.plants if plant.tenant == key and rows(plant)), None)
        return route.path.format(id=own.id) if own else ""
    if route.surface == "search":
        return f"{route.path}?{route.query}={WANTED}"
    return own_page(world, f"{key}.owner") if route.name == world.planting_route().name else route.path
