"""Part of SEC-016: rows of two tenants made at the same time, each then looked for where it belongs."""

import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

from capliquify_ops.isolation import overload
from capliquify_ops.isolation.canary import Canary
from capliquify_ops.isolation.exchange import Call, Exchange, objects
from capliquify_ops.isolation.paging import SHORTEST_PAGE, pages, rows_of
from capliquify_ops.isolation.probe import SUCCESS, CannotTell, Probes, noted, untried
from capliquify_ops.isolation.removal import remove_holding
from capliquify_ops.isolation.routes import PAGE
from capliquify_ops.isolation.world_model import Plant, World

WRITERS = 20
"""Twice the connections of the usual pool, in turns of A and B."""
ROUNDS = 3
LAG_S, LOOKS = 4.0, 16
"""A list that is kept for a moment is late, and has lost nothing: how long, and how often, is looked again."""


def concurrent_writes(world: World) -> Probes:
    """Rounds of writes of A and B released together; what was acknowledged stands in the own tenant, and only there."""
    for number in range(ROUNDS):
        yield from _burst(world, f"writes {number + 1}")


def _burst(world: World, name: str) -> Probes:
    route = world.planting_route()
    drafts = [world.draft("ab"[index % 2], route, name) for index in range(WRITERS)]
    world.caller.canaries.extend(canary for _, canary in drafts)
    barrier = threading.Barrier(WRITERS)

    def write(draft: tuple[dict[str, object], Canary]) -> Exchange:
        content, canary = draft
        call = Call("POST", route.path, world.person(f"{canary.tenant}.owner"), json=content, may_be_busy=True)
        barrier.wait(timeout=10)
        return world.send(call)

    with ThreadPoolExecutor(WRITERS) as pool:
        sent = list(pool.map(write, drafts))
    made: dict[Canary, Plant] = {}
    try:
        for (_, canary), answer in zip(drafts, sent, strict=True):
            if row := overload.excused(world, f"{name}: {canary.tenant}.owner", answer):
                yield row
                continue
            yield answer.probe(f"{name}: {canary.tenant}.owner", SUCCESS, needs=f"{canary.tenant}.owner reads own rows")
            new = next(objects(answer.data), None) if answer.is_success else None
            if new is not None:
                made[canary] = world.remember(canary.tenant, route, str(new["id"]), None)
        for key in ("a", "b"):
            yield from _afterwards(world, name, key, [canary for canary in made if canary.tenant == key])
    finally:
        world.uproot(list(made.values()))
        remove_holding(world, [canary.token for _, canary in drafts])


def _afterwards(world: World, name: str, key: str, kept: Sequence[Canary]) -> Probes:
    """The list of a tenant holds its own acknowledged rows; those of the other would be seen as its secrets."""
    if not kept:
        yield untried(f"{name}: tenant {key}", "none of its writes was acknowledged")
    needs = f"{key}.owner reads own rows"
    try:
        for _ in range(LOOKS):
            answer, lost = _looked_for(world, f"{key}.owner", kept)
            if not lost or answer.foreign:
                break
            world.caller.pause(max(LAG_S, world.profile.cache_bound_s) / LOOKS)
    except CannotTell as error:
        yield untried(f"{name}: rows of {key} afterwards", str(error))
        return
    yield answer.probe(f"{name}: the list of {key} afterwards", SUCCESS, needs=needs)
    problem = f"{len(lost)} of {len(kept)} acknowledged rows are not in the list" if lost else ""
    yield noted(f"{name}: rows of {key} afterwards", problem, request=answer.call.line(), needs=needs)


def _looked_for(world: World, who: str, wanted: Sequence[Canary]) -> tuple[Exchange, list[Canary]]:
    """Read a list until it has shown the wanted secrets, one of another tenant, or its end; return the last page, and which lack.

    Raises CannotTell where the list cannot be read to its end.
    """
    path = world.planting_route().path
    answer = world.get(who, path + PAGE)
    lost = [one for one in wanted if one.label not in answer.own] if answer.is_success else []
    if not lost or answer.foreign or len(rows_of(answer.data)) < SHORTEST_PAGE:
        return answer, lost
    for answer in pages(world, who, path):
        lost = [one for one in lost if one.label not in answer.own]
        if not lost or answer.foreign:
            break
    return answer, lost
