"""Is a run better, the same or worse than an approved one of the same kind, beyond chance and beyond what matters."""

import random
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from statistics import median

from capliquify_ops.load.figures import percentile
from capliquify_ops.load.result import LoadRun

RESAMPLES, SEED = 2000, 1
BLOCK = 5
"""Neighbouring seconds are alike, such as those of one checkpoint: the bootstrap draws blocks of so many, not single ones."""
FEWEST_BLOCKS = 4
EFFECT, EFFECT_MS = 0.10, 2.0
"""Less than a tenth, or than two milliseconds, is no difference that anybody feels."""
SHARES = {"p50_ms": 0.50, "p95_ms": 0.95, "p99_ms": 0.99}


class Change(StrEnum):
    """How a figure of two runs compares."""

    BETTER = "better"
    SAME = "same"
    WORSE = "worse"
    NOT_COMPARABLE = "not comparable"


@dataclass(frozen=True, slots=True)
class Difference:
    """One figure: the median over the seconds of each run, and the 95 % interval of new minus approved."""

    figure: str
    approved: float
    new: float
    low: float
    high: float
    change: Change


@dataclass(frozen=True, slots=True)
class Comparison:
    """All figures, and the worst change among them; or what makes the runs differ, where they cannot be compared."""

    change: Change
    differences: tuple[Difference, ...] = ()
    differs: tuple[str, ...] = ()

    @property
    def sentence(self) -> str:
        """Say it in one sentence."""
        if self.differs:
            return f"Not comparable with the approved run: {'; '.join(self.differs)}."
        parts = (f"{each.figure} {each.approved:g} -> {each.new:g} ({each.change})" for each in self.differences)
        return f"Against the approved run: {', '.join(parts)}."


def compare(approved: LoadRun, new: LoadRun) -> Comparison:
    """Compare latencies second by second. Both must have been asked the same, and have run for twenty seconds at least."""
    if differs := tuple(_differing(approved, new)):
        return Comparison(Change.NOT_COMPARABLE, differs=differs)
    found = tuple(_difference(figure, share, approved, new) for figure, share in SHARES.items())
    changes = {each.change for each in found}
    worst = next(each for each in (Change.WORSE, Change.BETTER, Change.SAME) if each in changes)
    return Comparison(worst, found)


def _differing(approved: LoadRun, new: LoadRun) -> Sequence[str]:
    told = {
        "rate": (approved.rate, new.rate),
        "warm-up": (approved.warmup_s, new.warmup_s),
        "tenants": (approved.tenants, new.tenants),
        "users": (len(approved.senders), len(new.senders)),
        "connections": (approved.connections, new.connections),
        "operations": (_asked(approved), _asked(new)),
    }
    found = [f"{name} {was} and {now}" for name, (was, now) in told.items() if was != now]
    short = [run for run in (approved, new) if len(_seconds(run)) < BLOCK * FEWEST_BLOCKS]
    return [*found, f"at least {BLOCK * FEWEST_BLOCKS} s of arrivals are needed"] if short else found


def _asked(run: LoadRun) -> str:
    counts = [run.order.count(number) for number in range(len(run.operations))]
    return ", ".join(f"{operation.name} x {many}" for operation, many in zip(run.operations, counts, strict=True))


def _difference(figure: str, share: float, approved: LoadRun, new: LoadRun) -> Difference:
    was, now = (_per_second(run, share) for run in (approved, new))
    dice = random.Random(SEED)  # noqa: S311  # resampling, not a secret
    drawn = sorted(median(_resampled(now, dice)) - median(_resampled(was, dice)) for _ in range(RESAMPLES))
    low, high = percentile(drawn, 0.025), percentile(drawn, 0.975)
    before, after = median(was), median(now)
    return Difference(figure, before, after, round(low, 3), round(high, 3), _change(before, low, high))


def _change(before: float, low: float, high: float) -> Change:
    """Worse or better only where the whole interval lies beyond the effect that matters."""
    matters = max(EFFECT_MS, EFFECT * before)
    if low > matters:
        return Change.WORSE
    return Change.BETTER if high < -matters else Change.SAME


def _per_second(run: LoadRun, share: float) -> list[float]:
    return [percentile(sorted(latencies), share) / 1000 for latencies in _seconds(run)]


def _seconds(run: LoadRun) -> list[list[int]]:
    """Return the latencies of each second of arrivals, empty seconds left out."""
    found: dict[int, list[int]] = {}
    for index, latency in zip(run.samples.index, run.samples.latency_us, strict=True):
        found.setdefault(int(index / run.rate), []).append(latency)
    return [found[second] for second in sorted(found)]


def _resampled(values: Sequence[float], dice: random.Random) -> list[float]:
    starts = range(len(values) - BLOCK + 1)
    drawn: list[float] = []
    while len(drawn) < len(values):
        start = dice.choice(starts)
        drawn += values[start : start + BLOCK]
    return drawn[: len(values)]
