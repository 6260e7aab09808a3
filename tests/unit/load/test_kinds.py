"""`mixed_load` as a pure function: what differs from the other load checks is that each kind has a limit of its own."""

from dataclasses import replace

import pytest

from capliquify_ops.configuration import load_limits
from capliquify_ops.load import Kind, Operation, mixed_load, reads
from capliquify_ops.load.figures import figures, percentile
from capliquify_ops.load.operations import mixed_order
from capliquify_ops.load.result import Stretch
from capliquify_ops.model.outcome import Outcome

LIMITS = load_limits({"load_required_seconds": 30}, "test")
OPERATIONS = (
    *reads("/api/products"),
    Operation("POST", "/api/products", Kind.WRITE, '{"sku": "{marker}{arrival}"}'),
    Operation("GET", "/api/dashboard", Kind.ANALYTICS, holds_rows=False),
)
MIX = {"operations": OPERATIONS, "order": mixed_order({0: 0.7, 1: 0.2, 2: 0.1}), "rate": 100, "seconds": 30}


@pytest.fixture
def mixed(make_run):
    """A run of the mixed plan whose kinds take so long, in milliseconds, as these say."""

    def build(slip_us=0, only=None, **ms):
        run = make_run(**MIX)
        for row in range(3_000):
            late = ms.get(run.operation(row).kind, 20) * 1000 if only is None or only(row) else 20_000
            run.samples.latency_us[row], run.samples.service_us[row] = late, late - slip_us
            run.samples.slip_us[row] = slip_us
        return run

    return build


@pytest.mark.parametrize(
    ("ms", "limit"),
    [
        ({}, None),
        ({"read": 99, "write": 199, "analytics": 199}, None),
        ({"read": 100}, "mixed_read_p95_ms"),
        ({"write": 300}, "mixed_p95_ms"),
        ({"analytics": 501}, "mixed_p95_ms"),
    ],
)
def test_each_kind_is_held_to_its_own_limit(mixed, ms, limit):
    """And all of them together to the whole's, which comes first."""
    found = mixed_load.judge(mixed(**ms), LIMITS)
    assert found.outcome is (Outcome.FAILING if limit else Outcome.HEALTHY)
    assert limit is None or found.limit == LIMITS[limit]


@pytest.mark.parametrize(("kind", "limit"), [("write", "mixed_write_p95_ms"), ("analytics", "mixed_analytics_p95_ms")])
def test_a_slow_kind_fails_though_the_whole_is_within_its_limits(mixed, kind, limit):
    """Where a deployment allows more for the whole."""
    limits = replace(
        LIMITS, by_key={**LIMITS.by_key, **{key: replace(LIMITS[key], value=9_000) for key in ("mixed_p95_ms", "mixed_p99_ms")}}
    )
    found = mixed_load.judge(mixed(**{kind: 600}), limits)
    assert found.outcome is Outcome.FAILING
    assert found.limit == LIMITS[limit]


def test_figures_of_a_kind_are_those_of_its_own_requests(mixed):
    """Counted by hand."""
    run = mixed(read=10, write=30, analytics=40, only=lambda row: row % 3)
    told = figures(run)
    for kind in Kind:
        own = sorted(run.samples.latency_us[row] for row in range(3_000) if run.operation(row).kind is kind)
        assert told[f"{kind}_requests"] == len(own)
        assert told[f"{kind}_p95_ms"] == percentile(own, 0.95) / 1000
    assert sum(told[f"{kind}_requests"] for kind in Kind) == 3_000


def machine(begin, end):
    return tuple(Stretch(second, second + 1, 0.0 if begin <= second < end else 0.5, 0.0) for second in range(30))


@pytest.mark.parametrize(
    ("short", "outcome"), [((10, 14), Outcome.INCONCLUSIVE), ((27, 28), Outcome.FAILING), ((0, 0), Outcome.FAILING)]
)
def test_a_shortage_excuses_a_kind_only_for_its_own_seconds(mixed, short, outcome):
    """Reads that were late from second 10 to 14 are the machine's doing when it was short then, and not when it was elsewhere."""
    run = replace(mixed(read=150, only=lambda row: 1_000 <= row < 1_400), machine=machine(*short))
    found = mixed_load.judge(run, LIMITS)
    assert found.outcome is outcome
    assert found.limit == LIMITS["mixed_read_p95_ms"]


def test_what_the_generators_delay_made_of_a_kind_is_inconclusive(mixed):
    """Reads over their limit only by how late they were sent."""
    found = mixed_load.judge(mixed(read=105, slip_us=10_000), LIMITS)
    assert found.outcome is Outcome.INCONCLUSIVE
    assert "own delay" in found.why


def test_what_is_excused_hides_no_failure(mixed):
    """The whole is over its limit by the generator's delay, reads by their own doing: that fails."""
    found = mixed_load.judge(mixed(read=205, write=205, analytics=205, slip_us=10_000), LIMITS)
    assert found.outcome is Outcome.FAILING
    assert found.limit == LIMITS["mixed_read_p95_ms"]


def test_a_kind_that_was_not_measured_does_not_pass(make_run):
    """A plan without writes and reports is no mixed load, whatever its reads took."""
    found = mixed_load.judge(make_run([5_000] * 3_000, rate=100, seconds=30), LIMITS)
    assert found.outcome is Outcome.INCONCLUSIVE
    assert "read_p95_ms is not known" in found.why
