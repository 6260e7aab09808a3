"""How many transactions a database has ended."""

from dataclasses import dataclass

from capliquify_ops.database import Session, load
from capliquify_ops.observation.activity import PACKAGE


@dataclass(frozen=True, slots=True)
class Transactions:
    """Counters as of one read, since the statistics were last reset."""

    commits: int
    rollbacks: int


def read_transactions(session: Session) -> Transactions:
    """Read the counters, within the open transaction."""
    return session.rows(load(PACKAGE, "transactions"), Transactions)[0]
