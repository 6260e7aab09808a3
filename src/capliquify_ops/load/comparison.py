"""Is a run better, the same or worse than an approved one of the same kind, beyond chance and beyond what matters."""

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum

from capliquify_ops.load.figures import figures, percentile
from capliquify_ops.load.resampling import BLOCK, ERRORS, SHARES, blocks_of
from capliquify_ops.load.result import LoadRun

RESAMPLES, SEED = 2000, 1
FEWEST_BLOCKS = 4
EFFECT, EFFECT_MS, EFFECT_ERRORS = 0.10, 2.0, 0.001
"""Less than a tenth, than two milliseconds, or than one request of a thousand, is no difference that anybody feels."""


class Change(StrEnum):
    """How a figure of two runs compares."""

    BETTER = "better"
    SAME = "same"
    WORSE = "worse"
    CANNOT_TELL = "cannot tell"
    NOT_COMPARABLE = "not comparable"


_WORST_FIRST = (Change.WORSE, Change.CANNOT_TELL, Change.BETTER, Change.SAME)


@dataclass(frozen=True, slots=True)
class Difference:
    """One figure of all requests of each run, and the 95 % interval of new minus approved."""

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
    """Compare latencies and errors of all requests. Both runs must be whole and asked the same, for 20 s at least.

    The worst figure decides; what cannot be told of one is neither better nor the same for the whole.
    """
    if differs := tuple(_differing(approved, new)):
        return Comparison(Change.NOT_COMPARABLE, differs=differs)
    found = _differences(approved, new)
    changes = {each.change for each in found}
    return Comparison(next(each for each in _WORST_FIRST if each in changes), found)


def _differing(approved: LoadRun, new: LoadRun) -> Sequence[str]:
    told = {
        "rate": (approved.rate, new.rate),
        "seconds": (approved.seconds, new.seconds),
        "warm-up": (approved.warmup_s, new.warmup_s),
        "tenants": (approved.tenants, new.tenants),
        "users": (len(approved.senders), len(new.senders)),
        "connections": (approved.connections, new.connections),
        "operations": (_asked(approved), _asked(new)),
    }
    found = [f"{name} {was} and {now}" for name, (was, now) in told.items() if was != now]
    found += [f"the approved run {why}" for why in unfit(approved)]
    return [*found, *(f"the new run {why}" for why in unfit(new))]


def unfit(run: LoadRun) -> Iterator[str]:
    """Yield why a run can be compared with none."""
    if run.cut:
        yield f"ended early: {run.cut.why}"
    if not len(run.samples):
        yield "measured no request"
    if run.seconds < BLOCK * FEWEST_BLOCKS:
        yield f"has {run.seconds:g} s of arrivals, and at least {BLOCK * FEWEST_BLOCKS} s are needed"


def _asked(run: LoadRun) -> str:
    counts = [run.order.count(number) for number in range(len(run.operations))]
    return ", ".join(f"{operation.name} x {many}" for operation, many in zip(run.operations, counts, strict=True))


def _differences(approved: LoadRun, new: LoadRun) -> tuple[Difference, ...]:
    dice = random.Random(SEED)  # noqa: S311  # resampling, not a secret
    drawn = list(zip(*(blocks_of(run).draws(RESAMPLES, dice) for run in (approved, new)), strict=True))
    was, now = figures(approved), figures(new)
    found = []
    for figure in (*SHARES, ERRORS):
        ordered = sorted(after[figure] - before[figure] for before, after in drawn)
        low, high = (round(percentile(ordered, share), 6) for share in (0.025, 0.975))
        before = float(was[figure])
        found.append(Difference(figure, before, float(now[figure]), low, high, _change(figure, before, low, high)))
    return tuple(found)


def _change(figure: str, before: float, low: float, high: float) -> Change:
    """Tell only what the whole interval says: beyond the effect that matters, or within it."""
    matters = max(EFFECT_ERRORS if figure == ERRORS else EFFECT_MS, EFFECT * before)
    if low > matters:
        return Change.WORSE
    if high < -matters:
        return Change.BETTER
    return Change.SAME if -matters <= low and high <= matters else Change.CANNOT_TELL
