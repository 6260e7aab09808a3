"""`api_load` on a real socket: the claim of the sign-off sheet is never ticked by a smaller run."""

from dataclasses import replace

import pytest

from capliquify_ops.load import api_load, raw_document, recompute
from capliquify_ops.load.api_load import measure
from capliquify_ops.model.outcome import Outcome


@pytest.fixture
def ask(plan, target, limits):
    return lambda: api_load.judge(measure(plan, target=target), limits)


def test_a_slow_service_turns_it_red_and_a_fast_one_green_again(server, good, ask, limits):
    """0 -> 1 -> 0: at the rate and for the time that the (shortened) claim demands."""
    assert api_load.judge(good.run, limits).outcome is Outcome.HEALTHY
    server.delay = 1.2
    found = ask()
    assert found.outcome is Outcome.FAILING
    assert found.limit == limits["load_p50_ms"]
    server.delay = 0.0
    assert ask().outcome is Outcome.HEALTHY


@pytest.mark.whole
def test_a_good_run_below_the_claim_is_inconclusive_and_a_bad_one_fails(server, plan, target, limits, packaged):
    """150 of 500 requests/s cannot show that 500 are served, but can show that they are not."""
    amounts = {key: packaged[key] for key in ("load_required_rate_embedded", "load_required_seconds")}
    limits = replace(limits, by_key={**limits.by_key, **amounts})
    judge = lambda run: api_load.judge(run, limits, required_rate=api_load.REQUIRED_RATE_EMBEDDED)  # noqa: E731
    good = judge(measure(plan, target=target))
    assert good.outcome is Outcome.INCONCLUSIVE
    assert "150 of 500 requests/s and 1 of 600 s" in good.why
    server.reply = lambda marker: server.right(marker) if server.served % 10 else None
    assert judge(measure(plan, target=target)).outcome is Outcome.FAILING


def test_every_figure_can_be_computed_again_from_the_raw_data(good, limits):
    """What the finding says is in the evidence: another program reading the raw document gets the same figures."""
    run = good.run
    found = api_load.judge(run, limits)
    assert len(run.machine) >= 1
    told = {key: value for key, value in found.measured.items() if key != "limited_by"}
    assert dict(recompute(raw_document(run, limits["load_p95_ms"]))) == told
