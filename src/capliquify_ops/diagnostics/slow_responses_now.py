"""What is slow just now: routes, statements that run for long, sessions that wait for a lock."""

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from capliquify_ops.configuration import Limits
from capliquify_ops.diagnostics import connection_exhaustion
from capliquify_ops.diagnostics.connection_exhaustion import ConnectionRows
from capliquify_ops.diagnostics.inquiry import Answers, value_of
from capliquify_ops.diagnostics.shared_questions import METRICS, PROMETHEUS
from capliquify_ops.model.finding import Level
from capliquify_ops.observation.activity import Activity, Backend
from capliquify_ops.observation.traffic import Durations, Route, Traffic

_QUANTILES = (50, 95, 99)
_LINES = 3
_FEWEST_SLOW, _UNLIKELY = 3, 0.01
_READS_OR_CHANGES = ("select", "with", "insert", "update", "delete", "merge", "values", "table")


@dataclass(frozen=True, slots=True)
class Slowness:
    """What is slow. `traffic` is that of the slow routes, else the one that was seen; `is_known`: it had requests enough to tell.

    `running` are statements of the application that have run for long, `waiting` sessions that have long waited for a lock,
    `pool` the connections of a pool by state where requests wait for one, else empty.
    """

    traffic: Traffic | None
    routes: tuple[Route, ...]
    is_known: bool
    is_critical: bool
    running: tuple[Backend, ...]
    waiting: tuple[Backend, ...]
    pool: Mapping[str, float]
    activity: Activity

    @property
    def is_seen(self) -> bool:
        """Whether anything is slow now, whatever statistics of statements say."""
        return bool(self.routes or self.running or self.waiting or self.pool)

    @property
    def level(self) -> Level:
        """Whom to wake."""
        return Level.L2 if self.is_critical or self.running or self.waiting or self.pool else Level.L1


def slowness_of(answers: Answers, limits: Limits, app_role: str) -> Slowness:
    """Put together what the first answers show. Of two views of the traffic the one counts that shows slow routes."""
    rows: ConnectionRows | None = value_of(answers, connection_exhaustion.CONNECTIONS)
    activity = rows.activity if rows else Activity((), ())
    seen: list[Traffic] = [found for name in (PROMETHEUS, METRICS) if (found := value_of(answers, name))]
    traffic = next((each for each in seen if slow_routes(each, limits)), max(seen, key=lambda each: each.requests, default=None))
    routes = slow_routes(traffic, limits) if traffic else ()
    critical = limits.number("response_p95_critical_ms")
    return Slowness(
        traffic,
        routes,
        traffic is not None and _measured(traffic) >= limits.number("response_requests"),
        any((p95_of(route.durations) or 0.0) > critical for route in routes),
        tuple(_running(rows, limits.number("statement_running_s"), app_role)) if rows else (),
        tuple(each for each in activity.backends if activity.waits_s(each) >= limits.number("lock_wait_s")),
        next((each.pool for each in seen if _waits_for_pool(each, limits, is_slow=bool(routes))), {}),
        activity,
    )


def slow_routes(traffic: Traffic, limits: Limits) -> tuple[Route, ...]:
    """Return the routes over the limit with enough requests to tell, the one on which most time was spent first.

    Where requests are very slow, few are done while one looks: then it is enough that so many of them by chance are next to
    impossible, if no more than one of twenty is slow.
    """
    fewest, limit = limits.number("response_requests"), limits.number("response_p95_ms")
    found = [
        route
        for route in traffic.routes
        if route.durations
        and (p95_of(route.durations) or 0.0) > limit
        and (route.durations.count >= fewest or _is_no_chance(route.durations, limit / 1000))
    ]
    return tuple(sorted(found, key=lambda route: (-_weight(route.durations), route.name)))


def p95_of(durations: Durations | None) -> float | None:
    """Return the 95th percentile in milliseconds, None without any."""
    return durations.quantile_ms(0.95) if durations else None


def told(name: str, durations: Durations) -> str:
    """Say in one line how long something took."""
    quantiles = ", ".join(f"p{share} {durations.quantile_ms(share / 100) or 0.0:,.0f} ms" for share in _QUANTILES)
    return f"{name}: {quantiles} of {durations.count:,.0f}"


def routes_told(found: Slowness) -> tuple[str, ...]:
    """Say which routes are slow."""
    more = len(found.routes) - _LINES
    lines = [told(route.name, route.durations) for route in found.routes[:_LINES] if route.durations]
    return (*lines, *((f"and {more} more routes",) if more > 0 else ()))


def _running(rows: ConnectionRows, limit_s: float, app_role: str) -> Iterator[Backend]:
    """Yield sessions whose statement has run for long: the application's; those of all where nobody logs in by its name."""
    here = [each for each in rows.activity.backends if each.is_here and not each.is_own]
    theirs = [each for each in here if each.role == app_role or not rows.app_logs_in]
    for each in theirs:
        verb = each.query.lstrip("( \n\t").partition(" ")[0].lower()
        is_long = each.state == "active" and (each.state_s or 0.0) >= limit_s
        if is_long and each.wait_type != "Lock" and verb in _READS_OR_CHANGES:
            yield each


def _is_no_chance(durations: Durations, limit_s: float) -> bool:
    """Whether at least three were slow, and as many would be seen in less than one of a hundred looks with one slow of twenty."""
    count, slow = round(durations.count), round(durations.longer_than(limit_s))
    chance = sum(math.comb(count, many) * 0.05**many * 0.95 ** (count - many) for many in range(slow, count + 1))
    return slow >= _FEWEST_SLOW and chance < _UNLIKELY


def _waits_for_pool(traffic: Traffic, limits: Limits, *, is_slow: bool) -> bool:
    """Whether requests wait for a connection: beside slow routes any; else more than work, while hardly one gets done."""
    waiting, active = traffic.pool.get("waiting", 0.0), traffic.pool.get("active", 0.0)
    hangs = waiting >= active and not traffic.pool.get("idle") and _measured(traffic) < limits.number("response_requests")
    return waiting > 0 and (is_slow or hangs)


def _measured(traffic: Traffic) -> float:
    return traffic.durations.count if traffic.durations else 0.0


def _weight(durations: Durations | None) -> float:
    return durations.count * (durations.quantile_ms(0.5) or 0.0) if durations else 0.0
