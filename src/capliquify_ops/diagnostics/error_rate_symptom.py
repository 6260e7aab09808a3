"""Whether errors are too many: of the requests, against the same time before, or in the log where nothing counts; pure."""

import math
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from capliquify_ops.configuration import Limits
from capliquify_ops.diagnostics.error_rate_seen import LOG, Seen, errors, since_of
from capliquify_ops.integrations.sentry_records import Point, Series
from capliquify_ops.model.finding import Level
from capliquify_ops.observation.error_texts import Kind
from capliquify_ops.observation.traffic import ERRORS_FROM, Traffic

Z = 1.645
"""One-sided, 95 %: a bound that one look in twenty at a service just at the limit goes beyond."""
RECENT_MINUTES = 10
WINDOW_S = 300.0
"""The alert rules look back for five minutes."""
_ROUTES = 5
_FEWEST = 3
"""Whoever is woken for one or two requests that failed finds nothing any more."""


@dataclass(frozen=True, slots=True)
class Symptom:
    """That there are too many errors, in words, with lines that show which, since how many seconds where that is known."""

    told: str
    lines: tuple[str, ...]
    level: Level
    since_s: float | None = None


def lower_bound(many: float, of: float) -> float:
    """Return the share that `many` of `of` prove at least (Wilson): few of few prove little, and nothing proves nothing."""
    if of <= 0:
        return 0.0
    share, square = min(1.0, many / of), Z * Z / of
    middle = share + square / 2
    return max(0.0, (middle - Z * math.sqrt(share * (1 - share) / of + square / (4 * of))) / (1 + square))


def of_traffic(traffic: Traffic | None, limits: Limits) -> Symptom | None:
    """Return that too large a share of requests was answered with an error, with the worst routes and their codes."""
    if traffic is None:
        return None
    proven = lower_bound(traffic.errors, traffic.requests)
    if proven <= limits.number("error_rate_warning_ratio"):
        return None
    is_critical = proven > limits.number("error_rate_critical_ratio") and traffic.errors >= _FEWEST
    level = Level.L2 if is_critical else Level.L1
    share = 100 * traffic.errors / traffic.requests
    return Symptom(
        f"{traffic.errors:.0f} of {traffic.requests:.0f} requests in {round(traffic.over_s, 1):g} s failed ({share:.1f} %)",
        _by_route(traffic),
        level,
    )


def of_sentry(series: Series | None, now: datetime, limits: Limits) -> Symptom | None:
    """Return that errors of the last minutes are more than at the same time before, and than in the hours before."""
    step = series.bucket if series else None
    if series is None or step is None:
        return None
    many = max(1, math.ceil(timedelta(minutes=RECENT_MINUTES) / step))
    recent, earlier = series.points[-many:], series.points[:-many]
    count = sum(each.count for each in recent)
    usual = max(
        sum(each.before or 0 for each in recent), sum(each.count for each in earlier) / len(earlier) * many if earlier else 0.0
    )
    ratio = limits.number("sentry_spike_ratio")
    if lower_bound(count, count + usual) <= ratio / (1 + ratio):
        return None
    minutes = many * step.total_seconds() / 60
    told = f"Sentry has {errors(count)} in {minutes:.0f} min, where {usual:.0f} are usual"
    return Symptom(told, (), Level.L1, _began(series.points, ratio * usual / many, now))


def of_texts(seen: Iterable[Seen], traffic: Traffic | None, limits: Limits) -> Symptom | None:
    """Return that the log of the last minutes has errors: more than the requests excuse, or any where nobody counts requests.

    Where requests were counted for as long as the log, the count is the better witness.
    """
    found = [each for each in seen if each.source == LOG]
    many = sum(each.count for each in found)
    if not many or (traffic and traffic.over_s >= WINDOW_S):
        return None
    if traffic:
        requests = traffic.requests * WINDOW_S / traffic.over_s if traffic.over_s > 0 else 0.0
        if lower_bound(many, max(many, requests)) <= limits.number("error_rate_warning_ratio"):
            return None
    kinds = Counter({kind: sum(each.count for each in found if each.said.kind is kind) for kind in Kind})
    lines = tuple(f"{count} x {_named(kind)}" for kind, count in kinds.most_common() if count)
    return Symptom(f"The log has {errors(many)} of the last {WINDOW_S / 60:.0f} min", lines, Level.L1, since_of(found))


def _by_route(traffic: Traffic) -> tuple[str, ...]:
    """Return the routes and codes with most errors, in lines."""
    rows = [
        (count, route.name or "(no route)", status, route.requests)
        for route in traffic.routes
        for status, count in route.by_status.items()
        if status >= ERRORS_FROM and count > 0
    ]
    rows.sort(key=lambda each: (-each[0], each[1], each[2]))
    lines = [f"{name}: {count:.0f} of {requests:.0f} with {status}" for count, name, status, requests in rows[:_ROUTES]]
    return (*lines, *([f"{len(rows) - _ROUTES} more routes and codes"] if len(rows) > _ROUTES else []))


def _began(points: Sequence[Point], usual: float, now: datetime) -> float | None:
    """Return how many seconds ago the run of unusual buckets began that lasts to the end."""
    began = None
    for point in reversed(points):
        if point.count <= usual and began is not None:
            break
        if point.count > usual:
            began = point.at
    return None if began is None else max(0.0, (now - began).total_seconds())


def _named(kind: Kind) -> str:
    return "error that is not known here" if kind is Kind.UNKNOWN else kind.value
