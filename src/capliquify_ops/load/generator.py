"""One generator: the schedule, what is sent when, and what came of it. How it waits and speaks HTTP is given to it.

Each connection takes the next arrival of the schedule as soon as it is free, waits until that arrival is due, and sends.
An arrival is thus never put off because an earlier answer is slow, unless every connection is still waiting for one.
"""

import gc
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import astuple
from time import perf_counter
from typing import Protocol

from capliquify_ops.load.answers import expectations, verdict_of, witness
from capliquify_ops.load.meter import Meter, memory_bytes, microseconds
from capliquify_ops.load.operations import operation_of
from capliquify_ops.load.plan import Plan
from capliquify_ops.load.result import Side
from capliquify_ops.load.samples import Samples, Verdict, pack

LEAD_S = 0.1
"""Between `ready` and the first arrival, so that all connections wait for theirs in time."""
GIVE_UP_AFTER_S = 2.0
"""A target that only refuses connections for this long is gone; hammering it further measures nothing."""
DRAIN_S = 1.0
"""Beyond the request time-out, for the last answers."""
MOST_WITNESSES = 10
MOMENT_S = 0.001
"""Less is the time between two lines of the generator, not lateness."""
Say = Callable[[dict[str, object]], None]


class Wire(Protocol):
    """One connection."""

    def ask(self, method: str, path: str, headers: Mapping[str, str], body: str | None) -> tuple[int, bytes]:
        """Return status and body; status 0 when no whole answer came in time."""
        ...


class Loop(Protocol):
    """What runs many things at once in one process. `opened`: how many connections were made so far."""

    @property
    def opened(self) -> int: ...

    def sleep(self, seconds: float) -> None: ...
    def connect(self) -> Wire: ...
    def run(self, drivers: Sequence[Callable[[], None]], helpers: Sequence[Callable[[], None]], timeout_s: float) -> None:
        """Run all at once until each driver has ended or the time is over; then none of them runs any more."""
        ...


class Generator:
    """One run of a plan, or of a share of it: the schedule, the samples not yet reported, and the state of the process."""

    def __init__(self, plan: Plan, loop: Loop, say: Say, lead_s: float = LEAD_S) -> None:
        self.plan, self.loop, self.say = plan, loop, say
        self.requests = plan.requests
        self.expected = expectations(caller.marker for caller in plan.callers)
        self.headers = [_headers(caller.token.reveal(), caller.headers) for caller in plan.callers]
        self.next = self.first_of_warmup()
        self.start = perf_counter() + lead_s + plan.warmup_s
        self.meter = Meter(plan, self.start)
        self.samples = Samples()
        self.in_flight = 0
        self.witnesses: list[str] = []
        self.cut = ""
        self.offered = 0
        self.answered_at = self.start - plan.warmup_s

    def first_of_warmup(self) -> int:
        """Return the first arrival of this share that is due in the warm-up."""
        before, share = round(self.plan.rate * self.plan.warmup_s), self.plan.share
        return -before + (share.first + before) % share.of

    def run(self) -> None:
        """Drive the plan to its end and report."""
        drivers = [self.drive] * self.plan.connections
        gc.collect()
        gc.freeze()
        self.say({"kind": "ready"})
        end = self.start + self.plan.seconds + self.plan.timeout_s + DRAIN_S
        self.loop.run(drivers, [self.watch_loop, self.report_each_second], end - perf_counter())
        self.meter.tick()
        self.report()
        offered = self.offered if self.cut else self.requests
        cut = {"by": Side.TARGET, "why": self.cut} if self.cut else None
        self.say({"kind": "result", "offered": offered, "cut": cut, "witnesses": self.witnesses, "in_flight": self.in_flight})

    def take(self) -> int | None:
        """Return the next arrival, negative within the warm-up, or None when all are taken."""
        if self.next >= self.requests or self.cut:
            return None
        self.next += self.plan.share.of
        return self.next - self.plan.share.of

    def drive(self) -> None:
        """Serve arrivals on one connection until none is left."""
        connection = self.loop.connect()
        free_at, slip = -math.inf, 0.0
        while (index := self.take()) is not None:
            due = self.start + index / self.plan.rate
            while (left := due - perf_counter()) > 0:  # the loop's timers may fire a little early
                self.loop.sleep(left)
            if self.cut:
                return
            sent = perf_counter()
            slip = slip_of(due, free_at, sent, slip)
            if not self.send(connection, index, (due, slip, sent)):
                connection = self.loop.connect()
            free_at = perf_counter()

    def send(self, connection: Wire, index: int, times: tuple[float, float, float]) -> bool:
        """Send one arrival and keep its sample; return whether the connection is still good."""
        due, slip, sent = times
        self.in_flight += 1
        status, body = self.ask(connection, index)
        ended = perf_counter()
        self.in_flight -= 1
        verdict = self.judge(status, body, ended - sent, index)
        self.note_silence(verdict, ended)
        if index >= 0:
            self.samples.add(
                index,
                slip_us=microseconds(slip),
                latency_us=microseconds(ended - due),
                service_us=microseconds(ended - sent),
                status=status,
                verdict=verdict,
            )
        return status > 0

    def ask(self, connection: Wire, index: int) -> tuple[int, bytes]:
        """Return status and body; status 0 when no whole answer came in time."""
        plan, turn = self.plan, index % len(self.headers)
        what = plan.operations[operation_of(plan.order, len(self.headers), index)]
        sent = what.body_of(plan.callers[turn].marker, index) if what.body else None
        headers = {**self.headers[turn], "Content-Type": "application/json"} if sent else self.headers[turn]
        return connection.ask(what.method, plan.callers[turn].prefix + what.path, headers, sent)

    def judge(self, status: int, body: bytes, took_s: float, index: int) -> Verdict:
        """Return what became of a request, and keep a few witnesses of wrong ones."""
        if not status:
            return Verdict.TIMED_OUT if took_s >= self.plan.timeout_s * 0.99 else Verdict.UNREACHABLE
        expected, what = self.expected[index % len(self.expected)], self.plan.operation(index)
        verdict = verdict_of(status, body, expected, what)
        if verdict is not Verdict.OK and len(self.witnesses) < MOST_WITNESSES:
            self.witnesses.append(witness(what.name, status, body, expected, verdict))
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
        while self.meter.tick():
            self.loop.sleep(self.meter.to_next_tick())

    def report_each_second(self) -> None:
        """Hand over samples as they come: what was measured survives the end of this process."""
        while True:
            self.loop.sleep(1.0)
            self.report()

    def report(self) -> None:
        """Say the samples since the last report."""
        samples, self.samples = self.samples, Samples()
        self.say(
            {
                "kind": "samples",
                "samples": samples.pack(),
                "lags_us": pack(self.meter.take_lags()),
                "machine": [astuple(each) for each in self.meter.look_at_machine()],
                "cpu_s": self.meter.cpu_s,
                "wall_s": self.meter.wall_s,
                "memory_bytes": memory_bytes(),
                "opened": self.loop.opened,
            }
        )


def slip_of(due: float, free_at: float, sent: float, before: float) -> float:
    """Return how late the generator itself sent, on a connection free since `free_at` whose last request slipped `before`, in s.

    What was sent late ended late: without this, a generator that stood still would blame a lack of connections. Of a backlog
    the moments between an answer and the next request are not its lateness: thousands of them would add up to one.
    """
    late = sent - max(due, free_at)
    if free_at <= due:
        return late
    return min(before, free_at - due) + (late if late > MOMENT_S else 0.0)


def _headers(token: str, headers: object) -> dict[str, str]:
    own = {"Authorization": f"Bearer {token}", "Accept": "application/json", "Accept-Encoding": "gzip"}
    return own | dict(headers)  # type: ignore[call-overload,no-any-return]
