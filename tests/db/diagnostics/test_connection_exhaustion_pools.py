"""Queues before the database: a real PgBouncer whose clients wait, a service whose requests wait, and a full server's reserve."""

import contextlib
import dataclasses
import threading
import time
from pathlib import Path

import psycopg
import pytest

from capliquify_ops.configuration import Integration, Target, TargetClass, load_limits, load_profile
from capliquify_ops.configuration.system import SystemClock
from capliquify_ops.diagnostics import connection_exhaustion
from capliquify_ops.diagnostics.connection_exhaustion_pools import POOLER, queued, waiting
from capliquify_ops.diagnostics.diagnose import diagnose
from capliquify_ops.diagnostics.inquiry import Inquiry
from capliquify_ops.model.secret import Secret
from capliquify_ops.observation.pooler import Pool
from capliquify_ops.observation.slots import Slots
from capliquify_ops.observation.traffic import Durations, Route, Traffic
from capliquify_ops.reference import stack as embedded

LIMITS = load_limits()


@pytest.fixture
def found(database, roles, tmp_path):
    target = Target("here", TargetClass.LOOPBACK, load_profile("capliquify", tmp_path), database.observer_url, roles=roles)

    def run(console=None):
        integrations = {"pgbouncer": Integration({}, {"url": console})} if console else {}
        inquiry = Inquiry(dataclasses.replace(target, integrations=integrations), load_limits(), SystemClock(), lambda: 0.5)
        [diagnosis] = diagnose(inquiry, [connection_exhaustion.NAME])
        return diagnosis

    return run


def source(diagnosis):
    return next(each for each in diagnosis.sources if each.name == POOLER)


def test_clients_that_wait_behind_a_pooler(found, pooler, observer_url):
    """Nothing; then one client holds the only session and another waits; then nothing again."""
    through = pooler(pool_mode="transaction", default_pool_size=1, stats_users=observer_url.reveal().split("//")[1].split("@")[0])
    address, _, rest = through.reveal().rpartition("/")
    console = Secret(f"{address}/pgbouncer?{rest.partition('?')[2]}")
    diagnosis = found(console)
    assert (diagnosis.causes, source(diagnosis).answered) == ((), True), diagnosis
    with psycopg.connect(through.reveal()) as holder:
        holder.execute("SELECT 1")
        waiter = threading.Thread(target=_ask, args=(through.reveal(),))
        waiter.start()
        deadline = time.monotonic() + 20
        while not (causes := found(console).causes):
            assert time.monotonic() < deadline, "nobody waits"
        [cause] = causes
        assert cause.name == "pooler's pool is used up"
        assert "1 clients of" in cause.why
        assert "all 1 of 1 are in use" in cause.why
        assert cause.since_s >= 1
    waiter.join(20)
    assert found(console).causes == ()


def _ask(url):
    with contextlib.suppress(psycopg.Error), psycopg.connect(url) as connection:
        connection.execute("SELECT 1")


def test_what_is_no_console_is_said(found, observer_url):
    """A database in the console's place, nobody there, and none configured: each is a line, and only the first two are a gap."""
    diagnosis = found(observer_url)
    assert (diagnosis.is_certain, diagnosis.causes) == (False, ())
    assert "no console of PgBouncer" in source(diagnosis).says
    assert "cannot be reached" in source(found(Secret("postgresql://u@127.0.0.1:1/pgbouncer"))).says
    diagnosis = found()
    assert (diagnosis.is_certain, source(diagnosis).is_configured) == (True, False)


POOL = Pool("app", "app", 20, 5, 20, 0, 3.0, "transaction", 20)


@pytest.mark.parametrize(
    ("changes", "many"),
    [({}, 1), ({"longest_wait_s": 0.4}, 0), ({"clients_waiting": 0}, 0), ({"size": None}, 1)],
)
def test_a_queue_of_a_moment_is_none(changes, many):
    """Only who has waited for a second counts."""
    assert len(waiting([dataclasses.replace(POOL, **changes)])) == many


def test_requests_that_wait_for_the_services_pool():
    """What the service shows of its pool: nobody waits, somebody waits, no metric."""
    quiet = Traffic(2.0, (), {}, None, {}, {"active": 10, "idle": 0, "waiting": 0}, None)
    assert queued(quiet, LIMITS) == queued(None, LIMITS) == queued(dataclasses.replace(quiet, pool={}), LIMITS) == ()
    full = dataclasses.replace(quiet, pool={"active": 10, "idle": 0, "waiting": 7})
    [cause] = queued(full, LIMITS)
    assert "7 requests wait for a connection of its pool, of which 10 of 10 are in use" in cause.why
    for reached, count, many in ((0.1, 20.0, 0), (0.1, 19.0, 1), (1.0, 20.0, 1)):
        route = Route("/x", {200: count}, Durations(((reached, count), (float("inf"), count)), 1.0))
        assert len(queued(dataclasses.replace(full, routes=(route,)), LIMITS)) == many, "a queue that moves quickly is none"


@pytest.mark.parametrize(
    ("slots", "from_reserve", "left"),
    [
        (Slots(10, 3, 2, False), False, 7),
        (Slots(4, 3, 2, False), True, 1),
        (Slots(3, 3, 2, False), True, 0),
        (Slots(2, 3, 2, True), True, 2),
        (Slots(0, 3, 2, True), True, 0),
    ],
)
def test_what_is_left_of_a_reserve(slots, from_reserve, left):
    """A session of the reserve leaves at least one like it."""
    assert (slots.is_from_reserve, slots.left) == (from_reserve, left)


def test_the_last_reserved_slot_is_left(roles):
    """With two reserved slots free the diagnosis takes one and works; with one it leaves it, and says that none is left."""
    del roles
    settings = {"max_connections": "10", "superuser_reserved_connections": "3", "reserved_connections": "2"}
    with embedded.start(service=False, postgres_settings=settings) as stack, contextlib.ExitStack() as taken:
        with psycopg.connect(stack.superuser_url, autocommit=True) as mighty:
            mighty.execute(f'GRANT pg_use_reserved_connections TO "{stack.roles.observer}"')
        target = _target(stack)
        for _ in range(5):
            taken.enter_context(psycopg.connect(stack.operator_url, autocommit=True))
        assert [cause.name for cause in _run(target)] == ["connections of the server"]
        taken.enter_context(psycopg.connect(stack.database_url, autocommit=True))
        causes = _run(target)
        assert [cause.name for cause in causes] == ["no connection slot left"]
        assert "the last reserved one" in causes[0].evidence[0]


def _target(stack):
    profile = load_profile("capliquify", Path())
    return Target("here", TargetClass.LOOPBACK, profile, Secret(stack.database_url), roles=stack.roles)


def _run(target):
    [diagnosis] = diagnose(Inquiry(target, load_limits(), SystemClock(), lambda: 0.5), [connection_exhaustion.NAME])
    return diagnosis.causes


def test_a_pooler_in_between_that_nobody_mentioned(pooler, roles, two, tmp_path):
    """All issues at once through a transaction pooler that the target does not name: answered as without one."""
    del two
    url = pooler(pool_mode="transaction", default_pool_size=2)
    target = Target("here", TargetClass.LOOPBACK, load_profile("capliquify", tmp_path), url, roles=roles)
    found = diagnose(Inquiry(target, load_limits(), SystemClock(), lambda: 0.5))
    silent = [source.says for each in found for source in each.sources if source.is_configured and not source.answered]
    assert [each.issue for each in found if each.is_wrong] == []
    assert [says for says in silent if "prepared" in says or "pooler" in says] == []
