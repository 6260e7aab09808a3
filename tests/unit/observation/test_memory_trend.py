"""Trends of memory: constant, growing, a step, restarts, whatever the noise."""

import math
import random

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from capliquify_ops.observation.memory_trend import FEWEST, slope_of, trend_of

MB = 1e6
MINUTE = 60.0
SEEDS = st.integers(0, 10_000)


def noisy(values, seed, share=0.03, alike=0.0):
    """The values a minute apart, each off by some of the mean level; `alike`: how much neighbours are off together."""
    dice, off = random.Random(seed), 0.0
    size = share * sum(values) / len(values)
    found = []
    for number, value in enumerate(values):
        off = alike * off + math.sqrt(1 - alike * alike) * dice.gauss(0, size)
        found.append((number * MINUTE, max(0.0, value + off)))
    return found


@given(SEEDS, st.floats(50, 4_000), st.integers(FEWEST, 300), st.floats(0, 0.05))
def test_noise_around_a_constant_is_no_growth_that_matters(seed, level, many, share):
    """Whatever the noise and the number of points: what seems to grow is far below a twentieth of the level."""
    trend = trend_of(noisy([level * MB] * many, seed, share))
    life = trend.leaking
    assert life is None or life.growth < 0.05 * level * MB
    assert trend.restarts == 0


def test_noise_whose_values_hang_together_rarely_looks_like_growth():
    """With neighbours that are alike, as memory's are, no more than a few of a hundred constant series seem to grow."""
    series = [noisy([500 * MB] * 240, seed, 0.05, alike=0.9) for seed in range(100)]
    slopes = [slope_of(points) for points in series]
    assert sum(not slope.low <= 0 <= slope.high for slope in slopes) <= 12
    grown = [trend_of(points).leaking for points in series]
    assert sum(life is not None for life in grown) <= 5


@given(SEEDS, st.floats(100, 2_000), st.floats(0.5, 3), st.integers(60, 300), st.floats(0, 0.03))
@example(1, 500.0, 1.0, 240, 0.0)
def test_linear_growth_is_a_leak_with_its_slope_inside(seed, level, doubled, many, share):
    """Memory that grows by half to three times of itself is a leak; the interval, taken twice as wide, holds the true slope."""
    true = doubled * level * MB / (many * MINUTE)
    trend = trend_of(noisy([level * MB + true * number * MINUTE for number in range(many)], seed, share))
    slope = trend.leaking.slope
    half = (slope.high - slope.low) / 2 + 1e-6 * true
    assert slope.low - half <= true <= slope.high + half
    assert slope.low <= slope.per_s <= slope.high


def test_intervals_hold_the_true_slope_nineteen_times_of_twenty():
    """Of 200 series that grow by 12 MB/h with noise, at least 180 intervals hold it: 95 % are promised."""
    true = 12 * MB / 3600
    inside = 0
    for seed in range(200):
        slope = slope_of(noisy([300 * MB + true * number * MINUTE for number in range(240)], seed, 0.05))
        inside += slope.low <= true <= slope.high
    assert inside >= 180


@given(SEEDS, st.floats(100, 1_000), st.floats(0.2, 3), st.floats(0.05, 0.62), st.floats(0, 0.02))
def test_a_step_and_then_a_level_is_a_plateau(seed, level, step, place, share):
    """What grew once and then stays is no leak: its last third does not grow by an amount that matters."""
    values = [level * MB * (1 + (step if number > place * 240 else 0)) for number in range(240)]
    life = trend_of(noisy(values, seed, share)).leaking
    assert life is None or life.tail.low * life.span_s < 0.05 * level * MB


def test_a_cache_that_fills_is_a_plateau():
    """Growth that comes to an end is over, however steep it was."""
    values = [200 * MB + 300 * MB * (1 - math.exp(-number / 20)) for number in range(240)]
    assert trend_of(noisy(values, 3, 0.01)).leaking is None
    still = trend_of(noisy(values[:40], 3, 0.001))
    assert still.leaking is not None


@given(SEEDS, st.integers(20, 60), st.integers(2, 5), st.floats(0, 0.01))
def test_a_sawtooth_is_told_by_its_lives(seed, length, lives, share):
    """Memory that grows, falls to where it began and grows again: restarts, and the slope is that within one life."""
    true = 300 * MB / (length * MINUTE)
    values = [100 * MB + true * number * MINUTE for number in range(length)] * lives
    trend = trend_of(noisy(values, seed, share))
    assert trend.restarts == lives - 1
    assert trend.leaking.slope.per_s == pytest.approx(true, rel=0.15)
    assert max(trend.peaks) > 350 * MB


def test_a_last_life_that_is_too_young_leaves_the_word_to_those_before():
    """Two lives that grew and one of five minutes: the leak is theirs. One life alone is no pattern."""
    life = [100 * MB + 10 * MB * number for number in range(30)]
    trend = trend_of(noisy([*life, *life, *life[:5]], 1, 0.0))
    assert (trend.restarts, trend.leaking.span_s) == (2, 29 * MINUTE)
    assert trend_of(noisy([*life, *life[:5]], 1, 0.0)).leaking is None


def test_warming_up_after_a_restart_is_no_leak():
    """A process of which an earlier, longer life stayed level may grow while it is young."""
    level, young = [300 * MB] * 120, [100 * MB + 5 * MB * number for number in range(30)]
    trend = trend_of(noisy([*level, *young], 1, 0.0))
    assert (trend.restarts, trend.leaking) == (1, None)


def test_noise_that_falls_all_the_time_is_no_series_of_restarts():
    """Garbage that is collected every eleven points is noise around a level."""
    values = [100 * MB + 10 * MB * (number % 11) for number in range(240)]
    trend = trend_of(noisy(values, 1, 0.0))
    assert (trend.restarts, len(trend.lives), trend.leaking) == (0, 1, None)


@given(st.lists(st.tuples(st.floats(), st.floats()), max_size=40))
def test_any_points_are_told(points):
    """Points of any order, doubled, endless or no number: there is a trend of those that are numbers, or none."""
    trend = trend_of(points)
    usable = [value for at, value in points if abs(at) < 1e12 and 0 <= value < 1e18]
    assert (trend is None) == (not usable)


def test_few_points_have_a_level_and_no_slope():
    """Eleven points are too few to tell, twelve are enough; the level is that of the end."""
    points = [(float(number), 10.0 * number) for number in range(FEWEST)]
    assert trend_of(points).lives[0].slope is not None
    few = trend_of(points[:-1])
    assert (few.lives[0].slope, few.leaking, few.level) == (None, None, 80.0)
    assert trend_of([]) is None
