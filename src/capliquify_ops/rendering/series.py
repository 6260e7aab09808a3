"""What a load run leaves to be drawn: a latency histogram and counts per second."""

import math
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Self

PerSecond = tuple[int, int, int, int]
"""Second since the start, requests offered, completed and failed in it."""


@dataclass(frozen=True, slots=True)
class LoadSeries:
    """Latencies as (upper bound in ms, requests) in rising order, counts per second, and the limit in ms where there is one."""

    buckets_ms: tuple[tuple[float, int], ...] = ()
    per_second: tuple[PerSecond, ...] = ()
    limit_ms: float | None = None

    @classmethod
    def of_latencies(
        cls, latencies_ms: Iterable[float], per_second: tuple[PerSecond, ...] = (), limit_ms: float | None = None
    ) -> Self:
        """Return the series of single latencies in milliseconds."""
        return cls(tuple(sorted(Counter(latencies_ms).items())), per_second, limit_ms)

    @property
    def requests(self) -> int:
        """How many requests have a latency."""
        return sum(count for _, count in self.buckets_ms)

    def above_limit(self) -> int:
        """Return how many requests lie in buckets that end above the limit."""
        if self.limit_ms is None:
            return 0
        return sum(count for upper, count in self.buckets_ms if upper > self.limit_ms)

    def percentile(self, share: float) -> float:
        """Return the upper bound in ms of the bucket that holds this share (0 to 1) of the requests; NaN of none."""
        wanted, seen = max(1, math.ceil(share * self.requests)), 0
        for upper, count in self.buckets_ms:
            seen += count
            if seen >= wanted:
                return upper
        return math.nan
