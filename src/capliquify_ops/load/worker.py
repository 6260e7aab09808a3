"""The generator: `python -m capliquify_ops.load.worker`, the only importer of locust, in a process of its own.

Standard input gives the plan as one line of JSON (it holds the tokens, which go nowhere else) and then stays open: when
it closes, by whatever death of the parent, this process ends at once. Standard output gives JSON lines: `ready`, a block
of `samples` every second, and `result` last. Standard error is for people.

With `--master` the plan is shared out among a crew of such processes, here or elsewhere, which Locust's own master and
workers connect: `--join HOST:PORT` makes one a member. Each sends every n-th arrival of the plan.

Each connection takes the next arrival of the schedule as soon as it is free, waits until that arrival is due, and sends.
An arrival is thus never put off because an earlier answer is slow, unless every connection is still waiting for one.
"""

import argparse
import gc
import json
import math
import os
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import astuple
from time import perf_counter

import gevent
from geventhttpclient.client import HTTPClient, HTTPClientPool
from geventhttpclient.url import URL
from locust.contrib.fasthttp import FastHttpUser
from locust.env import Environment
from locust.rpc import Message

from capliquify_ops.load.answers import expectations, verdict_of, witness
from capliquify_ops.load.crew import Crew, crew_from_wire
from capliquify_ops.load.meter import Meter, memory_bytes, microseconds
from capliquify_ops.load.operations import operation_of
from capliquify_ops.load.plan import Plan, from_wire, share_of, to_wire
from capliquify_ops.load.result import Side
from capliquify_ops.load.samples import Samples, Verdict, pack

LEAD_S = 0.1
"""Between `ready` and the first arrival, so that all connections wait for theirs in time."""
CREW_LEAD_S = 1.0
"""The same for a crew: the word to start takes its time to each."""
POLL_S = 0.05
MASTER_GONE_S = 5.0
"""Locust's master is heard of once a second."""
FAREWELL_MS = 1_000
"""For the last word to reach every member."""
GIVE_UP_AFTER_S = 2.0
"""A target that only refuses connections for this long is gone; hammering it further measures nothing."""
DRAIN_S = 1.0
"""Beyond the request time-out, for the last answers."""
MOST_WITNESSES = 10
_ANY_STATUS = frozenset(range(100, 1000))
"""Refusals are answers like others: read whole, and their connection kept."""


class SingleAttemptPool(HTTPClientPool):
    """Clients that send each request once: the library's own silent repeats would hide dropped connections.

    `opened` counts the connections made, by all of them.
    """

    opened = 0

    def get_client(self, url: str | URL) -> HTTPClient:
        client = super().get_client(url)
        pool = client._connection_pool  # noqa: SLF001  # nothing public tells of connections
        pool.size = -1  # the number of repeats is `size + 1`, and read nowhere else
        setattr(pool, "after_connect", _count_opened)  # noqa: B010  # to mypy an assignment changes a method's type
        return client


def _count_opened(_: object) -> None:
    SingleAttemptPool.opened += 1


class Connection(FastHttpUser):
    """One keep-alive connection. Certificates are verified, redirects and cookies are not followed."""

    abstract = True
    insecure = False
    max_redirects = 0
    concurrency = 1


class Generator:
    """One run of a plan, or of a share of it: the schedule, the samples not yet reported, and the state of the process."""

    def __init__(self, plan: Plan, say: Callable[[dict[str, object]], None], lead_s: float = LEAD_S) -> None:
        self.plan, self.say = plan, say
        self.requests = plan.requests
        self.expected = expectations(caller.marker for caller in plan.callers)
        self.headers = [_headers(caller.token.reveal(), caller.headers) for caller in plan.callers]
        self.environment = Environment(user_classes=[Connection])
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
        self.say({"kind": "ready"})
        end = self.start + self.plan.seconds + self.plan.timeout_s + DRAIN_S
        gevent.joinall(drivers, timeout=end - perf_counter())
        gevent.killall([*drivers, *helpers])
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

    def ask(self, connection: Connection, index: int) -> tuple[int, bytes]:
        """Return status and body; status 0 when no whole answer came in time."""
        plan, turn = self.plan, index % len(self.headers)
        what = plan.operations[operation_of(plan.order, len(self.headers), index)]
        sent = what.body_of(plan.callers[turn].marker, index) if what.body else None
        headers = {**self.headers[turn], "Content-Type": "application/json"} if sent else self.headers[turn]
        with gevent.Timeout(plan.timeout_s, exception=False):
            response = connection.client.request(
                what.method,
                plan.callers[turn].prefix + what.path,
                data=sent,
                headers=headers,
                allow_redirects=False,
                catch_response=True,
            )
            if response.request_meta["exception"] is None:
                return response.status_code, response.content or b""
        return 0, b""

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
            gevent.sleep(self.meter.to_next_tick())

    def report_each_second(self) -> None:
        """Hand over samples as they come: what was measured survives the end of this process."""
        while True:
            gevent.sleep(1.0)
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
                "opened": SingleAttemptPool.opened,
            }
        )


def _headers(token: str, headers: object) -> dict[str, str]:
    own = {"Authorization": f"Bearer {token}", "Accept": "application/json", "Accept-Encoding": "gzip"}
    return own | dict(headers)  # type: ignore[call-overload,no-any-return]


def say(message: dict[str, object]) -> None:
    """Write one line for the parent."""
    sys.stdout.write(json.dumps(message, separators=(",", ":")) + "\n")
    sys.stdout.flush()


def end_with_parent() -> None:
    """Wait, in a thread of its own that no busy loop holds up, until the parent is gone; then end."""
    while os.read(0, 4096):
        pass
    os._exit(3)


class Master:
    """Shares a plan out among a crew and passes on what its members say, each line with the member's number."""

    def __init__(self, plan: Plan, crew: Crew) -> None:
        self.plan, self.crew = plan, crew
        self.runner = Environment(user_classes=[Connection]).create_master_runner(crew.bind, crew.port)
        self.numbers: dict[str, int] = {}
        self.armed: set[str] = set()
        self.ended: set[str] = set()
        self.results: list[dict[str, object]] = []
        self.runner.register_message("armed", lambda environment, msg: self.armed.add(msg.node_id))  # noqa: ARG005
        self.runner.register_message("said", self.pass_on)

    def pass_on(self, environment: Environment, msg: Message) -> None:  # noqa: ARG002  # as Locust calls it
        """Pass a member's line on to the parent."""
        line = {**msg.data, "generator": self.numbers[msg.node_id]}
        if line["kind"] == "result":
            self.ended.add(msg.node_id)
            self.results.append(line)
        elif line["kind"] != "ready":
            say(line)

    def run(self) -> None:
        """Gather the crew, share out, start all at once, and wait until each has said its result or is lost."""
        say({"kind": "gathering", "port": self.runner.server.port, "of": self.crew.size})
        own = [self.member() for _ in range(self.crew.local)]
        if not self.wait(lambda: len(self.runner.clients) >= self.crew.size, self.crew.wait_s):
            came = f"{len(self.runner.clients)} of {self.crew.size} generators came in {self.crew.wait_s:g} s"
            say({"kind": "failed", "why": came})
            return
        self.numbers = {name: number for number, name in enumerate([*self.runner.clients][: self.crew.size])}
        for name, number in self.numbers.items():
            line = to_wire(share_of(self.plan, number, self.crew.size)).decode()
            self.runner.send_message("plan", {"line": line}, client_id=name)
        if not self.wait(lambda: self.armed >= {*self.numbers}, self.crew.wait_s):
            say({"kind": "failed", "why": f"{len(self.armed)} of {self.crew.size} generators made ready"})
            return
        self.runner.send_message("start", {})
        say({"kind": "ready", "generators": self.crew.size})
        self.wait(lambda: self.ended | self.lost() >= {*self.numbers}, math.inf)
        self.dismiss()
        for process in own:
            process.kill()
        for result in self.results:  # last of all: when the parent has heard each of them, it ends this process
            say(result)
        for name in {*self.numbers} - self.ended:
            say({"kind": "lost", "generator": self.numbers[name]})

    def dismiss(self) -> None:
        """Let the members go, and wait until they were told: what is not sent when this process ends is lost."""
        self.runner.send_message("over", {})
        socket = self.runner.server.socket
        context = socket.context
        socket.close(linger=FAREWELL_MS)
        context.term()

    def member(self) -> subprocess.Popen[bytes]:
        """Start a member on this machine, which ends with this process: it holds the other end of its input."""
        join = f"{self.crew.local_address}:{self.runner.server.port}"
        command = [sys.executable, "-P", "-m", "capliquify_ops.load.worker", "--join", join]
        return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL)

    def lost(self) -> set[str]:
        """Return the members that were not heard of for some seconds, or have left."""
        missing = {node.id for node in self.runner.clients.missing}
        return (missing | ({*self.numbers} - {*self.runner.clients})) & {*self.numbers}

    def wait(self, is_so: Callable[[], object], seconds: float) -> bool:
        """Wait until something is so; return whether it came to be."""
        end = perf_counter() + seconds
        while not is_so():
            if perf_counter() > end:
                return False
            gevent.sleep(POLL_S)
        return True


class Member:
    """One generator of a crew, told by Locust's messages what to send and when."""

    def __init__(self, address: str) -> None:
        host, _, port = address.rpartition(":")
        self.plan: Plan | None = None
        self.started, self.over = gevent.event.Event(), gevent.event.Event()
        environment = Environment(user_classes=[Connection])
        self.runner = environment.create_worker_runner(host, int(port))
        self.runner.register_message("plan", self.arm)
        self.runner.register_message("start", lambda environment, msg: self.started.set())  # noqa: ARG005
        self.runner.register_message("over", lambda environment, msg: self.over.set())  # noqa: ARG005

    def arm(self, environment: Environment, msg: Message) -> None:  # noqa: ARG002  # as Locust calls it
        """Take the share to send."""
        self.plan = from_wire(msg.data["line"].encode())
        self.runner.send_message("armed")

    def run(self) -> None:
        """Wait for the word, run the share, and stay until all that was said has arrived, or the master is gone."""
        while not self.started.wait(POLL_S):
            self.require_master()
        assert self.plan is not None
        Generator(self.plan, lambda message: self.runner.send_message("said", message), CREW_LEAD_S).run()
        while not self.over.wait(POLL_S):
            self.require_master()

    def require_master(self) -> None:
        """End when nothing is heard of the master any more."""
        heard = self.runner.last_heartbeat_timestamp
        if heard is not None and time.time() - heard > MASTER_GONE_S:
            sys.stderr.write("The master is gone; this generator ends.\n")
            os._exit(1)


def main() -> None:
    """Read the plan, run it, and leave without waiting for the thread that watches the parent."""
    options = argparse.ArgumentParser()
    options.add_argument("--master", action="store_true")
    options.add_argument("--join", default="")
    given = options.parse_args()
    if given.join:
        gevent.get_hub().threadpool.spawn(end_with_parent)
        Member(given.join).run()
        os._exit(0)  # without waiting for the thread that watches the parent
    plan = from_wire(sys.stdin.buffer.readline())
    crew = crew_from_wire(sys.stdin.buffer.readline()) if given.master else None
    gevent.get_hub().threadpool.spawn(end_with_parent)
    if crew:
        Master(plan, crew).run()
    else:
        Generator(plan, say).run()
    os._exit(0)


if __name__ == "__main__":
    main()
