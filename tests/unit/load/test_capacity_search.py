"""The search for the highest rate, on a service that is a function: it answers in time up to a rate and in no time above it."""

from array import array
from dataclasses import replace

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from capliquify_ops.configuration import load_limits
from capliquify_ops.load import Caller, Plan, reads
from capliquify_ops.load.capacity_search import GROWTH, REFINEMENTS, search
from capliquify_ops.model.errors import IntegrationFailed, OpsError, TargetUnreachable, UsageError
from capliquify_ops.model.secret import Secret

LIMITS = load_limits()
PLAN = Plan("http://127.0.0.1:8000", 1, 2, (Caller(Secret("hush"), {}, "sku-a-"),), reads("/api/products"))


@pytest.fixture(scope="session")
def service(make_run):
    """Makes a `run` of a service that breaks above a rate, and another one slow from another rate on."""

    def up_to(breaks_above, *, slow_above=float("inf"), sick_above=float("inf")):
        asked = []

        def run(plan):
            asked.append(plan.rate)
            latency = 900_000 if plan.rate > breaks_above else 30_000 if plan.rate > slow_above else 5_000
            found = make_run([latency] * plan.requests, rate=plan.rate, seconds=plan.seconds)
            health = replace(found.health, lags_us=array("i", [100_000] * 100))
            return replace(found, health=health) if plan.rate > sick_above else found

        run.asked = asked
        return run

    return up_to


@settings(max_examples=25, deadline=None)
@given(st.integers(20, 900))
@example(20)
@example(899)
def test_the_highest_rate_is_found_within_one_refinement(service, breaks_above):
    """It holds, and what is missing to the true one is less than a quarter of the last step."""
    found = search(PLAN, service(breaks_above), LIMITS, start=20, most=1000)
    assert found.highest <= breaks_above
    assert breaks_above - found.highest <= found.highest * (GROWTH - 1) / 2**REFINEMENTS + 2
    assert [step.rate for step in found.steps] == sorted({step.rate for step in found.steps})
    assert all(step.held == (step.rate <= breaks_above) for step in found.steps)
    assert "p50 was 900.0 ms" in found.ended_by


def test_a_service_that_holds_the_most_is_asked_no_more(service):
    """The last step is the most that was asked for, exactly."""
    run = service(10_000)
    found = search(PLAN, run, LIMITS, start=100, most=250)
    assert run.asked == [100, 130, 169, 220, 250]
    assert (found.highest, found.knee) == (250, None)
    assert found.ended_by == "No limit broke up to 250/s."


def test_a_search_that_gave_up_below_the_most_does_not_say_that_it_held(service):
    """From very little the steps are used up first, and the sentence names the rate that was reached."""
    found = search(PLAN, service(10**9), LIMITS, start=5, most=5_000)
    assert found.highest < 5_000
    assert found.ended_by == f"No limit broke up to {found.highest:g}/s."


def test_a_service_that_breaks_at_the_start_has_no_highest_rate(service):
    """Nothing is refined below the start, and 0 says that nothing held."""
    run = service(50)
    found = search(PLAN, run, LIMITS, start=100, most=1000)
    assert run.asked == [100]
    assert (found.highest, len(found.steps)) == (0, 1)


def test_the_generators_own_limit_is_named_as_such(service):
    """It ends the search at once, is no break, and the highest rate is what held before."""
    run = service(10_000, sick_above=200)
    found = search(PLAN, run, LIMITS, start=100, most=1000)
    assert (found.highest, run.asked) == (169, [100, 130, 169, 220])
    assert found.ended_by.startswith("Inconclusive at 220/s: The generator, not the service, decided this run")
    last = next(step for step in found.steps if not step.held)
    assert not last.broke
    assert last.limited_by.startswith("the generator: its event loop was up to 100.0 ms late")


def test_a_refinement_that_cannot_be_judged_ends_the_search_too(service):
    """Between a rate that held and one that broke."""

    def run(plan):
        if plan.rate == 150:
            raise OpsError("The load generator did not start: exit code 1.")
        return service(10_000 if plan.rate < 150 else 1)(plan)

    found = search(PLAN, run, LIMITS, start=100, most=1000)
    assert [step.rate for step in found.steps] == [100, 130, 150, 169]
    assert (found.highest, found.ended_by) == (130, "Inconclusive at 150/s: The load generator did not start: exit code 1.")


@pytest.mark.parametrize("error", [TargetUnreachable("It was gone.", hint="Is it running?"), IntegrationFailed("It was gone.")])
def test_a_service_that_collapses_loses_no_step(service, error):
    """The step broke, the steps before it stay, and the gap is halved as after any break."""

    def run(plan):
        if plan.rate > 150:
            raise error
        return service(10_000)(plan)

    told = []
    found = search(PLAN, run, LIMITS, start=100, most=1000, told=told.append)
    assert [step.rate for step in told] == [100, 130, 169, 150, 160]
    assert sorted(told, key=lambda step: step.rate) == list(found.steps)
    assert (found.highest, found.ended_by) == (150, "It was gone. First met: the service was gone.")
    assert [step.rate for step in found.steps if step.broke] == [160, 169]


def test_the_knee_is_where_p95_has_doubled(service):
    """Long before the limit breaks."""
    found = search(PLAN, service(800, slow_above=300), LIMITS, start=100, most=1000)
    assert found.knee == min(step.rate for step in found.steps if step.rate > 300)
    assert found.knee < found.highest


def test_a_rate_that_broke_once_is_not_the_highest_though_a_higher_one_held(make_run):
    """Of a service that is well again above a weak spot, what lies above the spot does not count."""

    def run(plan):
        return make_run([900_000 if plan.rate in {150, 130} else 5_000] * plan.requests, rate=plan.rate, seconds=plan.seconds)

    found = search(PLAN, run, LIMITS, start=100, most=1000)
    assert found.highest < 130
    assert found.highest == max(step.rate for step in found.steps if step.held)


@pytest.mark.parametrize(("start", "most"), [(0, 10), (-5, 10), (20, 10), (float("nan"), 10), (5, float("nan"))])
def test_what_cannot_be_looked_for_is_refused(service, start, most):
    """Before any request."""
    run = service(100)
    with pytest.raises(UsageError, match=r"cannot be looked for"):
        search(PLAN, run, LIMITS, start=start, most=most)
    assert run.asked == []


@settings(max_examples=20, deadline=None)
@given(st.integers(1, 12), st.integers(1, 60))
def test_no_rate_is_driven_twice(service, start, breaks_above):
    """Also where a step of a third is less than one request a second."""
    run = service(breaks_above)
    search(replace(PLAN, seconds=1), run, LIMITS, start=start, most=40)
    assert len(run.asked) == len(set(run.asked))
