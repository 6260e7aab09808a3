"""A run against the approved one: better, same, worse, or not comparable, and never worse by chance alone."""

import random
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from capliquify_ops.load.comparison import FEWEST_BLOCKS, Change, compare
from capliquify_ops.load.operations import reads
from capliquify_ops.load.resampling import BLOCK, blocks_of
from capliquify_ops.load.result import Cut, Sender, Side
from capliquify_ops.load.samples import Verdict

RATE = 200


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
    assert [each.figure for each in found.differences] == ["p50_ms", "p95_ms", "p99_ms", "error_ratio"]
    assert all(each.low <= 0 <= each.high and each.approved == each.new for each in found.differences)
    assert all(f"{each.figure} {each.new:g} -> {each.new:g} (same)" in found.sentence for each in found.differences)


@pytest.mark.parametrize(("factor", "change"), [(1.3, Change.WORSE), (0.7, Change.BETTER)])
def test_a_shift_by_a_third_is_seen_in_both_directions(make_run, factor, change):
    """30 % more is worse and 30 % less is better, in every figure."""
    found = compare(noisy(make_run, 1), noisy(make_run, 2, factor=factor))
    assert found.change is change
    assert [each.change for each in found.differences] == [change, change, change, Change.SAME]


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
    approved, new = (make_run([each] * 1200, rate=40, seconds=30) for each in (2_000, 2_700))
    assert compare(approved, new).change is Change.SAME


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"rate": 250}, "rate 200 and 250"),
        ({"seconds": 30}, "seconds 40 and 30"),
        ({"cut": Cut(Side.TARGET, "the target stopped answering")}, "the new run ended early: the target stopped answering"),
        ({"cut": Cut(Side.GENERATOR, "it was killed")}, "the new run ended early: it was killed"),
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
    run = noisy(make_run, 1, seconds=seconds)
    found = compare(run, run)
    said = f"the new run has {seconds} s of arrivals, and at least 20 s are needed"
    assert (said in found.differs) == (seconds < 20)
    assert (found.change is Change.NOT_COMPARABLE) == (seconds < 20)


@settings(max_examples=4, deadline=None)
@given(st.lists(st.integers(1, 2_000_000), min_size=100, max_size=150))
def test_no_run_is_worse_or_better_than_itself(make_run, latencies):
    """Whatever its latencies, and whatever was never sent."""
    run = make_run(latencies, rate=5, seconds=30)
    assert compare(run, run).change in {Change.SAME, Change.CANNOT_TELL}


def stalling(make_run, every, *, lasting_ms=300):
    """A run around 20 ms that stands still at the beginning of every so many seconds."""
    run = noisy(make_run, 2)
    latencies = [
        latency + max(0, lasting_ms * 1000 - index % (RATE * every) * 1_000_000 // RATE)
        for index, latency in enumerate(run.samples.latency_us)
    ]
    return make_run(latencies, rate=RATE, seconds=40)


def test_a_stall_in_every_tenth_second_is_worse(make_run):
    """The median second does not know of it, the requests of the stall do."""
    found = compare(noisy(make_run, 1), stalling(make_run, 10))
    assert found.change is Change.WORSE
    assert {each.figure: each.change for each in found.differences}["p99_ms"] is Change.WORSE


def test_a_stall_that_was_seen_once_cannot_be_told_from_chance(make_run):
    """One second of forty: that p99 is the same would say too much, that it is worse as well."""
    found = compare(noisy(make_run, 1), stalling(make_run, 40, lasting_ms=600))
    assert {each.figure: each.change for each in found.differences}["p99_ms"] is Change.CANNOT_TELL
    assert found.change is Change.CANNOT_TELL
    assert "(cannot tell)" in found.sentence


def failing(make_run, every):
    """A run of which every so many requests were refused within 2 ms."""
    run = noisy(make_run, 2)
    for row in range(0, len(run.samples), every):
        run.samples.verdict[row], run.samples.status[row], run.samples.latency_us[row] = Verdict.STATUS, 503, 2_000
    return run


@pytest.mark.parametrize(("every", "change"), [(2, Change.WORSE), (100, Change.WORSE), (4_000, Change.SAME)])
def test_errors_that_come_fast_are_worse(make_run, every, change):
    """Half of the answers 503 in 2 ms make every percentile better, and the run worse; of a thousand less than one is nothing."""
    found = compare(noisy(make_run, 1), failing(make_run, every))
    assert {each.figure: each.change for each in found.differences}["error_ratio"] is change
    assert found.change is change


def test_fewer_errors_are_better(make_run):
    """In the other direction too."""
    found = compare(failing(make_run, 20), noisy(make_run, 2))
    assert {each.figure: each.change for each in found.differences}["error_ratio"] is Change.BETTER


def test_requests_that_were_never_sent_are_errors(make_run):
    """They have no latency that could tell."""
    approved = noisy(make_run, 1)
    found = compare(approved, make_run(list(approved.samples.latency_us[:7_000]), rate=RATE, seconds=40))
    assert found.differences[-1].new == pytest.approx(0.125)
    assert found.differences[-1].high > 0.1
    assert found.change in {Change.WORSE, Change.CANNOT_TELL}


def test_a_draw_of_every_second_has_the_figures_of_the_run(make_run):
    """Five seconds of 20 ms and fifteen of 40.444: two values to three digits, and a block from each second on."""
    run = make_run([20_000] * 1_000 + [40_444] * 3_000, rate=RATE, seconds=20)
    blocks = blocks_of(run)
    assert blocks.values == (20_000, 40_400)
    assert len(blocks.blocks) == 20
    for drawn in blocks.draws(20, random.Random(1)):
        assert (drawn["p95_ms"], drawn["error_ratio"]) == (40.4, 0.0)
        assert drawn["p50_ms"] in {20.0, 40.4}


@pytest.mark.parametrize("percent", [70, 79, 80, 120, 121, 300])
def test_worse_grows_with_the_shift(make_run, percent):
    """A constant latency is worse exactly when it exceeds a tenth and two milliseconds."""
    approved, new = (make_run([each] * 200, rate=10, seconds=20) for each in (10_000, 100 * percent))
    change = {-1: Change.BETTER, 0: Change.SAME, 1: Change.WORSE}[(percent > 120) - (percent < 80)]
    assert compare(approved, new).change is change
