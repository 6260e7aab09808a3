"""Idempotency keys: one tenant's key gives it its own stored answer, and tells another tenant that uses it nothing."""

from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import Self

from capliquify_ops.configuration import Route
from capliquify_ops.isolation.bodies import body, references
from capliquify_ops.isolation.canary import marked
from capliquify_ops.isolation.exchange import Call, Exchange, objects
from capliquify_ops.isolation.probe import OWN_OR_REFUSED, SUCCESS, Probes, noted, untried
from capliquify_ops.isolation.routes import OTHER, PAGE
from capliquify_ops.isolation.world_model import World

_AMOUNT = 12


def idempotency(world: World) -> Probes:
    """Each collection whose rows can be deleted, with one tenant as the first and then the other one."""
    if not world.profile.idempotency_header:
        yield untried("idempotency keys", "the profile names no idempotency_header", is_optional=True)
        return
    is_on = False
    for route in [one for one in world.creatable() if one.kind == "tenant" and _can_be_deleted(world, one)]:
        for first in ("a", "b"):
            with Keyed(world, route) as keyed:
                for probe in (*_same_body(keyed, first), *_other_body(keyed, first)):
                    is_on = is_on or (probe.is_control and "stored answer" in probe.name)
                    yield probe
    if not is_on:
        yield untried("a stored answer", f"{world.profile.idempotency_header} gave nobody the same answer twice")


@dataclass
class Keyed:
    """Posts with keys to one route, and deletes what that made at the end."""

    world: World
    route: Route
    _made: ExitStack = field(default_factory=ExitStack)

    def post(self, tenant: str, content: Mapping[str, object], key: str) -> Exchange:
        """Make a row as a tenant's owner with a key."""
        world = self.world
        headers = {world.profile.idempotency_header: key}
        answer = world.send(Call("POST", self.route.path, world.person(f"{tenant}.owner"), json=content, headers=headers))
        row = row_of(answer)
        known = {plant.id for plant in world.plants if plant.tenant == tenant}
        if row is not None and str(row["id"]) not in known:
            self._made.enter_context(world.temporary(world.remember(tenant, self.route, str(row["id"]), None)))
        return answer

    def key(self) -> str:
        """Return a key that nobody has used."""
        return self.world.random(16).hex()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._made.close()


def _same_body(keyed: Keyed, first: str) -> Probes:
    """Same key, same body: the first tenant is given its stored answer again, the other one a row of its own."""
    world, path, other = keyed.world, keyed.route.path, OTHER[first]
    if references(keyed.route.fields):
        return
    key, word = keyed.key(), marked(world.run, keyed.key())
    content = body(keyed.route, word, _AMOUNT, str)
    one, again = (keyed.post(first, content, key) for _ in range(2))
    control = f"{path} gives {first}.owner its stored answer again"
    row, same = row_of(one), row_of(again)
    if row is None or same is None or row["id"] != same["id"]:
        yield untried(control, f"it was answered {one.status} and {again.status}, not twice alike", is_optional=True)
        return
    yield noted(control, "", is_control=True, request=one.call.line())
    theirs = keyed.post(other, content, key)
    mine = row_of(theirs)
    problem = ""
    if mine is not None and mine["id"] == row["id"] and not str(row["id"]).isdecimal():
        problem = f"it is the stored answer of {first}"
    elif mine is not None and word not in _read(world, other, keyed.route, str(mine["id"])):
        problem = f"{other} has no such row: the answer is not its own"
    yield theirs.probe(f"{other}.owner uses the same key and body on {path}", SUCCESS, problem=problem, needs=control)


def _other_body(keyed: Keyed, first: str) -> Probes:
    """Same key, another body: to the other tenant the key is new, so that nothing is told of the first one's use."""
    path, key, other = keyed.route.path, keyed.key(), OTHER[first]
    yield (
        fresh := keyed.post(other, _content(keyed, other), keyed.key()).probe(
            f"{other}.owner makes a row on {path} with a key of its own", SUCCESS, is_control=True
        )
    )
    mine = _content(keyed, first)
    for who, content, name in (
        (first, mine, f"{first}.owner uses a key on {path}"),
        (other, _content(keyed, other), f"{other}.owner uses the same key with another body on {path}"),
        (first, mine, f"{first}.owner uses its key again on {path}"),
    ):
        answer = keyed.post(who, content, key)
        needs = fresh.name if who == other else ""
        yield answer.probe(name, SUCCESS if who == other else OWN_OR_REFUSED, needs=needs)


def _content(keyed: Keyed, tenant: str) -> Mapping[str, object]:
    content, canary = keyed.world.draft(tenant, keyed.route, f"keyed {keyed.route.name}")
    keyed.world.caller.canaries.append(canary)
    return content


def row_of(answer: Exchange) -> Mapping[str, object] | None:
    """Return the row that an answer holds, None where it made none."""
    return next(objects(answer.data), None) if answer.is_success else None


def _read(world: World, key: str, route: Route, row_id: str) -> str:
    """What the owner sees of one row; the newest of the collection where rows have no address for reading."""
    item = world.item_of(route)
    path = item.path.format(id=row_id) if item is not None and "GET" in item.methods else route.path + PAGE
    return world.get(f"{key}.owner", path).response.body.decode("utf-8", "replace")


def _can_be_deleted(world: World, route: Route) -> bool:
    item = world.item_of(route)
    return item is not None and "DELETE" in item.methods and route.surface == "collection"
