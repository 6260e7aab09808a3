"""Drop a schema in chunks that the server's lock table can hold, ending in DROP SCHEMA ... RESTRICT.

Foreign keys go first, then views, tables, and the rest; inside each kind what the fewest things depend on goes first.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import accumulate, takewhile

from capliquify_ops.database import Session, fill, load
from capliquify_ops.model.errors import TenantConflict
from capliquify_ops.tenants.quarantine import refuse_outside_dependents

_HERE = "capliquify_ops.tenants"
SHARE = 0.25
"""Of the locks that are free on the server one chunk takes at most this share: others go on working meanwhile."""


@dataclass(frozen=True, slots=True)
class Droppable:
    """One thing to drop, in the server's own quoting: what locks it first ("": nothing), and how many locks it takes at most."""

    rank: int
    what: str
    hold: str
    statement: str
    locks: int


@dataclass(frozen=True, slots=True)
class LockBudget:
    """What the server's lock table holds, at least, and what is in use of it."""

    capacity: int
    used: int

    @property
    def allowed(self) -> int:
        """How many locks one transaction of ours may take."""
        return int(max(0, self.capacity - self.used) * SHARE)


def lock_budget(session: Session) -> LockBudget:
    """Ask the server, within the open transaction."""
    return session.rows(load(_HERE, "lock_budget"), LockBudget)[0]


def droppable(session: Session, schema: str) -> list[Droppable]:
    """Return what a schema holds, in the order to drop it, within the open transaction."""
    return session.rows(load(_HERE, "droppable"), Droppable, {"schema": schema})


def chunk(things: Iterable[Droppable], budget: LockBudget) -> list[Droppable]:
    """Return the first things that fit the budget together. Raises TenantConflict when not even the first one does."""
    left = list(things)
    sums = accumulate(thing.locks for thing in left)
    fitting = [thing for thing, _ in takewhile(lambda pair: pair[1] <= budget.allowed, zip(left, sums, strict=True))]
    if left and not fitting:
        raise TenantConflict(
            f"Dropping the {left[0].what} takes up to {left[0].locks} locks; {budget.allowed} may be taken: a quarter of what is"
            f" free of {budget.capacity}.",
            hint="Try again when the server is calmer, or raise max_locks_per_transaction.",
        )
    return fitting


def drop_chunk(session: Session, schema: str) -> bool:
    """Drop the next chunk, as the owner, within the open transaction; return whether the schema itself is gone.

    Looks again for what depends on it from outside: CASCADE reaches nothing that is not the schema's own.
    """
    things = droppable(session, schema)
    if not things:
        session.execute(fill('DROP SCHEMA :"schema" RESTRICT', {"schema": schema}))
        return True
    chosen = chunk(things, lock_budget(session))
    for thing in chosen:
        if thing.hold:
            session.execute(thing.hold)
    refuse_outside_dependents(session, schema)
    for thing in chosen:
        session.execute(thing.statement)
    return False
