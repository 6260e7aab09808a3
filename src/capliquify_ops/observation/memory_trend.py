"""Does memory grow? The slope of a series with its interval, told apart: a leak, a plateau, restarts. Pure.

The slope is Theil-Sen's, the median of the slopes between all pairs of points: peaks of single requests and collections of
garbage do not move it, as they would least squares. Its 95 % interval is Sen's, by the variance of Kendall's rank correlation,
which asks nothing of the noise but that its values do not hang together. Those of memory do: so the points are first put
together to at most 30 medians, and what these still have of it (the correlation of neighbours) widens the interval.
"""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from statistics import fmean, median

FEWEST = 12
"""With fewer points there is no interval worth the name: of twelve, four are in the last third."""
_BLOCKS = 30
_CERTAIN = 1.96
_MOST_CORRELATED = 0.9
_DROPS_TO, _LOW, _UNUSUAL = 0.75, 1.3, 8.0
"""A restart takes a quarter or more at once, much more than steps usually do, down to about the lowest level that was seen."""
_RECENT = 5
"""The alert rules look back for five minutes: of points a minute apart, five."""
_LAST_S, _MOST = 1e12, 1e18
"""What lies beyond is no time, and no size of a memory."""
Points = Sequence[tuple[float, float]]


@dataclass(frozen=True, slots=True)
class Slope:
    """Bytes per second, with the ends of the 95 % interval."""

    per_s: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Life:
    """The memory of one process from its start, or the first look, to its end. `tail` is the slope of the last third.

    Slopes are None with fewer than FEWEST points.
    """

    span_s: float
    first: float
    last: float
    slope: Slope | None
    tail: Slope | None

    @property
    def is_growing(self) -> bool:
        """Whether it grows for certain, and did not stop: the last third is a plateau where its slope may be zero."""
        return bool(self.slope and self.tail and self.slope.low > 0 and self.tail.low > 0)

    @property
    def growth(self) -> float:
        """By how many bytes it grew, at least."""
        return max(0.0, self.slope.low * self.span_s) if self.slope else 0.0


@dataclass(frozen=True, slots=True)
class Trend:
    """The lives within a series, the level of its last five points, and the highest level before each restart."""

    span_s: float
    level: float
    lives: tuple[Life, ...]
    peaks: tuple[float, ...]

    @property
    def restarts(self) -> int:
        """How many times it fell to a low level."""
        return len(self.peaks)

    @property
    def leaking(self) -> Life | None:
        """The life that shows the leak, None where there is none.

        It is the last one, unless that is younger than one before it that did not grow: it may be warming up. Of one that is
        too young to tell, the lives before it speak, if half of them and at least two grew.
        """
        told = [life for life in self.lives if life.slope]
        growing = [life for life in told if life.is_growing]
        if not growing:
            return None
        last = self.lives[-1]
        if last.slope:
            steady = max((life.span_s for life in told if not life.is_growing), default=0.0)
            return last if last.is_growing and last.span_s > steady else None
        is_pattern = len(growing) > 1 and 2 * len(growing) >= len(told)
        return max(growing, key=lambda life: life.span_s) if is_pattern else None


def trend_of(points: Iterable[tuple[float, float]]) -> Trend | None:
    """Return the trend of pairs of seconds and bytes, in any order; None without any that can be one."""
    known = sorted({round(at, 3): value for at, value in points if abs(at) < _LAST_S and 0 <= value < _MOST}.items())
    if not known:
        return None
    parts = _lives(known)
    return Trend(
        known[-1][0] - known[0][0],
        median(value for _, value in parts[-1][-_RECENT:]),
        tuple(_life(part) for part in parts),
        tuple(part[-1][1] for part in parts[:-1]),
    )


def slope_of(points: Points) -> Slope:
    """Return the slope of two or more points of different times."""
    blocks = _medians(points)
    slopes = sorted((b - a) / (t - s) for number, (s, a) in enumerate(blocks) for t, b in blocks[number + 1 :])
    middle, size = median(slopes), len(blocks)
    residuals = [value - middle * at for at, value in blocks]
    spread = _CERTAIN * math.sqrt(size * (size - 1) * (2 * size + 5) / 18) * _widening(residuals)
    outside = max(0, math.floor((len(slopes) - spread) / 2))
    return Slope(middle, slopes[outside], slopes[-1 - outside])


def _lives(points: Points) -> list[Points]:
    """Cut a series where it falls to a low level; where it does so all the time it is noise, and one life."""
    lowest = min(value for _, value in points)
    usual = median(abs(value - before) for (_, before), (_, value) in pairwise(points)) if len(points) > 1 else 0.0
    cuts = [
        number
        for number, ((_, before), (_, value)) in enumerate(pairwise(points), 1)
        if value <= _DROPS_TO * before and value <= _LOW * lowest and before - value > _UNUSUAL * usual
    ]
    if len(cuts) * FEWEST > len(points):
        return [points]
    return [points[start:end] for start, end in pairwise([0, *cuts, len(points)])]


def _life(points: Points) -> Life:
    span_s = points[-1][0] - points[0][0]
    if len(points) < FEWEST:
        return Life(span_s, points[0][1], points[-1][1], None, None)
    tail = points[-max(4, len(points) // 3) :]
    return Life(span_s, points[0][1], points[-1][1], slope_of(points), slope_of(tail))


def _medians(points: Points) -> Points:
    """Put neighbours together, so that no more than _BLOCKS are left."""
    size = math.ceil(len(points) / _BLOCKS)
    parts = [points[start : start + size] for start in range(0, len(points), size)]
    return [(fmean(at for at, _ in part), median(value for _, value in part)) for part in parts]


def _widening(residuals: Sequence[float]) -> float:
    """Return by how much the interval grows because neighbours are alike: first-order correlation, where it is positive."""
    middle = fmean(residuals)
    off = [each - middle for each in residuals]
    total = sum(each * each for each in off)
    # What is left of exact numbers is rounding.
    if total <= (1e-9 * max(1.0, *map(abs, residuals))) ** 2:
        return 1.0
    alike = min(_MOST_CORRELATED, max(0.0, sum(a * b for a, b in pairwise(off)) / total))
    return math.sqrt((1 + alike) / (1 - alike))
