"""Part of K1: another tenant's ids inside valid bodies of one's own, in every field that could name something."""

import dataclasses
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from capliquify_ops.configuration import Route
from capliquify_ops.isolation.bodies import references
from capliquify_ops.isolation.exchange import Call, Exchange, leaves, objects
from capliquify_ops.isolation.made_objects import MAKING, Thing, id_routes, make, unmake, victim
from capliquify_ops.isolation.paging import pages
from capliquify_ops.isolation.probe import NO_SUCCESS, OWN_OR_REFUSED, CannotTell, Probes, noted, untried
from capliquify_ops.isolation.routes import OTHER, PAGE, has_feature
from capliquify_ops.isolation.world_model import Plant, World


@dataclass
class Parents:
    """Objects of the victim that the attacker's bodies name, by the route that makes them; made once for each direction."""

    world: World
    key: str
    known: dict[str, Thing] = field(default_factory=dict)

    def of(self, route: str) -> Thing:
        """Return one that only its own tenant uses the id of. Raises CannotTell."""
        if route not in self.known:
            source = self.world.route(route)
            item = self.world.item_of(source) or dataclasses.replace(source, path=f"{source.path}/{{id}}", methods=())
            self.known[route] = victim(self.world, OTHER[self.key], item, self.key)
        return self.known[route]


def foreign_ids_in_bodies(world: World) -> Probes:
    """Each create and change with the other tenant's ids: refused, or nothing of that tenant in the answer, and no edge."""
    for key in OTHER:
        parents = Parents(world, key)
        for route in _bodies(world, key):
            yield from _pointing(world, parents, route)
        yield from _extra(world, parents)
        for thing in parents.known.values():
            unmake(world, [thing])


def _bodies(world: World, key: str) -> list[Route]:
    making = [route for route in world.routes("POST") if route.fields and route.surface in MAKING]
    return [route for route in making if has_feature(world, key, route)]


@dataclass(frozen=True, slots=True)
class _Pointer:
    """One field of a route's bodies that names a row, the other tenant's row put there, and the positive control."""

    world: World
    key: str
    route: Route
    field: str
    parent: Thing

    @property
    def who(self) -> str:
        return f"{self.key}.owner"

    @property
    def control(self) -> str:
        return f"{self.who} makes a {self.route.name} row on an own one"

    def send(self, method: str, path: str, value: object) -> Exchange:
        """Send a body that is valid but for this field; its secret word is looked for from now on."""
        content, canary = self.world.draft(self.key, self.route, "reference")
        self.world.caller.canaries.append(canary)
        shown = f" with {self.field} of {OTHER[self.key]}{'' if isinstance(value, str) else ' in a list'}"
        person = self.world.person(self.who)
        return self.world.send(Call(method, path, person, json=content | {self.field: value}, shown=shown))


def _pointing(world: World, parents: Parents, route: Route) -> Probes:
    """Fields that name a row: with the other tenant's, alone and in a list, in a new row and in a change of an own one."""
    key = parents.key
    for name, target in references(route.fields).items():
        try:
            pointer = _Pointer(world, key, route, name, parents.of(target))
            own = make(world, key, route).plant
        except CannotTell as error:
            yield untried(f"{key}.owner makes a {route.name} row with {name} of {OTHER[key]}", str(error))
            continue
        yield noted(pointer.control, "", request=f"POST {route.path} as {pointer.who}", is_control=True)
        for value in (pointer.parent.id, [pointer.parent.id], [world.planted(key, target)[0].id, pointer.parent.id]):
            answer = pointer.send("POST", route.path, value)
            yield answer.probe(f"{pointer.who} makes a row{answer.call.shown}", NO_SUCCESS, needs=pointer.control)
            yield from _edges(pointer, answer)
        item = world.item_of(route)
        for method in [one for one in ("PATCH", "PUT") if item is not None and one in item.methods]:
            answer = pointer.send(method, own.path, pointer.parent.id)
            yield answer.probe(f"{pointer.who} {method} {own.route}{answer.call.shown}", OWN_OR_REFUSED, needs=pointer.control)
            yield from _edges(pointer, answer)
        yield from _hanging(pointer)
        _drop(world, own)


def _hanging(pointer: _Pointer) -> Probes:
    """After all of them, refused or not: what each side sees hang on the object, and what the other tenant lists."""
    world, victims = pointer.world, f"{OTHER[pointer.key]}.owner"
    for child in _children(world, pointer.parent):
        for who in (victims, pointer.who):
            name = f"{who} reads {child.route.path} of {OTHER[pointer.key]} afterwards"
            yield world.get(who, child.path).probe(name, OWN_OR_REFUSED)
    if "GET" in pointer.route.methods:
        listed = world.get(victims, pointer.route.path + PAGE)
        yield listed.probe(f"{victims} reads {pointer.route.path} after {pointer.who} named {pointer.field}", OWN_OR_REFUSED)


def _edges(pointer: _Pointer, answer: Exchange) -> Probes:
    """After an accepted one: whether the own row points across."""
    made = next(objects(answer.data), None) if answer.is_success else None
    if made is None:
        return
    world, key, path = pointer.world, pointer.key, pointer.route.path + PAGE
    name = f"{pointer.who} reads {path} afterwards"
    try:
        seen, rows = _listed(pointer, made["id"])
    except CannotTell as error:
        yield untried(name, str(error), is_optional=True)
    else:
        problem = f"the row hangs on one of {OTHER[key]}" if _names(rows, pointer.parent.id) else ""
        yield seen.probe(name, OWN_OR_REFUSED, problem=problem, needs=pointer.control)
    _forget(world, key, pointer.route, made)


def _listed(pointer: _Pointer, row_id: object) -> tuple[Exchange, list[Mapping[str, object]]]:
    """Return the page of the list that shows a row, with what it says of it; the first page where none does."""
    seen = pointer.world.get(pointer.who, pointer.route.path + PAGE)
    for page in pages(pointer.world, pointer.who, pointer.route.path) if seen.is_success else ():
        rows = [row for row in objects(page.data) if row["id"] == row_id]
        if rows:
            return page, rows
    return seen, []


def _names(rows: list[Mapping[str, object]], row_id: str) -> bool:
    return any(str(value) == row_id for row in rows for _, value in leaves(row))


def _children(world: World, parent: Thing) -> Iterator[Thing]:
    """Yield what hangs on an object, as routes show it."""
    base = parent.route.path
    for route in id_routes(world):
        if route.path.startswith(base) and "GET" in route.methods:
            yield dataclasses.replace(parent, route=route)


def _extra(world: World, parents: Parents) -> Probes:
    """Fields that no body has, such as another parent, the own id or the tenant: taken or not, nothing goes across."""
    key = parents.key
    other, who = world.tenant(OTHER[key]), f"{key}.owner"
    target = world.planting_route()
    try:
        parent = parents.of(target.name)
    except CannotTell as error:
        yield untried(f"{who} sends ids of {OTHER[key]}", str(error))
        return
    own_name = f"{target.name.rstrip('s')}_id"
    ids: dict[str, object] = {"parent_id": parent.id, own_name: parent.id, "ids": [parent.id], "parent": {"id": parent.id}}
    tenant: dict[str, object] = {"tenant_id": other.id, "organization_id": other.organization_id, "tenant": other.slug}
    for route in _bodies(world, key):
        for what, extra in (("an id", ids), ("the tenant", tenant)):
            content, canary = world.draft(key, route, "extra fields")
            world.caller.canaries.append(canary)
            kept = {name: value for name, value in extra.items() if name not in route.fields}
            call = Call("POST", route.path, world.person(who), json=content | kept, shown=f" with {what} of {OTHER[key]}")
            answer = world.send(call)
            yield answer.probe(f"{who} sends {what} of {OTHER[key]} to {route.path}", OWN_OR_REFUSED)
            yield from _elsewhere(world, key, route, answer)


def _elsewhere(world: World, key: str, route: Route, answer: Exchange) -> Probes:
    """The other tenant's owner sees nothing of it."""
    if answer.is_success and "GET" in route.methods:
        seen = world.get(f"{OTHER[key]}.owner", route.path + PAGE)
        yield seen.probe(f"{OTHER[key]}.owner reads {route.path} after {answer.call.line()}", OWN_OR_REFUSED)
    _forget(world, key, route, next(objects(answer.data), None) if answer.is_success else None)


def _forget(world: World, key: str, route: Route, made: Mapping[str, object] | None) -> None:
    if made is not None:
        _drop(world, world.remember(key, route, str(made["id"]), None))


def _drop(world: World, plant: Plant) -> None:
    item = world.item_of(world.route(plant.route))
    if item is not None and "DELETE" in item.methods:
        world.uproot([plant])
