"""Every way to make, change or delete a row, sent with something wrong about it: routes may check reads and forget writes."""

import dataclasses
from dataclasses import dataclass

from capliquify_ops.configuration import Route
from capliquify_ops.isolation.exchange import Call, Exchange, objects
from capliquify_ops.isolation.probe import Expectation, Probe, Probes, noted
from capliquify_ops.isolation.routes import BASIC_FEATURE, NOT_WRITES, has_feature, has_row_with, is_as_it_was, row_of
from capliquify_ops.isolation.world_model import Plant, World


@dataclass(frozen=True, slots=True)
class Wrong:
    """What is wrong about each write: a call to send it like, its name, the answer it must get, and the control it needs."""

    like: Call
    what: str
    expected: Expectation
    needs: str


def refused_writes(world: World, key: str, wrong: Wrong) -> Probes:
    """Try every write on a tenant's rows, each sent like the given call; afterwards the tenant's rows are as they were.

    The tenant's owner must be let in, to make the row that is aimed at and to look at it afterwards.
    """
    yield from refused_creations(world, key, wrong)
    yield _none_stands(world, key, wrong)
    with world.temporary(world.plant(key, world.planting_route())) as victim:
        before = row_of(world, victim)
        yield from refused_changes(world, victim, wrong)
        problem = "" if is_as_it_was(world, victim, before) else f"a row of {key} was changed or deleted with {wrong.what}"
        yield _afterwards(f"a row of {key} after {wrong.what}", problem, f"changes of {victim.path}{wrong.like.shown}", wrong)


def _none_stands(world: World, key: str, wrong: Wrong) -> Probe:
    """Make one more row, and look for it whatever the answer says."""
    route = world.planting_route()
    content, canary = world.draft(key, route, f"smuggled with {wrong.what}")
    answer = world.send(dataclasses.replace(wrong.like, method="POST", path=route.path, json=content))
    problem = f"a row made with {wrong.what} stands in {key}" if has_row_with(world, f"{key}.owner", canary.token) else ""
    _undo(world, key, route, answer, canary.token)
    return _afterwards(f"{route.name} of {key} after {wrong.what}", problem, answer.call.line(), wrong)


def _afterwards(name: str, problem: str, request: str, wrong: Wrong) -> Probe:
    return noted(name, problem, request=request, needs=wrong.needs, is_change=True)


def refused_creations(world: World, key: str, wrong: Wrong) -> Probes:
    """Try to make a row through each route, with bodies that are valid for the tenant."""
    for route in world.creatable():
        is_open = route.feature in {"", BASIC_FEATURE} if key == "s" else has_feature(world, "a", route)
        if route.surface not in NOT_WRITES and is_open:
            content, canary = world.draft(key, route, f"never made with {wrong.what}")
            answer = world.send(dataclasses.replace(wrong.like, method="POST", path=route.path, json=content))
            yield answer.probe(f"{wrong.what}: POST to {route.path}", wrong.expected, needs=wrong.needs)
            _undo(world, key, route, answer, canary.token)


def refused_changes(world: World, victim: Plant, wrong: Wrong) -> Probes:
    """Try every change of one row, deletion last."""
    route = world.route(victim.route)
    item = world.item_of(route)
    for method in [one for one in ("PUT", "PATCH", "DELETE") if item is not None and one in item.methods]:
        content = None if method == "DELETE" else world.draft(victim.tenant, route, f"changed with {wrong.what}")[0]
        answer = world.send(dataclasses.replace(wrong.like, method=method, path=victim.path, json=content))
        yield answer.probe(f"{wrong.what}: {method} of a {route.name} row", wrong.expected, needs=wrong.needs)


def _undo(world: World, key: str, route: Route, answer: Exchange, token: str) -> None:
    """Delete a row that was made after all, where it is the tenant's. Elsewhere its id may be another row's, so it stays."""
    row, item = next(objects(answer.data), None) if answer.is_success else None, world.item_of(route)
    if row is None or item is None:
        return
    path = item.path.format(id=row["id"])
    if token.encode() in world.get(f"{key}.owner", path).response.body:
        world.send(Call("DELETE", path, world.person(f"{key}.owner")))


def clean(world: World, key: str, route: Route, answer: Exchange) -> None:
    """Delete a row that was rightly made: other checks count rows. One that no route deletes is remembered as the tenant's."""
    row = next(objects(answer.data), None) if answer.is_success else None
    if row is not None:
        plant = world.remember(key, route, str(row["id"]), None)
        if plant.path:
            world.uproot([plant])
