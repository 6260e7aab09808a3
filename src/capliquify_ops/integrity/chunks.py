"""Reading the tables of a whole fleet: many to a statement, never more locks at once than the server can spare.

Every chunk is read in a transaction of its own that is rolled back, or, within one that is open, in a savepoint: one that is
rolled back gives its locks up, one that is released does not. Locks on sequences are kept even so, to the end of the whole
transaction: whoever asks sequences for values does it outside of one.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from types import MappingProxyType
from typing import Generic, Protocol, TypeVar

from capliquify_ops.database import Session, Statement, fill, quoted
from capliquify_ops.database.connect import Query
from capliquify_ops.database.identifiers import composed
from capliquify_ops.model.errors import PrivilegeMissing, RelationMissing, StatementFailed, StatementTimedOut
from capliquify_ops.tenants.drop import lock_budget

PARTS = 300
"""Parts of one statement at most: the planner's time grows faster than they do, and its depth is bounded."""
UNREAD = 20
"""So many parts that cannot be read are named one by one; more of them mean that nothing can be read just now."""
_WAIT = MappingProxyType({"lock_timeout": "500ms"})
"""Somebody changes a table: what is read can wait for another day, and everybody behind us waits as long as we do."""
_ONE = MappingProxyType({"lock_timeout": "100ms", "statement_timeout": "2s"})
_GONE = "3F000"
"""SQLSTATE of a schema that is not there."""


class Part(Protocol):
    """What is read of one relation; `locks` is how many locks that takes at most."""

    @property
    def locks(self) -> int:
        """How many locks reading it takes at most."""


P = TypeVar("P", bound=Part)
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Unread(Generic[P]):
    """A part that could not be read, and why."""

    part: P
    why: str


@dataclass(frozen=True, slots=True)
class Chunks(Generic[P, T]):
    """What was read; what has gone meanwhile is in neither."""

    rows: tuple[T, ...]
    unread: tuple[Unread[P], ...]


def read_in_chunks(
    session: Session, parts: Sequence[P], ask: Callable[[Session, Sequence[P]], list[T]], *, at_once: int = PARTS
) -> Chunks[P, T]:
    """Ask about all parts, a chunk of them at a time.

    A chunk that fails is asked part by part: what was dropped meanwhile is left out, what is locked or refused is told.
    Raises the server's refusal, and StatementTimedOut for want of locks, when more than 20 parts meet one.
    """
    rows: list[T] = []
    unread: list[Unread[P]] = []
    left = list(parts)
    while left:
        with session.transaction():
            allowed = lock_budget(session).allowed
        chunk = _fitting(left, allowed, at_once)
        if not chunk:
            unread.append(_too_many_locks(left.pop(0), unread))
            continue
        left = left[len(chunk) :]
        try:
            rows += _released(session, ask, chunk, _WAIT)
        except (PrivilegeMissing, StatementTimedOut, StatementFailed):
            for part in chunk:
                rows += _alone(session, ask, part, unread)
    return Chunks(tuple(rows), tuple(unread))


def body(statement: Statement) -> str:
    """Return a statement without its comments, to be put together with others."""
    return "\n".join(line for line in statement.text.splitlines() if not line.lstrip().startswith("--"))


def together(each: Iterable[tuple[str, Mapping[str, str]]]) -> Query:
    """Return statements, each filled with its names, as one: joined by UNION ALL."""
    return composed("\nUNION ALL\n".join(fill(text, names).as_string(None) for text, names in each))


def select_grant(role: str, schema: str, relation: str, kind: str = "TABLE") -> str:
    """Return what lets a role read a relation."""
    to = quoted(role)
    return f"GRANT USAGE ON SCHEMA {quoted(schema)} TO {to}; GRANT SELECT ON {kind} {quoted(schema, relation)} TO {to}"


def _alone(session: Session, ask: Callable[[Session, Sequence[P]], list[T]], part: P, unread: list[Unread[P]]) -> Iterator[T]:
    try:
        yield from _released(session, ask, [part], _ONE)
    except (PrivilegeMissing, StatementTimedOut, StatementFailed) as fault:
        if isinstance(fault, RelationMissing) or getattr(fault, "sqlstate", "") == _GONE:
            return
        if len(unread) == UNREAD:
            raise
        unread.append(Unread(part, fault.what.rstrip(".")))


def _fitting(parts: Sequence[P], allowed: int, at_once: int) -> list[P]:
    """Return the first parts that fit together."""
    chunk: list[P] = []
    for part in parts[:at_once]:
        allowed -= part.locks
        if allowed < 0:
            break
        chunk.append(part)
    return chunk


def _too_many_locks(part: P, unread: Sequence[Unread[P]]) -> Unread[P]:
    why = f"reading it takes {part.locks} locks, more than a quarter of what is free on the server"
    if len(unread) == UNREAD:
        raise StatementTimedOut(f"Too many tables cannot be read: {why}.", hint="Try again when the server is calmer.")
    return Unread(part, why)


class _EnoughError(Exception):
    """Rolls a transaction or savepoint back, and with it its locks."""


def _roll_back() -> None:
    raise _EnoughError


def _released(
    session: Session, ask: Callable[[Session, Sequence[P]], list[T]], chunk: Sequence[P], settings: Mapping[str, str]
) -> list[T]:
    rows: list[T] = []
    with suppress(_EnoughError), session.transaction(settings):
        rows = ask(session, chunk)
        _roll_back()
    return rows
