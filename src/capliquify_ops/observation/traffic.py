"""What a service did between two looks at its metrics: requests by route and status, how long they took, what they waited for."""

import math
from collections import defaultdict
from collections.abc import Callable, Container, Iterable, Mapping, Sequence
from dataclasses import dataclass

from capliquify_ops.observation.exposition import Sample

ERRORS_FROM = 500
Labels = tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Durations:
    """A histogram of seconds: `buckets` are pairs of an upper bound and how many were not longer, the last bound infinite."""

    buckets: tuple[tuple[float, float], ...]
    total_s: float

    @property
    def count(self) -> float:
        """How many were measured."""
        return self.buckets[-1][1] if self.buckets else 0.0

    def longer_than(self, limit_s: float) -> float:
        """Return how many took longer, at least: those between the limit and the next bound are not among them."""
        return self.count - next((reached for bound, reached in self.buckets if bound >= limit_s), self.count)

    def quantile_ms(self, share: float) -> float | None:
        """Return the milliseconds within which this share was done, straight between two bounds; None without any.

        What lies beyond the last finite bound is told as that bound: it took at least so long.
        """
        wanted, below, before = share * self.count, 0.0, 0.0
        if self.count <= 0:
            return None
        for bound, reached in self.buckets:
            if reached >= wanted:
                if math.isinf(bound):
                    return below * 1000
                inside = (wanted - before) / (reached - before) if reached > before else 1.0
                return (below + (bound - below) * inside) * 1000
            below, before = bound, reached
        return below * 1000


@dataclass(frozen=True, slots=True)
class Route:
    """The requests of one route: how many with which status, and how long they took; None where the service does not say."""

    name: str
    by_status: Mapping[int, float]
    durations: Durations | None

    @property
    def requests(self) -> float:
        """How many were answered."""
        return sum(self.by_status.values())

    @property
    def errors(self) -> float:
        """How many were answered with 500 or more."""
        return sum(count for status, count in self.by_status.items() if status >= ERRORS_FROM)


@dataclass(frozen=True, slots=True)
class Traffic:
    """What a service did in `over_s` seconds, and how it stood at their end.

    `middleware` are durations by step, `verifications` session checks by result, `pool` connections by state (active, idle,
    waiting: the fewer of both looks, so that a moment's queue is none),
    `memory_bytes` what the processes hold; empty or None where the service does not say. `has_restarted`: a counter
    went back meanwhile, so the numbers are those since then.
    """

    over_s: float
    routes: tuple[Route, ...]
    middleware: Mapping[str, Durations]
    queries: Durations | None
    verifications: Mapping[str, float]
    pool: Mapping[str, float]
    memory_bytes: float | None
    has_restarted: bool = False

    @property
    def requests(self) -> float:
        """How many requests were answered."""
        return sum(route.requests for route in self.routes)

    @property
    def errors(self) -> float:
        """How many of them with 500 or more."""
        return sum(route.errors for route in self.routes)

    @property
    def durations(self) -> Durations | None:
        """The durations of all routes together, None where no route has any."""
        found = [route.durations for route in self.routes if route.durations]
        return added(found) if found else None


def traffic_between(
    before: Sequence[Sample],
    after: Sequence[Sample],
    over_s: float,
    metrics: Mapping[str, str],
    *,
    apart: Container[str] = (),
) -> Traffic:
    """Return what happened between two pages; without a page before, all that the second one counts.

    `metrics` are the profile's names. Routes in `apart` are left out: what watches the service is none of its customers.
    """
    grown = _Growth(before)
    first, pages = _Page(before, metrics), _Page(after, metrics)
    counted: dict[str, dict[int, float]] = defaultdict(lambda: defaultdict(float))
    for sample in pages.named("requests_total"):
        if (more := grown(sample)) and _route(sample) not in apart:
            counted[_route(sample)][_status(sample)] += more
    times = _histograms(pages, "request_duration", _route, grown)
    verified = _totals(pages.named("session_verifications"), lambda each: each.labels.get("result", ""), grown)
    pool = {state: pages.total(f"connections_{state}") for state in ("active", "idle", "waiting")}
    if pool["waiting"] and before:
        pool["waiting"] = min(pool["waiting"], first.total("connections_waiting") or 0.0)
    return Traffic(
        over_s=over_s,
        routes=tuple(Route(name, dict(counts), times.get(name)) for name, counts in sorted(counted.items())),
        middleware=_histograms(pages, "middleware_latency", lambda each: each.labels.get("middleware_name", ""), grown),
        queries=_histograms(pages, "query_duration", lambda _: "", grown).get(""),
        verifications=verified,
        pool={state: number for state, number in pool.items() if number is not None},
        memory_bytes=pages.total("memory"),
        has_restarted=grown.went_back,
    )


class _Growth:
    """By how much a counter grew; one that went back began anew, and grew by all that it shows. What is endless is no count."""

    def __init__(self, before: Iterable[Sample]) -> None:
        self._before = {(each.name, _labels(each)): each.value for each in before}
        self.went_back = False

    def __call__(self, sample: Sample) -> float:
        was = self._before.get((sample.name, _labels(sample)), 0.0)
        if not math.isfinite(sample.value):
            return 0.0
        if sample.value >= was:
            return sample.value - was
        self.went_back = True
        return sample.value


class _Page:
    """The samples of a page by the profile's keys."""

    def __init__(self, samples: Sequence[Sample], metrics: Mapping[str, str]) -> None:
        self._metrics = metrics
        self._by_name: dict[str, list[Sample]] = defaultdict(list)
        for each in samples:
            self._by_name[each.name].append(each)

    def named(self, key: str, suffix: str = "") -> Sequence[Sample]:
        return self._by_name.get(f"{self._metrics[key]}{suffix}", []) if key in self._metrics else []

    def total(self, key: str) -> float | None:
        found = self.named(key)
        return sum(each.value for each in found) if found else None


def added(histograms: Iterable[Durations]) -> Durations:
    """Return several histograms as one; all bounds must be those of each, as they are within one service."""
    counts: dict[float, float] = defaultdict(float)
    total_s = 0.0
    for each in histograms:
        total_s += each.total_s
        for bound, reached in each.buckets:
            counts[bound] += reached
    return Durations(tuple(sorted(counts.items())), total_s)


def _histograms(page: _Page, key: str, by: Callable[[Sample], str], grown: _Growth) -> Mapping[str, Durations]:
    counts: dict[str, dict[float, float]] = defaultdict(lambda: defaultdict(float))
    for sample in page.named(key, "_bucket"):
        if (bound := _bound(sample)) is not None:
            counts[by(sample)][bound] += grown(sample)
    totals = _totals(page.named(key, "_sum"), by, grown)
    found = {name: Durations(tuple(sorted(each.items())), totals.get(name, 0.0)) for name, each in counts.items()}
    return {name: each for name, each in found.items() if each.count > 0}


def _bound(sample: Sample) -> float | None:
    """Return the upper bound of a bucket, None where it says none."""
    try:
        found = float(sample.labels.get("le", ""))
    except ValueError:
        return None
    return None if math.isnan(found) else found


def _totals(samples: Iterable[Sample], by: Callable[[Sample], str], grown: _Growth) -> dict[str, float]:
    found: dict[str, float] = defaultdict(float)
    for sample in samples:
        found[by(sample)] += grown(sample)
    return dict(found)


def _route(sample: Sample) -> str:
    return sample.labels.get("route", "")


def _status(sample: Sample) -> int:
    found = sample.labels.get("status", "")
    return int(found) if found.isascii() and found.isdigit() else 0


def _labels(sample: Sample) -> Labels:
    return tuple(sorted(sample.labels.items()))
