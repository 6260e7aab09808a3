"""The database sessions of the service: how many there are, which are left open, and ends put to them in mid-request."""

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass

from capliquify_ops.database import Session, load
from capliquify_ops.http_client import Wire
from capliquify_ops.isolation.database import POLL_S, Lock, OwnerSession, blocked_table, owner_session
from capliquify_ops.isolation.exchange import Call
from capliquify_ops.isolation.probe import CannotTell
from capliquify_ops.isolation.world_model import World
from capliquify_ops.model.errors import OpsError, PrivilegeMissing

POOL = 10
"""Connections of the usual pool, where the service's own cannot be counted."""
MOST_CONNECTIONS = 40
"""An audit exhausts no larger pool."""
STALLED_S = 3.0
"""How long a held lock may take to stall a request before that counts as not reached."""
SETTLED_S = 2.0
"""A request that ended may still be putting its connection back; a transaction open after this long is left open."""
_PACKAGE = "capliquify_ops.isolation"
_SIGNAL_HINT = "GRANT pg_signal_backend TO the operator role;"


@dataclass(frozen=True, slots=True)
class ServiceSession:
    """One session of the service's role; `changed`: when it last took up or ended something, "" where that is hidden."""

    pid: int
    state: str
    changed: str


@dataclass(frozen=True, slots=True)
class _Waiting:
    pid: int


@dataclass(frozen=True, slots=True)
class _Sent:
    is_sent: bool


def connections(world: World) -> int:
    """Return how many connections the service holds now, as the database counts them; POOL where it cannot be asked."""
    try:
        with owner_session(world.target, "audit sessions") as owner:
            found = len(sessions(world, owner))
    except OpsError:
        return POOL
    return min(found, MOST_CONNECTIONS) or POOL


def left_open(world: World) -> list[str]:
    """Return the states of sessions that stay inside a transaction. Raises CannotTell without an operator, or its rights."""
    end = world.clock.monotonic() + SETTLED_S
    with owner_session(world.target, "audit sessions") as owner:
        while True:
            found = sessions(world, owner)
            if found and all(one.state == "hidden" for one in found):
                raise CannotTell(
                    "What the service's sessions do is hidden from the operator.", hint="GRANT pg_read_all_stats TO it;"
                )
            left = [one.state for one in found if one.state.startswith("idle in transaction")]
            if not left or world.clock.monotonic() > end:
                return left
            with owner.session.transaction():
                owner.session.value("SELECT pg_catalog.pg_sleep(%(seconds)s)", {"seconds": POLL_S})


@contextmanager
def stalled(world: World, key: str, calls: Sequence[Call]) -> Iterator[tuple[Lock, list[Wire]]]:
    """Hold a tenant's main table and send requests of it, until at least one waits inside the database.

    With a pool smaller than the requests the others wait in the service. Raises CannotTell where none stalls.
    """
    table = world.planting_route().table
    with ExitStack() as opened:
        lock = opened.enter_context(blocked_table(world.target, world.tenant(key).schema_name, table))
        wires = [opened.enter_context(world.caller.wire(call)) for call in calls]
        for wire in wires:
            wire.send()
        if not lock.await_waiter(STALLED_S, world.clock):
            raise CannotTell(f"The held lock on {table} of {key} stalled no request, so this was not reached.")
        yield lock, wires


def signal_waiters(world: World, lock: Lock, *, is_end: bool) -> int:
    """Cancel what the service's sessions that wait for a lock of ours are doing, or end them; return how many.

    Raises CannotTell where the operator may not.
    """
    role = world.target.roles.app
    with owner_session(world.target, "audit signals") as owner:
        with owner.session.transaction():
            waiting = owner.session.rows(load(_PACKAGE, "poisoned_connections_waiting"), _Waiting, {"role": role, **lock.names})
        try:
            return sum(_signal(owner.session, one.pid, role, is_end=is_end) for one in waiting)
        except PrivilegeMissing:
            raise CannotTell(f"The operator may not signal the sessions of {role!r}.", hint=_SIGNAL_HINT) from None


def _signal(session: Session, pid: int, role: str, *, is_end: bool) -> bool:
    values = {"pid": pid, "role": role, "is_end": is_end}
    with session.transaction():
        rows = session.rows(load(_PACKAGE, "poisoned_connections_signal"), _Sent, values)
    return any(row.is_sent for row in rows)


def sessions(world: World, owner: OwnerSession) -> list[ServiceSession]:
    """Return the sessions that the service has now."""
    with owner.session.transaction():
        return owner.session.rows(load(_PACKAGE, "poisoned_connections"), ServiceSession, {"role": world.target.roles.app})
