"""A local service for each outside one: real HTTP on loopback, scripted faults, and a memory of what was asked."""

import http.server
import json
import threading
import time
from collections import Counter
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.parse import parse_qsl, urlsplit

import pytest

from capliquify_ops.configuration.system import SystemClock
from capliquify_ops.integrations.caller import Patience
from capliquify_ops.model.errors import CredentialRefused, NotThere, OperationForbidden, RateLimited, ServiceBroken

REFUSALS = {401: CredentialRefused, 403: OperationForbidden, 404: NotThere, 429: RateLimited, 500: ServiceBroken}
"""The error of each status, whatever the service."""


def pytest_collection_modifyitems(config, items):
    """Of each parametrised test every sixth case, unless `--whole` asks for all or cases are named."""
    if config.getoption("--whole") or any("::" in argument for argument in config.args):
        return
    seen, out = Counter(), set()
    for item in items:
        if item.path.is_relative_to(Path(__file__).parent) and hasattr(item, "callspec"):
            test = (item.path, item.originalname)
            if seen[test] % 6:
                out.add(item)
            seen[test] += 1
    items[:] = [item for item in items if item not in out]
    config.hook.pytest_deselected(items=list(out))


@dataclass(frozen=True)
class Asked:
    """One request as it arrived; header names are lower case."""

    method: str
    path: str
    query: list
    headers: dict
    body: object


@dataclass
class Fault:
    """What the service does wrong once: an answer of its own, silence, or a connection that breaks."""

    status: int = 0
    body: object = None
    headers: dict = field(default_factory=dict)
    after_s: float = 0.0
    reset: bool = False
    cut: bool = False


FAULTS = (Fault(429, headers={"Retry-After": "2"}), Fault(500), Fault(reset=True), Fault(200, {"x": "y" * 999}, cut=True))
"""What ends no operation that may be repeated: a rate limit with a time, an error, a broken connection, and half an answer."""


class Fake:
    """A service that answers by `answer(asked) -> (status, document or None[, headers])`, after the faults that are planned."""

    def __init__(self, answer):
        self.asked, self.faults = [], []
        fake = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, *_):
                pass

        for verb in ("GET", "POST", "PUT", "PATCH", "DELETE"):
            setattr(Handler, f"do_{verb}", lambda handler: fake.serve(handler, answer))
        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.handle_error = lambda *_: None
        threading.Thread(target=self.server.serve_forever, args=(0.01,), daemon=True).start()
        self.url = f"http://127.0.0.1:{self.server.server_port}"

    def serve(self, handler, answer):
        parts = urlsplit(handler.path)
        content = handler.rfile.read(int(handler.headers.get("content-length", 0)))
        headers = {name.lower(): value for name, value in handler.headers.items()}
        body = json.loads(content) if content and "json" in headers.get("content-type", "") else content
        asked = Asked(handler.command, parts.path, parse_qsl(parts.query, keep_blank_values=True), headers, body)
        self.asked.append(asked)
        fault = self.faults.pop(0) if self.faults else None
        if fault and fault.after_s:
            time.sleep(fault.after_s)
        if fault and fault.reset:
            handler.close_connection = True
            return
        status, document, *more = (fault.status, fault.body, fault.headers) if fault and fault.status else answer(asked)
        self._write(handler, status, document, more[0] if more else {}, cut=bool(fault and fault.cut))

    @staticmethod
    def _write(handler, status, document, headers, *, cut):
        content = b"" if document is None else document if isinstance(document, bytes) else json.dumps(document).encode()
        handler.send_response(status)
        kind = {} if document is None or isinstance(document, bytes) else {"Content-Type": "application/json"}
        for name, value in {**kind, "Content-Length": str(len(content)), **headers}.items():
            handler.send_header(name, value)
        handler.end_headers()
        handler.wfile.write(content[: len(content) // 2] if cut else content)
        handler.close_connection = handler.close_connection or cut

    def close(self):
        self.server.shutdown()
        self.server.server_close()


@pytest.fixture
def fake():
    """Starts a local service that answers as it is told."""
    running = []

    def start(answer):
        running.append(Fake(answer))
        return running[-1]

    yield start
    for each in running:
        each.close()


@pytest.fixture
def state(request):
    """What the service keeps that the test's module names as its FAKE; a request that it does not know fails the test."""
    kept = request.module.FAKE()
    yield kept
    assert kept.problems == []


@pytest.fixture
def running(fake, state):
    """That service, on loopback."""
    return fake(state.answer)


@pytest.fixture
def slept():
    """The pauses that a caller made, in seconds; none of them takes any time."""
    return []


class Time:
    """A time that goes by only where somebody sleeps; it begins with the year 2030."""

    def __init__(self):
        self.at, self.slept = 0.0, []

    def now(self):
        return datetime(2030, 1, 1, tzinfo=UTC) + timedelta(seconds=self.at)

    def monotonic(self):
        return self.at

    def sleep(self, seconds):
        self.slept.append(seconds)
        self.at += seconds


@pytest.fixture
def patience(slept):
    """Patience of a time of its own, and of dice that always show the middle."""
    time_of_its_own = Time()
    time_of_its_own.slept = slept
    return Patience(time_of_its_own, lambda: 0.5, budget_s=5.0, sleep=time_of_its_own.sleep)


@pytest.fixture
def hasty():
    """Patience of the real time for one try of a fifth of a second."""
    return Patience(SystemClock(), lambda: 0.5, budget_s=0.2, tries=1)
