"""error-rate on a real stack: its tenants' requests fail for real, in each way that leaves its schemas or its statements at fault."""

import contextlib
import dataclasses
import threading
import time
import uuid
from datetime import timedelta

import psycopg
import pytest

from capliquify_ops.configuration import Integration, load_limits, load_settings
from capliquify_ops.configuration.system import SystemClock
from capliquify_ops.database import operator, quoted
from capliquify_ops.database.identifiers import composed
from capliquify_ops.diagnostics import error_rate
from capliquify_ops.diagnostics.diagnose import diagnose
from capliquify_ops.diagnostics.inquiry import Inquiry
from capliquify_ops.http_client import Client
from capliquify_ops.model.finding import Level
from capliquify_ops.model.protocols import TokenRequest
from capliquify_ops.model.secret import Secret
from capliquify_ops.reference import stack as embedded
from capliquify_ops.reference.tokens import make_tokens
from capliquify_ops.tenants.create import FirstUser, NewTenant, create
from capliquify_ops.tenants.ownership import as_owner

from ...unit.integrations.conftest import Fake  # noqa: TID252 -- `tests` is no package: where it is found, only pytest knows
from ...unit.integrations.fake_render import TOKEN, FakeRender  # noqa: TID252

TENANTS = 7
WATCH_S = 0.25
LIMITS = load_limits({"provisioning_grace_s": 0}, "tests")
"""Tenants of these tests are seconds old, and not in the making."""


@pytest.fixture(scope="module")
def running():
    with embedded.start() as stack:
        yield stack


@pytest.fixture(scope="module")
def tenants(running):
    """Some tenants, and for each of them the headers of its owner's requests."""
    target, made, asked = load_settings(running.config, environment={}).targets["running"], [], []
    with operator(target.operator_url, "test") as session:
        for number in range(TENANTS):
            slug = f"t{number}-{uuid.uuid4().hex[:8]}"
            owner = FirstUser(f"user_{slug}", f"{slug}@example.com", "Owner")
            new = NewTenant(uuid.uuid4(), slug, slug, f"org_{slug}", status="active", owner=owner, company="A Ltd")
            made.append(create(session, target.roles, new, actor="test"))
            asked.append(TokenRequest(owner.clerk_user_id, owner.email, new.organization, "owner"))
    tokens = make_tokens(running.run_folder, asked, SystemClock())
    return [
        (tenant, {"Authorization": f"Bearer {token}", "X-Organization-ID": tenant.clerk_organization_id})
        for tenant, token in zip(made, tokens, strict=True)
    ]


class Time:
    """The time that Render has, which goes by as here."""

    def __init__(self, world):
        self._world = world

    def now(self):
        return self._world.now

    monotonic = staticmethod(time.monotonic)


@pytest.fixture
def world():
    """Render, whose published document has allowed in the end all that was asked."""
    state = FakeRender()
    yield state
    assert state.wrong == []


class Look:
    """Diagnoses the stack with what its service has written into its log since the look before, as Render shows it."""

    def __init__(self, running, world, service, url):
        self._log, self._world, self._service = running.run_folder / "service.log", world, service
        self._read = 0
        target = load_settings(running.config, environment={}).targets["running"]
        render = Integration({"service": service, "base_url": f"{url}/v1"}, {"token": Secret(TOKEN)})
        self._target = dataclasses.replace(target, integrations={"render": render})
        self.forget()

    def forget(self):
        """Leave what is in the log now, here and there."""
        self._read = self._log.stat().st_size
        self._world.now += timedelta(minutes=6)

    def __call__(self, **changes):
        lines = self._log.read_bytes()[self._read :].decode().splitlines()
        for line in lines:
            self._world.say(self._service, line, after=0.001)
        inquiry = Inquiry(dataclasses.replace(self._target, **changes), LIMITS, Time(self._world), lambda: 0.5, watch_s=WATCH_S)
        [diagnosis] = diagnose(inquiry, [error_rate.NAME])
        self.forget()
        return diagnosis


@pytest.fixture
def found(running, world):
    fake = Fake(world)
    yield Look(running, world, world.add(), fake.url)
    fake.close()


@contextlib.contextmanager
def asking(running, tenants, path="/api/products", threads=1):
    """Send the tenants' requests one after another, for as long as the context lasts; a round is over when it begins."""
    stop, rounds = threading.Event(), threading.Semaphore(0)

    def work():
        with Client(running.base_url) as client:
            while not stop.is_set():
                for _, headers in tenants:
                    client.request("GET", path, headers=headers)
                rounds.release()

    workers = [threading.Thread(target=work) for _ in range(threads)]
    for worker in workers:
        worker.start()
    try:
        assert rounds.acquire(timeout=20)
        yield
    finally:
        stop.set()
        for worker in workers:
            worker.join(20)


@pytest.fixture
def owner(running):
    """Runs statements as the owner of all tenants."""
    target = load_settings(running.config, environment={}).targets["running"]

    def run(*statements):
        with operator(target.operator_url, "test") as session, session.transaction(), as_owner(session, target.roles):
            for statement in statements:
                session.script(composed(statement))

    return run


@pytest.fixture
def superuser(running):
    with psycopg.connect(Secret(running.superuser_url).reveal(), autocommit=True) as connection:
        yield connection


def names(diagnosis):
    return [cause.name for cause in diagnosis.causes]


def nothing(running, tenants, found):
    """Whether the look at light traffic finds nothing, and all that are configured have answered."""
    found.forget()
    with asking(running, tenants):
        diagnosis = found()
    assert (diagnosis.causes, diagnosis.is_certain) == ((), True), diagnosis
    return diagnosis


def test_light_traffic_is_healthy(running, tenants, found, world):
    """Nothing is found, time and again, and the number of requests that were seen is said; whatever a log says of good requests."""
    [service] = world.services
    for line in ('"GET /api/products HTTP/1.1" 429 Too Many Requests', "took 57014 ms", '{"level":"info","code":200}'):
        world.say(service, line)
    for _ in range(3):
        diagnosis = nothing(running, tenants, found)
        [metrics] = [source for source in diagnosis.sources if source.name == "metrics"]
        assert " requests in " in metrics.says
        assert not metrics.says.startswith("0 ")


def test_a_tenant_without_its_schema(running, tenants, found, owner):
    """The tenant is named first, with the share of failed requests, the route, the code, and the repair; gone with the schema."""
    nothing(running, tenants, found)
    lost, _ = tenants[0]
    with without_schema(owner, lost), asking(running, tenants):
        diagnosis = found()
    [cause] = diagnosis.causes
    assert (cause.name, cause.tenants, cause.level) == ("missing schema", (lost.schema_name,), Level.L2)
    assert " requests in " in cause.evidence[0]
    assert cause.evidence[1].startswith("/api/products: ")
    assert cause.evidence[1].endswith(" with 500")
    assert any(line.startswith("errors of it: ") for line in cause.evidence)
    assert cause.next_command.startswith("capliquify-ops fleet repair registry_catalogue --plan")
    assert cause.since_s is not None
    nothing(running, tenants, found)


@contextlib.contextmanager
def without_category(owner, some):
    """Take a column from some tenants, as long as the context lasts."""
    tables = [f"ALTER TABLE {quoted(each.schema_name)}.products" for each, _ in some]
    owner(*(f"{table} RENAME COLUMN category TO was_category" for table in tables))
    try:
        yield
    finally:
        owner(*(f"{table} RENAME COLUMN was_category TO category" for table in tables))


@contextlib.contextmanager
def without_schema(owner, tenant):
    """Drop a tenant's schema; have it made again at the end."""
    owner(f"DROP SCHEMA {quoted(tenant.schema_name)} CASCADE")
    try:
        yield
    finally:
        owner(f"SELECT public.create_tenant_schema('{tenant.id}')")


def test_three_tenants_without_a_column(running, tenants, found, owner):
    """The drift is the first cause, the three are named, and no other is; gone when they are as the others."""
    with without_category(owner, tenants[1:4]), asking(running, tenants):
        diagnosis = found()
    [cause] = diagnosis.causes
    assert cause.name == "drift of 3 tenants"
    assert sorted(cause.tenants) == sorted(each.schema_name for each, _ in tenants[1:4])
    assert "column products.category" in cause.why
    assert cause.next_command.startswith("capliquify-ops fleet repair structure_equality --plan")
    nothing(running, tenants, found)


def test_a_migration_that_stands_half_way(running, tenants, found, owner):
    """Where most tenants lack what the code asks for, the few that have it are no fault: the others are behind."""
    tables = [f"{quoted(each.schema_name)}.products" for each, _ in tenants]
    owner(*(f"ALTER TABLE {table} DROP COLUMN category" for table in tables[1:]))
    try:
        with asking(running, tenants):
            diagnosis = found()
    finally:
        owner(f"ALTER TABLE {tables[0]} DROP COLUMN category", *(f"ALTER TABLE {table} ADD category text" for table in tables))
        owner(*(f"CREATE INDEX products_category_idx ON {table} (category)" for table in tables))
    [cause] = diagnosis.causes
    assert cause.name == "unfinished migration"
    assert "column products.category" in cause.why
    assert "fleet migrate" in cause.next_command
    nothing(running, tenants, found)


def test_two_faults_at_once(running, tenants, found, owner):
    """Both are named, that which more errors tell of first."""
    lost, _ = tenants[0]
    with without_category(owner, tenants[1:4]), without_schema(owner, lost), asking(running, tenants):
        diagnosis = found()
    assert names(diagnosis) == ["drift of 3 tenants", "missing schema"]
    assert diagnosis.causes[1].tenants == (lost.schema_name,)
    nothing(running, tenants, found)


def test_statements_that_wait_too_long_for_a_lock(running, tenants, found, superuser):
    """A table that is locked: the waits that the server ended are told, with who can say who holds it."""
    victim = tenants[0][0].schema_name
    superuser.execute("ALTER SYSTEM SET lock_timeout = '50ms'")
    superuser.execute("SELECT pg_reload_conf()")
    try:
        with psycopg.connect(Secret(running.superuser_url).reveal()) as holder:
            holder.execute(f"LOCK TABLE {quoted(victim)}.products")
            before = _lines(running, "LockNotAvailable")
            with asking(running, tenants):
                _until(lambda: _lines(running, "LockNotAvailable") > before)
                diagnosis = found()
    finally:
        superuser.execute("ALTER SYSTEM RESET lock_timeout")
        superuser.execute("SELECT pg_reload_conf()")
    assert names(diagnosis) == ["lock timeouts"]
    assert diagnosis.causes[0].evidence[1].endswith(" with 503")
    assert "diagnose connection-exhaustion" in diagnosis.causes[0].next_command
    nothing(running, tenants, found)


@pytest.mark.whole
def test_statements_that_take_too_long(running, tenants, found):
    """The service's own time limit of ten seconds ends a statement that waits for a table."""
    victim = tenants[0][0].schema_name
    with psycopg.connect(Secret(running.superuser_url).reveal()) as holder:
        holder.execute(f"LOCK TABLE {quoted(victim)}.products")
        before = _lines(running, "QueryCanceled")
        with asking(running, tenants[:1], threads=4):
            _until(lambda: _lines(running, "QueryCanceled") > before)
            diagnosis = found(base_url="")
    assert names(diagnosis) == ["statement timeouts"]
    assert diagnosis.is_certain is False
    nothing(running, tenants, found)


def test_errors_that_nothing_explains(running, tenants, found, owner):
    """What no source knows is told as errors, with routes and codes, and with how to read the log."""
    grants = [f"SELECT ON {quoted(each.schema_name)}.products" for each, _ in tenants]
    role = quoted(running.roles.app)
    owner(*(f"REVOKE {grant} FROM {role}" for grant in grants))
    try:
        with asking(running, tenants):
            diagnosis = found()
    finally:
        owner(*(f"GRANT {grant} TO {role}" for grant in grants))
    [cause] = diagnosis.causes
    assert (cause.name, cause.level) == ("errors", Level.L2)
    assert cause.evidence[1].startswith("/api/products: ")
    assert cause.next_command.startswith("render logs --resources srv-")
    nothing(running, tenants, found)


def _lines(running, word):
    return (running.run_folder / "service.log").read_text().count(word)


def _until(is_so):
    deadline = time.monotonic() + 40
    while not is_so():
        assert time.monotonic() < deadline, "it does not come"
        time.sleep(0.02)
