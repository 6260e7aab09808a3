"""Could the generator measure at all? A run whose generator was in trouble neither passes nor fails."""

from collections.abc import Mapping

from capliquify_ops.configuration.limits import Limits, holds
from capliquify_ops.load.figures import cohorts, unoffered, waits
from capliquify_ops.load.result import LoadRun, Side
from capliquify_ops.model.finding import Scalar

_WATCHED = (
    ("slip_p99_ms", "generator_slip_p99_ms", "it sent its requests up to {} ms late (p99)"),
    ("loop_lag_p99_ms", "generator_slip_p99_ms", "its event loop was up to {} ms late (p99)"),
    ("generator_cpu_ratio", "generator_cpu_ratio", "it used {} of a processor core"),
)

_WAITED_US = 1_000
"""Less is the time between two lines of the generator, not a wait for a connection."""


def trouble(run: LoadRun, figures: Mapping[str, Scalar], limits: Limits, p95_key: str) -> str:
    """Return why the generator's figures cannot be relied on, as a part of a sentence; empty when they can."""
    found = [
        _cut(run),
        "" if len(run.health.lags_us) else "nothing is known of its event loop",
        *_over(figures, limits),
        _not_offered(run, limits),
        _starved_of_connections(run, limits.number(p95_key)),
        _slipped_cohort(run, limits),
        _reopened(figures, limits),
    ]
    return "; ".join(reason for reason in found if reason)


def _cut(run: LoadRun) -> str:
    return run.cut.why if run.cut and run.cut.by is Side.GENERATOR else ""


def _over(figures: Mapping[str, Scalar], limits: Limits) -> list[str]:
    return [
        f"{text.format(figures[key])}, limit {limits[limit].value}"
        for key, limit, text in _WATCHED
        if key in figures and not holds(figures[key], limits[limit])
    ]


def _not_offered(run: LoadRun, limits: Limits) -> str:
    missing = unoffered(run)
    if not run.offered or holds(1 - missing / run.offered, limits["generator_offered_ratio"]):
        return ""
    return f"it failed to offer {missing} of {run.offered} requests in their time"


def _starved_of_connections(run: LoadRun, p95_limit_ms: float) -> str:
    """With fewer connections than arrivals within the latency limit, waiting for one says nothing of the service."""
    needed = run.rate * p95_limit_ms / 1000
    waited = sum(wait > _WAITED_US for wait in waits(run.samples))
    if run.connections >= needed or waited * 100 <= len(run.samples):
        return ""
    return f"{run.connections} connections are too few for {run.rate:g} requests/s, {needed:.0f} are needed"


def _reopened(figures: Mapping[str, Scalar], limits: Limits) -> str:
    if holds(figures["reused_ratio"], limits["load_reused_ratio"]):
        return ""
    return f"only {figures['reused_ratio']} of the requests used an open connection again: making them was measured with it"


def _slipped_cohort(run: LoadRun, limits: Limits) -> str:
    for row in cohorts(run):
        late = not holds(row.slip_p99_us / 1000, limits["generator_slip_p99_ms"])
        if late and not holds(row.in_time / row.offered, limits["load_in_time_ratio"]):
            return f"in second {row.second} it slipped {row.slip_p99_us / 1000:.0f} ms while answers came late"
    return ""
