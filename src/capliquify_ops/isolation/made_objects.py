"""Objects that families of attacks make and aim at: whatever a route of the profile makes, or lists, under an id of its own."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from capliquify_ops.configuration import Route
from capliquify_ops.isolation.bodies import holds_secret
from capliquify_ops.isolation.canary import Canary
from capliquify_ops.isolation.exchange import Call, Exchange, leaves, objects
from capliquify_ops.isolation.probe import CannotTell
from capliquify_ops.isolation.routes import user_row_id
from capliquify_ops.isolation.world_model import GUESSABLE_LENGTH, Plant, World

ID = "/{id}"
MAKING = frozenset({"collection", "export", "job", "api_keys", "invitations"})
"""Surfaces whose POST makes an object with an id."""
DONE_IN_S = 15.0
ATTEMPTS = 12
"""Objects made in search of an id that only one tenant uses."""


@dataclass(frozen=True, slots=True)
class Made:
    """One object made, and what its maker alone was given to go on with (an API key, an invitation's token), "" without."""

    plant: Plant
    secret: str = field(default="", repr=False)


@dataclass(frozen=True, slots=True)
class Thing:
    """One object of a tenant as a route with `{id}` addresses it. `labels` are the secrets that stand in it."""

    tenant: str
    route: Route
    id: str
    labels: frozenset[str] = frozenset()

    @property
    def path(self) -> str:
        """Its address."""
        return self.route.path.format(id=self.id)


def make(world: World, key: str, route: Route, *, who: str = "", more: Mapping[str, object] | None = None) -> Made:
    """Make one object, remember its secrets, and wait until it is done. Raises CannotTell when the service refuses it."""
    content, canary = world.draft(key, route, route.name)
    answer = world.send(Call("POST", route.path, world.person(who or f"{key}.owner"), json=content | dict(more or {})))
    row = next(objects(answer.data), None)
    if not answer.is_success or row is None:
        raise CannotTell(f"{answer.call.line()} made nothing: {answer.status} {answer.code}".rstrip() + ".")
    plant = world.remember(key, route, str(row["id"]), canary if holds_secret(route) else None)
    secret = given(answer, route, "secret")
    if secret:
        world.caller.canaries.append(Canary(key, f"secret of {route.name} {plant.id[-6:]} of {key}", secret.lower()))
    _await_done(world, route, plant)
    return Made(plant, secret)


def given(answer: Exchange, route: Route, what: str) -> str:
    """Return a member of an answer by what the profile calls it (`returns`), "" where it is not there."""
    name = route.returns.get(what, "")
    found = (value for path, value in leaves(answer.data) if name and path.rpartition(".")[2] == name)
    return str(next(found, ""))


def _await_done(world: World, route: Route, plant: Plant) -> None:
    if "done" not in route.returns or not plant.path:
        return
    end = world.clock.monotonic() + DONE_IN_S
    while world.clock.monotonic() < end:
        if given(world.get(f"{plant.tenant}.owner", plant.path), route, "state") == route.returns["done"]:
            return
        world.caller.pause(0.05)
    raise CannotTell(f"{plant.path} was not {route.returns['done']!r} within {DONE_IN_S:g} s.")


def write_child(world: World, key: str, route: Route, parent: str = "") -> None:
    """Hang something with a secret on a row of the tenant, by its id or any. Raises CannotTell when that is refused."""
    path = route.path.format(id=parent or thing_of(world, key, route).id)
    content, canary = world.draft(key, route, route.name)
    world.caller.canaries.append(canary)
    answer = world.send(Call("POST", path, world.person(f"{key}.owner"), json=content))
    if not answer.is_success:
        raise CannotTell(f"{answer.call.line()} made nothing: {answer.status} {answer.code}".rstrip() + ".")


def id_routes(world: World) -> list[Route]:
    """Return the tenant's routes that address one object."""
    return [route for route in world.profile.routes.values() if route.kind == "tenant" and ID in route.path]


def source_of(world: World, route: Route) -> Route:
    """Return the route that makes or lists what a route with an id addresses. Raises CannotTell where the profile names none."""
    base = route.path.partition(ID)[0]
    for one in world.profile.routes.values():
        if one.path == base and one.kind == "tenant":
            return one
    raise CannotTell(f"The profile {world.profile.name!r} has no route {base}, so no id for {route.path} is known.")


def makes(route: Route) -> bool:
    """Whether a route makes objects."""
    return route.surface in MAKING and "POST" in route.methods


def thing_of(world: World, key: str, route: Route, *, is_new: bool = False) -> Thing:
    """Return an object of a tenant that a route addresses, made where there is none. Raises CannotTell."""
    source = source_of(world, route)
    if makes(source):
        known = world.planted(key, source.name)
        plant = known[0] if known and not is_new else make(world, key, source).plant
        return Thing(key, route, plant.id, plant.labels)
    if source.surface == "users":
        row_id = user_row_id(world, f"{key}.owner", f"{key}.member")
    else:
        listed = objects(world.get(f"{key}.owner", source.path).data)
        row_id = next((str(row["id"]) for row in listed), "")
    if not row_id:
        raise CannotTell(f"{source.path} lists nothing of {key}, so {route.path} has nothing to be tried on.")
    return Thing(key, route, row_id)


def victim(world: World, key: str, route: Route, attacker: str) -> Thing:
    """Return an object of a tenant whose id the attacker's tenant does not use too, made for this. Raises CannotTell.

    Where every schema counts on its own, equal ids are ordinary: a write would hit the attacker's own row.
    """
    coincident: list[Thing] = []
    for _ in range(ATTEMPTS if makes(source_of(world, route)) else 1):
        thing = thing_of(world, key, route, is_new=True)
        if len(thing.id) >= GUESSABLE_LENGTH or not _uses(world, attacker, thing):
            unmake(world, coincident)
            return thing
        coincident.append(thing)
    unmake(world, coincident)
    raise CannotTell(f"Each object of {key} for {route.path} has an id that {attacker} uses too.")


def _uses(world: World, key: str, thing: Thing) -> bool:
    answer = world.get(f"{key}.owner", thing.path if "GET" in thing.route.methods else source_of(world, thing.route).path)
    if "GET" in thing.route.methods:
        return answer.is_success and not answer.foreign
    return any(str(row["id"]) == thing.id for row in objects(answer.data))


def unmake(world: World, things: list[Thing]) -> None:
    """Delete, as their owner, objects that were made for a probe, where the profile names a route for that."""
    for thing in things:
        source = source_of(world, thing.route)
        item = world.item_of(source)
        mine = [plant for plant in world.planted(thing.tenant, source.name) if plant.id == thing.id]
        if item is not None and "DELETE" in item.methods:
            world.uproot(mine)
