"""Statements that travel to the server together, straight through libpq: cursors in a pipeline cost three times the CPU time.

All statements up to the server's Sync are one transaction without BEGIN and COMMIT. What one of them set for the transaction
holds for the next, and ends with the last.
"""

import asyncio
import hashlib
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import LiteralString
from weakref import WeakKeyDictionary

from psycopg import AsyncConnection, DataError, OperationalError, sql
from psycopg.pq import ConnStatus, DiagnosticField, ExecStatus
from psycopg.pq.abc import PGconn, PGresult
from psycopg.rows import TupleRow

MOST_PREPARED = 64
"""On a connection. The server keeps a plan of some ten kilobytes for each; after so many, all tenants share one for each read."""
_PLACEHOLDER = re.compile(r"%\((\w+)\)s")


@dataclass(frozen=True, slots=True)
class Statement:
    """A statement as the server takes it, the name that it is prepared under, and the names of its parameters in order."""

    name: bytes
    text: bytes
    parameters: tuple[str, ...]
    own_name: bytes = b""

    def planned_for(self, whom: str) -> "Statement":
        """Return the statement with a plan of its own for everybody who is called so, while there is room for plans.

        A plan holds for one search_path; whoever comes with another one makes the server plan anew, whatever the name says.
        """
        return replace(self, own_name=self.name + b"_" + hashlib.blake2b(whom.encode(), digest_size=8).hexdigest().encode())

    def values(self, given: Mapping[str, object]) -> list[bytes | None]:
        """Return each parameter as text. Raises DataError for a NUL, at which libpq would end the text."""
        values = [None if given[name] is None else str(given[name]).encode() for name in self.parameters]
        if any(b"\0" in value for value in values if value is not None):
            raise DataError("PostgreSQL text fields cannot contain NUL bytes")
        return values


def numbered(query: LiteralString | sql.Composed) -> Statement:
    """Return the statement of a query whose parameters have names."""
    text = query if isinstance(query, str) else query.as_string(None)
    names = tuple(dict.fromkeys(_PLACEHOLDER.findall(text)))
    plain = _PLACEHOLDER.sub(lambda found: f"${names.index(found[1]) + 1}", text).replace("%%", "%").encode()
    return Statement(b"read_" + hashlib.sha256(plain).hexdigest()[:16].encode(), plain, names)


_Values = Sequence[tuple[Statement, list[bytes | None]]]


class RoundTrips:
    """What is prepared on each connection. `prepares`: False behind a pooler, which hands a statement to any connection."""

    def __init__(self, *, prepares: bool) -> None:
        self._prepares = prepares
        self._prepared: WeakKeyDictionary[AsyncConnection[TupleRow], set[bytes]] = WeakKeyDictionary()

    async def ask(
        self, connection: AsyncConnection[TupleRow], asked: Sequence[tuple[Statement, Mapping[str, object]]]
    ) -> list[PGresult]:
        """Return the statements' results: TUPLES_OK, and at most one FATAL_ERROR, after which nothing ran.

        Raises OperationalError when the connection is lost. A connection that is left half-way is closed: an answer for
        which nobody waits must not meet the next request.
        """
        statements = [(statement, statement.values(parameters)) for statement, parameters in asked]
        prepared = self._prepared.setdefault(connection, set())
        try:
            results = await self._ask(connection.pgconn, statements, prepared)
            if _is_forgotten(results[-1]):
                # psycopg's own DEALLOCATE ALL, after each transaction that it rolled back, takes these statements too.
                prepared.clear()
                results = await self._ask(connection.pgconn, statements, prepared)
        except BaseException:
            await connection.close()
            raise
        return results

    async def _ask(self, pgconn: PGconn, statements: _Values, prepared: set[bytes]) -> list[PGresult]:
        pgconn.enter_pipeline_mode()
        sent = list(self._send(pgconn, statements, prepared))
        pgconn.pipeline_sync()
        results = await _results(pgconn)
        pgconn.exit_pipeline_mode()
        # What the server says that it has prepared stays so: a later failure takes no statement back.
        prepared.update(
            name for name, result in zip(sent, results, strict=True) if name and result.status == ExecStatus.COMMAND_OK
        )
        return [result for result in results if result.status in (ExecStatus.TUPLES_OK, ExecStatus.FATAL_ERROR)]

    def _send(self, pgconn: PGconn, statements: _Values, prepared: set[bytes]) -> Iterator[bytes]:
        """Queue everything; yield for each answer to come the name that it prepares, empty for rows."""
        for statement, values in statements:
            if not self._prepares:
                pgconn.send_query_params(statement.text, values)
            else:
                is_own = statement.own_name in prepared or len(prepared) < MOST_PREPARED
                name = (is_own and statement.own_name) or statement.name
                if name not in prepared:
                    pgconn.send_prepare(name, statement.text)
                    yield name
                pgconn.send_query_prepared(name, values)
            yield b""


def _is_forgotten(result: PGresult) -> bool:
    return result.error_field(DiagnosticField.SQLSTATE) == b"26000"


async def _results(pgconn: PGconn) -> list[PGresult]:
    """Send what is queued and return one result for each of it, in order."""
    loop = asyncio.get_running_loop()
    while pgconn.flush():
        await _ready(loop.add_writer, loop.remove_writer, pgconn.socket)
    results: list[PGresult] = []
    while True:
        while pgconn.is_busy():
            await _ready(loop.add_reader, loop.remove_reader, pgconn.socket)
            pgconn.consume_input()
        result = pgconn.get_result()
        if result is None:
            # The end of one statement's results, unless there is nobody left to give more.
            if pgconn.status != ConnStatus.OK:
                raise OperationalError("the connection is lost")
        elif result.status == ExecStatus.PIPELINE_SYNC:
            return results
        else:
            results.append(result)


async def _ready(add: Callable[..., object], remove: Callable[..., object], descriptor: int) -> None:
    ready = asyncio.Event()
    add(descriptor, ready.set)
    try:
        await ready.wait()
    finally:
        remove(descriptor)
