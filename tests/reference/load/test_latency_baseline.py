"""`latency_baseline` on the reference stack: its own histograms, pairs of requests, and four statements in its database."""

from contextlib import contextmanager
from dataclasses import replace

import psycopg
import pytest

from capliquify_ops.configuration import load_limits, load_settings
from capliquify_ops.configuration.system import SystemClock, new_run
from capliquify_ops.identity_providers import token_source
from capliquify_ops.load import latency_baseline
from capliquify_ops.load.latency_baseline import FEWEST, judge, measure, raw_baseline, recompute_baseline
from capliquify_ops.load.traffic import make_traffic
from capliquify_ops.model.errors import ConfigurationInvalid, IntegrationFailed
from capliquify_ops.model.outcome import Outcome

FIRST = "SELECT t.* INTO v_tenant"
"""The first statement of the function that finds the tenant of a request."""
LIMITS = load_limits(
    {key: 2_000 for key in load_limits().by_key if key.startswith("baseline_")} | {"baseline_resolution_ms": 50}, "tests"
)
"""Other tests share the processors, so a request may take long here; what resolves a tenant still takes its few milliseconds."""


@pytest.fixture(scope="module")
def target(whole_stack):
    return load_settings(whole_stack.config, environment={}).targets["running"]


@pytest.fixture(scope="module")
def caller(target):
    """A user of a throwaway tenant with three rows."""
    with make_traffic(target, token_source(target.identity, SystemClock()), new_run(), tenants=1) as traffic:
        yield traffic.crowd[0]


@pytest.fixture(scope="module")
def found(target, caller):
    """One baseline for all tests that only judge it."""
    return measure(target, caller, pairs=FEWEST)


@contextmanager
def slow_lookup(superuser_url, seconds):
    """The function that finds the tenant of a request takes its time."""
    with psycopg.connect(superuser_url, autocommit=True) as connection:
        [(text,)] = connection.execute("SELECT pg_get_functiondef('public.resolve_tenant(text, text)'::regprocedure)").fetchall()
        assert FIRST in text
        connection.execute(text.replace(FIRST, f"PERFORM pg_sleep({seconds}); {FIRST}"))
        try:
            yield
        finally:
            connection.execute(text)


def lowered(key, value):
    return replace(LIMITS, by_key={**LIMITS.by_key, key: replace(LIMITS[key], value=value)})


@pytest.mark.parametrize(
    ("limit", "figure"),
    [
        ("baseline_resolution_ms", "tenant_resolution_p95_ms"),
        ("baseline_chain_ms", "chain_p95_ms"),
        ("baseline_lookup_ms", "lookup_p95_ms"),
        ("baseline_query_ms", "query_p95_ms"),
        ("baseline_cpu_ms", "cpu_ms_per_request"),
    ],
)
def test_a_limit_below_what_was_measured_turns_it_red_and_the_old_one_green_again(found, limit, figure):
    """0 -> 1 -> 0 for each way of measuring: the service's histograms, its processor time, and the database."""
    finding = judge(found, LIMITS)
    assert finding.outcome is Outcome.HEALTHY, finding
    buckets = {f"{step.name}_p95_ms": step.low_ms for step in found.steps}
    below = lowered(limit, buckets.get(figure, finding.measured[figure]))
    finding = judge(found, below)
    assert finding.outcome is Outcome.FAILING, finding
    assert finding.limit == below[limit]
    assert judge(found, LIMITS).outcome is Outcome.HEALTHY


@pytest.mark.whole
def test_a_slow_lookup_turns_it_red_and_a_quick_one_green_again(whole_stack, target, caller, found):
    """0 -> 1 -> 0: 60 ms in the function that finds the tenant show in resolution, in the chain and from outside."""
    assert judge(found, LIMITS).outcome is Outcome.HEALTHY
    with slow_lookup(whole_stack.superuser_url, 0.06):
        slow = measure(target, caller, pairs=FEWEST)
    finding = judge(slow, LIMITS)
    assert finding.outcome is Outcome.FAILING, finding
    assert finding.limit == LIMITS["baseline_resolution_ms"]
    assert finding.measured["difference_low_ms"] >= 50
    assert judge(measure(target, caller, pairs=FEWEST), LIMITS).outcome is Outcome.HEALTHY


def test_everything_that_the_claim_names_was_measured(found):
    """Each step by the service's count for at least each request, each statement two hundred times; figures come from the raw data."""
    steps = {step.name: step.count for step in found.steps}
    assert all(steps[name] >= FEWEST for name in latency_baseline.STEPS)
    assert len(found.pairs_ms) == FEWEST
    assert all(tenant > 0 and public > 0 for tenant, public in found.pairs_ms)
    assert len(found.trip_ms) == len(found.lookup_ms) == len(found.switch_ms) == len(found.query_ms) == 200
    assert found.unseen == ()
    told = judge(found, LIMITS).measured
    assert told["difference_low_ms"] <= told["difference_ms"] <= told["difference_high_ms"]
    assert recompute_baseline(raw_baseline(found)) == told


def test_fewer_requests_than_a_percentile_needs_tell_nothing(found):
    """Of 99 pairs nothing is said."""
    finding = judge(replace(found, pairs_ms=found.pairs_ms[1:]), LIMITS)
    assert finding.outcome is Outcome.INCONCLUSIVE


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"database_url": None}, "The target has no database URL."),
        ({"organization": "org_nobody"}, "The registry has 0 tenants of the organisation 'org_nobody'."),
        ({"metrics": {}}, "The profile names no metrics of the service."),
    ],
    ids=["no url", "unregistered", "no metrics"],
)
def test_what_could_not_be_measured_is_inconclusive_and_said(target, caller, change, said):
    """Whatever else was within limits."""
    if "organization" in change:
        caller = replace(caller, **change)
    elif "metrics" in change:
        target = replace(target, profile=replace(target.profile, **change))
    else:
        target = replace(target, **change)
    part = measure(target, caller, pairs=1)
    assert part.unseen == (said,)
    steps = tuple(replace(step, count=step.count * FEWEST) for step in part.steps)
    finding = judge(replace(part, pairs_ms=part.pairs_ms * FEWEST, steps=steps), LIMITS)
    assert finding.outcome is Outcome.INCONCLUSIVE, finding
    assert said in finding.why


def test_a_route_that_refuses_is_no_baseline(target, caller):
    """What answers 403 says nothing of latency; nor is there anything to compare without a public route."""
    with pytest.raises(IntegrationFailed, match=r"answered 40[0-9], so its latency says nothing"):
        measure(target, replace(caller, headers={}), pairs=1)
    routes = {name: route for name, route in target.profile.routes.items() if route.kind != "public"}
    with pytest.raises(ConfigurationInvalid, match="no public route"):
        measure(replace(target, profile=replace(target.profile, routes=routes)), caller, pairs=1)
