"""`request_latency` on a real socket: right, wrong in each way it must notice, and right again."""

from dataclasses import replace

import pytest

from capliquify_ops.load import request_latency
from capliquify_ops.load.request_latency import measure
from capliquify_ops.model.outcome import Outcome, Severity


@pytest.fixture
def ask(plan, target, limits):
    return lambda: request_latency.judge(measure(plan, target=target), limits)


def failing_every(count, server, broken):
    """Reply rightly except to each `count`-th request."""
    return lambda marker: broken(marker) if server.served % count == 0 else server.right(marker)


def test_a_failing_service_turns_it_red_and_a_mended_one_green_again(server, good, limits, ask, answer):
    """0 -> 1 -> 0: three 500s among 150 requests are more than 0.1 %, and nothing of them remains afterwards."""
    assert request_latency.judge(good.run, limits).outcome is Outcome.HEALTHY
    server.reply = failing_every(50, server, lambda marker: answer(500, b'{"success": false}'))
    found = ask()
    assert found.outcome is Outcome.FAILING
    assert found.measured["failed"] >= 2
    assert found.limit.source == "Monitoring checklist, daily: error rate < 0.1 %"
    server.reply = server.right
    assert ask().outcome is Outcome.HEALTHY


def test_another_tenants_rows_are_critical_even_in_one_answer(server, ask, rows_of, answer):
    """One answer of 150 with another tenant's rows among its own fails the check, and the witness names both tenants."""
    mixed = lambda marker: answer(200, rows_of(marker)[:-2] + b', {"sku": "sku-j-1"}]}')  # noqa: E731
    server.reply = lambda marker: mixed(marker) if marker == "sku-a-" and server.served > 100 else server.right(marker)
    found = ask()
    assert (found.outcome, found.severity) == (Outcome.FAILING, Severity.CRITICAL)
    assert "as sku-a- answered 200 with rows of sku-j-" in found.witness.lines[0]


@pytest.mark.parametrize(
    "body",
    [
        b'{"success": true, "data": []}',
        pytest.param(b"", marks=pytest.mark.whole),
        pytest.param(b"<html>sku-c-1</html>", marks=pytest.mark.whole),
    ],
    ids=["no rows", "nothing", "html"],
)
def test_a_fast_200_without_the_tenants_rows_is_a_failure(server, ask, answer, body):
    """An empty page served quickly is not a served request."""
    server.reply = lambda marker: answer(200, body) if marker == "sku-c-" else server.right(marker)
    found = ask()
    assert found.outcome is Outcome.FAILING
    assert found.measured["empty"] == 15


@pytest.mark.whole
def test_a_slow_service_misses_the_p95_limit(server, plan, target, limits, packaged):
    """Answers that take 0.4 s put p95 over 200 ms, with no request failed."""
    server.delay = 0.4
    limits = replace(limits, by_key={**limits.by_key, "p95_ms": packaged["p95_ms"]})
    found = request_latency.judge(measure(plan, target=target), limits)
    assert found.outcome is Outcome.FAILING
    assert found.measured["failed"] == 0
    assert found.measured["p95_ms"] >= 400
    assert found.limit == packaged["p95_ms"]


def test_a_dropped_connection_is_counted_and_not_repeated_silently(server, ask, plan):
    """The generator sends each request once: three connections closed without an answer are three failures."""
    server.reply = lambda marker: None if server.served in {60, 90, 120} else server.right(marker)
    found = ask()
    assert found.outcome is Outcome.FAILING
    assert found.measured["failed"] == 3
    assert server.served == 1 + 150 * plan.warmup_s + plan.requests


def test_a_service_that_drops_connections_is_not_called_the_generators_fault(server, plan, target, limits):
    """Each drop makes the generator open another one, which is the service's doing: the check fails."""
    server.reply = failing_every(3, server, lambda marker: None)
    found = request_latency.judge(measure(replace(plan, connections=20, warmup_s=0.0), target=target), limits)
    assert found.outcome is Outcome.FAILING, found
    assert found.measured["failed"] >= 45
    assert found.measured["reused_ratio"] > 0.9


def test_an_answer_cut_short_is_a_failure(server, ask, rows_of):
    """A body shorter than its Content-Length never counts as an answer."""

    def short(marker):
        body = rows_of(marker)
        head = f"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: {len(body) + 10}\r\n\r\n"
        return head.encode() + body

    server.reply = lambda marker: short(marker) if marker == "sku-d-" else server.right(marker)
    found = ask()
    assert found.outcome is Outcome.FAILING
    assert found.measured["completed"] == 135


@pytest.mark.whole
def test_a_run_below_the_rate_of_the_check_does_not_pass_it(plan, target, limits, packaged):
    """A good run at 150 requests/s for one second is inconclusive against 300 for 30 s, and says how far it got."""
    amounts = {key: packaged[key] for key in ("latency_load_rate", "latency_load_seconds")}
    found = request_latency.judge(measure(plan, target=target), replace(limits, by_key={**limits.by_key, **amounts}))
    assert found.outcome is Outcome.INCONCLUSIVE
    assert "150 of 300 requests/s and 1 of 30 s" in found.why
