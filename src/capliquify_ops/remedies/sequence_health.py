"""Repairs of sequence_health: a sequence that lags behind its keys is set to the furthest one; pure."""

from collections.abc import Iterator

from capliquify_ops.database import fill, quoted
from capliquify_ops.integrity.sequence_health import CHECK
from capliquify_ops.integrity.sequence_reading import Next, SequenceRows, Usage
from capliquify_ops.remedies.repair_plan import Fact, Stage, Step, for_person

RANK = 5
_SET = (
    "SELECT pg_catalog.setval(:'name'::pg_catalog.regclass, greatest(s.last_value, k.furthest))"
    ' FROM :"sequence_schema".:"sequence" AS s CROSS JOIN'
    ' (SELECT pg_catalog.max(t.:"attribute")::bigint FROM ONLY :"table_schema".:"relation" AS t) AS k (furthest)'
)
"""Never backwards: what was drawn meanwhile stays drawn."""
BEHIND, AHEAD = "sequence behind its keys", "keys ahead of their sequence"


def steps(rows: SequenceRows) -> tuple[Step, ...]:
    """Return a step for each sequence that lags behind. What runs out or starts over is for people, and not told here."""
    return tuple(_step(fact, usage, after) for fact, usage, after in _lagging(rows))


def _lagging(rows: SequenceRows) -> Iterator[tuple[Fact, Usage, Next]]:
    for usage, after in rows.ahead:
        if after.furthest is None:
            continue
        if after.is_taken:
            yield Fact(CHECK, BEHIND, usage.object, usage.tenant), usage, after
        elif abs(usage.increment) == 1 and usage.is_beyond(after.furthest, after.value):
            yield Fact(CHECK, AHEAD, usage.object, usage.tenant), usage, after


def _step(fact: Fact, usage: Usage, after: Next) -> Step:
    low, high = usage.bounds
    furthest = after.furthest or 0
    if usage.sequence_schema != usage.tenant or usage.table_schema != usage.tenant:
        return for_person(fact, "The sequence or the table is another schema's: see cross_references.")
    if abs(usage.increment) != 1:
        return for_person(fact, "It counts in steps, which servers may share: which of them is this one's must be said.")
    if not low <= furthest + usage.increment <= high:
        return for_person(fact, f"The furthest key is {furthest}, and behind it the sequence has no values: widen it first.")
    table = quoted(usage.table_schema, usage.relation)
    # An insert draws its key after it has the lock that this one keeps from it: none is drawn while the sequence is set.
    statements = (f"LOCK TABLE {table} IN SHARE ROW EXCLUSIVE MODE", _set(usage))
    return Step(fact, (Stage(statements),), locks=f"{usage.relation} (SHARE ROW EXCLUSIVE)", order=(RANK, 0))


def _set(usage: Usage) -> str:
    text = _SET if usage.increment > 0 else _SET.replace("max(", "min(").replace("greatest(", "least(")
    names = {
        "name": quoted(usage.sequence_schema, usage.sequence),
        "sequence_schema": usage.sequence_schema,
        "sequence": usage.sequence,
        "table_schema": usage.table_schema,
        "relation": usage.relation,
        "attribute": usage.attribute,
    }
    return fill(text.replace(" ONLY ", " ") if usage.is_partitioned else text, names).as_string(None)
