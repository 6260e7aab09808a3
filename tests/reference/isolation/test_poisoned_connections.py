"""ISO-03 goes red through services whose connections remember somebody, and stays green where they are reset."""

import dataclasses
import threading
from collections import deque

import psycopg
import pytest

from capliquify_ops.isolation import connection_faults, met_connections, poisoned_connections, run_family, service_sessions
from capliquify_ops.isolation.probe_sweep import sweep_of
from capliquify_ops.isolation.run import probes_of
from capliquify_ops.isolation.service_sessions import connections, left_open
from capliquify_ops.model.outcome import Grade, Outcome

CHECK = "iso_03_poisoned_connections"
FORGETFUL = "/api/working-capital"
"""The route that trusts whatever its connection knows; a list is what it shows in these tests."""


class Pool:
    """Connections that know who used them last, the oldest handed out first."""

    def __init__(self, size):
        self._free = deque([""] * size)
        self._lock = threading.Lock()

    def take(self):
        with self._lock:
            return self._free.popleft()

    def put(self, who):
        with self._lock:
            self._free.append(who)


def remembering(cast, size, remembers):
    """A fault: the forgetful route shows the list of whoever used its connection last, if that was to be remembered."""
    pool = Pool(size)

    def lie(request, forward):
        who = cast.who(request)
        if who not in {"a.owner", "b.owner"}:
            return forward(request)
        before, known = pool.take(), ""
        try:
            if request.route == FORGETFUL:
                known = before
                if before:
                    return forward(dataclasses.replace(cast.as_(request, before), path="/api/products?limit=100"))
                return forward(request)
            answer = forward(request)
            known = who if remembers(request, answer) else ""
            return answer
        finally:
            pool.put(known)

    return lie


def chosen(monkeypatch, *names):
    """The menu shortened, to what a test is about."""
    menu = tuple(fault for fault in connection_faults.MENU if fault.name in names)
    assert len(menu) == len(names)
    monkeypatch.setattr(poisoned_connections, "MENU", menu)
    return menu


@pytest.fixture
def four(monkeypatch):
    """The proxy's pool is not one that the database counts."""
    so_many(monkeypatch, 4)


def so_many(monkeypatch, count):
    """So many connections, of which the database does not show when they were used."""
    found = [service_sessions.ServiceSession(pid, "idle", "") for pid in range(count)]
    monkeypatch.setattr(met_connections, "sessions", lambda world, owner: found)


@pytest.fixture
def narrow(monkeypatch):
    """Reports alone are read: the other families are read by the same code."""
    monkeypatch.setattr(poisoned_connections, "sweep_of", lambda world, key: {"reports": sweep_of(world, key)["reports"]})


@pytest.fixture
def without_signals(generous_stack, world):
    """An operator without the right to signal other roles' sessions, while the test runs."""
    operator = world.target.roles.operator
    with psycopg.connect(generous_stack.superuser_url, autocommit=True) as connection:
        connection.execute(f'REVOKE pg_signal_backend FROM "{operator}"')
        yield
        connection.execute(f'GRANT pg_signal_backend TO "{operator}" WITH INHERIT TRUE')


@pytest.mark.parametrize("fault", ["plain use", pytest.param("a broken constraint", marks=pytest.mark.whole)])
def test_a_remembered_tenant_is_met(world, cast, lie, monkeypatch, four, narrow, fault):
    """The connection that one tenant used, or whose request failed, is met within as many reads as the pool has connections."""
    chosen(monkeypatch, fault)
    assert run_family(CHECK, world).outcome is Outcome.HEALTHY
    is_failure = fault == "a broken constraint"
    lie(remembering(cast, 4, lambda request, answer: answer.status >= 400 if is_failure else True))
    found = run_family(CHECK, world)
    assert (found.outcome, found.grade) == (Outcome.FAILING, Grade.PROOF)
    assert f"after {fault} of a, reports: b.owner: GET {FORGETFUL}" in found.why
    assert set(found.tenants.sample) == {"a", "b"}
    lie(None)
    assert run_family(CHECK, world).outcome is Outcome.HEALTHY


@pytest.mark.whole
def test_a_reset_that_also_follows_errors_is_right(world, cast, lie, monkeypatch, four):
    """A connection that forgets its tenant in every case is no finding, however it was told who that is."""
    chosen(monkeypatch, "plain use", "a broken constraint")
    lie(remembering(cast, 4, lambda request, answer: False))
    assert run_family(CHECK, world).outcome is Outcome.HEALTHY


@pytest.mark.whole
def test_every_fault_reaches_the_service(world, monkeypatch):
    """Each fault of the menu is really done to the reference service, which stays right after it and keeps nothing open."""
    so_many(monkeypatch, 1)
    chosen(monkeypatch, *(fault.name for fault in connection_faults.MENU if not fault.is_of_both))
    probes = probes_of(poisoned_connections.poisoned, world)
    assert [probe.line() for probe in probes if probe.violation()] == []
    needed = [probe for probe in probes if not probe.is_optional]
    assert [probe.line() for probe in needed if probe.untried and "of the service" not in probe.untried] == []
    reached = {probe.name for probe in probes if probe.is_control}
    for fault in poisoned_connections.MENU:
        assert {f"{fault.name} of {key} was reached" for key in "ab"} <= reached


def test_without_the_right_to_signal_that_is_said(world, without_signals, monkeypatch, narrow):
    """An operator who may not cancel what the service does is told which right is missing; nothing is held against the service."""
    chosen(monkeypatch, "plain use", "a cancelled statement")
    so_many(monkeypatch, 1)
    found = run_family(CHECK, world)
    assert (found.outcome, found.grade) == (Outcome.HEALTHY, Grade.WEAK)
    assert "GRANT pg_signal_backend" in found.why


def test_a_stuck_connection_is_a_finding(world, monkeypatch, narrow):
    """A session of the service that stays inside a transaction counts, although nobody was shown anything."""
    chosen(monkeypatch)
    assert run_family(CHECK, world).outcome is Outcome.HEALTHY
    monkeypatch.setattr(poisoned_connections, "left_open", lambda world: ["idle in transaction"])
    found = run_family(CHECK, world)
    assert (found.outcome, found.grade) == (Outcome.FAILING, Grade.STRONG)
    assert "1 sessions of the service stay idle in transaction" in found.why


def test_the_database_counts_connections_and_open_transactions(world, monkeypatch):
    """The pool's size is the number of the service role's sessions, the usual one where nobody can be asked."""
    assert 10 <= connections(world) <= 12
    assert left_open(world) == []
    monkeypatch.setattr(world, "target", dataclasses.replace(world.target, operator_url=None))
    assert connections(world) == service_sessions.POOL


def test_reads_go_on_until_each_connection_is_met(world):
    """The database shows which connections answered: a few reads meet some, the usual number all that answer reads."""
    with met_connections.service_connections(world) as connections:
        before = connections.used()
        assert len(before) == connections.count >= 10
        assert connections.left("a family", before, 0) == 0, "reads that use no connection need not go on"
        world.get("b.owner", "/api/products")
        left = connections.left("rows", before, 1)
        assert 0 < left < connections.count
    assert "connections" in connections.told().request


@pytest.mark.whole
def test_own_rows_that_are_gone_count(world, lie, monkeypatch, four):
    """A tenant that is shown an empty list after another one's trouble may be looking into another schema."""
    chosen(monkeypatch, "plain use")
    empty = [0]

    def lose(request, forward):
        answer = forward(request)
        is_list = request.method == "GET" and request.path == "/api/products?limit=100" and answer.status == 200
        empty[0] += is_list
        return answer.saying({"data": []}) if is_list and empty[0] % 3 == 0 else answer

    families = sweep_of(world, "b")
    assert {"reports", "rows", "lists", "others", "open to everybody"} <= families.keys()
    lie(lose)
    found = run_family(CHECK, world)
    assert found.outcome in {Outcome.FAILING, Outcome.INCONCLUSIVE}
    assert "own planted rows" in (found.why + " ".join(found.witness.lines))


@pytest.mark.whole
@pytest.mark.parametrize("defect", ["SESSION_SET", "RESET_ON_SUCCESS_ONLY"])
@pytest.mark.parametrize(("pool_size", "workers"), [(1, 1), (4, 2), (10, 1)])
def test_defects_of_the_service(switched, defect, pool_size, workers):
    """Whatever the pool's size and the number of workers, the path that a connection kept is met."""
    with switched(defect, pool_size=pool_size, workers=workers) as built:
        found = run_family(CHECK, built)
    assert (found.outcome, found.grade) == (Outcome.FAILING, Grade.PROOF)


@pytest.mark.whole
def test_a_session_set_with_a_reset_is_right(switched):
    """A path that is set for the session and taken away whatever happens is met by nobody."""
    with switched("SESSION_SET_WITH_RESET", pool_size=4) as built:
        assert run_family(CHECK, built).outcome is Outcome.HEALTHY
