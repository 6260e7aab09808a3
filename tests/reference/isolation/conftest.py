"""One stack with a generous rate limit, a proxy that can lie in front of its service, and worlds built through it."""

import dataclasses
import http.client
import json
import random
import threading
from collections import defaultdict
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import urlsplit

import jwt
import pytest
from jwt.algorithms import RSAAlgorithm

from capliquify_ops.configuration import load_settings
from capliquify_ops.configuration.system import SystemClock, new_run
from capliquify_ops.database import fill, operator
from capliquify_ops.isolation import build_world, run_control, run_family, run_scenario, session_tokens
from capliquify_ops.isolation.people import parts_of
from capliquify_ops.model.secret import Secret
from capliquify_ops.reference import keys
from capliquify_ops.reference import stack as embedded
from capliquify_ops.reference import tokens as embedded_tokens
from capliquify_ops.reference.service import tokens as service_tokens
from capliquify_ops.reference.service.switches import reached

RATE = 4000
SAMPLE_SEED = 25
MEASURES = {"int": run_scenario, "sec": run_control, "iso": run_family}
HERE = Path(__file__).parent
_HOP = {"connection", "keep-alive", "transfer-encoding", "content-length", "host", "server", "date"}


def pytest_collection_modifyitems(config, items):
    """Of each parametrised test a sample of its cases, unless `--whole` asks for all or cases are named."""
    if config.getoption("--whole") or any("::" in argument for argument in config.args):
        return
    left = {case: item for item in items if (case := _case_of(item))}
    kept = {left[case] for case in sample(left)}
    out = [item for item in left.values() if item not in kept]
    items[:] = [item for item in items if item not in set(out)]
    config.hook.pytest_deselected(items=out)


def _case_of(item):
    """Test, check and name of one case of a matrix; None for all other tests, also those outside this folder."""
    params = item.callspec.params if hasattr(item, "callspec") else {}
    if "check" not in params or not item.path.is_relative_to(HERE):
        return None
    return f"{item.path.name}::{item.originalname}", params["check"], item.name


def sample(cases):
    """One fault of a quarter of the checks, and one case of an eighth of the other tests, by a fixed seed.

    A case added for one check moves no other's.
    """
    groups = defaultdict(list)
    for test, check, name in sorted(cases):
        groups[test, check].append((test, check, name))
    dice = {group: random.Random(f"{SAMPLE_SEED} {' '.join(group)}") for group in groups}
    share = {group: 1 / 4 if group[0].startswith("test_provoked.py") else 1 / 8 for group in groups}
    chosen = [group for group in groups if dice[group].random() < share[group]]
    return [dice[group].choice(groups[group]) for group in chosen]


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

    def part(self):
        connection = getattr(self._local, "connection", None)
        if connection is not None:
            self._local.connection = None
            self._upstream.remove(connection)
            connection.close()

    def handle_error(self, request, client_address):
        """A client that has gone is no news."""


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def finish(self):
        """The thread ends with its client: so does its connection to the service, of which there would soon be too many."""
        super().finish()
        self.server.part()

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
    """Reading a private key verifies it, which takes longer than all else: each is read once."""
    read = RSAAlgorithm.prepare_key
    known = {}

    def prepare_key(self, key):
        if not isinstance(key, str | bytes):
            return read(self, key)
        if key not in known:
            known[key] = read(self, key)
        return known[key]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(RSAAlgorithm, "prepare_key", prepare_key)
        yield Tokens(generous_stack.run_folder, SystemClock())


class AsFound:
    """The rows of all tenants, and what the open worlds know of them, as they were when a test began."""

    def __init__(self, session):
        self._session = session
        self._known = []
        self.worlds = []
        with session.transaction():
            session.script(fill((HERE / "as_found.sql").read_text(encoding="utf-8"), {}))

    def keep(self):
        self._known = [
            (world, tuple(world.plants), tuple(world.caller.canaries), frozenset(world.caller._spent)) for world in self.worlds
        ]
        with self._session.transaction():
            self._session.value("SELECT pg_temp.keep()")

    def put_back(self):
        with self._session.transaction():
            self._session.value("SELECT pg_temp.put_back()")
        for world, plants, canaries, spent in self._known:
            world.plants[:], world.caller.canaries[:], world.caller._spent = plants, canaries, set(spent)


@pytest.fixture(scope="session")
def rows_as_found(generous_stack):
    """Keeps and puts back what tests change in the stack, which nobody else uses."""
    with operator(Secret(generous_stack.superuser_url), "test") as session:
        yield AsFound(session)


@pytest.fixture(autouse=True)
def as_found(rows_as_found):
    """No test finds what another one left: wherever a fault wrote, the rows are put back, in the test too when it asks for that."""
    rows_as_found.keep()
    yield rows_as_found
    rows_as_found.put_back()


@pytest.fixture(autouse=True)
def soon(monkeypatch):
    """A token's end is not waited for longer than this service, whose leeway is known, may take."""
    monkeypatch.setattr(session_tokens, "ENDS_IN_S", 2)
    monkeypatch.setattr(session_tokens, "LEEWAY_S", service_tokens.LEEWAY_S + 1.0)


@pytest.fixture(scope="session")
def world_on(direct_target, token_maker, rows_as_found):
    """Builds a world on the stack, seen through an address of the test's choice."""
    clock = SystemClock()

    @contextmanager
    def build(base_url=None, tokens=token_maker, tenants=(None, None), **changes):
        target = dataclasses.replace(direct_target, base_url=base_url or direct_target.base_url, **changes)
        with build_world(target, tokens, new_run(), clock, tenant_a=tenants[0], tenant_b=tenants[1]) as built:
            rows_as_found.worlds.append(built)
            try:
                yield built
            finally:
                rows_as_found.worlds.remove(built)

    return build


@pytest.fixture(scope="session")
def proxy(direct_target):
    """A proxy before the service."""
    running = Proxy(direct_target.base_url)
    yield running
    running.stop()


@pytest.fixture(scope="session")
def world(proxy, world_on):
    """One world for all proofs, behind the proxy: each of them leaves it as it was."""
    with world_on(proxy.url) as built:
        assert built.missing == {}
        yield built
    assert built.leftovers == []


@pytest.fixture
def lie(proxy):
    """Makes the proxy lie while the test runs, and tell the truth again afterwards."""
    yield lambda fault: setattr(proxy, "fault", fault)
    proxy.fault = None


UNMARKED = {"EQUAL_SERIALS", "GLOBAL_SEQUENCE", "MEMBER_OF_BOTH"}
"""Ids, a sequence, a user: no line of code that could leave a mark."""


@pytest.fixture(scope="session")
def switched(token_maker):
    """Worlds on stacks of their own, with defects or twins switched on; what was reached is a fact of the stack."""

    @contextmanager
    def build(*switches, profile=None, **options):
        limits = {"rate_limit_per_s": RATE, "rate_limit_burst": 2 * RATE}
        with embedded.start(switches=switches, service_settings=limits, **options) as running:
            target = load_settings(running.config, environment={}).targets["running"]
            target = dataclasses.replace(target, profile=dataclasses.replace(profile or target.profile, rate_limit=RATE))
            clock = SystemClock()
            with build_world(target, Tokens(running.run_folder, clock), new_run(), clock) as built:
                yield built
                assert {*switches} - UNMARKED <= reached(running.run_folder)

    return build


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


@pytest.fixture(scope="session")
def cast(world):
    return Cast(world)


@pytest.fixture(scope="session")
def make():
    """What faults answer with, and the proxy for modules that need one of their own."""
    return type(
        "Make",
        (),
        {
            "ok": staticmethod(ok),
            "answer": Answer,
            "proxy": Proxy,
            "request": Request,
            "cast": Cast,
            "sample": staticmethod(sample),
        },
    )


@pytest.fixture(scope="session")
def is_whole(request):
    """Whether all cases are run, and not a sample of them."""
    return request.config.getoption("--whole")


@pytest.fixture
def run(record_property):
    """Measures a scenario, control or family; what came out becomes part of the test's report."""

    def measured(check, world):
        found = MEASURES[check.partition("_")[0]](check, world)
        record_property("outcome", f"{found.outcome.value} ({found.grade.value})" if found.grade else found.outcome.value)
        return found

    return measured
