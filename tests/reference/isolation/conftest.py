"""One stack with a generous rate limit, a proxy that can lie in front of its service, and worlds built through it."""

import dataclasses
import http.client
import json
import threading
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import urlsplit

import jwt
import pytest

from capliquify_ops.configuration import load_settings
from capliquify_ops.configuration.system import SystemClock, new_run
from capliquify_ops.isolation import build_world
from capliquify_ops.isolation.people import parts_of
from capliquify_ops.reference import keys
from capliquify_ops.reference import stack as embedded
from capliquify_ops.reference import tokens as embedded_tokens

RATE = 4000
_HOP = {"connection", "keep-alive", "transfer-encoding", "content-length", "host", "server", "date"}


@dataclass
class Request:
    """What the proxy was asked."""

    method: str
    path: str
    headers: list
    body: bytes

    def header(self, name):
        return next((value for key, value in self.headers if key.lower() == name.lower()), None)

    def with_header(self, name, value):
        kept = [(key, old) for key, old in self.headers if key.lower() != name.lower()]
        return dataclasses.replace(self, headers=kept + ([(name, value)] if value is not None else []))

    @property
    def token(self):
        scheme, _, token = (self.header("Authorization") or "").partition(" ")
        return token if scheme == "Bearer" else ""

    @property
    def claims(self):
        return parts_of(self.token)[1]

    @property
    def organization(self):
        return self.header("X-Organization-ID")

    @property
    def route(self):
        return self.path.partition("?")[0]


@dataclass
class Answer:
    """What the proxy says; `None` in its place drops the connection."""

    status: int
    headers: list = field(default_factory=lambda: [("Content-Type", "application/json")])
    body: bytes = b""

    @property
    def document(self):
        return json.loads(self.body)

    def saying(self, document):
        return dataclasses.replace(self, body=json.dumps(document).encode())


def ok(data, status=200):
    return Answer(status).saying({"success": True, "data": data})


class Proxy(ThreadingHTTPServer):
    """Passes everything on, unless `fault(request, forward)` is set: it then answers."""

    daemon_threads = True
    request_queue_size = 128

    def __init__(self, upstream):
        super().__init__(("127.0.0.1", 0), Handler)
        self.upstream = urlsplit(upstream)
        self.fault = None
        self.requests = []
        self.url = f"http://127.0.0.1:{self.server_port}"
        self._thread = threading.Thread(target=self.serve_forever, kwargs={"poll_interval": 0.05})
        self._thread.start()
        self._local = threading.local()
        self._upstream = []

    def stop(self):
        self.shutdown()
        self._thread.join()
        self.server_close()
        for connection in self._upstream:
            connection.close()

    def forward(self, request):
        try:
            return self._forward(request)
        except (http.client.HTTPException, OSError):
            self._local.connection = None
            return self._forward(request)

    def _forward(self, request):
        connection = getattr(self._local, "connection", None)
        if connection is None:
            connection = self._local.connection = http.client.HTTPConnection(
                self.upstream.hostname, self.upstream.port, timeout=20
            )
            self._upstream.append(connection)
        connection.putrequest(request.method, request.path, skip_host=True, skip_accept_encoding=True)
        connection.putheader("Host", self.upstream.netloc)
        for name, value in request.headers:
            if name.lower() not in _HOP:
                connection.putheader(name, value)
        connection.putheader("Content-Length", str(len(request.body)))
        connection.endheaders(request.body)
        response = connection.getresponse()
        body = response.read()
        return Answer(response.status, [(n, v) for n, v in response.getheaders() if n.lower() not in _HOP], body)

    def handle_error(self, request, client_address):
        """A client that has gone is no news."""


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def _any(self):
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        request = Request(self.command, self.path, list(self.headers.items()), body)
        fault = self.server.fault
        answer = fault(request, self.server.forward) if fault else self.server.forward(request)
        if answer is None:
            self.close_connection = True
            return
        self.send_response_only(answer.status)
        for name, value in answer.headers:
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(answer.body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(answer.body)

    do_GET = do_HEAD = do_POST = do_PUT = do_PATCH = do_DELETE = do_OPTIONS = _any  # noqa: N815 -- named by the base class

    def log_message(self, *args):
        """Nothing."""


@pytest.fixture(scope="session")
def generous_stack():
    """A stack whose rate limit does not slow the proofs down."""
    with embedded.start(service_settings={"rate_limit_per_s": RATE, "rate_limit_burst": 2 * RATE}) as running:
        yield running


@pytest.fixture(scope="session")
def direct_target(generous_stack):
    """The stack as a target, its profile naming the generous limit."""
    target = load_settings(generous_stack.config, environment={}).targets["running"]
    return dataclasses.replace(target, profile=dataclasses.replace(target.profile, rate_limit=RATE))


class Tokens:
    """The embedded identity provider without the program around it, which takes longer to start than to sign."""

    def __init__(self, folder, clock):
        self._folder = folder
        self._clock = clock

    def tokens(self, requests):
        return embedded_tokens.make_tokens(self._folder, requests, self._clock)

    def signed(self, request, claims):
        """The claims of a valid session, overlaid, under the stack's own key: what a provider with that key can make."""
        token = self.tokens([request])[0]
        key = (self._folder / keys.SIGNING).read_text()
        return jwt.encode(parts_of(token)[1] | claims, key, algorithm="RS256", headers={"kid": keys.KEY_ID})

    def forget(self, run):
        embedded_tokens.forget(self._folder, run)


@pytest.fixture(scope="session")
def token_maker(generous_stack):
    return Tokens(generous_stack.run_folder, SystemClock())


@pytest.fixture(scope="session")
def world_on(direct_target, token_maker):
    """Builds a world on the stack, seen through an address of the test's choice."""
    clock = SystemClock()

    def build(base_url=None, **changes):
        target = dataclasses.replace(direct_target, base_url=base_url or direct_target.base_url, **changes)
        return build_world(target, token_maker, new_run(), clock)

    return build


@pytest.fixture(scope="module")
def proxy(direct_target):
    """A proxy before the service."""
    running = Proxy(direct_target.base_url)
    yield running
    running.stop()


@pytest.fixture(scope="module")
def world(proxy, world_on):
    """One world for the proofs of a module, behind the proxy."""
    with world_on(proxy.url) as built:
        assert built.missing == {}
        yield built
    assert built.leftovers == []


@pytest.fixture
def lie(proxy):
    """Makes the proxy lie while the test runs, and tell the truth again afterwards."""
    yield lambda fault: setattr(proxy, "fault", fault)
    proxy.fault = None


class Cast:
    """The people of a world, for faults that mistake one for another."""

    def __init__(self, world):
        self.world = world

    def as_(self, request, name):
        """The request as somebody else would have sent it."""
        person = self.world.people[name]
        request = request.with_header("Authorization", f"Bearer {self.world.caller.wallet.token(person)}")
        return request.with_header("X-Organization-ID", person.organization_id)

    def who(self, request):
        """Whom the token names, whether or not it is valid."""
        named = [name for name, person in self.world.people.items() if person.user_id == request.claims.get("sub")]
        return named[0] if named else ""

    def owner_of(self, organization):
        """The owner of the tenant with that organisation, "" without one."""
        return next((f"{key}.owner" for key, tenant in self.world.tenants.items() if tenant.organization_id == organization), "")


@pytest.fixture(scope="module")
def cast(world):
    return Cast(world)


@pytest.fixture(scope="session")
def make():
    """What faults answer with, and the proxy for modules that need one of their own."""
    return type("Make", (), {"ok": staticmethod(ok), "answer": Answer, "proxy": Proxy, "cast": Cast})
