"""What is known from Prometheus: results of queries, rules, alerts, scrape targets."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

NAME = "Prometheus"


class Kind(StrEnum):
    """The kind of a query's result."""

    VECTOR = "vector"
    MATRIX = "matrix"
    SCALAR = "scalar"
    STRING = "string"


@dataclass(frozen=True, slots=True)
class Sample:
    """One number of one series at one time; it may be NaN or infinite."""

    labels: Mapping[str, str]
    at: datetime
    value: float


@dataclass(frozen=True, slots=True)
class Series:
    """The numbers of one series, oldest first; they may be NaN or infinite."""

    labels: Mapping[str, str]
    points: tuple[tuple[datetime, float], ...]


@dataclass(frozen=True, slots=True)
class QueryResult:
    """A query's result: `samples` of a vector or scalar, `series` of a matrix, `text` of a string.

    `warnings` can come with a success. `histograms` counts native histograms, which have no single number and are left out.
    """

    kind: Kind
    samples: tuple[Sample, ...] = ()
    series: tuple[Series, ...] = ()
    text: str = ""
    warnings: tuple[str, ...] = ()
    histograms: int = 0

    @property
    def is_complete(self) -> bool:
        """Whether the server left no series out because of the limit that it was given."""
        return not any("truncated" in warning for warning in self.warnings)


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule: `health` ok, err or unknown; `state` firing, pending, inactive, or "" of a recording rule."""

    name: str
    kind: str
    health: str
    last_error: str
    state: str
    labels: Mapping[str, str]
    active_alerts: int


@dataclass(frozen=True, slots=True)
class RuleGroup:
    """Rules that are evaluated together; `last_evaluation` is None before the first. Durations in seconds."""

    name: str
    file: str
    interval_s: float
    evaluation_s: float
    last_evaluation: datetime | None
    rules: tuple[Rule, ...]


@dataclass(frozen=True, slots=True)
class Rules:
    """Groups of rules; `is_complete` is False when there were more than were asked for."""

    groups: tuple[RuleGroup, ...]
    is_complete: bool


@dataclass(frozen=True, slots=True)
class Alert:
    """One alert: `state` firing or pending, since `active_at`."""

    name: str
    state: str
    labels: Mapping[str, str]
    annotations: Mapping[str, str]
    active_at: datetime | None
    value: float


@dataclass(frozen=True, slots=True)
class Target:
    """One scrape target: `health` up, down or unknown. URLs are without query and user, where scrape keys stand."""

    labels: Mapping[str, str]
    pool: str
    url: str
    health: str
    last_error: str
    last_scrape: datetime | None


@dataclass(frozen=True, slots=True)
class Targets:
    """Active targets, and how many relabelling dropped (None where the server does not say)."""

    active: tuple[Target, ...]
    dropped: int | None


@dataclass(frozen=True, slots=True)
class Build:
    """Which Prometheus answers."""

    version: str
    revision: str
