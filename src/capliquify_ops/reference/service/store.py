"""The database: a bounded pool, one transaction per request, and the one statement that says who is asking for what.

The tenant's schema and id are set inside the transaction only (``set_config(..., true)``). A connection in the pool
therefore knows no tenant, and a query outside a request's transaction finds no table at all.

Switches: PATH_WITH_PUBLIC (the shared schema stands behind the tenant's), PREPARED_STATEMENTS, and those of `session_path`. What
DB_ROLE_OWNER and SECDEF_UNPINNED change in the database (`switched/`) is used here.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from functools import partial
from pathlib import Path
from time import perf_counter
from typing import Any, LiteralString, TypeVar

from psycopg import AsyncConnection, Error, OperationalError, sql
from psycopg.pq import TransactionStatus
from psycopg.rows import TupleRow
from psycopg_pool import AsyncConnectionPool, PoolTimeout

from capliquify_ops.reference.service.access import Resolved
from capliquify_ops.reference.service.metrics import Series
from capliquify_ops.reference.service.resolution import RESOLVE, RESOLVE_AND_READ, SETTINGS, Reading, reading
from capliquify_ops.reference.service.round_trip import RoundTrips, Statement, numbered
from capliquify_ops.reference.service.session_path import reset, session_path
from capliquify_ops.reference.service.switches import Switches

Connection = AsyncConnection[TupleRow]
Query = LiteralString | sql.Composed
Parameters = Mapping[str, object]
Read = tuple[Statement, Parameters]
_Result = TypeVar("_Result")

WAIT_S = 3.0
"""How long a request waits for a connection before it is answered 503."""
_PROBE_S = 2.0
_RECONNECT_S = 2.0
"""Attempts end soon and start again with the next request; the pool's own back-off would wait up to minutes."""
_OPTIONS = "-c search_path=pg_temp -c timezone=UTC -c statement_timeout=10s -c idle_in_transaction_session_timeout=30s"
_IN_DATABASE = ("DB_ROLE_OWNER", "SECDEF_UNPINNED")
"""Switches that change the database (`switched/`): reached as soon as anything is asked."""
_BEHIND = "pg_temp"
"""What stands behind the tenant's schema in the path: nothing that anybody could put a table into for others to find."""
_SETTINGS_FIRST: tuple[Read, ...] = ((numbered(SETTINGS), {}),)
_WHO_ASKS = numbered(RESOLVE_AND_READ)
_IN_TURN = ("GLOBAL_TENANT", "SUSPEND_CACHED", "SUSPEND_TTL", "TRUST_ORG_HEADER")
"""Switches that do something between the two statements, or let in whom the database would not."""


class Transaction:
    """One transaction of one request. Leaving it without `finish` rolls it back."""

    def __init__(self, connection: Connection, pipeline: AsyncExitStack, row: Resolved, series: Series) -> None:
        self._connection = connection
        self._pipeline = pipeline
        self._series = series
        self.row = row

    async def queue(self, query: Query, parameters: Parameters) -> None:
        """Sends a statement whose result nobody needs; it travels with the next one that is waited for."""
        await self._connection.execute(query, parameters, prepare=True)

    async def first(self, query: Query, parameters: Parameters) -> TupleRow | None:
        """The first row of a statement in the middle of the transaction, or None."""
        started = perf_counter()
        row = await (await self._connection.execute(query, parameters, prepare=True)).fetchone()
        self._series.observe("database_query_duration_seconds", 'query="tenant_data"', perf_counter() - started)
        return row

    async def finish(self, query: Query, parameters: Parameters) -> str | None:
        """The first column of the last statement's only row, committed in the same round trip; None when there is no row.

        Statements are prepared although the schema changes with each tenant: the server parses a prepared statement
        again whenever search_path differs from its last use (PostgreSQL documentation, PREPARE, Notes).
        """
        started = perf_counter()
        cursor = await self._connection.execute(query, parameters, prepare=True)
        await self._connection.execute("COMMIT")
        # Leaving the pipeline waits for COMMIT's own answer: nothing is reported as done before.
        await self._pipeline.aclose()
        row = await cursor.fetchone()
        self._series.observe("database_query_duration_seconds", 'query="tenant_data"', perf_counter() - started)
        return None if row is None else row[0]


class Store:
    """The pool of one worker."""

    def __init__(self, url: str, size: int, series: Series, switches: Switches | None = None, *, pooled: bool = False) -> None:
        """`pooled`: a pooler such as PgBouncer stands between, so nothing may be asked of the connection itself."""
        self._url = url
        self._series = series
        self._switches = switches or Switches("", Path())
        self._pooled = pooled
        self._session_path = session_path(self._switches)
        self._round_trips = RoundTrips(prepares=not pooled)
        self._probe: Connection | None = None
        self._probing = asyncio.Lock()
        self._pool: AsyncConnectionPool[Connection] = AsyncConnectionPool(
            url, min_size=size, max_size=size, open=False, timeout=WAIT_S, reconnect_timeout=_RECONNECT_S,
            kwargs=self._connecting("reference_service"), reset=reset if self._switches.has("SESSION_SET_WITH_RESET") else None,
        )  # fmt: skip

    def _connecting(self, name: str) -> dict[str, Any]:
        """How to connect. Statements that a pooler may hand to another connection are not prepared."""
        options: dict[str, Any] = {"prepare_threshold": None} if self._pooled else {"options": _OPTIONS}
        if not self._pooled and self._switches.on("PREPARED_STATEMENTS"):
            options["prepare_threshold"] = 0
        return {"connect_timeout": 2, "application_name": name, "client_encoding": "utf8", **options}

    async def open(self) -> None:
        """Starts filling the pool; a database that is away now is found when the first request needs it."""
        await self._pool.open(wait=False)

    async def close(self) -> None:
        """Closes every connection."""
        await self._pool.close(timeout=2.0)
        if self._probe is not None:
            await self._probe.close()

    def sample(self) -> None:
        """Writes the pool's gauges."""
        stats = self._pool.get_stats()
        idle = stats.get("pool_available", 0)
        self._series.gauge("database_connections_active", stats.get("pool_size", 0) - idle)
        self._series.gauge("database_connections_idle", idle)
        self._series.gauge("database_connections_waiting", stats.get("requests_waiting", 0))

    @asynccontextmanager
    async def transaction(
        self, session: str, organization: str, user: str, *, trusts_path: bool = False
    ) -> AsyncIterator[Transaction]:
        """A transaction in the schema of the organisation's tenant, with what the database says about the request.

        `trusts_path` means something to the switches of `session_path` only.
        """
        asked = {"session": session, "organization": organization, "user": user}
        transaction, connection, pipeline = await self._once_more(partial(self._resolve, asked, trusts_path=trusts_path))
        try:
            yield transaction
            if self._session_path is not None:
                await self._session_path.succeeded(connection)
        finally:
            await self._leave(connection, pipeline)

    @property
    def reads_at_once(self) -> bool:
        """Whether `read` may be used, under these switches."""
        return self._session_path is None and not any(self._switches.has(name) for name in _IN_TURN)

    async def read(self, session: str, organization: str, user: str, read: Read | None) -> Reading:
        """What the database says about the request, and with it what the statement reads in the schema of the tenant."""
        asked = {"session": session, "organization": organization, "user": user, "behind": self._behind()}
        read = read and (read[0].planned_for(organization), read[1])
        return await self._once_more(partial(self._read, asked, read))

    async def is_alive(self) -> bool:
        """Whether the database answers now. Asked over its own connection: a busy pool is no dead database."""
        async with self._probing:
            for _attempt in ("the connection of last time", "a new one"):
                try:
                    async with asyncio.timeout(_PROBE_S):
                        return await self._ask()
                except (OperationalError, TimeoutError):
                    self._probe = None
            return False

    async def _ask(self) -> bool:
        if self._probe is None:
            self._probe = await AsyncConnection.connect(
                self._url, autocommit=True, **self._connecting("reference_service health")
            )
        started = perf_counter()
        row = await (await self._probe.execute("SELECT 1")).fetchone()
        self._series.observe("database_query_duration_seconds", 'query="health"', perf_counter() - started)
        return row == (1,)

    async def _once_more(self, attempt: Callable[[], Awaitable[_Result]]) -> _Result:
        """The attempt's result. A restart of the database leaves dead connections in the pool: then it is made once more."""
        try:
            return await attempt()
        except OperationalError as problem:
            if isinstance(problem, PoolTimeout):
                raise
            await self._pool.check()
            return await attempt()

    async def _read(self, asked: Parameters, read: Read | None) -> Reading:
        before = _SETTINGS_FIRST if self._pooled else ()
        connection = await self._pool.getconn()
        self.sample()
        started = perf_counter()
        try:
            results = await self._round_trips.ask(connection, [*before, (_WHO_ASKS, asked), *([read] if read else [])])
        finally:
            await self._pool.putconn(connection)
            self.sample()
        self._series.observe("database_query_duration_seconds", 'query="tenant_read"', perf_counter() - started)
        # Where the settings failed already, that failure is all there is.
        return reading(results[len(before) :] or results)

    async def _resolve(self, asked: Parameters, *, trusts_path: bool) -> tuple[Transaction, Connection, AsyncExitStack]:
        connection = await self._pool.getconn()
        self.sample()
        pipeline = AsyncExitStack()
        try:
            await pipeline.enter_async_context(connection.pipeline())
            started = perf_counter()
            if self._pooled:
                await connection.execute(SETTINGS)
            parameters = {"behind": self._behind(), **asked}
            row = await (await connection.execute(RESOLVE, parameters, prepare=True)).fetchone()
            self._series.observe("database_query_duration_seconds", 'query="tenant_lookup"', perf_counter() - started)
            if self._session_path is not None and row is not None and row[1] is not None:
                await pipeline.aclose()
                await self._session_path.enter(connection, row[1], row[-1], trusts=trusts_path)
        except BaseException:
            await self._leave(connection, pipeline)
            raise
        resolved = Resolved(False) if row is None else Resolved(*row[:-1])
        return Transaction(connection, pipeline, resolved, self._series), connection, pipeline

    def _behind(self) -> str:
        for name in _IN_DATABASE:
            self._switches.on(name)
        return "public" if self._switches.on("PATH_WITH_PUBLIC") else _BEHIND

    async def _leave(self, connection: Connection, pipeline: AsyncExitStack) -> None:
        try:
            with suppress(Error):
                await pipeline.aclose()
            if not connection.closed and connection.info.transaction_status != TransactionStatus.IDLE:
                with suppress(OperationalError):
                    await connection.rollback()
        finally:
            await self._pool.putconn(connection)
            self.sample()
