"""A run against the approved one: better, same, worse, or not comparable, and never worse by chance alone."""

import random
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from capliquify_ops.load.comparison import BLOCK, FEWEST_BLOCKS, Change, compare
from capliquify_ops.load.operations import reads
from capliquify_ops.load.result import Sender

RATE = 40


def noisy(make_run, seed, *, factor=1.0, seconds=40):
    """A run around 20 ms whose seconds differ by chance, with a slow tail."""
    dice = random.Random(seed)
    latencies = []
    for _ in range(seconds):
        second = dice.uniform(0.9, 1.1) * factor
        latencies += [round(second * dice.lognormvariate(0, 0.3) * 20_000) for _ in range(RATE)]
    return make_run(latencies, rate=RATE, seconds=seconds)


def test_a_run_against_itself_is_the_same(make_run):
    """Each figure's interval holds zero, and the sentence names each figure."""
    run = noisy(make_run, 1)
    found = compare(run, run)
    assert found == compare(run, run)
    assert found.change is Change.SAME
    assert [each.figure for each in found.differences] == ["p50_ms", "p95_ms", "p99_ms"]
    assert all(each.low <= 0 <= each.high and each.approved == each.new for each in found.differences)
    assert all(f"{each.figure} {each.new:g} -> {each.new:g} (same)" in found.sentence for each in found.differences)


@pytest.mark.parametrize(("factor", "change"), [(1.3, Change.WORSE), (0.7, Change.BETTER)])
def test_a_shift_by_a_third_is_seen_in_both_directions(make_run, factor, change):
    """30 % more is worse and 30 % less is better, in every figure."""
    found = compare(noisy(make_run, 1), noisy(make_run, 2, factor=factor))
    assert found.change is change
    assert {each.change for each in found.differences} == {change}


def test_the_worst_figure_decides(make_run):
    """A better median does not make up for a tail that got longer."""
    approved = noisy(make_run, 1)
    latencies = [round(latency * (2 if number % 10 == 0 else 0.7)) for number, latency in enumerate(approved.samples.latency_us)]
    found = compare(approved, make_run(latencies, rate=RATE, seconds=40))
    assert {each.figure: each.change for each in found.differences}["p50_ms"] is Change.BETTER
    assert found.change is Change.WORSE


@pytest.mark.parametrize("seed", range(2, 6))
def test_noise_is_no_difference(make_run, seed):
    """Four other runs of the same service, each with seconds of its own, are the same."""
    assert compare(noisy(make_run, 1), noisy(make_run, seed)).change is Change.SAME


def test_less_than_two_milliseconds_is_nothing_that_anybody_feels(make_run):
    """Of 2 ms a third more is below the smallest effect."""
    approved, new = (make_run([each] * 1200, rate=RATE, seconds=30) for each in (2_000, 2_700))
    assert compare(approved, new).change is Change.SAME


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"rate": 50}, "rate 40 and 50"),
        ({"warmup_s": 3.0}, "warm-up 2.0 and 3.0"),
        ({"senders": (Sender("sku-a-"), Sender("sku-b-"))}, "tenants 10 and 2"),
        ({"senders": tuple(Sender(f"sku-{letter}-") for letter in "abcdefghija")}, "users 10 and 11"),
        ({"connections": 200}, "connections 100 and 200"),
        ({"operations": reads("/api/sales")}, "operations GET /api/products x 1 and GET /api/sales x 1"),
        ({"operations": reads("/api/products", "/api/sales"), "order": (0, 1, 1)}, "GET /api/products x 1, GET /api/sales x 2"),
    ],
)
def test_runs_that_were_asked_different_things_are_not_compared(make_run, changed, said):
    """What differs is named, and no figure is given."""
    run = noisy(make_run, 1)
    found = compare(run, replace(run, **changed))
    assert found.change is Change.NOT_COMPARABLE
    assert found.differences == ()
    assert said in found.sentence


@pytest.mark.parametrize("seconds", [1, BLOCK * FEWEST_BLOCKS - 1, BLOCK * FEWEST_BLOCKS])
def test_a_short_run_tells_nothing_beyond_chance(make_run, seconds):
    """Below twenty seconds of arrivals nothing is compared, at twenty it is."""
    found = compare(noisy(make_run, 1), noisy(make_run, 1, seconds=seconds))
    assert ("at least 20 s of arrivals are needed" in found.differs) == (seconds < 20)
    assert (found.change is Change.NOT_COMPARABLE) == (seconds < 20)


@settings(max_examples=4, deadline=None)
@given(st.lists(st.integers(1, 2_000_000), min_size=100, max_size=150))
def test_no_run_is_worse_than_itself(make_run, latencies):
    """Whatever its latencies."""
    run = make_run(latencies, rate=5, seconds=30)
    assert compare(run, run).change is Change.SAME


@pytest.mark.parametrize("percent", [70, 79, 80, 120, 121, 300])
def test_worse_grows_with_the_shift(make_run, percent):
    """A constant latency is worse exactly when it exceeds a tenth and two milliseconds."""
    approved, new = (make_run([each] * 200, rate=10, seconds=20) for each in (10_000, 100 * percent))
    change = {-1: Change.BETTER, 0: Change.SAME, 1: Change.WORSE}[(percent > 120) - (percent < 80)]
    assert compare(approved, new).change is change
