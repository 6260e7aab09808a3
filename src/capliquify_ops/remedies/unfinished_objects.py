"""Repairs of unfinished_objects: an invalid index is built again, a constraint is validated; pure."""

import re
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass

from capliquify_ops.database import quoted
from capliquify_ops.integrity.faults import Fault
from capliquify_ops.integrity.unfinished_objects import CHECK
from capliquify_ops.remedies.repair_plan import Fact, Stage, Step, for_person

RANK = 1
"""Before structures: a key cannot take over an index that is invalid."""
_LEFTOVER = re.compile(r"_cc(?:new|old)\d*\Z")
_NO_NAME = "Its name could stand for more than one object, or it has gone meanwhile: look, and run the command again."
_WHYS = {
    "unenforced constraint": "Somebody said NOT ENFORCED: only they know whether the rows may break it.",
    "disabled trigger": "Somebody switched it off: what happened since then may have to be made up for before it is on again.",
    "duplicate index": "It harms nothing but speed. Whether somebody counts on it, nobody can see from here.",
}


@dataclass(frozen=True, slots=True)
class Unfinished:
    """An unfinished object by its parts. No rebuild mends an index that `is_apart`; one that `has_twin` is alike to another."""

    schema: str
    kind: str
    relation: str
    name: str
    definition: str
    is_apart: bool
    has_twin: bool


def steps(faults: Iterable[Fault], found: Iterable[Unfinished]) -> tuple[Step, ...]:
    """Return a step for each fault; `found` says which objects the names stand for."""
    by_name: dict[tuple[str, str, str], list[Unfinished]] = defaultdict(list)
    for one in found:
        by_name[one.schema, one.kind, f"{one.relation}.{one.name}"].append(one)
    return tuple(_step(fault, by_name[fault.schema, fault.kind, fault.object]) for fault in faults)


def _step(fault: Fault, found: list[Unfinished]) -> Step:
    fact = Fact(CHECK, fault.kind, fault.object, fault.schema)
    if why := _WHYS.get(fault.kind):
        return for_person(fact, why)
    if len(found) != 1:
        return for_person(fact, _NO_NAME)
    return _index(fact, found[0]) if fault.kind == "invalid index" else _constraint(fact, found[0])


def _index(fact: Fact, one: Unfinished) -> Step:
    name = quoted(one.schema, one.name)
    if one.is_apart:
        why = "It is an exclusion constraint's, or of a partitioned table: it cannot be built again beside the work."
        return for_person(fact, why, f"REINDEX INDEX {name}")
    locks = f"{one.relation} (SHARE UPDATE EXCLUSIVE)"
    is_leftover = one.has_twin and _LEFTOVER.search(one.name)
    statement = f"DROP INDEX CONCURRENTLY {name}" if is_leftover else f"REINDEX INDEX CONCURRENTLY {name}"
    stages = (Stage((statement,), is_outside=True, is_weak=True),)
    return Step(fact, stages, locks=locks, about=one.definition, order=(RANK, 0))


def _constraint(fact: Fact, one: Unfinished) -> Step:
    statement = f"ALTER TABLE {quoted(one.schema, one.relation)} VALIDATE CONSTRAINT {quoted(one.name)}"
    locks = f"{one.relation} (SHARE UPDATE EXCLUSIVE)"
    return Step(fact, (Stage((statement,), is_weak=True),), locks=locks, order=(RANK, 1))
