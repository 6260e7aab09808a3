"""When the machine that service and generator share had no time to spare, and which requests that made late."""

from bisect import bisect_left
from collections.abc import Iterator, Sequence

from capliquify_ops.configuration.limits import Limits, holds
from capliquify_ops.load.result import LoadRun, Stretch
from capliquify_ops.load.samples import Samples, Verdict

_AFTERWARDS_S = 1.0
"""What queued while the machine was short is answered within this time after it, or late for another reason."""


def short_stretches(run: LoadRun, limits: Limits) -> list[Stretch]:
    """Return when the machine had too little time for the service: no idle time left, or much of it stolen."""
    idle, stolen = limits["machine_idle_ratio"], limits["machine_stolen_ratio"]
    return [each for each in run.machine if not (holds(each.idle, idle) and holds(each.stolen, stolen))]


def overlaps(short: Sequence[Stretch], begin_s: float, end_s: float) -> bool:
    """Whether a time of the run touches one of the stretches, or what they left queued."""
    return any(begin_s < each.end_s + _AFTERWARDS_S and end_s > each.begin_s for each in short)


def untouched(run: LoadRun, short: Sequence[Stretch]) -> Samples:
    """Return the requests under way at no such time."""
    kept = Samples()
    for row in _rows(run, short, touched=False):
        kept.append_row(run.samples, row)
    return kept


def late_by_shortage(run: LoadRun, short: Sequence[Stretch]) -> int:
    """Return how many requests nobody answered because of it: timeouts under way then, and what was still queued at the end."""
    timeouts = sum(run.samples.verdict[row] == Verdict.TIMED_OUT for row in _rows(run, short, touched=True))
    ended_short = bool(short) and short[-1] == run.machine[-1]
    return timeouts + (run.offered - len(run.samples) if ended_short else 0)


def _rows(run: LoadRun, short: Sequence[Stretch], *, touched: bool) -> Iterator[int]:
    begins, ends = _merged(short)
    columns = zip(run.samples.index, run.samples.latency_us, strict=True)
    for row, (index, latency) in enumerate(columns):
        due_s = index / run.rate
        before = bisect_left(begins, due_s + latency / 1e6)
        if (before > 0 and due_s < ends[before - 1]) == touched:
            yield row


def _merged(short: Sequence[Stretch]) -> tuple[list[float], list[float]]:
    """Return begins and ends of the same times in order, none overlapping another: there may be as many as seconds."""
    begins: list[float] = []
    ends: list[float] = []
    for begin_s, end_s in sorted((each.begin_s, each.end_s + _AFTERWARDS_S) for each in short):
        if ends and begin_s < ends[-1]:
            ends[-1] = max(ends[-1], end_s)
        else:
            begins.append(begin_s)
            ends.append(end_s)
    return begins, ends
