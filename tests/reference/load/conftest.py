"""A small HTTP server on real sockets whose misbehaviour the tests switch on, and plans short enough for them."""

import asyncio
import json
import re
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import psutil
import pytest

from capliquify_ops.configuration import Limits, Target, TargetClass, load_limits, load_profile
from capliquify_ops.load import Caller, LoadRun, Plan, reads, run_load
from capliquify_ops.load.corroboration import DECLARED
from capliquify_ops.model.secret import Secret

MARKERS = tuple(f"sku-{letter}-" for letter in "abcdefghij")


def answer(status: int, body: bytes) -> bytes:
    head = f"HTTP/1.1 {status} Any\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    return head.encode() + body


def rows_of(marker: str) -> bytes:
    return json.dumps({"success": True, "data": [{"sku": f"{marker}{number}"} for number in range(10)]}).encode()


class Server:
    """Answers every request with the rows of the tenant that its organisation header names.

    `reply` may be replaced: it is given the tenant's marker and returns the bytes to send, or None to close the
    connection; `asked` is then the request, its body too. `delay` holds each answer back for that long, `slow` those to
    requests that start so, `hold(seconds)` all of them until then.
    """

    def __init__(self) -> None:
        self.reply: Callable[[str], bytes | None] = self.right
        self.served = 0
        self.delay = 0.0
        self.slow: dict[bytes, float] = {}
        self.asked = b""
        self._hold_until = 0.0
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()
        self.connections: set[asyncio.Transport] = set()
        self._listening = self.call(self._listen())
        self.port = self._listening.sockets[0].getsockname()[1]
        self.base_url = f"http://127.0.0.1:{self.port}"

    def call(self, coroutine):
        return asyncio.run_coroutine_threadsafe(coroutine, self._loop).result(10)

    async def _listen(self):
        server = self

        class Connection(asyncio.Protocol):
            def connection_made(self, transport):
                self.transport = transport
                self.received = b""
                server.connections.add(transport)

            def connection_lost(self, error):
                server.connections.discard(self.transport)

            def data_received(self, data):
                self.received += data
                while b"\r\n\r\n" in self.received:
                    head, rest = self.received.split(b"\r\n\r\n", 1)
                    length = re.search(rb"Content-Length: (\d+)", head, re.IGNORECASE)
                    many = int(length.group(1)) if length else 0
                    if len(rest) < many:
                        return
                    request, self.received = head + b"\r\n\r\n" + rest[:many], rest[many:]
                    slow = [seconds for start, seconds in server.slow.items() if request.startswith(start)]
                    wait = max(server.delay, server._hold_until - time.monotonic(), *slow)
                    server._loop.call_later(wait, server._answer, self.transport, request)

        return await self._loop.create_server(Connection, "127.0.0.1", 0)

    def _answer(self, transport, request: bytes) -> None:
        if transport.is_closing():
            return
        self.served += 1
        self.asked = request
        named = re.search(rb"X-Organization-ID: org-(\S+)", request, re.IGNORECASE)
        content = self.reply(named.group(1).decode() if named else "")
        if content is None:
            transport.abort()
        else:
            transport.write(content)
            if b"Connection: close" in content:
                transport.close()

    @staticmethod
    def right(marker: str) -> bytes:
        return answer(200, rows_of(marker))

    def hold(self, seconds: float) -> None:
        self._hold_until = time.monotonic() + seconds

    def stop(self) -> None:
        """Stop listening and drop every connection: what a killed service looks like."""

        async def down() -> None:
            deadline = time.monotonic() + 5
            # A task makes each accepted connection, and fails with its socket open when the server closes before it ran.
            while len(asyncio.all_tasks()) > 1 and time.monotonic() < deadline:  # noqa: ASYNC110  # tasks of the loop itself
                await asyncio.sleep(0)
            self._listening.close()
            while self.connections and time.monotonic() < deadline:
                for transport in list(self.connections):
                    transport.abort()
                await asyncio.sleep(0.001)

        self.call(down())

    def close(self) -> None:
        self.stop()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)
        self._loop.close()


@pytest.fixture
def server() -> Iterator[Server]:
    running = Server()
    yield running
    running.close()


def target_of(server: Server) -> Target:
    """A target without database and metrics, whose profile says so."""
    profile = replace(load_profile("capliquify", Path()), metrics={}, not_applicable={DECLARED: "a server of the tests"})
    return Target("here", TargetClass.LOOPBACK, profile, base_url=server.base_url)


def plan_of(server: Server) -> Plan:
    """150 requests/s for one second, over ten tenants."""
    callers = tuple(Caller(Secret(f"token-of-{marker}"), {"X-Organization-ID": f"org-{marker}"}, marker) for marker in MARKERS)
    return Plan(
        server.base_url, 150, 1, callers, reads("/api/products", "/api/sales"), warmup_s=0.2, connections=240, timeout_s=4.0
    )


@pytest.fixture
def target(server: Server) -> Target:
    return target_of(server)


@pytest.fixture
def plan(server: Server) -> Plan:
    return plan_of(server)


@dataclass(frozen=True)
class Good:
    """A run of the plan against a server with nothing wrong, and the generator's command line and environment meanwhile."""

    plan: Plan
    run: LoadRun
    generator: str


@pytest.fixture(scope="session")
def good() -> Good:
    """One good run for all tests that only look at it."""
    server, seen = Server(), []

    def look(_: object) -> None:
        children = [] if seen else psutil.Process().children(recursive=True)
        seen.extend(str((each.cmdline(), each.environ())) for each in children if "capliquify_ops.load.worker" in each.cmdline())

    try:
        plan = plan_of(server)
        run = run_load(plan, target=target_of(server), progress=look)
    finally:
        server.close()
    return Good(plan, run, seen[0])


@pytest.fixture
def limits() -> Limits:
    """The packaged limits, with the amount of load that these short runs can drive.

    Other tests share the processors, so generator and service may be late here as they must not be in a real run.
    """
    amounts = {
        "latency_load_rate": 150,
        "latency_load_seconds": 1,
        "load_required_rate": 150,
        "load_required_seconds": 1,
        "mixed_required_rate": 150,
        "mixed_p95_ms": 1_500,
        "mixed_p99_ms": 3_000,
        "mixed_read_p95_ms": 1_500,
        "mixed_write_p95_ms": 900,
        "mixed_analytics_p95_ms": 1_500,
        "generator_slip_p99_ms": 30_000,
        "generator_cpu_ratio": 100,
        "generator_offered_ratio": 0,
        "load_in_time_ratio": 0,
        "machine_idle_ratio": 0,
        "machine_stolen_ratio": 1,
        "p95_ms": 1_500,
        "load_p50_ms": 1_000,
        "load_p95_ms": 1_500,
    }
    return load_limits(amounts, "tests")


@pytest.fixture
def packaged() -> Limits:
    return load_limits()


@pytest.fixture(name="answer")
def _answer() -> Callable[[int, bytes], bytes]:
    return answer


@pytest.fixture(name="rows_of")
def _rows_of() -> Callable[[str], bytes]:
    return rows_of
