"""slow-responses: from the same sights the same causes, the first of them what keeps the others waiting."""

from dataclasses import replace
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner

from capliquify_ops.cli.commands import application
from capliquify_ops.configuration import load_limits
from capliquify_ops.diagnostics import connection_exhaustion
from capliquify_ops.diagnostics.connection_exhaustion import ConnectionRows
from capliquify_ops.diagnostics.inquiry import Asked
from capliquify_ops.diagnostics.shared_questions import METRICS, PROMETHEUS
from capliquify_ops.diagnostics.slow_responses import explain
from capliquify_ops.diagnostics.slow_responses_now import slowness_of
from capliquify_ops.diagnostics.slow_responses_suspects import Seen, Since, Tables
from capliquify_ops.model.diagnosis import Source
from capliquify_ops.model.finding import Level
from capliquify_ops.observation.activity import Activity, Backend, Locked
from capliquify_ops.observation.plans import Plan, Step
from capliquify_ops.observation.pressure import Pressure, pressure_between
from capliquify_ops.observation.statements import Line
from capliquify_ops.observation.tables import Missing, Table
from capliquify_ops.observation.traffic import Durations, Route, Traffic

LIMITS = load_limits()
NOW = datetime(2026, 1, 1, tzinfo=UTC)
BOUNDS = (0.01, 0.1, 0.3, 0.5, 1.0, float("inf"))


def durations(ms, count=100):
    """So many requests of one length."""
    return Durations(tuple((bound, count if ms / 1000 <= bound else 0) for bound in BOUNDS), count * ms / 1000)


def traffic(ms=None, count=100, **given):
    routes = () if ms is None else (Route("/x", {200: count}, durations(ms, count)),)
    return Traffic(
        **{
            "over_s": 2.0,
            "routes": routes,
            "middleware": {},
            "queries": None,
            "verifications": {},
            "pool": {},
            "memory_bytes": None,
        }
        | given
    )


def backend(pid, **given):
    plain = {
        "pid": pid, "role": "app", "application": "", "client": "local", "is_here": True, "is_visible": True, "state": "active",
        "wait_type": "", "wait_event": "", "connected_s": 60.0, "transaction_s": 9.0, "state_s": 9.0, "backend_start": NOW,
        "transaction_start": NOW, "query": "SELECT 1", "blocked_by": (), "is_own": False,
    }  # fmt: skip
    return Backend(**plain | given)


def answers(metrics=None, prometheus=None, backends=(), locked=(), app_logs_in=True):
    values = {
        METRICS: metrics,
        PROMETHEUS: prometheus,
        connection_exhaustion.CONNECTIONS: ConnectionRows(Activity(tuple(backends), tuple(locked)), (), app_logs_in),
    }
    return {name: Asked(Source(name, value is not None, "", 1.0), value) for name, value in values.items()}


def seen(since=None, tables=None, plans=None, **given):
    return Seen(slowness_of(answers(**given), LIMITS, "app"), since, tables or Tables(), plans or {}, LIMITS)


def names(found):
    causes = explain(found)
    assert all(cause.why.endswith(".") and cause.next_command and cause.level for cause in causes)
    return [cause.name for cause in causes]


LINE = Line(
    "SELECT ? FROM ~.products WHERE sku = ?",
    "SELECT 1 FROM t.products WHERE sku = $1",
    True,
    10,
    1000.0,
    10,
    2,
    ("t", "u"),
    frozenset({1}),
)
SINCE = Since(2.0, (LINE,), (replace(LINE, calls=100, total_ms=500.0),), 7200.0, False, frozenset({"t", "u"}))
TABLE = Table(1, "t", "products", True, 50_000.0, 9, 5, 100, 0, 0, False, 60.0)
MISSING = Missing("products", "products_sku_idx", ("t",), ("CREATE INDEX 1",), frozenset({"sku"}), 8, 9)
SCAN = Step("Seq Scan", "products", ("Filter: (sku = ?)",), 1.0, None, None, 0)
INDEX = replace(SCAN, kind="Index Scan", conditions=())
WAITER = backend(2, wait_type="Lock", blocked_by=(1,), query="SELECT 2 FROM t.products WHERE sku = 'x'")
STILL = Pressure(0, 0, 0, 0, True, 0.0, 0)


@pytest.mark.parametrize(
    ("ms", "count", "level"),
    [
        (50, 100, None),
        (250, 100, None),
        (400, 100, Level.L1),
        (900, 100, Level.L2),
        (900, 20, Level.L2),
        (900, 3, Level.L2),
        (900, 2, None),
    ],
)
def test_a_route_is_slow_above_the_limit_with_enough_requests(ms, count, level):
    """Above 300 ms a warning, above 500 ms critical; of few requests three that are all slow are enough, two are none."""
    causes = explain(seen(metrics=traffic(ms, count)))
    assert [(cause.name, cause.level) for cause in causes] == ([("time in the service", level)] if level else [])
    assert all(cause.evidence[0].startswith("slow: /x: p50 ") and f"of {count}" in cause.evidence[0] for cause in causes)


@pytest.mark.parametrize(("slow", "is_told"), [(1, False), (3, False), (4, True), (9, True)])
def test_of_few_requests_so_many_slow_ones_are_no_chance(slow, is_told):
    """Of twelve requests three slow ones may be chance where one of twenty may be slow; four are none."""
    fast_and_slow = ((0.3, 12.0 - slow), (1.0, 12.0), (float("inf"), 12.0))
    found = replace(traffic(900, 12), routes=(Route("/x", {200: 12.0}, Durations(fast_and_slow, 1.0)),))
    assert bool(names(seen(metrics=found))) is is_told


def test_either_view_of_the_traffic_counts():
    """Slow in the last minutes or in the last seconds: what shows it is believed, what both say healthy is healthy."""
    assert names(seen(metrics=traffic(50), prometheus=traffic(900))) == ["time in the service"]
    assert names(seen(metrics=traffic(900), prometheus=traffic(50))) == ["time in the service"]
    assert names(seen(metrics=traffic(50), prometheus=traffic(50))) == []


@pytest.mark.parametrize(
    ("given", "wanted"),
    [
        ({"since": SINCE}, ["slow statement"]),
        ({"since": SINCE, "tables": Tables((TABLE,), (MISSING,))}, ["missing index"]),
        ({"since": SINCE, "tables": Tables((TABLE,), (MISSING,)), "plans": {LINE.text: Plan((SCAN,), None)}}, ["missing index"]),
        ({"since": SINCE, "tables": Tables((TABLE,), (MISSING,)), "plans": {LINE.text: Plan((INDEX,), None)}}, ["slow statement"]),
        ({"since": SINCE, "tables": Tables((TABLE,), (replace(MISSING, columns=frozenset({"name"})),))}, ["slow statement"]),
        ({"since": SINCE, "tables": Tables((TABLE,), (replace(MISSING, table="sales"),))}, ["slow statement"]),
        ({"since": SINCE, "tables": Tables((TABLE,)), "plans": {LINE.text: Plan((SCAN,), None)}}, ["sequential scan"]),
        ({"since": SINCE, "tables": Tables((replace(TABLE, rows=9_999.0),)), "plans": {LINE.text: Plan((SCAN,), None)}}, ["slow statement"]),
        ({"since": SINCE, "tables": Tables((replace(TABLE, is_new=True),))}, ["slow statement", "stale statistics"]),
        ({"since": SINCE, "tables": Tables((replace(TABLE, changed_rows=25_001),))}, ["slow statement", "stale statistics"]),
        ({"since": SINCE, "tables": Tables((replace(TABLE, changed_rows=25_000),))}, ["slow statement"]),
        ({"since": SINCE, "tables": Tables((replace(TABLE, dead_rows=40_000),))}, ["slow statement", "dead rows"]),
        ({"since": SINCE, "tables": Tables((replace(TABLE, dead_rows=30_000),))}, ["slow statement"]),
        ({"since": replace(SINCE, lines=(replace(LINE, rows=100_000),))}, ["large result"]),
        ({"since": replace(SINCE, lines=(replace(LINE, rows=99_999),))}, ["slow statement"]),
        ({"since": replace(SINCE, lines=(replace(LINE, total_ms=199.0),))}, ["time in the service"]),
        ({"since": replace(SINCE, lines=(replace(LINE, text="SELECT ?", total_ms=10_000.0), LINE))}, ["slow statement"]),
        ({"since": replace(SINCE, lines=(), pressure=replace(STILL, checkpoints_requested=1))}, ["checkpoint pressure"]),
        ({"since": replace(SINCE, lines=(), pressure=replace(STILL, checkpoints_timed=1))}, ["time in the service"]),
        ({"since": replace(SINCE, lines=(), pressure=replace(STILL, temp_bytes=64 << 20))}, ["temporary files"]),
        ({"since": replace(SINCE, lines=(), pressure=replace(STILL, io_ms=2_000.0))}, ["waiting for files"]),
        ({"since": replace(SINCE, lines=(), pressure=replace(STILL, io_ms=1_999.0, temp_bytes=60 << 20))}, ["time in the service"]),
    ],
)  # fmt: skip
def test_what_explains_slow_requests(given, wanted):
    """Beside slow requests each sight is its cause; beside quick ones none of them is."""
    assert names(seen(metrics=traffic(900), **given)) == wanted
    assert names(seen(metrics=traffic(50), **given)) == []


def test_without_requests_a_statement_is_slow_by_itself():
    """Where nobody has measured requests a statement of the application is judged alone; another role's is not."""
    slow = replace(LINE, total_ms=3_000.0)
    assert names(seen(since=replace(SINCE, lines=(slow,)))) == ["slow statement"]
    assert names(seen(since=replace(SINCE, lines=(replace(slow, total_ms=2_990.0),)))) == []
    assert names(seen(since=replace(SINCE, lines=(replace(slow, is_app=False),)))) == []


def test_history_is_told_as_history():
    """What was counted before is evidence beside what is slow now, with its age, and never a cause."""
    assert names(seen(since=replace(SINCE, lines=()))) == []
    [cause] = explain(seen(since=SINCE, metrics=traffic(900)))
    assert "history, since 120 min ago: 100 calls, mean 5.0 ms" in cause.evidence
    assert "in 2.0 s: 10 calls, 1,000 ms, mean 100.0 ms, 1 rows a call" in cause.evidence
    assert "tenants: 2 in 2 of the server's statements, most time for t" in cause.evidence
    [cause] = explain(seen(since=replace(SINCE, shares_ids=True), metrics=traffic(900)))
    assert any("counts the statement of all tenants as one" in line for line in cause.evidence)
    [cause] = explain(seen(since=replace(SINCE, lines=()), metrics=traffic(900)))
    assert any(line.startswith("history, since the statistics began: mean 5.0 ms") for line in cause.evidence)


@pytest.mark.parametrize(
    ("middleware", "wanted"),
    [
        ({"chain": durations(5)}, "time in the service"),
        ({"chain": durations(60)}, "slow middleware"),
        ({"a": durations(5), "b": durations(60)}, "slow middleware"),
        ({"chain": replace(durations(9), total_s=46.0)}, "slow middleware"),
        ({"chain": replace(durations(9), total_s=44.0)}, "time in the service"),
    ],
)
def test_middleware_over_its_limit_or_half_of_the_time(middleware, wanted):
    """Slower than 10 ms, or more than half of the requests' time; with the steps where the service has no chain."""
    assert names(seen(metrics=traffic(900, middleware=middleware))) == [wanted]
    assert names(seen(metrics=traffic(50, middleware=middleware))) == []


@pytest.mark.parametrize(
    ("ms", "count", "pool", "waits"),
    [
        (900, 100, {"waiting": 1, "active": 10, "idle": 0}, True),
        (900, 100, {"waiting": 0, "active": 10, "idle": 0}, False),
        (50, 100, {"waiting": 30, "active": 10, "idle": 0}, False),
        (50, 5, {"waiting": 10, "active": 10, "idle": 0}, True),
        (50, 5, {"waiting": 9, "active": 10, "idle": 0}, False),
        (50, 5, {"waiting": 10, "active": 10, "idle": 1}, False),
        (None, 0, {"waiting": 10, "active": 10}, True),
        (None, 0, {}, False),
    ],
)
def test_requests_that_wait_for_the_pool(ms, count, pool, waits):
    """Beside slow requests any that wait; with hardly one done, as many as work; a short queue in a quick service is none."""
    assert ("waiting for the pool" in names(seen(metrics=traffic(ms, count, pool=pool)))) is waits


def test_a_lock_comes_first_and_its_victims_are_no_slow_statements():
    """Root, its victims, and a slow statement beside: the lock first, the victim's own statement not twice; a short wait is none."""
    victim = replace(LINE, text="SELECT ? FROM t.products WHERE sku = ?")
    given = {"backends": [backend(1, state="idle in transaction"), WAITER], "since": replace(SINCE, lines=(LINE, victim))}
    assert names(seen(**given)) == ["blocked by a lock", "slow statement"]
    quick = [backend(1, state="idle in transaction"), replace(WAITER, state_s=0.9)]
    assert names(seen(**given | {"backends": quick})) == []
    locked = [Locked(2, "t", "products", "RowShareLock", granted=False, waits_s=0.5)]
    assert names(seen(**given, locked=locked)) == []
    assert names(seen(**given | {"backends": [given["backends"][0], replace(WAITER, is_here=False)], "since": None})) == []
    assert names(seen(backends=[replace(WAITER, blocked_by=(0,))])) == ["blocked by a prepared transaction"]


@pytest.mark.parametrize(
    ("given", "is_slow"),
    [
        ({}, True),
        ({"state_s": 4.9}, False),
        ({"state": "idle in transaction"}, False),
        ({"role": "reports"}, False),
        ({"query": "VACUUM t"}, False),
        ({"is_here": False}, False),
        ({"is_own": True}, False),
    ],
)
def test_a_statement_that_runs_for_long(given, is_slow):
    """The application's own reads and writes for five seconds and more; where nobody has its name, whoever is there."""
    given = {"query": "SELECT * FROM t.products WHERE sku = 'x'"} | given
    found = seen(backends=[backend(7), backend(8, **given)])
    quick = [replace(each, state_s=0.0) if each.pid == 7 else each for each in found.found.activity.backends]
    assert names(seen(backends=quick)) == (["slow statement"] if is_slow else [])
    assert names(seen(backends=[backend(8, role="reports")])) == [], "an analyst, while the application idles"
    assert names(seen(backends=[backend(8, role="reports")], app_logs_in=False)) == ["slow statement"]


@pytest.mark.parametrize("given", [(), ("--analyze",)])
def test_statements_are_run_again_only_when_asked(given, monkeypatch, tmp_path):
    """Only with --analyze may the diagnosis run a statement."""
    asked = []
    monkeypatch.setattr("capliquify_ops.cli.diagnose.ask", lambda inquiry, issues: asked.append(inquiry.may_analyze) or ())
    file = tmp_path / "x.toml"
    file.write_text('[targets.x]\nclass = "loopback"\n')
    CliRunner().invoke(application(), ["diagnose", "slow-responses", *given, "--config", str(file), "--target", "x"])
    assert asked == [bool(given)]


@given(st.lists(st.tuples(st.integers(1, 8), st.lists(st.integers(0, 8), max_size=3)), max_size=8))
def test_any_web_of_waiting_sessions_is_told(web):
    """Circles, sessions that are gone and sessions blocked twice: each cause is whole, and no session is in one tree twice."""
    backends = {pid: backend(pid, wait_type="Lock" if blockers else "", blocked_by=tuple(blockers)) for pid, blockers in web}
    for cause in explain(seen(backends=[replace(each, role="x" if each.blocked_by else "app") for each in backends.values()])):
        lines = [line.strip().partition(",")[0].partition(" waits")[0] for line in cause.evidence if "holds" not in line]
        assert len(lines) == len(set(lines)), cause
        assert cause.why.endswith(".")


def test_counters_that_went_back_began_anew():
    """The difference of two reads; after a reset, what was counted since."""
    before = Pressure(9, 5, 3, 100, False, 50.0, 1)
    assert pressure_between(before, replace(before, checkpoints_requested=7, io_ms=80.0)) == Pressure(0, 2, 0, 0, False, 30.0, 0)
    assert pressure_between(before, replace(before, temp_bytes=40)).temp_bytes == 40
