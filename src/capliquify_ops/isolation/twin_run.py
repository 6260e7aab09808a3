"""ISO-10: what one tenant observes is the same whether or not another one works beside it (non-interference)."""

from collections.abc import Mapping

from capliquify_ops.isolation.observations import Script, Seen, moved
from capliquify_ops.isolation.probe import CannotTell, Probes, noted, untried
from capliquify_ops.isolation.routes import OTHER, reads_own
from capliquify_ops.isolation.service_tenants import service_tenants
from capliquify_ops.isolation.world_model import World

MADE = {"p": "q", "q": "p"}
"""Two tenants that the service makes itself: its own code has cloned what they consist of."""


def twin_run(world: World) -> Probes:
    """ISO-10: one script of A alone, twice, and once more between B's: what was steady before must not move then.

    Something that moved is held against the service only where it is steady in two more runs of A alone.
    """
    yield from _both(world, OTHER)
    try:
        with service_tenants(world, *MADE):
            for key in MADE:
                world.plant(key, world.planting_route())
            yield from _both(world, MADE)
    except CannotTell as error:
        yield untried("tenants that the service makes", str(error), is_optional=True)


def _both(world: World, pair: Mapping[str, str]) -> Probes:
    for key, other in pair.items():
        yield reads_own(world, f"{key}.owner")
        yield from _compared(world, key, other)


def _compared(world: World, key: str, other: str) -> Probes:
    pairs = [_alone(world, key)]
    beside = Script(world, other)
    between = Script(world, key).run(beside.step)
    beside.remove()
    if moved(pairs, between):
        # What only seemed steady, such as a list cut at random, has two more chances to move by itself.
        pairs.append(_alone(world, key))
    moves = moved(pairs, between)
    for step in between:
        what = moves.get(step, "")
        problem = f"{what} with {other}.owner at work, not without" if what else ""
        yield noted(f"{key}.owner {step}, alone and beside {other}.owner", problem, needs=f"{key}.owner reads own rows")


def _alone(world: World, key: str) -> tuple[Seen, Seen]:
    return Script(world, key).run(_nothing), Script(world, key).run(_nothing)


def _nothing() -> None:
    """Nobody else is at work."""
