"""Sessions: observers read under limits that the server enforces, operators change things and are asked for by name.

Settings are applied by SET LOCAL in each transaction and never as start-up options: PgBouncer refuses those.
"""

from collections.abc import Callable, Generator, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, TypeVar

import psycopg
from psycopg import IsolationLevel, sql
from psycopg.conninfo import make_conninfo
from psycopg.pq import ExecStatus, TransactionStatus
from psycopg.pq.abc import PGconn
from psycopg.rows import args_row, dict_row
from psycopg.waiting import Ready, Wait

from capliquify_ops.database.dsn import parts
from capliquify_ops.database.faults import connecting_failed, translated
from capliquify_ops.database.pooling import Pooling, probe_pooling
from capliquify_ops.database.statements import OLDEST_SERVER, Statement
from capliquify_ops.model.errors import ServerUnsupported
from capliquify_ops.model.secret import Secret

T = TypeVar("T")
Value = object
Query = str | sql.SQL | sql.Composed
CONNECT_TIMEOUT_S = 5
_SETTINGS = {"search_path": "pg_catalog, pg_temp", "TimeZone": "UTC"}
_NONE: Mapping[str, str] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class SessionLimits:
    """Limits of every transaction of a session, in milliseconds."""

    statement_ms: int = 15_000
    lock_ms: int = 2_000
    idle_ms: int = 60_000


class Session:
    """One connection with its manners. Each transaction starts with the session's limits."""

    def __init__(self, connection: psycopg.Connection[Any], purpose: str, limits: SessionLimits, *, read_only: bool) -> None:
        self._connection = connection
        self._purpose = purpose
        self._limits = limits
        self.read_only = read_only

    @contextmanager
    def transaction(self, settings: Mapping[str, str] = _NONE) -> Iterator["Session"]:
        """Open a transaction with the session's limits, and with settings of its own; nested calls are savepoints."""
        with translated(), self._connection.transaction():
            self._limit(settings)
            yield self

    @contextmanager
    def snapshot(
        self, limits: SessionLimits, *, read_only: bool = True, settings: Mapping[str, str] = _NONE
    ) -> Iterator["Session"]:
        """Open a transaction whose every statement sees the same moment, under limits and with settings of its own.

        The moment is that of the first query: locks that are taken before it are held by then.
        """
        before, isolation, was = self._limits, self._connection.isolation_level, self._connection.read_only
        self._connection.isolation_level, self._connection.read_only = (
            IsolationLevel.REPEATABLE_READ,
            True if read_only or self.read_only else None,
        )
        self._limits = limits
        try:
            with self.transaction(settings):
                yield self
        finally:
            self._limits = before
            if not self._connection.closed:
                self._connection.isolation_level, self._connection.read_only = isolation, was

    def _limit(self, settings: Mapping[str, str]) -> None:
        limits = self._limits
        values = {
            "statement_timeout": f"{limits.statement_ms}ms",
            "lock_timeout": f"{limits.lock_ms}ms",
            "idle_in_transaction_session_timeout": f"{limits.idle_ms}ms",
            "application_name": f"capliquify_ops {self._purpose}"[:63],
        }
        self.apply({**_SETTINGS, **values, **settings})

    def apply(self, settings: Mapping[str, str]) -> None:
        """Apply settings until the transaction ends, in one statement."""
        self._inside()
        values = [text for pair in settings.items() for text in pair]
        calls = ", ".join(["pg_catalog.set_config(%s, %s, true)"] * len(settings))
        with translated():
            self._connection.execute(f"SELECT {calls}", values)

    def rows(self, query: Statement | Query, row: type[T], params: Mapping[str, Value] | None = None) -> list[T]:
        """Run one statement and return its rows as `row(*columns)`, in their order."""
        self._inside()
        with translated(), self._connection.cursor(row_factory=args_row(row)) as cursor:
            return cursor.execute(_text(query), params).fetchall()

    @contextmanager
    def together(self) -> Iterator[None]:
        """Send the statements of `ask` without waiting for one another's rows: a round trip for all of them."""
        self._inside()
        with translated(), self._connection.pipeline():
            yield

    def ask(self, query: Statement | Query, row: type[T], params: Mapping[str, Value] | None = None) -> Callable[[], list[T]]:
        """Send one statement within `together`, and return what gives its rows as `rows` does: after all have been sent."""
        cursor = self._connection.cursor(row_factory=args_row(row))
        cursor.execute(_text(query), params)

        def answer() -> list[T]:
            with translated(), cursor:
                return cursor.fetchall()

        return answer

    def mappings(self, query: Statement | Query, params: Mapping[str, Value] | None = None) -> list[dict[str, Any]]:
        """Run one statement and return its rows by column name: for shapes only known at run time."""
        self._inside()
        with translated(), self._connection.cursor(row_factory=dict_row) as cursor:
            return cursor.execute(_text(query), params).fetchall()

    def value(self, query: Statement | Query, params: Mapping[str, Value] | None = None) -> Any:  # noqa: ANN401
        """Run one statement and return the first column of its first row, None without a row."""
        self._inside()
        with translated():
            found = self._connection.execute(_text(query), params).fetchone()
        return found[0] if found else None

    def execute(self, query: Statement | Query, params: Mapping[str, Value] | None = None) -> int:
        """Run one statement and return the number of rows it concerned."""
        self._inside()
        with translated():
            return self._connection.execute(_text(query), params).rowcount

    def script(self, text: sql.Composed) -> None:
        """Run several statements at once, without parameters: migrations."""
        self._inside()
        with translated():
            self._connection.execute(text)

    @contextmanager
    def copy_out(self, query: sql.Composed) -> Iterator[Iterable[bytes | bytearray | memoryview]]:
        """Run COPY ... TO STDOUT and give its rows as the server sends them, each with its line end.

        Whoever stops reading leaves the context, which cancels the rest: a copy left open would lock its own session out.
        """
        self._inside()
        with translated(), self._connection.cursor() as cursor, cursor.copy(query):
            yield _arriving(self._connection)

    @contextmanager
    def copy_in(self, query: sql.Composed) -> Iterator[Callable[[bytes], None]]:
        """Run COPY ... FROM STDIN and give what takes its bytes; they need not be whole lines."""
        self._inside()
        with translated(), self._connection.cursor() as cursor, cursor.copy(query) as copy:
            yield copy.write

    def outside_transaction(self, query: Query) -> None:
        """Run one statement that refuses a transaction block (CREATE DATABASE). Operator sessions only."""
        if self.read_only:
            raise RuntimeError("an observer session runs nothing outside its read-only transactions")
        with translated():
            self._connection.execute(query)

    def _inside(self) -> None:
        """Refuse a statement outside `transaction()`: it would run without limits, and an observer's without READ ONLY."""
        if self._connection.info.transaction_status is TransactionStatus.IDLE:
            raise RuntimeError("open a transaction() of the session first")

    @property
    def server_major(self) -> int:
        """The server's major version."""
        return self._connection.info.server_version // 10_000

    def cancel(self) -> None:
        """Ask the server to stop the statement that another thread has running on this session, if there is one."""
        with suppress(psycopg.Error):
            self._connection.cancel_safe(timeout=2)

    @property
    def is_pooled(self) -> bool:
        """Whether the target was declared to stand behind a transaction pooler."""
        return self._connection.prepare_threshold is None

    def pooling(self) -> Pooling:
        """Say what stands between this session and its server, by three more like it: outside of every transaction of this one.

        Raises TargetUnreachable.
        """
        return probe_pooling(self._connection)

    @property
    def backend_pid(self) -> int:
        """The server process of this connection."""
        return self._connection.info.backend_pid


def _arriving(connection: psycopg.Connection[Any]) -> Iterator[memoryview]:
    """Yield the rows of a COPY as they come.

    The driver waits for each row by itself, which takes longer than the row: here only what has not arrived is waited for.
    """
    libpq = connection.pgconn
    while True:
        size, row = libpq.get_copy_data(1)
        if size > 0:
            yield row
        elif size == 0:
            connection.wait(_more(libpq))
        else:
            break
    while result := libpq.get_result():
        if result.status != ExecStatus.COMMAND_OK:
            raise psycopg.errors.error_from_result(result)


def _more(libpq: PGconn) -> Generator[Wait, Ready | int, None]:
    yield Wait.R
    libpq.consume_input()


def _text(query: Statement | Query) -> Query:
    return query.text if isinstance(query, Statement) else query


def conninfo_of(url: Secret) -> str:
    """Keep PGPASSWORD of the environment out where the URL names a password file: libpq would prefer the variable."""
    given = parts(url)
    if "passfile" in given and "password" not in given:
        return make_conninfo(url.reveal(), password="")
    return url.reveal()


def _require_supported(session: Session) -> None:
    if session.server_major < OLDEST_SERVER:
        raise ServerUnsupported(
            f"The server runs PostgreSQL {session.server_major}; {OLDEST_SERVER} is the oldest supported.",
            hint="Upgrade the server.",
        )


@contextmanager
def _session(url: Secret, purpose: str, limits: SessionLimits, *, read_only: bool, pooled: bool) -> Iterator[Session]:
    try:
        connection = psycopg.connect(
            conninfo_of(url),
            autocommit=True,
            connect_timeout=CONNECT_TIMEOUT_S,
            prepare_threshold=None if pooled else 5,
        )
    except psycopg.Error as error:
        fault = connecting_failed(error, url)
    else:
        connection.read_only = True if read_only else None
        with connection:
            session = Session(connection, purpose, limits, read_only=read_only)
            _require_supported(session)
            yield session
        return
    raise fault


@contextmanager
def observer(url: Secret, purpose: str, *, pooled: bool = False, limits: SessionLimits | None = None) -> Iterator[Session]:
    """Open a session whose every transaction is READ ONLY.

    `pooled` switches prepared statements off (transaction poolers). Raises TargetUnreachable.
    """
    with _session(url, purpose, limits or SessionLimits(), read_only=True, pooled=pooled) as session:
        yield session


@contextmanager
def operator(url: Secret, purpose: str, *, pooled: bool = False, limits: SessionLimits | None = None) -> Iterator[Session]:
    """Open a session that may change things. Raises TargetUnreachable."""
    with _session(url, purpose, limits or SessionLimits(), read_only=False, pooled=pooled) as session:
        yield session
