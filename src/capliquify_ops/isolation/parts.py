"""Parts of a measure that stand by themselves: measured again, only those in which something contradicted are."""

import dataclasses
from collections.abc import Iterable
from contextlib import closing

from capliquify_ops.isolation.probe import Probe, Probes
from capliquify_ops.isolation.world_model import World


def part(world: World, name: str, rows: Probes) -> Probes:
    """Yield the probes of a part, marked with its name; none of a part that is not wanted.

    A part makes what it needs and holds its own positive controls, or needs those that stand in no part: these are always
    measured.
    """
    with closing(rows):
        if world.only_parts and name not in world.only_parts:
            return
        for probe in rows:
            yield dataclasses.replace(probe, part=name)


def contradicted(probes: Iterable[Probe]) -> frozenset[str]:
    """Return the parts in which something contradicts; none where that is in no part, and so the whole has to be measured."""
    found = frozenset(probe.part for probe in probes if not probe.is_control and probe.violation())
    return frozenset() if "" in found else found
