"""From samples to figures: pure functions of a run, exact, without histograms or estimates."""

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import TypeVar

from capliquify_ops.load.corroboration import counted
from capliquify_ops.load.limiting import seen
from capliquify_ops.load.plan import arrivals
from capliquify_ops.load.result import LoadRun
from capliquify_ops.load.samples import Samples, Verdict
from capliquify_ops.model.finding import Scalar

ANSWERED_WITHIN_US = 1_000_000
"""An arrival counts as answered in time within one second: a cohort is one second of arrivals."""
_BUCKETS_MS = (0.5, 1, 2, 3, 4, 5, 7.5, 10, 15, 20, 30, 50, 75, 100, 150, 200, 300, 500, 750, 1000, 2000, 5000, 10000)


Number = TypeVar("Number", int, float)


@dataclass(frozen=True, slots=True)
class Cohort:
    """The arrivals of one second: due, started, answered at all, answered rightly, rightly within one second, worst slip."""

    second: int
    offered: int
    started: int
    completed: int
    succeeded: int
    in_time: int
    slip_p99_us: int

    @property
    def failed(self) -> int:
        """Arrivals without a right answer, the ones never sent among them."""
        return self.offered - self.succeeded


def percentile(ordered: Sequence[Number], share: float) -> Number:
    """Return the smallest value that at least `share` of the ordered values do not exceed (nearest rank)."""
    return ordered[max(0, math.ceil(share * len(ordered)) - 1)]


def cohorts(run: LoadRun) -> tuple[Cohort, ...]:
    """Return the run by second of arrival."""
    last = arrivals(run.rate, run.seconds)
    edges = [min(run.offered, arrivals(run.rate, second)) for second in range(math.ceil(run.seconds) + 1)]
    edges[-1] = min(run.offered, last)
    rows: list[list[int]] = [[] for _ in edges[1:]]
    for row, index in enumerate(run.samples.index):
        rows[_second(index, run.rate, len(rows))].append(row)
    return tuple(
        _cohort(second, before, after, run.samples, rows[second])
        for second, (before, after) in enumerate(pairwise(edges))
        if after > before
    )


def _second(index: int, rate: float, seconds: int) -> int:
    guess = min(int(index / rate), seconds - 1)
    return guess + 1 if guess + 1 < seconds and index >= arrivals(rate, guess + 1) else guess


def _cohort(second: int, before: int, after: int, samples: Samples, rows: Sequence[int]) -> Cohort:
    answered = [row for row in rows if samples.status[row]]
    slips = sorted(samples.slip_us[row] for row in rows)
    return Cohort(
        second=second,
        offered=after - before,
        started=len(rows),
        completed=len(answered),
        succeeded=sum(samples.verdict[row] == Verdict.OK for row in rows),
        in_time=sum(samples.verdict[row] == Verdict.OK and samples.latency_us[row] <= ANSWERED_WITHIN_US for row in rows),
        slip_p99_us=percentile(slips, 0.99) if slips else 0,
    )


def figures(run: LoadRun) -> Mapping[str, Scalar]:
    """Return every figure of a run, the unit in the key. Percentiles are over all requests sent, failed ones too."""
    seconds = driven_seconds(run)
    rows = cohorts(run)
    return {
        "rate_per_s": run.rate,
        "seconds": round(seconds, 3),
        **_counts(run, rows),
        **latencies(run.samples),
        **of_kinds(run, run.samples),
        **_generator(run, seconds),
        "connections": run.connections,
        "reused_ratio": _reused(run),
        "tenants": run.tenants,
        "tenants_served": len({run.sender(index).tenant for index in _right(run.samples)}),
        **counted(run),
        **seen(run),
    }


def _reused(run: LoadRun) -> float:
    """Return the share of requests that needed no new connection beyond the one that each driver opens first.

    After a request without an answer the service left none to use again: that is not counted.
    """
    again = max(0, run.health.opened - run.connections - run.samples.status.count(0))
    return round(max(0.0, 1 - again / len(run.samples)), 4) if len(run.samples) else 0.0


def _right(samples: Samples) -> Iterator[int]:
    return (index for index, verdict in zip(samples.index, samples.verdict, strict=True) if verdict == Verdict.OK)


def of_kinds(run: LoadRun, samples: Samples) -> dict[str, Scalar]:
    """Return the percentiles of each kind of request among these of a run, where its plan has several."""
    kinds = sorted({operation.kind for operation in run.operations})
    if len(kinds) == 1:
        return {}
    found: dict[str, Scalar] = {}
    for kind in kinds:
        of_kind = [row for row, index in enumerate(samples.index) if run.operation(index).kind is kind]
        without = sorted(samples.latency_us[row] - samples.slip_us[row] for row in of_kind)
        found[f"{kind}_requests"] = len(of_kind)
        found |= _milliseconds(f"{kind}_p95_ms", sorted(samples.latency_us[row] for row in of_kind), 0.95)
        found |= _milliseconds(f"{kind}_p95_without_slip_ms", without, 0.95)
    return found


def driven_seconds(run: LoadRun) -> float:
    """Return for how many seconds arrivals were due: fewer than asked for when the run was cut short."""
    return run.seconds if run.offered >= arrivals(run.rate, run.seconds) else run.offered / run.rate


def unoffered(run: LoadRun) -> int:
    """Return how many arrivals the generator itself failed to offer in the time they belong to.

    Arrivals without a sample count only while a connection was free: when every one of them (of one of several generators:
    of its own) was still waiting for an answer at the end, it was the service that left no room.
    """
    end_us = driven_seconds(run) * 1e6
    late = sum(index / run.rate * 1e6 + slip > end_us for index, slip in zip(run.samples.index, run.samples.slip_us, strict=True))
    waiting = run.health.in_flight + run.health.crowded_out
    return late + (run.offered - len(run.samples) - waiting if run.health.in_flight < run.connections else 0)


def _counts(run: LoadRun, rows: Sequence[Cohort]) -> dict[str, Scalar]:
    verdicts = run.samples.verdict
    failed = run.offered - verdicts.count(Verdict.OK)
    return {
        "requests": run.offered,
        "completed": sum(row.completed for row in rows),
        "failed": failed,
        "dropped": run.offered - len(run.samples),
        "foreign": verdicts.count(Verdict.FOREIGN),
        "empty": verdicts.count(Verdict.EMPTY),
        "error_ratio": failed / run.offered if run.offered else 0.0,
        "least_in_time_ratio": min((row.in_time / row.offered for row in rows), default=0.0),
    }


def latencies(samples: Samples) -> dict[str, Scalar]:
    """Return the percentiles of these requests, in milliseconds."""
    if not len(samples):
        return {}
    latency = sorted(samples.latency_us)
    service = sorted(samples.service_us)
    without = sorted(late - slip for late, slip in zip(samples.latency_us, samples.slip_us, strict=True))
    return {
        **_milliseconds("p50_ms", latency, 0.50),
        **_milliseconds("p95_ms", latency, 0.95),
        **_milliseconds("p99_ms", latency, 0.99),
        **_milliseconds("max_ms", latency, 1.0),
        **_milliseconds("p50_without_slip_ms", without, 0.50),
        **_milliseconds("p95_without_slip_ms", without, 0.95),
        **_milliseconds("p99_without_slip_ms", without, 0.99),
        **_milliseconds("service_p95_ms", service, 0.95),
    }


def _generator(run: LoadRun, seconds: float) -> dict[str, Scalar]:
    health = run.health
    return {
        "offered_per_s": round((run.offered - unoffered(run)) / seconds, 3) if seconds else 0.0,
        "generator_cpu_ratio": round(health.cpu_s / health.wall_s, 4) if health.wall_s else 0.0,
        "generator_memory_bytes": health.memory_bytes,
        **_machine(run),
        **_milliseconds("slip_p99_ms", sorted(run.samples.slip_us), 0.99),
        **_milliseconds("loop_lag_p99_ms", sorted(health.lags_us), 0.99),
        **_milliseconds("wait_p99_ms", sorted(waits(run.samples)), 0.99),
    }


def _machine(run: LoadRun) -> dict[str, Scalar]:
    seconds = sum(each.end_s - each.begin_s for each in run.machine)
    if not seconds:
        return {}
    shares = {
        "machine_idle_ratio": sum(each.idle * (each.end_s - each.begin_s) for each in run.machine),
        "machine_stolen_ratio": sum(each.stolen * (each.end_s - each.begin_s) for each in run.machine),
    }
    return {key: round(share / seconds, 4) for key, share in shares.items()}


def waits(samples: Samples) -> Iterable[int]:
    """Return how long each request waited for a free connection, in microseconds."""
    columns = zip(samples.latency_us, samples.service_us, samples.slip_us, strict=True)
    return (max(0, latency - service - slip) for latency, service, slip in columns)


def _milliseconds(key: str, ordered: Sequence[int], share: float) -> dict[str, Scalar]:
    return {key: percentile(ordered, share) / 1000} if ordered else {}


def buckets(samples: Samples) -> list[tuple[float, int]]:
    """Return the latency histogram: (upper bound in ms, how many up to it), the last bound being the slowest request."""
    found: list[tuple[float, int]] = []
    counted = 0
    ordered = sorted(samples.latency_us)
    slowest = ordered[-1] / 1000 if ordered else 0.0
    for upper in (*(bound for bound in _BUCKETS_MS if bound < slowest), slowest):
        below = _count_up_to(ordered, upper)
        found.append((upper, below - counted))
        counted = below
    return found if ordered else []


def _count_up_to(ordered: Sequence[int], upper_ms: float) -> int:
    from_left, to_right = 0, len(ordered)
    while from_left < to_right:
        middle = (from_left + to_right) // 2
        if ordered[middle] / 1000 <= upper_ms:
            from_left = middle + 1
        else:
            to_right = middle
    return from_left
