"""The generator: `python -m capliquify_ops.load.worker`, the only importer of locust, in a process of its own.

Standard input gives the plan as one line of JSON (it holds the tokens, which go nowhere else) and then stays open: when
it closes, by whatever death of the parent, this process ends at once. Standard output gives JSON lines: `ready`, a block
of `samples` every second, and `result` last. Standard error is for people.

Each connection takes the next arrival of the schedule as soon as it is free, waits until that arrival is due, and sends.
An arrival is thus never put off because an earlier answer is slow, unless every connection is still waiting for one.
"""

import gc
import json
import math
import os
import resource
import sys
from array import array
from dataclasses import astuple
from time import perf_counter, process_time

import gevent
from geventhttpclient.client import HTTPClient, HTTPClientPool
from geventhttpclient.url import URL
from locust.contrib.fasthttp import FastHttpUser
from locust.env import Environment

from capliquify_ops.load.answers import Expectation, expectations, verdict_of, witness
from capliquify_ops.load.machine import stretch, ticks
from capliquify_ops.load.plan import Plan, from_wire
from capliquify_ops.load.result import Side, Stretch
from capliquify_ops.load.samples import LARGEST, Samples, Verdict, pack

LEAD_S = 0.1
"""Between `ready` and the first arrival, so that all connections wait for theirs in time."""
TICK_S = 0.02
GIVE_UP_AFTER_S = 2.0
"""A target that only refuses connections for this long is gone; hammering it further measures nothing."""
DRAIN_S = 1.0
"""Beyond the request time-out, for the last answers."""
MOST_WITNESSES = 10
_ANY_STATUS = frozenset(range(100, 1000))
"""Refusals are answers like others: read whole, and their connection kept."""


class SingleAttemptPool(HTTPClientPool):
    """Clients that send each request once: the library's own silent repeats would hide dropped connections."""

    def get_client(self, url: str | URL) -> HTTPClient:
        client = super().get_client(url)
        client._connection_pool.size = -1  # noqa: SLF001  # the number of repeats is `size + 1`, and read nowhere else
        return client


class Connection(FastHttpUser):
    """One keep-alive connection. Certificates are verified, redirects and cookies are not followed."""

    abstract = True
    insecure = False
    max_redirects = 0
    concurrency = 1


class Generator:
    """One run of a plan: the schedule, the samples not yet reported, and the state of the process."""

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self.requests = plan.requests
        self.expected = expectations(caller.marker for caller in plan.callers)
        self.headers = [_headers(caller.token.reveal(), caller.headers) for caller in plan.callers]
        self.environment = Environment(user_classes=[Connection])
        self.next = -round(plan.rate * plan.warmup_s)
        self.start = perf_counter() + LEAD_S + plan.warmup_s
        self.samples = Samples()
        self.lags = array("i")
        self.tick_due = self.start
        self.cpu_at_start, self.watched_from = process_time(), self.start
        self.cpu_s = self.wall_s = 0.0
        self.in_flight = 0
        self.witnesses: list[str] = []
        self.cut = ""
        self.offered = 0
        self.answered_at = self.start - plan.warmup_s
        self.looked_at_s, self.ticks = perf_counter() - self.start, ticks()

    def connect(self) -> Connection:
        """Return a connection that is not open yet."""
        timeout = self.plan.timeout_s
        Connection.host = self.plan.base_url.rstrip("/")
        Connection.connection_timeout = Connection.network_timeout = timeout
        Connection.client_pool = SingleAttemptPool(
            concurrency=1,
            connection_timeout=timeout,
            network_timeout=timeout,
            ssl_context_factory=gevent.ssl.create_default_context,
        )
        connection = Connection(self.environment)
        connection.client.client.cookiejar = None
        connection.client.client.valid_response_codes = _ANY_STATUS  # type: ignore[misc]
        return connection

    def run(self) -> None:
        """Drive the plan to its end and report."""
        drivers = [gevent.spawn(self.drive) for _ in range(self.plan.connections)]
        helpers = [gevent.spawn(self.watch_loop), gevent.spawn(self.report_each_second)]
        gc.collect()
        gc.freeze()
        say({"kind": "ready"})
        end = self.start + self.plan.seconds + self.plan.timeout_s + DRAIN_S
        gevent.joinall(drivers, timeout=end - perf_counter())
        gevent.killall([*drivers, *helpers])
        self.tick()
        self.report()
        offered = self.offered if self.cut else self.requests
        cut = {"by": Side.TARGET, "why": self.cut} if self.cut else None
        say({"kind": "result", "offered": offered, "cut": cut, "witnesses": self.witnesses, "in_flight": self.in_flight})

    def take(self) -> int | None:
        """Return the next arrival, negative within the warm-up, or None when all are taken."""
        if self.next >= self.requests or self.cut:
            return None
        self.next += 1
        return self.next - 1

    def drive(self) -> None:
        """Serve arrivals on one connection until none is left."""
        connection = self.connect()
        free_at, slip = -math.inf, 0.0
        while (index := self.take()) is not None:
            due = self.start + index / self.plan.rate
            while (left := due - perf_counter()) > 0:  # the loop's timers may fire a little early
                gevent.sleep(left)
            if self.cut:
                return
            # What was sent late ended late: without this, a generator that stood still would blame a lack of connections.
            sent = perf_counter()
            slip = sent - max(due, free_at - slip)
            if not self.send(connection, index, (due, slip, sent)):
                connection = self.connect()
            free_at = perf_counter()

    def send(self, connection: Connection, index: int, times: tuple[float, float, float]) -> bool:
        """Send one arrival and keep its sample; return whether the connection is still good."""
        due, slip, sent = times
        again, turn = divmod(index, len(self.headers))
        path = self.plan.paths[again % len(self.plan.paths)]
        self.in_flight += 1
        status, body = self.ask(connection, path, self.headers[turn])
        ended = perf_counter()
        self.in_flight -= 1
        verdict = self.judge(status, body, ended - sent, path, self.expected[turn])
        self.note_silence(verdict, ended)
        if index >= 0:
            self.samples.add(
                index,
                slip_us=_us(slip),
                latency_us=_us(ended - due),
                service_us=_us(ended - sent),
                status=status,
                verdict=verdict,
            )
        return status > 0

    def ask(self, connection: Connection, path: str, headers: dict[str, str]) -> tuple[int, bytes]:
        """Return status and body; status 0 when no whole answer came in time."""
        with gevent.Timeout(self.plan.timeout_s, exception=False):
            response = connection.client.get(path, headers=headers, allow_redirects=False, catch_response=True)
            if response.request_meta["exception"] is None:
                return response.status_code, response.content or b""
        return 0, b""

    def judge(self, status: int, body: bytes, took_s: float, path: str, expected: Expectation) -> Verdict:
        """Return what became of a request, and keep a few witnesses of wrong ones."""
        if not status:
            return Verdict.TIMED_OUT if took_s >= self.plan.timeout_s * 0.99 else Verdict.UNREACHABLE
        verdict = verdict_of(status, body, expected)
        if verdict is not Verdict.OK and len(self.witnesses) < MOST_WITNESSES:
            self.witnesses.append(witness(path, status, body, expected, verdict))
        return verdict

    def note_silence(self, verdict: Verdict, now: float) -> None:
        """End the run when the target has done nothing but refuse for a while."""
        if verdict is not Verdict.UNREACHABLE:
            self.answered_at = now
        elif now - self.answered_at > GIVE_UP_AFTER_S and not self.cut:
            self.offered = min(self.requests, max(0, int((now - self.start) * self.plan.rate) + 1))
            self.cut = f"the target stopped answering {max(0.0, self.answered_at - self.start):.1f} s into the run"

    def watch_loop(self) -> None:
        """Tick every 20 ms of the measured seconds, by the clock."""
        while self.tick():
            gevent.sleep(max(0.0, self.tick_due - perf_counter()))

    def tick(self) -> bool:
        """Note how late each tick is that is due; a loop that stood still has missed many. Return whether more are to come."""
        now, end = perf_counter(), self.start + self.plan.seconds
        if now < end and self.tick_due > self.start:
            self.cpu_s, self.wall_s = process_time() - self.cpu_at_start, now - self.watched_from
        elif self.tick_due <= self.start:
            self.cpu_at_start, self.watched_from = process_time(), now
        while self.tick_due <= now and self.tick_due < end:
            self.lags.append(_us(now - self.tick_due))
            self.tick_due += TICK_S
        return self.tick_due < end

    def report_each_second(self) -> None:
        """Hand over samples as they come: what was measured survives the end of this process."""
        while True:
            gevent.sleep(1.0)
            self.report()

    def look_at_machine(self) -> list[Stretch]:
        """Return what the processors did since the last look, once the measured seconds have begun."""
        before, began_s = self.ticks, self.looked_at_s
        self.ticks, self.looked_at_s = ticks(), perf_counter() - self.start
        seen = stretch(began_s, self.looked_at_s, before, self.ticks)
        return [seen] if seen and self.looked_at_s > 0 and began_s < self.plan.seconds else []

    def report(self) -> None:
        """Write the samples since the last report."""
        samples, lags = self.samples, self.lags
        self.samples, self.lags = Samples(), array("i")
        say(
            {
                "kind": "samples",
                "samples": samples.pack(),
                "lags_us": pack(lags),
                "machine": [astuple(each) for each in self.look_at_machine()],
                "cpu_s": self.cpu_s,
                "wall_s": self.wall_s,
                "memory_bytes": _memory_bytes(),
            }
        )


def _headers(token: str, headers: object) -> dict[str, str]:
    own = {"Authorization": f"Bearer {token}", "Accept": "application/json", "Accept-Encoding": "gzip"}
    return own | dict(headers)  # type: ignore[call-overload,no-any-return]


def _us(seconds: float) -> int:
    return min(LARGEST, max(0, round(seconds * 1e6)))


def _memory_bytes() -> int:
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return most if sys.platform == "darwin" else most * 1024


def say(message: dict[str, object]) -> None:
    """Write one line for the parent."""
    sys.stdout.write(json.dumps(message, separators=(",", ":")) + "\n")
    sys.stdout.flush()


def end_with_parent() -> None:
    """Wait, in a thread of its own that no busy loop holds up, until the parent is gone; then end."""
    while os.read(0, 4096):
        pass
    os._exit(3)


def main() -> None:
    """Read the plan, run it, and leave without waiting for the thread that watches the parent."""
    plan = from_wire(sys.stdin.buffer.readline())
    gevent.get_hub().threadpool.spawn(end_with_parent)
    Generator(plan).run()
    os._exit(0)


if __name__ == "__main__":
    main()
