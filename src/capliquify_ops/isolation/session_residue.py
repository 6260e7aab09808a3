"""ISO-09: what idle connections of the service still hold: temporary relations, session locks, open transactions."""

from collections.abc import Iterable
from dataclasses import dataclass

from capliquify_ops.database import Session, load, observer
from capliquify_ops.isolation.database import POLL_S
from capliquify_ops.isolation.probe import CannotTell, Probes, noted
from capliquify_ops.isolation.routes import reads_own
from capliquify_ops.isolation.world_model import World

SETTLED_S = 2.0
"""A request that ended may still be putting its connection back; what is there after this long is residue."""
_PACKAGE = "capliquify_ops.isolation"


@dataclass(frozen=True, slots=True)
class Residue:
    """One thing that a session of the service holds; `pid` 0 where the catalogue does not say which. `since_s`: idle for."""

    kind: str
    what: str
    pid: int
    since_s: float


def residue(world: World) -> Probes:
    """ISO-09: after requests of both tenants no connection of the service keeps what the next request would meet.

    Locks that a session already held before, such as a leader's, are left out; nothing else is.
    """
    role, target = world.target.roles.app, world.target
    with observer(target.observer_url(), "audit residue", pooled=target.pooled) as session:
        before = frozenset(_held(session, role))
        for key in ("a", "b"):
            yield reads_own(world, f"{key}.owner")
            for route in world.lists():
                world.get(f"{key}.owner", route.path)
        left = _settled(world, session, role)
    named = frozenset(world.profile.tenant_tables)
    for kind in ("temporary relation", "transaction", "advisory lock"):
        found = [one for one in left if one.kind == kind and (kind != "advisory lock" or one not in before)]
        yield noted(
            f"what idle connections keep: {kind}", _problem(found, named), needs="b.owner reads own rows", request=f"as {role}"
        )


def _settled(world: World, session: Session, role: str) -> list[Residue]:
    """Look until nothing is held, or for as long as a connection may take to be put back."""
    end = world.clock.monotonic() + SETTLED_S
    while (left := _held(session, role)) and world.clock.monotonic() < end:
        with session.transaction():
            session.value("SELECT pg_catalog.pg_sleep(%(seconds)s)", {"seconds": POLL_S})
    return left


def _held(session: Session, role: str) -> list[Residue]:
    """Return what the role's sessions hold. Raises CannotTell where none is seen, or not what it does."""
    with session.transaction():
        rows = session.rows(load(_PACKAGE, "session_residue"), Residue, {"role": role})
    if any(row.kind == "hidden" for row in rows):
        raise CannotTell(
            f"What the sessions of {role!r} do is hidden from the observer.", hint="GRANT pg_read_all_stats TO the observer role;"
        )
    if not any(row.kind == "session" for row in rows):
        raise CannotTell(f"No session of the service's role {role!r} is connected.", hint="Check app_role in the configuration.")
    return [Residue(row.kind, row.what, row.pid, 0) for row in rows if row.kind != "session"]


def _problem(found: Iterable[Residue], tenant_tables: frozenset[str]) -> str:
    kept = sorted({one.what for one in found})
    if not kept:
        return ""
    hiding = [what for what in kept if what in tenant_tables]
    more = f", which hides the tables {', '.join(hiding)} of whoever comes next" if hiding else ""
    return f"kept for the next request: {', '.join(kept[:5])}{more}"
