"""What a service uses and how it answers, as Render measures it."""

from dataclasses import dataclass
from datetime import datetime

from capliquify_ops.integrations.caller import Caller
from capliquify_ops.integrations.render_asking import between, path_of
from capliquify_ops.integrations.render_records import NAME
from capliquify_ops.integrations.shape import Shape
from capliquify_ops.model.errors import UsageError

FINEST_S = 30
"""Render gives no points that are closer together."""


@dataclass(frozen=True, slots=True)
class Window:
    """From when to when, in aware times, and how many seconds lie between two points."""

    start: datetime
    end: datetime
    resolution_s: int = 60


@dataclass(frozen=True, slots=True)
class Point:
    """One measurement, in the unit of its series."""

    at: datetime
    value: float


@dataclass(frozen=True, slots=True)
class Series:
    """One line of a chart: what it is about, as pairs such as ("instance", "srv-..."), its unit in Render's words, its points."""

    labels: tuple[tuple[str, str], ...]
    unit: str
    points: tuple[Point, ...]


class RenderMetrics:
    """One method for each metric; each gives a series for each instance, host or service. All raise IntegrationFailed."""

    def __init__(self, caller: Caller) -> None:
        self._caller = caller

    def cpu(self, service_id: str, window: Window) -> tuple[Series, ...]:
        """Return the processors in use: in each stretch of time the most, so that a peak is not averaged away."""
        return self._series("cpu", service_id, window, ("aggregationMethod", "MAX"))

    def cpu_limit(self, service_id: str, window: Window) -> tuple[Series, ...]:
        """Return the processors that may be used."""
        return self._series("cpu-limit", service_id, window)

    def memory(self, service_id: str, window: Window) -> tuple[Series, ...]:
        """Return the memory in use; Render has no choice of aggregation here."""
        return self._series("memory", service_id, window)

    def memory_limit(self, service_id: str, window: Window) -> tuple[Series, ...]:
        """Return the memory that may be used."""
        return self._series("memory-limit", service_id, window)

    def http_latency(self, service_id: str, window: Window, *, quantile: float = 0.95) -> tuple[Series, ...]:
        """Return the time that all but the slowest answers took; a quantile of 0.95 leaves out the slowest twentieth.

        Raises UsageError for a quantile that is not from 0 to 1.
        """
        if not 0 <= quantile <= 1:
            raise UsageError(f"A quantile lies from 0 to 1, not at {quantile}.")
        return self._series("http-latency", service_id, window, ("quantile", f"{quantile:g}"))

    def http_requests(self, service_id: str, window: Window) -> tuple[Series, ...]:
        """Return how many requests were answered, a series for each status."""
        return self._series("http-requests", service_id, window, ("aggregateBy", "statusCode"))

    def instance_count(self, service_id: str, window: Window) -> tuple[Series, ...]:
        """Return how many instances ran."""
        return self._series("instance-count", service_id, window)

    def _series(self, metric: str, service_id: str, window: Window, *more: tuple[str, str]) -> tuple[Series, ...]:
        path_of(service_id)  # an id that is none would be a filter that finds nothing, and look like a service without load
        query = [("resource", service_id), *between(window.start, window.end), ("resolutionSeconds", str(window.resolution_s))]
        if window.resolution_s < FINEST_S or window.start >= window.end:
            raise UsageError(f"A window of a metric begins before it ends, and its points are {FINEST_S} s apart or more.")
        answer = self._caller.get(path_of("metrics", metric), [*query, *more])
        return tuple(_series_of(each) for each in Shape(NAME, f"reading the metric {metric}", answer.json).items())


def _series_of(shape: Shape) -> Series:
    labels = tuple((each.at("field").text(), each.at("value").text()) for each in shape.at("labels").maybe_items())
    points = tuple(Point(each.at("timestamp").time(), each.at("value").number()) for each in shape.at("values").maybe_items())
    return Series(labels, shape.at("unit").text(), points)
