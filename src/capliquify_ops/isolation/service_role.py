"""Act in the database as the service's own role, and see which role that is: every transaction here is undone."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass

from capliquify_ops.database import Session, fill, load, quoted
from capliquify_ops.isolation.database import OwnerSession, blocked_table
from capliquify_ops.isolation.exchange import Call, Exchange, objects
from capliquify_ops.isolation.probe import CannotTell
from capliquify_ops.isolation.routes import PAGE
from capliquify_ops.isolation.world_model import World
from capliquify_ops.model.errors import PrivilegeMissing

PACKAGE = "capliquify_ops.isolation"
STALLED_S = 3.0
"""How long the held lock may take to stall a request before the role counts as not seen."""
_SEPARATE_RIGHTS = 16
"""From PostgreSQL 16 on a membership says for itself whether it inherits and whether it may SET ROLE."""


class _Undo(Exception):
    """Ends a transaction without keeping anything of it."""


@dataclass(frozen=True, slots=True)
class _Named:
    name: str


@contextmanager
def undone(session: Session) -> Iterator[None]:
    """Open a transaction that is rolled back at its end, whatever happened in it."""
    with suppress(_Undo), session.transaction():
        yield
        raise _Undo


def become(session: Session, role: str) -> None:
    """Act as a role until the transaction ends. Raises PrivilegeMissing for who may not."""
    session.execute(fill('SET LOCAL ROLE :"role"', {"role": role}))


def require_role(session: Session, role: str) -> None:
    """Raise CannotTell, with the grant, where this session may not act as a role."""
    try:
        with undone(session):
            become(session, role)
    except PrivilegeMissing:
        with session.transaction():
            mine = str(session.value("SELECT session_user::text"))
        options = " WITH INHERIT FALSE, SET TRUE" if session.server_major >= _SEPARATE_RIGHTS else ""
        raise CannotTell(
            f"The role {mine!r} may not act as the service's role {role!r}, so what that one sees cannot be tried.",
            hint=f"GRANT {quoted(role)} TO {quoted(mine)}{options};",
        ) from None


def connected_role(world: World, owner: OwnerSession) -> str:
    """Return the role that the service connects with: of a read, or else a new row, that a held lock stalls in the database.

    A service may read from a cache or a replica, where no lock holds it; a new row it writes here.
    Raises CannotTell where neither was stalled, PrivilegeMissing, StatementTimedOut, TargetUnreachable.
    """
    route = world.planting_route()
    read = Call("GET", route.path + PAGE, world.person("a.owner"), may_be_busy=True)
    content, canary = world.draft("a", route, "stalled")
    write = Call("POST", route.path, world.person("a.owner"), json=content, may_be_busy=True)
    for call in (read, write):
        answer, roles = _stalled(world, owner, call)
        made = next(objects(answer.data), None) if call is write and answer.is_success else None
        if made is not None:
            world.uproot([world.remember("a", route, str(made["id"]), canary)])
        if len(roles) == 1:
            return roles[0]
    raise CannotTell(
        f"No request could be held inside the database by a lock on {route.table}, so the role that it runs as was not seen.",
        hint=f"Name the table that rows of {route.path} stand in: table = ... of [routes.{route.name}] in the profile.",
    )


def _stalled(world: World, owner: OwnerSession, call: Call) -> tuple[Exchange, list[str]]:
    """Send a request while tenant A's table is held; return its answer, and the roles that waited for the table."""
    route, schema = world.planting_route(), world.tenant("a").schema_name
    with ThreadPoolExecutor(1) as pool, blocked_table(world.target, schema, route.table) as lock:
        sent = pool.submit(world.send, call)
        is_waiting = lock.await_waiter(STALLED_S, world.clock)
        query = load(PACKAGE, "row_level_security_waiting")
        with owner.session.transaction():
            found = owner.session.rows(query, _Named, {"schema": schema, "table": route.table}) if is_waiting else []
        lock.release()
        return sent.result(), [one.name for one in found]
