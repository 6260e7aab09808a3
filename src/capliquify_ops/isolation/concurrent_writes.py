"""Part of SEC-016: rows of two tenants made at the same time, each then looked for where it belongs."""

import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

from capliquify_ops.isolation.canary import Canary
from capliquify_ops.isolation.exchange import UNWELL, Call, Exchange, objects
from capliquify_ops.isolation.probe import SUCCESS, Probes, noted, untried
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
            if answer.status in UNWELL:
                yield untried(f"{name}: {canary.tenant}.owner", f"it was answered {answer.status}", is_optional=True)
                continue
            yield answer.probe(f"{name}: {canary.tenant}.owner", SUCCESS, needs=f"{canary.tenant}.owner reads own rows")
            row = next(objects(answer.data), None) if answer.is_success else None
            if row is not None:
                made[canary] = world.remember(canary.tenant, route, str(row["id"]), None)
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
    for _ in range(LOOKS):
        answer = world.get(f"{key}.owner", world.planting_route().path + PAGE)
        lost = [canary for canary in kept if canary.label not in answer.own] if answer.is_success else []
        if not lost or answer.foreign:
            break
        world.caller.pause(LAG_S / LOOKS)
    yield answer.probe(f"{name}: the list of {key} afterwards", SUCCESS, needs=needs)
    problem = f"{len(lost)} of {len(kept)} acknowledged rows are not in the list" if lost else ""
    yield noted(f"{name}: rows of {key} afterwards", problem, request=answer.call.line(), needs=needs)
