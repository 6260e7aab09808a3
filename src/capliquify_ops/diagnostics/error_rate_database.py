"""What the database itself counts of errors, as it grows between two reads."""

from dataclasses import dataclass

from capliquify_ops.database import Session, load

PACKAGE = "capliquify_ops.observation"


@dataclass(frozen=True, slots=True)
class Counters:
    """Numbers of one database as of `at_s` (seconds since 1970), counted for `counted_s`, None where nobody knows since when."""

    deadlocks: int
    commits: int
    rollbacks: int
    conflicts: int
    fatal: int
    killed: int
    at_s: float
    counted_s: float | None


@dataclass(frozen=True, slots=True)
class Growth:
    """What was counted in `over_s` seconds, and `deadlocks_before` of the time before."""

    over_s: float
    deadlocks: int
    rollbacks: int
    transactions: int
    fatal: int
    killed: int
    deadlocks_before: int
    counted_s: float | None


def read_counters(session: Session) -> tuple[Counters, str]:
    """Read the numbers, within a transaction of its own."""
    with session.transaction():
        [found] = session.rows(load(PACKAGE, "database_errors"), Counters)
    days = "" if found.counted_s is None else f" in {found.counted_s / 86400:.1f} days"
    return found, f"{found.deadlocks} deadlocks, {found.rollbacks} of {found.commits + found.rollbacks} rolled back{days}"


def growth_between(before: Counters | None, after: Counters | None) -> Growth | None:
    """Return what was counted between two reads, None without both. A number that went back began anew."""
    if before is None or after is None:
        return None
    is_new = after.commits < before.commits or after.deadlocks < before.deadlocks
    was = Counters(0, 0, 0, 0, 0, 0, before.at_s, None) if is_new else before
    return Growth(
        over_s=after.at_s - before.at_s,
        deadlocks=after.deadlocks - was.deadlocks,
        rollbacks=after.rollbacks - was.rollbacks,
        transactions=after.commits + after.rollbacks - was.commits - was.rollbacks,
        fatal=after.fatal - was.fatal,
        killed=after.killed - was.killed,
        deadlocks_before=was.deadlocks,
        counted_s=after.counted_s,
    )
