"""The search_path set for the session instead of the transaction: one twin that takes it away again, two defects that do not.

The service itself sets the path for the transaction only and never comes here. SESSION_SET leaves the path on the connection for
whoever borrows it next; RESET_ON_SUCCESS_ONLY takes it away unless the request failed, timed out or was cancelled. Both are
defects because the search trusts a path that it finds. SESSION_SET_WITH_RESET does the same and is right: the pool's own reset
takes the path away, whatever became of the request.
"""

from typing import LiteralString

from psycopg import AsyncConnection
from psycopg.rows import TupleRow

from capliquify_ops.reference.service.switches import Switches

_NAMES = ("SESSION_SET", "RESET_ON_SUCCESS_ONLY", "SESSION_SET_WITH_RESET")
# "Already set, skip it" saves a statement, and is right as long as nobody leaves a path behind.
_SET: LiteralString = """
SELECT set_config('search_path', CASE
  WHEN %(trusts)s AND current_setting('search_path') NOT IN ('pg_temp', '"$user", public') THEN current_setting('search_path')
  ELSE %(path)s END, false)
"""
_CONTEXT: LiteralString = "SELECT set_config('app.tenant_id', %(tenant_id)s, true)"
_RESET: LiteralString = "RESET search_path"


class SessionPath:
    """What the pool does with the path of its connections when one of the switches is on."""

    def __init__(self, switches: Switches) -> None:
        self._switches = switches

    async def enter(self, connection: AsyncConnection[TupleRow], tenant_id: str, path: str, *, trusts: bool) -> None:
        """Sets the path for the session, and goes on in a new transaction. `trusts`: unless there is one."""
        for name in _NAMES:
            self._switches.on(name)
        await connection.commit()
        await connection.execute(_SET, {"trusts": trusts, "path": path})
        await connection.commit()
        await connection.execute(_CONTEXT, {"tenant_id": tenant_id})

    async def succeeded(self, connection: AsyncConnection[TupleRow]) -> None:
        """RESET_ON_SUCCESS_ONLY: the path goes, after a request that went well and after no other."""
        if self._switches.on("RESET_ON_SUCCESS_ONLY"):
            await reset(connection)


def session_path(switches: Switches) -> SessionPath | None:
    """The session's path, when a switch asks for one."""
    return SessionPath(switches) if any(switches.has(name) for name in _NAMES) else None


async def reset(connection: AsyncConnection[TupleRow]) -> None:
    """Gives a connection the path that it began with."""
    await connection.rollback()
    await connection.execute(_RESET)
    await connection.commit()
