"""slow-responses on a real stack with a small pool: light traffic has nothing; then slow for real, and nothing again."""

import contextlib
import threading
import time

import httpx
import psycopg
import pytest

from capliquify_ops.configuration import load_settings
from capliquify_ops.configuration.system import SystemClock, dice
from capliquify_ops.diagnostics import slow_responses
from capliquify_ops.diagnostics.diagnose import diagnose
from capliquify_ops.diagnostics.inquiry import Inquiry
from capliquify_ops.model.finding import Level
from capliquify_ops.reference import stack as embedded

from ..service.conftest import Running  # noqa: TID252 -- `tests` is no package: where it is found, only pytest knows

ROUTE = "/api/products"
FIRST = "SELECT t.* INTO v_tenant"
"""The first statement of the function that finds the tenant of a request."""


@pytest.fixture(scope="module")
def running():
    with embedded.start(pool_size=2) as stack:
        running = Running(stack)
        yield running
        running.close()


@pytest.fixture(scope="module")
def tenants(running):
    return [running.tenant() for _ in range(3)]


@pytest.fixture
def found(running):
    """Diagnoses the stack as its configuration says, for a moment of watching."""
    settings = load_settings(running.stack.config, environment={})

    def run(**given):
        inquiry = Inquiry(settings.targets["running"], settings.limits, SystemClock(), dice, **{"watch_s": 1.0, **given})
        return diagnose(inquiry, [slow_responses.NAME])[0]

    return run


@contextlib.contextmanager
def traffic(running, tenants, many, pause_s=0.0):
    """Clients that ask for the products of a tenant each, one request after another; every answer must be a success."""
    over, answers = threading.Event(), []

    def client(headers):
        with httpx.Client(base_url=running.stack.base_url, timeout=20, verify=False) as http:
            while not over.is_set():
                answers.append(http.get(ROUTE, headers=headers).status_code)
                over.wait(pause_s)

    threads = [threading.Thread(target=client, args=(tenants[number % len(tenants)].headers(),)) for number in range(many)]
    for each in threads:
        each.start()
    try:
        yield answers
    finally:
        over.set()
        for each in threads:
            each.join(30)
    assert set(answers) <= {200}


@contextlib.contextmanager
def slow_tenants(running, seconds):
    """The statement that finds a request's tenant takes so long."""
    [(definition,)] = running.sql("SELECT pg_get_functiondef('public.resolve_tenant(text,text)'::regprocedure)")
    running.sql(definition.replace(FIRST, f"PERFORM pg_catalog.pg_sleep({seconds}); {FIRST}").replace("%", "%%"), {})
    try:
        yield
    finally:
        running.sql(definition.replace("%", "%%"), {})


@contextlib.contextmanager
def locking(running, statement):
    with psycopg.connect(running.stack.superuser_url) as connection:
        connection.execute(statement)
        yield connection


def until(look, condition):
    deadline = time.monotonic() + 30
    while not condition(found := look()):
        assert time.monotonic() < deadline, found
    return found


def _names(diagnosis):
    return [cause.name for cause in diagnosis.causes]


def test_light_traffic_has_nothing(running, tenants, found):
    """Three clients that pause between requests: nothing is found, time and again, and every source that there is has answered."""
    with traffic(running, tenants, 3, pause_s=0.02) as answers:
        until(lambda: len(answers), lambda many: many > 20)
        for _ in range(3):
            diagnosis = found(watch_s=0.5)
            assert (diagnosis.causes, diagnosis.is_certain) == ((), True), diagnosis
    assert any("p95" in source.says for source in diagnosis.sources if source.name == "metrics")
    # Without enough requests the statements tell, and find nothing either.
    diagnosis = found(watch_s=0.1)
    assert (diagnosis.causes, diagnosis.is_certain) == ((), True), diagnosis
    assert "statements in between" in [source.name for source in diagnosis.sources]


def test_slow_middleware_and_an_exhausted_pool(running, tenants, found):
    """The slow statement first, then the pool that waits behind it, then the middleware that it makes slow; then nothing."""
    with slow_tenants(running, 0.1), traffic(running, tenants, 16) as answers:
        until(lambda: len(answers), lambda many: many > 4)
        diagnosis = until(lambda: found(watch_s=2.0), lambda each: len(each.causes) > 2)
    assert _names(diagnosis) == ["slow statement", "waiting for the pool", "slow middleware"], diagnosis
    statement, pool, middleware = diagnosis.causes
    assert statement.evidence[0].startswith(f"slow: {ROUTE}: p50 ")
    assert "t.tenant_id::text, t.slug" in statement.evidence[1]
    assert {cause.level for cause in diagnosis.causes} == {Level.L2}
    assert "requests wait for a connection of the service's pool, and 2 are in use" in pool.why
    assert any("queries take" in line for line in pool.evidence)
    assert "of the requests' time" in middleware.why
    assert [line.partition(":")[0] for line in middleware.evidence][:2] == ["chain", "tenant_resolution"]
    with traffic(running, tenants, 3, pause_s=0.02):
        until(found, lambda each: each.causes == ())


def test_a_lock_stops_a_tenant(running, tenants, found):
    """A session that keeps a tenant's table locked is the first cause, with the tenant; the others' requests go on; then nothing."""
    [locked, *others] = tenants
    with locking(running, f'LOCK TABLE "{locked.schema}".products') as root, traffic(running, others, 1, pause_s=0.02):
        waiting = threading.Thread(target=running.http.get, args=(ROUTE,), kwargs={"headers": locked.headers()})
        waiting.start()
        diagnosis, pid = until(found, lambda each: bool(each.causes)), root.info.backend_pid
        root.rollback()
        waiting.join(20)
        until(found, lambda each: each.causes == ())
    [cause] = diagnosis.causes
    assert (cause.name, cause.tenants, cause.level) == ("blocked by a lock", (locked.schema,), Level.L2)
    assert f"  holds AccessExclusiveLock on {locked.schema}.products" in cause.evidence
    assert f"end-blocker --pid {pid}" in cause.next_command
