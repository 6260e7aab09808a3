"""The pace: an audit stays under half of a tenant's rate limit, so that it never measures the limiter instead."""

import threading
from collections.abc import Callable

from capliquify_ops.model.protocols import Clock

UNKNOWN_LIMIT = 100
"""Requests per second assumed where the profile states no limit: modest for any service."""
SUSTAINED, BURST = 0.40, 0.08
"""Shares of the limit. Together they bound any one second below half of it."""


class Pace:
    """A token bucket for each tenant, shared by all threads."""

    def __init__(self, rate_limit: int, clock: Clock, sleep: Callable[[float], None]) -> None:
        limit = rate_limit or UNKNOWN_LIMIT
        self.rate = limit * SUSTAINED
        self.burst = max(1.0, limit * BURST)
        self._clock = clock
        self._sleep = sleep
        self._lock = threading.Lock()
        self._levels: dict[str, tuple[float, float]] = {}

    def wait(self, tenant: str) -> None:
        """Return when the next request of this tenant may be sent."""
        delay = self._take(tenant)
        if delay > 0:
            self._sleep(delay)

    def _take(self, tenant: str) -> float:
        with self._lock:
            now = self._clock.monotonic()
            level, at = self._levels.get(tenant, (self.burst, now))
            level = min(self.burst, level + (now - at) * self.rate) - 1
            self._levels[tenant] = (level, now)
            return -level / self.rate if level < 0 else 0.0
