"""Measures the latency baseline: pairs of requests, the service's own histograms, and statements in the database."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

from capliquify_ops.configuration.system import SystemClock, stamp
from capliquify_ops.configuration.target import Target
from capliquify_ops.http_client.client import Client
from capliquify_ops.load.baseline_rows import Baseline, Step
from capliquify_ops.load.baseline_statements import Asked, in_database
from capliquify_ops.load.plan import Caller
from capliquify_ops.load.traffic import readable
from capliquify_ops.load.watching import gauges
from capliquify_ops.model.errors import ConfigurationInvalid, IntegrationFailed, OpsError
from capliquify_ops.model.protocols import Clock
from capliquify_ops.observation.exposition import Sample, read_exposition
from capliquify_ops.observation.traffic import Durations, traffic_between

PAIRS, WARM_PAIRS = 400, 20
SHARE = 0.95
_OK = 200
_CLOCK = SystemClock()


def measure_baseline(target: Target, caller: Caller, *, pairs: int = PAIRS, clock: Clock = _CLOCK) -> Baseline:
    """Measure as one user of one tenant, alone: other load on the service is measured with it.

    Raises ConfigurationInvalid where the profile has no public route, IntegrationFailed where a route does not answer 200.
    """
    public = [route.path for route in target.profile.routes.values() if route.kind == "public" and "GET" in route.methods]
    if not public or not target.base_url:
        raise ConfigurationInvalid("The profile names no public route, so nothing can be compared with a tenant's.")
    rows = readable(target.profile)
    started_at, began = stamp(clock.now()), clock.monotonic()
    with Client(target.base_url, connections=1) as client:
        probe = _Probe(target, client, caller, caller.prefix + rows.path, public[0], clock)
        found = probe.run(pairs)
    found = in_database(replace(found, started_at=started_at), target, Asked(caller.organization, rows.table, clock))
    return replace(found, elapsed_s=round(clock.monotonic() - began, 3))


@dataclass(frozen=True, slots=True)
class _Probe:
    """Requests in turns on one connection, between two looks at the service's metrics."""

    target: Target
    client: Client
    caller: Caller
    tenant_path: str
    public_path: str
    clock: Clock

    def run(self, pairs: int) -> Baseline:
        """Return what was seen from outside, and what the service told of itself meanwhile."""
        for _ in range(WARM_PAIRS):
            self._pair()
        before, unseen = self._metrics()
        timed = tuple(self._pair() for _ in range(pairs))
        after, _ = self._metrics()
        found = Baseline(self.target.base_url, self.tenant_path, self.public_path, "", 0.0, timed, unseen=tuple(unseen))
        return self._told(found, before, after) if before and after else found

    def _pair(self) -> tuple[float, float]:
        own = {**self.caller.headers, "Authorization": f"Bearer {self.caller.token.reveal()}"}
        return self._timed(self.tenant_path, own), self._timed(self.public_path, {})

    def _timed(self, path: str, headers: dict[str, str]) -> float:
        began = self.clock.monotonic()
        answer = self.client.request("GET", path, headers=headers)
        took = self.clock.monotonic() - began
        if answer.status != _OK:
            raise IntegrationFailed(f"GET {path} answered {answer.status}, so its latency says nothing.")
        return round(took * 1000, 4)

    def _metrics(self) -> tuple[Sequence[Sample], list[str]]:
        route = self.target.profile.routes.get("metrics")
        if route is None or not self.target.profile.metrics:
            return (), ["The profile names no metrics of the service."]
        try:
            return read_exposition(self.client.request("GET", route.path).body.decode("utf-8", "replace")), []
        except OpsError as error:
            return (), [str(error)]

    def _told(self, found: Baseline, before: Sequence[Sample], after: Sequence[Sample]) -> Baseline:
        metrics = self.target.profile.metrics
        seen = traffic_between(before, after, 1.0, metrics)
        steps = [step_of(name, each) for name, each in seen.middleware.items() if each.count]
        was, now = gauges(before, metrics), gauges(after, metrics)
        busy, idle = now.get("pool_active"), now.get("pool_idle")
        return replace(
            found,
            steps=tuple(sorted(steps, key=lambda each: each.name)),
            cpu_ms=_each(was.get("cpu_s"), now.get("cpu_s"), seen.requests),
            pool_ratio=busy / (busy + idle) if busy is not None and idle is not None and busy + idle else None,
            pool_waiting=now.get("pool_waiting"),
        )


def step_of(name: str, durations: Durations) -> Step:
    """Return the p95 of a histogram that counted something, with the bounds of the bucket that holds it."""
    below, upper = 0.0, math.inf
    for bound, reached in durations.buckets:
        if reached >= SHARE * durations.count:
            upper = bound
            break
        below = bound
    high = None if math.isinf(upper) else round(upper * 1000, 4)
    return Step(name, durations.count, durations.quantile_ms(SHARE) or 0.0, round(below * 1000, 4), high)


def _each(before: float | None, after: float | None, requests: float) -> float | None:
    if before is None or after is None or after < before or not requests:
        return None
    return round((after - before) * 1000 / requests, 4)
