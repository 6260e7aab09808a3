"""What is taken from Sentry, as records: counts over time, issues, releases, crash-free rates, keys. DSNs are Secret."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from capliquify_ops.model.secret import Secret

NAME = "Sentry"


@dataclass(frozen=True, slots=True)
class Point:
    """How many events began to count at `at`; `before` is the count of the bucket it is compared with, None without one."""

    at: datetime
    count: int
    before: int | None = None


@dataclass(frozen=True, slots=True)
class Series:
    """Counts in the order of time, whole buckets only; `unfinished` buckets, the current one most of all, are left out."""

    points: tuple[Point, ...]
    unfinished: int = 0

    @property
    def bucket(self) -> timedelta | None:
        """How long a bucket is, None with fewer than two. The service chooses another than was asked for when it likes."""
        return self.points[1].at - self.points[0].at if len(self.points) > 1 else None


@dataclass(frozen=True, slots=True)
class Issue:
    """One group of like events. `level`, `status` and `substatus` are the service's own words, also ones not known here."""

    id: str
    short_id: str
    title: str
    level: str
    status: str
    substatus: str | None
    count: int
    users: int
    first_seen: datetime | None
    last_seen: datetime | None
    permalink: str


@dataclass(frozen=True, slots=True)
class Issues:
    """Issues, those of most events first; `has_more` when the service has further ones that were not read."""

    found: tuple[Issue, ...]
    has_more: bool


@dataclass(frozen=True, slots=True)
class Deploy:
    """When a release went where."""

    environment: str
    finished_at: datetime | None


@dataclass(frozen=True, slots=True)
class Release:
    """One release; `new_issues` of the project began with it. `crash_free_rate` is from 0 to 1, None where it is not told."""

    version: str
    new_issues: int
    created_at: datetime | None
    last_deploy: Deploy | None
    crash_free_rate: float | None = None


@dataclass(frozen=True, slots=True)
class Releases:
    """Releases, the newest first; `has_more` when the service has further ones that were not read."""

    found: tuple[Release, ...]
    has_more: bool


@dataclass(frozen=True, slots=True)
class CrashFree:
    """Which share of a release's sessions did not crash, from 0 to 1; None where it had no session."""

    release: str
    rate: float | None
    sessions: int


@dataclass(frozen=True, slots=True)
class TopError:
    """One title of errors, and how many there were of it."""

    title: str
    count: int


@dataclass(frozen=True, slots=True)
class KeyLimit:
    """At most `count` events in `window_s` seconds; what comes beyond is dropped."""

    count: int
    window_s: int


@dataclass(frozen=True, slots=True)
class ProjectKey:
    """A key that clients send events with; its secret half is never read. `limit` is None where none is set."""

    id: str
    is_active: bool
    limit: KeyLimit | None
    dsn: Secret


@dataclass(frozen=True, slots=True)
class ProjectKeys:
    """Keys of a project; `has_more` when the service has further ones that were not read."""

    found: tuple[ProjectKey, ...]
    has_more: bool
