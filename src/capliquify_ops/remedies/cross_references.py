"""Repairs of cross_references: none. What hangs on another tenant's was made by somebody, and may hold the wrong rows; pure."""

from collections.abc import Iterable

from capliquify_ops.integrity.cross_references import CHECK, Reference
from capliquify_ops.remedies.repair_plan import Fact, Step, for_person

_WHY = "It uses {!r}: whose rows it has read and written until now must be found out first."


def steps(found: Iterable[Reference]) -> tuple[Step, ...]:
    """Return a step for a person for each reference."""
    told = {(each.kind, each.object, each.from_schema, each.to_schema) for each in found}
    return tuple(for_person(Fact(CHECK, kind, name, own), _WHY.format(other)) for kind, name, own, other in sorted(told))
