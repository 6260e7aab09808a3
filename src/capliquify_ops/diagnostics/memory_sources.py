"""Where the service's memory is read: from Prometheus and Render over the last hours, else by watching the service itself."""

import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta

from capliquify_ops.diagnostics.inquiry import Inquiry, Question
from capliquify_ops.diagnostics.outside import ask_prometheus, ask_render
from capliquify_ops.diagnostics.wording import age
from capliquify_ops.http_client import Client
from capliquify_ops.integrations.prometheus import Prometheus
from capliquify_ops.integrations.render import Render
from capliquify_ops.integrations.render_metrics import Series, Window
from capliquify_ops.model.errors import ConfigurationInvalid, IntegrationFailed
from capliquify_ops.observation.exposition import read_exposition
from capliquify_ops.observation.memory_trend import FEWEST, Slope, Trend, trend_of

BY_PROMETHEUS, BY_RENDER, WATCHED = "memory in Prometheus", "memory in Render", "memory watched"
LOOK_BACK = timedelta(hours=4)
STEP = timedelta(minutes=1)
YOUNG_S = 1_800.0
"""A process of less than half an hour may still be warming up."""
SCRAPE_TIMEOUT_S = 4.0
MB, HOUR_S = 1_000_000.0, 3_600.0
_UNITS = {"b": 1, "byte": 1, "bytes": 1, "kb": 1e3, "mb": 1e6, "gb": 1e9, "kib": 2**10, "mib": 2**20, "gib": 2**30}
_MOST_LOOKS = 600
_PAUSE_S, _LONG_S = 0.5, 60.0
_HTTP_OK = 200
_TOLD = 3


@dataclass(frozen=True, slots=True)
class Memory:
    """The memory of each instance, by its name; `limit` in bytes and `restarts` of all where the source knows of them.

    `young_s`: what lived for less is not judged.
    """

    trends: Mapping[str, Trend]
    limit: float | None
    restarts: int
    young_s: float

    @property
    def has_trend(self) -> bool:
        """Whether there were points enough to tell one."""
        return any(life.slope for trend in self.trends.values() for life in trend.lives)


def prometheus_question(inquiry: Inquiry) -> Question | str:
    """Ask for the last hours: of those instances only that count requests, since every program has memory. Gives a Memory."""
    metrics = inquiry.target.profile.metrics
    name, requests = metrics.get("memory"), metrics.get("requests_total")
    if name is None:
        return "the profile has no metrics.memory"
    query = f"{name} and on (job, instance) {requests}" if requests else name

    def ask(prometheus: Prometheus) -> tuple[Memory | None, str]:
        end = inquiry.clock.now()
        found = prometheus.query_range(query, end - LOOK_BACK, end, STEP).series
        trends = {
            each.labels.get("instance", "") or str(number): trend
            for number, each in enumerate(found)
            if (trend := trend_of((at.timestamp(), value) for at, value in each.points))
        }
        if not trends:
            return None, f"has no metric {name} of the last hours"
        counted = prometheus.query(f"max(resets({requests}[{LOOK_BACK.total_seconds():.0f}s]))").samples if requests else ()
        memory = Memory(trends, None, int(max((each.value for each in counted if each.value >= 0), default=0)), YOUNG_S)
        return memory, says(memory)

    return ask_prometheus(inquiry, ask)


def render_question(inquiry: Inquiry) -> Question | str:
    """Ask for the last hours and the limit. Gives a Memory, None where Render has measured nothing."""

    def ask(render: Render, service: str) -> tuple[Memory | None, str]:
        end = inquiry.clock.now()
        window = Window(end - LOOK_BACK, end, int(STEP.total_seconds()))
        trends = {_instance(each): trend for each in render.metrics.memory(service, window) if (trend := _trend(each))}
        limits = [each.points[-1].value * _factor(each) for each in render.metrics.memory_limit(service, window) if each.points]
        if not trends:
            return None, "has measured no memory in the last hours"
        memory = Memory(trends, min((each for each in limits if each > 0), default=None), 0, YOUNG_S)
        return memory, says(memory)

    return ask_render(inquiry, ask)


def watched_question(inquiry: Inquiry) -> Question | str:
    """Look at the service's own metrics for `watch_s`, twice a second, once where it is long. Gives a Memory."""
    target, route = inquiry.target, inquiry.target.profile.routes.get("metrics")
    name = target.profile.metrics.get("memory")
    if not target.base_url:
        return f"the target has no base_url: {target.how_to_set('base_url')}"
    if route is None or name is None:
        return "the profile has no route named metrics, or no metrics.memory"

    def question() -> tuple[Memory, str]:
        points: list[tuple[float, float]] = []
        started, pause_s = inquiry.clock.monotonic(), _PAUSE_S if inquiry.watch_s <= _LONG_S else 2 * _PAUSE_S
        with Client(target.base_url, timeout_s=SCRAPE_TIMEOUT_S) as client:
            for number in range(_MOST_LOOKS):
                points.append((inquiry.clock.monotonic(), _level(client, route.path, name)))
                rest_s = started + pause_s * (number + 1) - inquiry.clock.monotonic()
                if inquiry.clock.monotonic() + max(0.0, rest_s) > started + inquiry.watch_s:
                    break
                time.sleep(max(0.0, rest_s))
        memory = Memory({"the service": trend} if (trend := trend_of(points)) else {}, None, 0, 0.0)
        short = f"; in {inquiry.watch_s:g} s no trend can be told: --watch 60" if len(points) < FEWEST else ""
        return memory, f"{says(memory)}{short}"

    return question


def says(memory: Memory) -> str:
    """Say in one line how much memory there is, how it went, and the limit."""
    told = "; ".join(f"{name}: {trend_line(trend)}" for name, trend in list(memory.trends.items())[:_TOLD])
    more = f" and {len(memory.trends) - _TOLD} instances more" if len(memory.trends) > _TOLD else ""
    return f"{told}{more}" + (f"; the limit is {amount(memory.limit)}" if memory.limit else "")


def trend_line(trend: Trend) -> str:
    """Say one trend with the interval of its slope."""
    life = trend.leaking or trend.lives[-1]
    times = "time" if trend.restarts == 1 else "times"
    fell = f", fell to a low level {trend.restarts} {times}" if trend.restarts else ""
    return f"{amount(trend.level)}" + (f", {slope_line(life.slope)} over {span(life.span_s)}" if life.slope else "") + fell


def slope_line(slope: Slope) -> str:
    """Say a slope in MB/h with its interval."""
    per_s, low, high = (each * HOUR_S / MB for each in (slope.per_s, slope.low, slope.high))
    return f"{per_s:+.1f} MB/h (95 %: {low:+.1f} to {high:+.1f})"


def amount(size: float) -> str:
    """Return `512 MB`, or `1.20 GB`."""
    return f"{size / MB:.0f} MB" if size < 1_000 * MB else f"{size / MB / 1_000:.2f} GB"


def span(seconds: float) -> str:
    """Return `45 s`, `20 min` or `4.0 h`."""
    return age(seconds) if seconds < 2 * HOUR_S else f"{seconds / HOUR_S:.1f} h"


def _level(client: Client, path: str, name: str) -> float:
    answer = client.require_same_host(client.request("GET", path))
    if answer.status != _HTTP_OK:
        raise IntegrationFailed(f"GET {path} answered {answer.status}, no metrics.", hint="Check routes.metrics of the profile.")
    found = [each.value for each in read_exposition(answer.body.decode("utf-8", "replace")) if each.name == name]
    if not found:
        raise ConfigurationInvalid(
            f"GET {path} shows no {name}.", hint="Set metrics.memory in the profile to a name that it shows."
        )
    return sum(found)


def _trend(series: Series) -> Trend | None:
    factor = _factor(series)
    return trend_of((each.at.timestamp(), each.value * factor) for each in series.points)


def _factor(series: Series) -> float:
    unit = series.unit.strip().lower()
    if unit not in _UNITS:
        raise IntegrationFailed(f"Render measures memory in {series.unit[:20]!r}, which is no known unit.")
    return float(_UNITS[unit])


def _instance(series: Series) -> str:
    labels = dict(series.labels)
    return labels.get("instance") or labels.get("resource") or "the service"


def hours_until(limit: float, level: float, per_s: float) -> float | None:
    """Return in how many hours a limit is reached; None for a slope that does not lead there."""
    return max(0.0, limit - level) / per_s / HOUR_S if per_s > 0 else None
