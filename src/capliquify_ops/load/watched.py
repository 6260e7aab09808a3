"""What was seen of database and service while a load ran: plain rows that `watching` makes."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Look:
    """One look, `at_s` after the watch began: sessions of the application's role by what they do.

    `waits`: how many waited for what, such as ("LWLock WALWrite", 3). `blocked`: how many waited for another session's lock.
    """

    at_s: float
    sessions: int
    active: int
    idle_in_transaction: int
    blocked: int
    waits: tuple[tuple[str, int], ...] = ()


@dataclass(frozen=True, slots=True)
class ServiceLook:
    """One look at the service's own metrics, None where it does not tell: pool in use, free, waited for, CPU so far, memory."""

    at_s: float
    pool_active: float | None = None
    pool_idle: float | None = None
    pool_waiting: float | None = None
    cpu_s: float | None = None
    memory_bytes: float | None = None


@dataclass(frozen=True, slots=True)
class StatementTime:
    """A statement that the application's role ran meanwhile: its folded text, how often, for how long together."""

    text: str
    calls: int
    total_ms: float


@dataclass(frozen=True, slots=True)
class Watched:
    """Everything seen in `seconds`. `calls`, `commits`: by the application and in the database, None where nobody counts them.

    `unseen`: why what is missing is missing, in sentences.
    """

    seconds: float = 0.0
    looks: tuple[Look, ...] = ()
    service: tuple[ServiceLook, ...] = ()
    statements: tuple[StatementTime, ...] = ()
    calls: int | None = None
    commits: int | None = None
    unseen: tuple[str, ...] = ()


def watched_of(document: Mapping[str, Any]) -> Watched:
    """Return what was written as `dataclasses.asdict`, read back from JSON. Raises TypeError, KeyError or ValueError."""
    rows = {
        "looks": tuple(_look(each) for each in document["looks"]),
        "service": tuple(ServiceLook(**each) for each in document["service"]),
        "statements": tuple(StatementTime(**each) for each in document["statements"]),
        "unseen": tuple(document["unseen"]),
    }
    return Watched(**{**document, **rows})


def _look(row: Mapping[str, Any]) -> Look:
    return Look(**{**row, "waits": tuple((name, many) for name, many in row["waits"])})
