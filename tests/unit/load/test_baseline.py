"""The latency baseline as a pure function: by the service's own count, from outside, and what is missing."""

import json
import math
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from capliquify_ops.configuration import load_limits
from capliquify_ops.load.baseline_measuring import step_of
from capliquify_ops.load.baseline_rows import Baseline, Step
from capliquify_ops.load.latency_baseline import FEWEST, figures, interval, judge, raw_baseline, recompute_baseline
from capliquify_ops.model.errors import EvidenceDamaged
from capliquify_ops.model.outcome import Outcome
from capliquify_ops.observation.traffic import Durations

LIMITS = load_limits()
STEPS = tuple(
    Step(name, 400.0, ms, low, high)
    for name, ms, low, high in (
        ("tenant_resolution", 3, 2.5, 5.0),
        ("feature_check", 0.5, 0.25, 0.5),
        ("role_check", 0.5, 0.25, 0.5),
        ("chain", 4, 2.5, 5.0),
    )
)
GOOD = Baseline(
    "http://127.0.0.1:8000",
    "/api/products",
    "/api/health",
    "2026-01-01T00:00:00+00:00",
    4.0,
    tuple((6.0 + number % 3, 2.0) for number in range(400)),
    STEPS,
    (0.1,) * 200,
    (0.5,) * 200,
    (0.2,) * 200,
    (1.0,) * 200,
    cpu_ms=3.0,
    pool_ratio=0.1,
    pool_waiting=0.0,
)


def without(*names):
    """The steps but these."""
    return replace(GOOD, steps=tuple(step for step in STEPS if step.name not in names))


def with_step(name, ms, low=None, high=None, count=400.0):
    """A step whose p95 lies in a bucket of its own, or of these bounds."""
    low = ms if low is None else low
    changed = Step(name, count, ms, low, high)
    return replace(GOOD, steps=tuple(changed if step.name == name else step for step in STEPS))


@pytest.mark.parametrize(
    ("found", "outcome", "said"),
    [
        (GOOD, Outcome.HEALTHY, "At p95 tenant resolution 3 ms, whole chain 4 ms."),
        (replace(GOOD, pairs_ms=GOOD.pairs_ms[: FEWEST - 1]), Outcome.INCONCLUSIVE, "Only 99 of 100 pairs"),
        (with_step("tenant_resolution", 8.0), Outcome.FAILING, "tenant_resolution was 8.0 at p95; the limit is < 8"),
        (with_step("feature_check", 1.0), Outcome.FAILING, "feature_check was 1.0 at p95"),
        (with_step("role_check", 1.0), Outcome.FAILING, "role_check was 1.0 at p95"),
        (with_step("chain", 10.0), Outcome.FAILING, "chain was 10.0 at p95"),
        (replace(GOOD, lookup_ms=(5.1,) * 200), Outcome.FAILING, "lookup was 5.0 at p95"),
        (replace(GOOD, switch_ms=(1.1,) * 200), Outcome.FAILING, "switch was 1.0 at p95"),
        (replace(GOOD, query_ms=(20.1,) * 200), Outcome.FAILING, "query was 20.0 at p95"),
        (with_step("chain", 9.0, 7.5, 10.0), Outcome.HEALTHY, "whole chain 9.0 ms"),
        (with_step("chain", 12.0, 10.0, 25.0), Outcome.FAILING, "chain was 12.0 at p95"),
        (
            with_step("chain", 12.0, 9.0, 25.0),
            Outcome.INCONCLUSIVE,
            "its histogram cannot tell: from 9 ms to 25 ms is one bucket",
        ),
        (with_step("chain", 9.5, 9.0, 25.0), Outcome.INCONCLUSIVE, "its histogram cannot tell"),
        (with_step("chain", 5.0, 5.0), Outcome.INCONCLUSIVE, "from 5 ms to no upper bound"),
        (with_step("chain", 25.0, 25.0), Outcome.FAILING, "chain was 25.0 at p95"),
        (
            with_step("chain", 4.0, 2.5, 5.0, FEWEST - 1),
            Outcome.INCONCLUSIVE,
            "chain was counted 99 times only; 100 are the fewest",
        ),
        (with_step("chain", 25.0, 25.0, None, 5.0), Outcome.INCONCLUSIVE, "chain was counted 5 times only"),
        (replace(GOOD, trip_ms=(30.0,) * 200, query_ms=(45.0,) * 200), Outcome.HEALTHY, "whole chain"),
        (replace(GOOD, trip_ms=(30.0,) * 200, query_ms=(50.0,) * 200), Outcome.FAILING, "query was 20.0 at p95"),
        (replace(GOOD, cpu_ms=10.0), Outcome.FAILING, "cpu_ms_per_request was 10.0; the limit is < 10"),
        (replace(GOOD, pool_ratio=0.7), Outcome.FAILING, "pool_ratio was 0.7"),
        (replace(GOOD, pool_waiting=2.0), Outcome.FAILING, "2 requests waited for a connection of the pool"),
        (without("role_check"), Outcome.INCONCLUSIVE, "not measured: role_check_p95_ms. The service's metrics name the steps"),
        (replace(GOOD, steps=(), unseen=("No metrics.",)), Outcome.INCONCLUSIVE, "role_check_p95_ms. No metrics."),
        (replace(GOOD, lookup_ms=(), unseen=("No URL.",)), Outcome.INCONCLUSIVE, "not measured: lookup_p95_ms. No URL."),
        (replace(GOOD, cpu_ms=None, pool_ratio=None), Outcome.INCONCLUSIVE, "cpu_ms_per_request, pool_ratio"),
        (without("chain"), Outcome.HEALTHY, "whole chain ? ms"),
    ],
    ids=lambda value: "" if isinstance(value, Baseline) else None,
)
def test_each_part_is_judged_once_and_a_missing_one_never_passes(found, outcome, said):
    """Limits are strict, the part is named, and what could be measured in neither way is inconclusive with the reason."""
    finding = judge(found, LIMITS, raw="sha")
    assert finding.outcome is outcome
    assert said in finding.why
    assert finding.evidence.raw == "sha"


def test_the_bucket_of_a_p95_is_kept_with_it():
    """Its bounds in milliseconds, none above where it is the last one; at a bound it is the bucket below."""
    steps = [
        step_of("chain", Durations(((0.005, reached), (0.01, 100.0 if more else reached), (math.inf, 100.0)), 1.0))
        for reached, more in ((95.0, True), (94.0, True), (94.0, False))
    ]
    assert [(each.low_ms, each.high_ms) for each in steps] == [(0.0, 5.0), (5.0, 10.0), (10.0, None)]
    assert [each.p95_ms for each in steps] == [pytest.approx(5.0), pytest.approx(5.833, abs=0.001), 10.0]


def test_the_way_to_the_database_is_no_part_of_a_statement():
    """The median of a statement that does nothing is taken away, and never more than all of it."""
    told = figures(replace(GOOD, trip_ms=(0.3, 0.4, 90.0), switch_ms=(0.35,) * 9, lookup_ms=(0.7,) * 9))
    assert (told["trip_ms"], told["switch_p95_ms"], told["lookup_p95_ms"]) == (0.4, 0.0, 0.3)


def test_the_chain_is_known_from_outside_and_a_miss_there_proves_nothing():
    """Below the limit the difference bounds the chain; above it the query may be to blame."""
    slow = replace(without("chain"), pairs_ms=tuple((15.0, 2.0) for _ in range(400)))
    finding = judge(slow, LIMITS)
    assert finding.outcome is Outcome.INCONCLUSIVE
    assert "From outside difference was 13.0 at p95 ms" in finding.why
    assert judge(replace(GOOD, pairs_ms=slow.pairs_ms), LIMITS).outcome is Outcome.HEALTHY


def test_what_proves_nothing_hides_no_failure():
    """A slow query fails though the difference from outside is inconclusive, and so is a step that is missing."""
    slow = replace(without("chain", "role_check"), pairs_ms=tuple((15.0, 2.0) for _ in range(400)), query_ms=(25.0,) * 200)
    finding = judge(slow, LIMITS)
    assert finding.outcome is Outcome.FAILING
    assert finding.limit == LIMITS["baseline_query_ms"]


def test_the_difference_has_its_interval():
    """Of tenant minus public route, pair by pair, the median and what the bootstrap leaves open."""
    told = figures(GOOD)
    assert told["difference_ms"] == 5.0
    assert told["difference_low_ms"] <= 5.0 <= told["difference_high_ms"]
    assert told["difference_p95_ms"] == 6.0
    assert interval([]) == (0.0, 0.0)


@settings(max_examples=15, deadline=None)
@given(st.lists(st.floats(-1e3, 1e3), min_size=1, max_size=60))
def test_the_interval_holds_no_more_than_was_seen_and_is_the_same_each_time(differences):
    """Within the smallest and the largest difference."""
    low, high = interval(differences)
    assert min(differences) - 1e-4 <= low <= high <= max(differences) + 1e-4
    assert (low, high) == interval(differences)


times = st.lists(st.floats(0, 1e4), max_size=20).map(tuple)
maybe = st.none() | st.floats(0, 1e4)
baselines = st.builds(
    Baseline,
    *(st.text(max_size=9) for _ in range(4)),
    elapsed_s=st.floats(0, 1e4),
    pairs_ms=st.lists(st.tuples(st.floats(0, 1e4), st.floats(0, 1e4)), max_size=20).map(tuple),
    steps=st.lists(
        st.builds(
            Step,
            st.sampled_from(["chain", "role_check", "other"]),
            st.floats(1, 900),
            st.floats(0, 99),
            st.floats(0, 99),
            st.none() | st.floats(0, 99),
        ),
        max_size=3,
    ).map(tuple),
    trip_ms=times,
    lookup_ms=times,
    switch_ms=times,
    query_ms=times,
    cpu_ms=maybe,
    pool_ratio=maybe,
    pool_waiting=maybe,
    unseen=st.lists(st.text(max_size=9), max_size=2).map(tuple),
)


@settings(max_examples=30, deadline=None)
@given(baselines)
def test_every_figure_can_be_computed_again_from_the_raw_bytes(found):
    """What was measured comes back whole, and the same bytes each time."""
    content = raw_baseline(found)
    assert content == raw_baseline(found)
    document = json.loads(content)
    document.pop("kind")
    assert Baseline.parse(document) == found
    assert recompute_baseline(content) == figures(found) == judge(found, LIMITS).measured


DOCUMENT = json.loads(raw_baseline(GOOD))


@pytest.mark.parametrize(
    "content",
    [b"", b"\xff", b"[]", b"3", b"null", b'"text"', b"{}", b'{"kind": "other/1"}']
    + [
        json.dumps(DOCUMENT | changed).encode()
        for changed in (
            {"kind": "load_run/2"},
            {"pairs_ms": 5},
            {"pairs_ms": [[1]]},
            {"steps": [{}]},
            {"steps": ["x"]},
            {"more": 1},
        )
    ]
    + [
        json.dumps({key: value for key, value in DOCUMENT.items() if key != gone}).encode()
        for gone in ("kind", "base_url", "pairs_ms", "steps", "trip_ms", "lookup_ms", "unseen")
    ],
)
def test_other_bytes_are_damaged_evidence(content):
    """Whatever is not a whole baseline is refused as such."""
    with pytest.raises(EvidenceDamaged, match="not a latency baseline"):
        recompute_baseline(content)
