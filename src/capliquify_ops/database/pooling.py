"""Whether what is set for a session stays with it, seen from both ends of a few sessions.

Each client sets its session's search_path to what it was, with another number of blanks behind it: a mark that means the same
to whoever gets it. Nothing else is changed, and the marks are taken back.
"""

import os
import socket
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from typing import Any

import psycopg

from capliquify_ops.database.faults import connecting_failed, translated
from capliquify_ops.model.errors import StatementTimedOut
from capliquify_ops.model.secret import Secret

CONNECT_TIMEOUT_S = 5
ROUNDS = 8
"""Of each two clients: a pooler that gives out its last used session first lets them meet in the first one."""
PATIENCE_S = 10.0
"""A pooler without a free session lets its clients wait; longer than this the probe does not."""
_READ = "SELECT pg_catalog.pg_backend_pid(), pg_catalog.current_setting('search_path')"
_MARK = "SELECT pg_catalog.set_config('search_path', %s, false)"


@dataclass(frozen=True, slots=True)
class Pooling:
    """What the clients saw: counts of answers.

    `direct`: each was answered by the process that its login had named, and by no other. `met`: by a process that had answered
    another client before. `moved`: by another process than the answer before. `strange`: with a mark that the client had not set;
    `lost`: without its own. `sees_path`: the server tells its clients, poolers too, of each change of search_path (18 and newer).
    """

    answers: int
    direct: bool
    met: int
    moved: int
    strange: int
    lost: int
    sees_path: bool

    @property
    def swaps(self) -> bool:
        """Whether what a session sets reaches another one, or is lost to it."""
        return bool(self.strange or self.lost)


class _Client:
    """One connection. `mark` is what it set, `process` the one that answered last."""

    def __init__(self, connection: psycopg.Connection[Any]) -> None:
        self.connection = connection
        self.told = connection.info.backend_pid
        self.mark: str | None = None
        self.process = 0

    def read(self) -> tuple[int, str]:
        row = self.connection.execute(_READ).fetchone()
        return (int(row[0]), str(row[1])) if row else (0, "")


class _Tally:
    """Who was answered by whom. `users` are the clients of each process."""

    def __init__(self, plain: str) -> None:
        self.plain = plain
        self.users: dict[int, set[_Client]] = {}
        self.direct = True
        self.answers = self.met = self.moved = self.strange = self.lost = 0

    def ask(self, client: _Client) -> None:
        process, path = client.read()
        before, client.process = client.process, process
        self.answers += 1
        self.direct &= process == client.told and before in {0, process}
        self.moved += before not in {0, process}
        self.met += bool(self.users.setdefault(process, set()) - {client})
        self.users[process].add(client)
        if path != (client.mark or self.plain):
            if path == self.plain:
                self.lost += 1
            else:
                self.strange += 1


def probe_pooling(like: psycopg.Connection[Any]) -> Pooling:
    """Open three more sessions as one was opened, let two of them set what is theirs, and see what all of them have.

    Takes some twenty round trips. Raises TargetUnreachable, StatementTimedOut for a pooler that has no free session within ten
    seconds, and what else statements raise.
    """
    with translated(), ExitStack() as stack:
        clients = [stack.enter_context(_another(like)) for _ in range(2)]
        stack.enter_context(_patience(clients))
        tally = _Tally(clients[0].read()[1])
        _mark(tally, clients)
        _take_turns(tally, clients)
        _come_back(tally, clients, like)
        for client in clients[1:]:
            client.connection.execute(_MARK, [tally.plain])
        reported = clients[1].connection.pgconn.parameter_status(b"search_path")
    counts = (tally.met, tally.moved, tally.strange, tally.lost)
    return Pooling(tally.answers, tally.direct and not tally.met, *counts, reported is not None)


def _mark(tally: _Tally, clients: list[_Client]) -> None:
    """Let each client set a path of its own: not the one that was there, which may end with blanks itself."""
    bare = tally.plain.rstrip(" ")
    marks = [mark for mark in (f"{bare} ", f"{bare}  ", f"{bare}   ") if mark != tally.plain]
    for client, mark in zip(clients, marks, strict=False):
        client.mark = mark
        client.connection.execute(_MARK, [mark])


def _take_turns(tally: _Tally, clients: list[_Client]) -> None:
    """Ask one after another, in both orders; half-way, after an error and after a transaction that was taken back."""
    for number in range(ROUNDS):
        for client in clients if number % 2 else clients[::-1]:
            tally.ask(client)
        if number == ROUNDS // 2:
            with suppress(psycopg.errors.DivisionByZero):
                clients[0].connection.execute("SELECT 1 / 0")
            with suppress(psycopg.Rollback), clients[1].connection.transaction():
                clients[1].read()
                raise psycopg.Rollback


def _come_back(tally: _Tally, clients: list[_Client], like: psycopg.Connection[Any]) -> None:
    """Let a new client follow one that went: a pooler gives it the same process, cleaned or not."""
    clients[0].connection.close()
    with _another(like) as follower:
        for _ in range(2):
            tally.ask(follower)
        follower.connection.execute(_MARK, [tally.plain])


@contextmanager
def _patience(clients: list[_Client]) -> Iterator[None]:
    """Hang up on a pooler that lets its clients wait: it would not pass on that they give up."""
    gave_up = threading.Event()

    def hang_up() -> None:
        gave_up.set()
        for client in clients:
            with suppress(OSError, psycopg.Error), socket.socket(fileno=os.dup(client.connection.fileno())) as wire:
                wire.shutdown(socket.SHUT_RDWR)

    watch = threading.Timer(PATIENCE_S, hang_up)
    watch.start()
    try:
        yield
    except psycopg.Error:
        if not gave_up.is_set():
            raise
    else:
        return
    finally:
        watch.cancel()
    raise StatementTimedOut(
        f"The pooler had no session free for a third client within {PATIENCE_S:g} s.",
        hint="Give the role's pool three sessions, or try again when it is calmer.",
    )


@contextmanager
def _another(like: psycopg.Connection[Any]) -> Iterator[_Client]:
    dsn, password = like.info.dsn, like.info.password
    try:
        connection = psycopg.connect(
            dsn, password=password, autocommit=True, connect_timeout=CONNECT_TIMEOUT_S, prepare_threshold=None
        )
    except psycopg.Error as error:
        fault = connecting_failed(error, Secret(dsn))
    else:
        connection.read_only = True
        with connection:
            yield _Client(connection)
        return
    raise fault
