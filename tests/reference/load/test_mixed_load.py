"""`mixed_load` on a real socket: reads, writes and reports at once, each kind with a limit of its own."""

import json
from collections import Counter
from dataclasses import replace

import pytest

from capliquify_ops.load import Kind, Operation, mixed_load, raw_document, reads, recompute
from capliquify_ops.load.mixed_load import measure
from capliquify_ops.load.operations import mixed_order
from capliquify_ops.model.outcome import Outcome, Severity

WRITE = Operation("POST", "/api/products", Kind.WRITE, '{"sku": "{marker}{arrival}"}')
REPORT = Operation("GET", "/api/dashboard", Kind.ANALYTICS, holds_rows=False)


@pytest.fixture
def mixed(plan):
    """The plan, with the scenario's shares of reads, writes and reports."""
    return replace(plan, operations=(*reads("/api/products"), WRITE, REPORT), order=mixed_order({0: 0.7, 1: 0.2, 2: 0.1}))


@pytest.fixture
def ask(mixed, target, limits):
    return lambda: mixed_load.judge(measure(mixed, target=target), limits)


def test_slow_writes_turn_it_red_and_quick_ones_green_again(server, ask, limits):
    """0 -> 1 -> 0: writes beyond their own limit fail a run whose reads, reports and whole are within theirs."""
    assert ask().outcome is Outcome.HEALTHY
    server.slow = {b"POST": 1.0}
    found = ask()
    assert found.outcome is Outcome.FAILING
    assert found.limit == limits["mixed_write_p95_ms"]
    assert "write_p95 was 1" in found.why
    assert found.measured["p95_ms"] < limits["mixed_p95_ms"].value
    server.slow = {}
    assert ask().outcome is Outcome.HEALTHY


def test_each_kind_has_its_share_and_each_write_a_row_of_its_own(server, mixed, target, limits):
    """Every tenant sends all three; a body comes whole, once, and with the sender's mark; figures come from the raw data."""
    asked = []
    server.reply = lambda marker: asked.append((marker, server.asked)) or server.right(marker)
    run = measure(mixed, target=target)
    kinds = Counter(run.operation(index).kind for index in range(150))
    assert kinds.keys() == {*Kind}
    assert (kinds[Kind.READ], kinds[Kind.WRITE]) > (90, 20)
    bodies = [(marker, json.loads(request.partition(b"\r\n\r\n")[2])) for marker, request in asked if request.startswith(b"POST")]
    skus = [body["sku"] for _, body in bodies]
    assert len(skus) == len({*skus}) >= kinds[Kind.WRITE]
    assert all(body["sku"].startswith(marker) for marker, body in bodies)
    found = mixed_load.judge(run, limits)
    assert sum(found.measured[f"{kind}_requests"] for kind in Kind) == 150
    told = {key: value for key, value in found.measured.items() if key != "limited_by"}
    assert dict(recompute(raw_document(run, limits["mixed_p95_ms"]))) == told


def test_a_report_with_another_tenants_rows_is_critical(server, ask, answer, rows_of):
    """A report need not hold its own tenant's mark, and never another one's."""
    leak = answer(200, rows_of("sku-j-"))
    server.reply = lambda marker: leak if server.asked.startswith(b"GET /api/dashboard") else server.right(marker)
    found = ask()
    assert (found.outcome, found.severity) == (Outcome.FAILING, Severity.CRITICAL)
    assert all(line.startswith("GET /api/dashboard as ") for line in found.witness.lines)
    assert all(line.endswith("answered 200 with rows of sku-j-") for line in found.witness.lines)


@pytest.mark.whole
@pytest.mark.parametrize(
    ("status", "body", "key"), [(201, b'{"data": {}}', "empty"), (402, b"{}", "failed")], ids=["empty", "refused"]
)
def test_a_write_that_made_nothing_is_a_failure(server, ask, answer, status, body, key):
    """201 without the row that was sent, and a refusal, count as what they are."""
    server.reply = lambda marker: answer(status, body) if server.asked.startswith(b"POST") else server.right(marker)
    found = ask()
    assert found.outcome is Outcome.FAILING
    assert found.measured[key] == found.measured["write_requests"]


@pytest.mark.whole
def test_a_run_that_no_database_confirms_is_inconclusive(mixed, target, limits):
    """Unless the profile says that it need not."""
    silent = replace(target, profile=replace(target.profile, not_applicable={}))
    found = mixed_load.judge(measure(mixed, target=silent), limits)
    assert found.outcome is Outcome.INCONCLUSIVE
    assert "nothing corroborates it: the database was not watched. The target has no database URL" in found.why


@pytest.mark.whole
def test_below_its_rate_and_time_it_is_inconclusive(mixed, target, limits, packaged):
    """One second is not ten minutes."""
    amounts = {"load_required_seconds": packaged["load_required_seconds"]}
    found = mixed_load.judge(measure(mixed, target=target), replace(limits, by_key={**limits.by_key, **amounts}))
    assert found.outcome is Outcome.INCONCLUSIVE
    assert "1 of 600 s" in found.why
