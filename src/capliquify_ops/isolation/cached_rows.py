"""Single rows and what is derived from them, by equal ids in both tenants, and by ids that only one of them has."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

from capliquify_ops.configuration import Route
from capliquify_ops.database import fill
from capliquify_ops.isolation.asking_order import Order
from capliquify_ops.isolation.bodies import text_fields
from capliquify_ops.isolation.database import owner_session
from capliquify_ops.isolation.exchange import Call
from capliquify_ops.isolation.probe import OWN_OR_REFUSED, REFUSED, Probes, untried
from capliquify_ops.isolation.routes import OTHER
from capliquify_ops.isolation.world_model import GUESSABLE_LENGTH, Plant, World
from capliquify_ops.model.errors import OpsError
from capliquify_ops.tenants.ownership import as_owner

MOST_ROWS = 60
"""Rows made until both tenants have one of the same id: further apart, they are not brought together."""
MOST_LEAPS = 4
"""So often may the smaller id leap over the larger one: a counter for all tenants leaps every time."""
_BEHIND = "changed behind the service"
_CHANGE = 'UPDATE :"schema".:"table" SET :"column" = %(text)s WHERE id::text = %(id)s'


def rows(order: Order, route: Route) -> Probes:
    """One route of single rows, in both orders, each with rows that nobody has asked for before."""
    world = order.world
    collection = next((one for one in world.creatable() if one.path == route.path.partition("/{id}")[0]), None)
    if collection is None or (world.item_of(collection) is None and not world.is_throwaway):
        yield untried(route.path, "the profile describes no way to make, or to delete, the rows that it shows", is_optional=True)
        return
    for first in ("a", "b"):
        with _pair(world, collection) as pair:
            if pair["a"].id == pair["b"].id:
                yield from _equal(order, route, first, pair)
            else:
                yield from _own(order, route, first, pair)
            if route.name not in order.cached and _shows_old(world, route, collection, pair[first]):
                order.cached.add(route.name)


def _equal(order: Order, route: Route, first: str, pair: dict[str, Plant]) -> Probes:
    """The same address means another row to each of them, before and after each one has changed its own."""
    path = route.path.format(id=pair[first].id)
    control = f"{first}.owner reads {path} first"
    yield from order.turn(route, first, path)
    for key in (first, OTHER[first]):
        yield from _changed(order.world, pair[key], control)
        for reader in (OTHER[key], key):
            yield order.second(route, reader, path, control)


def _own(order: Order, route: Route, first: str, pair: dict[str, Plant]) -> Probes:
    """An id of one tenant, asked by the other one right after the cache has it, and again after a change."""
    world, mine = order.world, pair[first]
    path, other = route.path.format(id=mine.id), OTHER[first]
    expected = REFUSED if len(mine.id) >= GUESSABLE_LENGTH else OWN_OR_REFUSED
    yield (asked := order.first(route, first, path))
    control = asked.name if asked.is_control else ""
    yield world.get(f"{other}.owner", path).probe(f"{other}.owner asks for {path} of {first}", expected, needs=control)
    yield from order.nobody(first, path, control)
    yield from _changed(world, mine, control)
    order.warm(route, first, path)
    answer = world.get(f"{other}.owner", path)
    yield answer.probe(f"{other}.owner asks for {path} of {first} after a change", expected, needs=control)


def _changed(world: World, plant: Plant, control: str) -> Probes:
    """A change by the row's owner, with a new secret in it: caches are told, or are not."""
    collection = world.route(plant.route)
    item = world.item_of(collection)
    names = text_fields(collection)
    if item is None or "PATCH" not in item.methods or not names:
        return
    content, canary = world.draft(plant.tenant, collection, f"changed {plant.route}")
    world.caller.canaries.append(canary)
    body = {names[0]: content[names[0]]}
    answer = world.send(Call("PATCH", plant.path, world.person(f"{plant.tenant}.owner"), json=body))
    yield answer.probe(f"{plant.tenant}.owner changes {plant.path}", OWN_OR_REFUSED, needs=control)


@contextmanager
def _pair(world: World, collection: Route) -> Iterator[dict[str, Plant]]:
    """Make a row in each tenant, with equal ids where ids are serial numbers that can be brought together."""
    with ExitStack() as made:
        pair = {key: made.enter_context(_row(world, key, collection)) for key in ("a", "b")}
        leaps = 0
        for _ in range(MOST_ROWS):
            numbers = {key: int(plant.id) for key, plant in pair.items() if plant.id.isdecimal()}
            if len(numbers) < len(pair) or numbers["a"] == numbers["b"] or leaps > MOST_LEAPS:
                break
            low = min(numbers, key=numbers.__getitem__)
            if numbers[OTHER[low]] - numbers[low] > MOST_ROWS:
                break
            pair[low] = made.enter_context(_row(world, low, collection))
            leaps += int(pair[low].id) > numbers[OTHER[low]] if pair[low].id.isdecimal() else MOST_LEAPS
        yield pair


@contextmanager
def _row(world: World, key: str, collection: Route) -> Iterator[Plant]:
    plant = world.plant(key, collection)
    if not plant.path:
        yield plant
        return
    with world.temporary(plant):
        yield plant


def _shows_old(world: World, route: Route, collection: Route, plant: Plant) -> bool:
    """Whether an answer is still the old one after the row was changed behind the service's back: then a cache gave it."""
    names = text_fields(collection)
    if not world.is_throwaway or not names or collection.name not in world.profile.tenant_tables:
        return False
    path = route.path.format(id=plant.id)
    before = world.get(f"{plant.tenant}.owner", path)
    schema = world.tenant(plant.tenant).schema_name
    filled = {"schema": schema, "table": collection.name, "column": names[0]}
    try:
        with (
            owner_session(world.target, "audit cache") as owner,
            owner.session.transaction(),
            as_owner(owner.session, world.target.roles),
        ):
            owner.session.execute(fill(_CHANGE, filled), {"text": _BEHIND, "id": plant.id})
    except OpsError:
        return False
    after = world.get(f"{plant.tenant}.owner", path)
    return bool(before.own) and after.is_success and after.own == before.own and _BEHIND.encode() not in after.response.body
