"""ISO-08: no provoked error tells a schema, a constraint, a statement or another tenant's value."""

import uuid
from collections.abc import Iterator, Sequence

from capliquify_ops.configuration import Route
from capliquify_ops.isolation.broken_database import cancelled, hidden_table, names_of_constraints, names_of_tenants
from capliquify_ops.isolation.broken_values import broken_addresses, broken_bodies, broken_fields
from capliquify_ops.isolation.canary import Canary
from capliquify_ops.isolation.error_texts import betrayed
from capliquify_ops.isolation.exchange import Call, Exchange, objects
from capliquify_ops.isolation.probe import SUCCESS, Expectation, Probe, Probes, noted, untried
from capliquify_ops.isolation.routes import BASIC_FEATURE, OTHER, PAGE, PREMIUM, reads_own
from capliquify_ops.isolation.world_model import World
from capliquify_ops.model.errors import OpsError

ANY_ANSWER = Expectation("any answer that tells nothing", frozenset(range(100, 600)))
_ERRORS = range(400, 600)


class Provocations:
    """Sends what should fail, and looks each answer through. `refused` counts the errors that were provoked."""

    def __init__(self, world: World, constraints: Sequence[Canary]) -> None:
        self.world = world
        self.refused = 0
        self._names = {key: (*names_of_tenants(world, key), *constraints) for key in world.tenants}

    def judged(self, answer: Exchange, name: str = "") -> Probe:
        """Return an answer as a row, and delete what was made where it was taken."""
        self.refused += answer.status in _ERRORS
        key = answer.call.who.tenant if answer.call.who else ""
        told = betrayed(answer, self._names.get(key, ()))
        self._remove(key, answer)
        name = name or f"{answer.call.method} {answer.call.path[:60]}{answer.call.shown}"
        return answer.probe(name, ANY_ANSWER, problem=f"it tells {', '.join(told)}" if told else "")

    def sent(self, calls: Iterator[Call]) -> Probes:
        """Send each call and judge its answer."""
        for call in calls:
            yield self.judged(self.world.send(call))

    def _remove(self, key: str, answer: Exchange) -> None:
        route = next((one for one in self.world.creatable() if one.path == answer.call.path), None)
        made = next(objects(answer.data), None) if answer.is_success and answer.call.method == "POST" else None
        if route is not None and made is not None:
            plant = self.world.remember(key, route, str(made["id"]), None)
            if plant.path:
                self.world.uproot([plant])


def provoked_errors(world: World) -> Probes:
    """ISO-08: whatever fails, by a value, an address, a lost table or a cancelled statement, its answer tells nothing."""
    for key in ("a", "b"):
        yield reads_own(world, f"{key}.owner")
    constraints: tuple[Canary, ...] = ()
    try:
        constraints = names_of_constraints(world)
    except OpsError as error:
        yield untried("the names of constraints and indexes", str(error), is_optional=True)
    provoked = Provocations(world, constraints)
    yield from provoked.sent(_broken(world))
    for route in world.creatable():
        yield from _taken(world, provoked, route)
    yield from _of_the_database(world, provoked)
    if not provoked.refused:
        yield untried("any error", "no request of all was answered with an error, so none was looked through")
    for key in ("a", "b"):
        answer = world.get(f"{key}.owner", world.planting_route().path + PAGE)
        yield answer.probe(f"{key}.owner reads own rows afterwards", SUCCESS, is_control=True)


def _broken(world: World) -> Iterator[Call]:
    """Both tenants ask in turns: the one that is not entitled to a route would be refused for that alone."""
    for number, route in enumerate(route for route in world.profile.routes.values() if route.kind == "tenant"):
        key = "a" if number % 2 and route.feature in PREMIUM else "b"
        yield from broken_addresses(world, route, world.person(f"{key}.owner"))
        if "POST" in route.methods and route.fields and "{id}" not in route.path:
            yield from broken_fields(world, route, key)
    yield from broken_bodies(world.planting_route(), world.person("a.owner"))


def _taken(world: World, provoked: Provocations, route: Route) -> Probes:
    """A unique value taken twice in one tenant; the value that another tenant has must be taken all the same."""
    unique = [name for name, kind in route.fields.items() if kind == "unique"]
    item = world.item_of(route)
    if not unique or item is None or "DELETE" not in item.methods or route.kind != "tenant":
        return
    for key in ("a", "b"):
        content, canary = world.draft(key, route, f"unique {route.name}")
        made = world.send(Call("POST", route.path, world.person(f"{key}.owner"), json=content))
        row = next(objects(made.data), None)
        yield (control := made.probe(f"{key}.owner makes a {route.name}", SUCCESS, is_control=True))
        if not made.is_success or row is None:
            return
        with world.temporary(world.remember(key, route, str(row["id"]), canary)):
            again = world.send(Call("POST", route.path, world.person(f"{key}.owner"), json=content, may_be_busy=True))
            yield provoked.judged(again, f"{key}.owner takes {' and '.join(unique)} of {route.name} twice")
            other = f"{OTHER[key]}.owner"
            theirs, _ = world.draft(OTHER[key], route, f"unique {route.name}")
            same = theirs | {name: content[name] for name in unique}
            answer = world.send(Call("POST", route.path, world.person(other), json=same, may_be_busy=True))
            name = f"{other} takes {' and '.join(unique)} that {key} has"
            found = provoked.judged(answer, name)
            refused = SUCCESS.why_not(answer.status, answer.code) and "it is refused, which tells that the other tenant has it"
            yield found if found.violation() else answer.probe(name, ANY_ANSWER, problem=refused, needs=control.name)


def _of_the_database(world: World, provoked: Provocations) -> Probes:
    """A table that is not there and a statement that is cancelled, in a tenant that is thrown away."""
    if not world.is_throwaway:
        yield untried("a lost table, a cancelled statement", "the tenants of this audit are not throwaway ones", is_optional=True)
        return
    routes = [route for route in world.lists() if route.name in world.profile.tenant_tables and _is_basic(route)]
    for route in routes:
        yield from _lost_table(world, provoked, route)
    for route in routes[:1]:
        name = f"{route.path} while its statement is cancelled"
        call = Call("GET", route.path, world.person("s.owner"), may_be_busy=True)
        try:
            answer = cancelled(world, call, world.tenant("s").schema_name, route.table)
        except OpsError as error:
            yield untried(name, str(error), is_optional=True)
            continue
        yield provoked.judged(answer, name)


def _lost_table(world: World, provoked: Provocations, route: Route) -> Probes:
    who, schema = world.person("s.owner"), world.tenant("s").schema_name
    item = world.item_of(route)
    unknown = str(uuid.UUID(bytes=world.random(16), version=4))
    calls = [Call("GET", route.path, who, may_be_busy=True)]
    if route.fields:
        content, _ = world.draft("s", route, f"lost {route.name}")
        calls.append(Call("POST", route.path, who, json=content, may_be_busy=True))
    if item is not None:
        calls += [
            Call(method, item.path.format(id=unknown), who, json=None if method in {"GET", "DELETE"} else {}, may_be_busy=True)
            for method in item.methods
        ]
    try:
        with hidden_table(world.target, schema, route.table):
            for call in calls:
                yield provoked.judged(world.send(call), f"{call.method} {call.path} without the table {route.name}")
    except OpsError as error:
        yield untried(f"{route.path} without its table", str(error), is_optional=True)
    back = world.send(Call("GET", route.path, who, may_be_busy=True))
    yield noted(f"{route.path} with its table again", "" if back.is_success else f"it is answered {back.status}", is_control=True)


def _is_basic(route: Route) -> bool:
    return route.feature in {"", BASIC_FEATURE}
