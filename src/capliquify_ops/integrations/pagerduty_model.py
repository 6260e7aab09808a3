"""What is told to PagerDuty and known from it: events, incidents, notes."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from types import MappingProxyType

NAME = "PagerDuty"


class Severity(StrEnum):
    """How bad an event is, in PagerDuty's words."""

    CRITICAL = "critical"
    ERROR = "error"
    WARNING = "warning"
    INFO = "info"


@dataclass(frozen=True, slots=True)
class Event:
    """A problem to wake somebody for. `dedup_key` names the problem: all events with it are one alert.

    `source` is the affected system, `url` (where there is one) leads to the evidence.
    """

    dedup_key: str
    summary: str
    source: str
    severity: Severity
    at: datetime | None = None
    url: str = ""
    details: Mapping[str, str | int | float] = field(default_factory=lambda: MappingProxyType({}))


@dataclass(frozen=True, slots=True)
class Change:
    """Something that was done, such as a deploy or a rollback; nobody is woken for it."""

    summary: str
    source: str
    at: datetime
    url: str = ""
    details: Mapping[str, str | int | float] = field(default_factory=lambda: MappingProxyType({}))


@dataclass(frozen=True, slots=True)
class Incident:
    """One incident: `status` is triggered, acknowledged or resolved, `urgency` high or low; newer words are kept as they are.

    `dedup_key` is "" for an incident that groups alerts; `url` is its page, "" where PagerDuty gives none.
    """

    id: str
    number: int
    title: str
    status: str
    urgency: str
    created_at: datetime
    service_id: str
    service: str
    dedup_key: str
    url: str
    assignees: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Incidents:
    """Incidents, oldest first; `is_complete` is False when there were more than were asked for."""

    incidents: tuple[Incident, ...]
    is_complete: bool


@dataclass(frozen=True, slots=True)
class Note:
    """A note as it stands in an incident's timeline."""

    id: str
    created_at: datetime
