"""Repairs of function_safety: a definer gets a search_path of its own, or temporary objects last in the one it has; pure."""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass

from capliquify_ops.database import quoted
from capliquify_ops.integrity.faults import Fault
from capliquify_ops.integrity.function_safety import CHECK
from capliquify_ops.remedies.repair_plan import Fact, Stage, Step, for_person
from capliquify_ops.tenants.renaming import path_names

RANK = 4
UNPINNED, TEMPORARY_FIRST = "unpinned definer", "definer with temporary objects first"


@dataclass(frozen=True, slots=True)
class Definer:
    """A function that runs with its owner's rights; `routine` is its name with arguments, as SQL."""

    schema: str
    object: str
    routine: str


def steps(faults: Iterable[Fault], found: Iterable[Definer]) -> tuple[Step, ...]:
    """Return a step for each fault; `found` says which functions the names stand for."""
    by_name: dict[tuple[str, str], list[str]] = defaultdict(list)
    for one in found:
        by_name[one.schema, one.object].append(one.routine)
    return tuple(_step(fault, by_name[fault.schema, fault.object]) for fault in faults)


def _step(fault: Fault, routines: list[str]) -> Step:
    fact = Fact(CHECK, fault.kind, fault.object, fault.schema)
    if fault.kind not in {UNPINNED, TEMPORARY_FIRST}:
        return for_person(fact, "What the function means to do is not known here.")
    if not fault.schema:
        return for_person(fact, "It is no tenant's: which schemas it means is not known here.")
    if len(routines) != 1:
        return for_person(fact, "Its name could stand for more than one function, or it has gone meanwhile.")
    names = [name for name in path_names(fault.detail) if name != "pg_temp"] if fault.kind == TEMPORARY_FIRST else [fault.schema]
    path = ", ".join([*map(quoted, names), "pg_temp"])
    statement = f"ALTER ROUTINE {routines[0]} SET search_path = {path}"
    return Step(fact, (Stage((statement,)),), locks="the function alone", order=(RANK, 0))
