"""Sessions of the server, the tables that they hold, and who keeps whom waiting."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from capliquify_ops.database import Session, load
from capliquify_ops.model.errors import PrivilegeMissing

PACKAGE = "capliquify_ops.observation"
AT_MOST, MOST_LOCKS = 5_000, 5_000
"""Sessions and locks read at most: a server that has more of them is read in part, and its answer says so."""
LOCKS_OF_EACH = 200
"""Of one session: a backup holds a lock on every table of the fleet, and must not take the place of all others."""


@dataclass(frozen=True, slots=True)
class Backend:
    """One client's session. Ages in seconds, `blocked_by` process ids; not `is_visible`: the role may not see what it does."""

    pid: int
    role: str
    application: str
    client: str
    is_here: bool
    is_visible: bool
    state: str
    wait_type: str
    wait_event: str
    connected_s: float | None
    transaction_s: float | None
    state_s: float | None
    backend_start: datetime | None
    transaction_start: datetime | None
    query: str
    blocked_by: Sequence[int]
    is_own: bool

    @property
    def idles_in_transaction(self) -> bool:
        """Whether it holds a transaction open and does nothing."""
        return self.state.startswith("idle in transaction")


@dataclass(frozen=True, slots=True)
class Locked:
    """A table that a session holds a lock on, or waits for since `waits_s` seconds."""

    pid: int
    schema: str
    relation: str
    mode: str
    granted: bool
    waits_s: float | None


@dataclass(frozen=True, slots=True)
class Activity:
    """All client sessions of one moment, and the tables of those that hold or wait for some."""

    backends: tuple[Backend, ...]
    locked: tuple[Locked, ...]

    @property
    def is_cut(self) -> bool:
        """Whether there may be more sessions or locks than were read."""
        return len(self.backends) >= AT_MOST or len(self.locked) >= MOST_LOCKS

    def waits_s(self, backend: Backend) -> float:
        """Return for how long a session of this database has waited for a lock, 0 for one that does not.

        For a lock on a row the server says only for how long the statement has run. Who waits for the end of old transactions
        (virtualxid) builds an index beside the work of others, as it should, and nobody is the worse for it.
        """
        if backend.wait_type != "Lock" or backend.wait_event == "virtualxid" or not backend.is_here or backend.is_own:
            return 0.0
        known = [
            each.waits_s for each in self.locked if each.pid == backend.pid and not each.granted and each.waits_s is not None
        ]
        return max(known, default=backend.state_s or 0.0)

    def schemas(self, pid: int) -> tuple[str, ...]:
        """Return the schemas whose tables a session has locked or wants."""
        return tuple(sorted({each.schema for each in self.locked if each.pid == pid}))


@dataclass(frozen=True, slots=True)
class Blocking:
    """A session that waits for nobody and keeps others waiting: directly, and those who wait behind these."""

    root: Backend
    victims: tuple[Backend, ...]


def read_activity(session: Session) -> Activity:
    """Read sessions, and the locks of those in a transaction, within the open transaction."""
    backends = session.rows(load(PACKAGE, "sessions"), Backend, {"at_most": AT_MOST})
    pids = [each.pid for each in backends if each.transaction_s is not None and not each.is_own]
    given = {"pids": pids, "of_each": LOCKS_OF_EACH, "at_most": MOST_LOCKS}
    locked = session.rows(load(PACKAGE, "locked_relations"), Locked, given) if pids else []
    return Activity(tuple(backends), tuple(locked))


@dataclass(frozen=True, slots=True)
class _Hidden:
    hidden: int
    role: str


def require_all_visible(session: Session) -> None:
    """Raise PrivilegeMissing where what other roles' sessions do is hidden, within the open transaction."""
    [found] = session.rows(load(PACKAGE, "sessions_hidden"), _Hidden)
    if found.hidden:
        what = f"What {found.hidden} sessions of other roles do is hidden from the role {found.role!r}."
        raise PrivilegeMissing(what, hint=f'GRANT pg_monitor TO "{found.role}"')


def blocking_roots(backends: Iterable[Backend]) -> tuple[Blocking, ...]:
    """Return who must go for the others to go on, most victims first. A circle has no root: the server breaks it itself.

    A prepared transaction blocks as process 0 and is no session: it is not here.
    """
    known = {each.pid: each for each in backends}
    victims: Mapping[int, set[int]] = defaultdict(set)
    for waiter in known.values():
        for root in _roots(waiter.pid, known):
            victims[root].add(waiter.pid)
    found = [Blocking(known[root], tuple(known[pid] for pid in sorted(pids))) for root, pids in victims.items()]
    return tuple(sorted(found, key=lambda each: (-len(each.victims), each.root.pid)))


def _roots(pid: int, known: Mapping[int, Backend]) -> set[int]:
    """Return who stands at the end of each chain that begins with a waiting session."""
    roots, seen, open_ = set(), {pid}, list(known[pid].blocked_by)
    while open_:
        blocker = open_.pop()
        if blocker in seen or blocker not in known:
            continue
        seen.add(blocker)
        if known[blocker].blocked_by:
            open_ += known[blocker].blocked_by
        else:
            roots.add(blocker)
    return roots
