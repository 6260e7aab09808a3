"""Watches database and service while a load runs: a thread, an observer's session and a client of its own, one look a second."""

import threading
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace

from capliquify_ops.configuration.target import Target
from capliquify_ops.database import Session, observer
from capliquify_ops.http_client.client import Client
from capliquify_ops.load.watched import Look, ServiceLook, StatementTime, Watched
from capliquify_ops.model.errors import OpsError
from capliquify_ops.model.protocols import Clock
from capliquify_ops.observation import statements
from capliquify_ops.observation.activity import Backend, read_activity
from capliquify_ops.observation.exposition import Sample, read_exposition
from capliquify_ops.observation.statements import Access, Statistics, find_statistics, read_statistics, read_texts
from capliquify_ops.observation.transactions import Transactions, read_transactions

EVERY_S = 1.0
SETTLE_S, AGAIN_S, LONGEST_S = 1.5, 0.5, 12.0
"""Sessions report at most once a second, idle ones of PostgreSQL 15 on within ten: counts are read until two are equal."""
MOST_STATEMENTS = 10
PURPOSE = "load"
_GAUGES = {
    "pool_active": "connections_active",
    "pool_idle": "connections_idle",
    "pool_waiting": "connections_waiting",
    "cpu_s": "cpu",
    "memory_bytes": "memory",
}


@dataclass(slots=True)
class _Seen:
    looks: list[Look] = field(default_factory=list)
    service: list[ServiceLook] = field(default_factory=list)
    unseen: list[str] = field(default_factory=list)


@dataclass(slots=True)
class _Counts:
    """What was counted before the load; None where that could not be read."""

    done: Transactions | None = None
    access: Access | None = None
    counted: Statistics | None = None


class Watch:
    """A running watch. `result` is complete when the block of `watching` has been left."""

    def __init__(self, target: Target, clock: Clock) -> None:
        self._target, self._clock = target, clock
        self._stop = threading.Event()
        self._began = clock.monotonic()
        self._ended: float | None = None
        self._seen = _Seen()
        self.result = Watched()

    def run(self, ready: Callable[[], None]) -> None:
        """Watch until stopped; what cannot be seen is said, and the rest is still watched."""
        try:
            if self._target.database_url is None:
                self._seen.unseen.append("The target has no database URL.")
                self._watch_service(ready)
                return
            with observer(self._target.database_url, PURPOSE, pooled=self._target.pooled) as session:
                self._watch_both(session, ready)
        except OpsError as error:
            self._note(str(error))
        except Exception as error:  # noqa: BLE001  # a load is not lost by its watch; the text may hold an address
            self._note(f"The watch ended by {type(error).__name__}.")
        finally:
            ready()
            self._finish()

    def stop(self) -> None:
        """Let the watch end: what was counted is read once more."""
        self._ended = self._at()
        self._stop.set()

    def _watch_service(self, ready: Callable[[], None]) -> None:
        ready()
        with self._client() as client:
            while not self._stop.wait(EVERY_S):
                self._look_at_service(client)

    def _watch_both(self, session: Session, ready: Callable[[], None]) -> None:
        before = self._counts(session)
        ready()
        with self._client() as client:
            while not self._stop.wait(EVERY_S):
                self._look_at_database(session)
                self._look_at_service(client)
        self._compare(session, before)

    def _look_at_database(self, session: Session) -> None:
        with self._noting(), session.transaction():
            self._seen.looks.append(_look(self._at(), read_activity(session).backends, self._target.roles.app))

    @contextmanager
    def _noting(self) -> Iterator[None]:
        """What could not be read is said, once however often, and costs nothing else."""
        try:
            yield
        except OpsError as error:
            self._note(str(error))

    def _note(self, why: str) -> None:
        if why not in self._seen.unseen:
            self._seen.unseen.append(why)

    def _client(self) -> Client:
        return Client(self._target.base_url, timeout_s=EVERY_S)

    def _look_at_service(self, client: Client) -> None:
        route, names = self._target.profile.routes.get("metrics"), self._target.profile.metrics
        if route is None or not names:
            return
        with self._noting():
            samples = read_exposition(client.request("GET", route.path).body.decode("utf-8", "replace"))
            self._seen.service.append(ServiceLook(self._at(), **gauges(samples, names)))

    def _counts(self, session: Session) -> _Counts:
        found = _Counts()
        with self._noting(), session.transaction():
            found.done = read_transactions(session)
        with self._noting(), session.transaction():
            found.access = find_statistics(session)
            found.counted = read_statistics(session, found.access, self._target.roles.app)
        return found

    def _compare(self, session: Session, before: _Counts) -> None:
        """Count what was done since; each count stands by itself when another cannot be read."""
        if before.done is not None:
            with self._noting():
                self.result = Watched(commits=self._settled(session).commits - before.done.commits)
        if before.access is None or before.counted is None:
            return
        with self._noting(), session.transaction():
            grown = statements.growth(before.counted, read_statistics(session, before.access, self._target.roles.app))
            self.result = replace(self.result, calls=sum(each.calls for each in grown.counted.values() if each.is_app))
            texts = read_texts(session, before.access, statements.by_time(grown))
            lines = statements.folded_lines(grown, texts, frozenset())
            of_app = [StatementTime(line.text, line.calls, line.total_ms) for line in lines if line.is_app]
            self.result = replace(self.result, statements=tuple(of_app[:MOST_STATEMENTS]))

    def _settled(self, session: Session) -> Transactions:
        """Return the transactions when sessions have reported theirs: two reads alike, or the longest wait over."""
        pause, until = threading.Event(), self._clock.monotonic() + LONGEST_S
        pause.wait(SETTLE_S)
        done = _transactions(session)
        while self._clock.monotonic() < until:
            pause.wait(AGAIN_S)
            was, done = done, _transactions(session)
            if was == done:
                break
        return done

    def _finish(self) -> None:
        seen = self._seen
        self.result = replace(
            self.result,
            seconds=self._at() if self._ended is None else self._ended,
            looks=tuple(seen.looks),
            service=tuple(seen.service),
            unseen=tuple(seen.unseen),
        )

    def _at(self) -> float:
        return round(self._clock.monotonic() - self._began, 3)


@contextmanager
def watching(target: Target, clock: Clock) -> Iterator[Watch]:
    """Watch from before the load until after it. Never raises: a load is not lost because it could not be watched."""
    watch, ready = Watch(target, clock), threading.Event()
    thread = threading.Thread(target=watch.run, args=(ready.set,), daemon=True)
    thread.start()
    ready.wait()
    try:
        yield watch
    finally:
        watch.stop()
        thread.join()


def _transactions(session: Session) -> Transactions:
    with session.transaction():
        return read_transactions(session)


def _look(at_s: float, backends: Sequence[Backend], app: str) -> Look:
    own = [each for each in backends if each.role == app and each.is_here]
    waits = Counter(f"{each.wait_type} {each.wait_event}" for each in own if each.state == "active" and each.wait_type)
    return Look(
        at_s,
        sessions=len(own),
        active=sum(each.state == "active" for each in own),
        idle_in_transaction=sum(each.idles_in_transaction for each in own),
        blocked=sum(bool(each.blocked_by) for each in own),
        waits=tuple(sorted(waits.items())),
    )


def gauges(samples: Sequence[Sample], names: Mapping[str, str]) -> dict[str, float | None]:
    """Return what a page of metrics says of pool, processor and memory, None where it does not; `names` are the profile's."""
    return {what: _total(samples, names.get(key, "")) for what, key in _GAUGES.items()}


def _total(samples: Sequence[Sample], name: str) -> float | None:
    found = [each.value for each in samples if name and each.name == name]
    return sum(found) if found else None
