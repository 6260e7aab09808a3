"""Sentry's API: whether errors rise, which issues a release brought, how many sessions crash, which keys clients send with."""

import re
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import TypeVar
from urllib.parse import quote

from capliquify_ops.integrations import sentry_answers as answers
from capliquify_ops.integrations.caller import Caller, Query, Service
from capliquify_ops.integrations.sentry_records import (
    NAME,
    CrashFree,
    Issues,
    Point,
    ProjectKeys,
    Release,
    Releases,
    Series,
    TopError,
)
from capliquify_ops.integrations.shape import Shape
from capliquify_ops.model.errors import ConfigurationInvalid, UsageError
from capliquify_ops.model.secret import Secret

SETTING = "integrations.sentry.token_env"
REGIONS = ("us", "de")
PAGE = 100
"""The most that Sentry gives at once."""
MOST_PAGES = 5
"""Who has more than 500 issues at once reads the worst, not all."""
TWO_HOURS, DAY, FIVE_MINUTES = timedelta(hours=2), timedelta(days=1), timedelta(minutes=5)
_UNRESOLVED = "is:unresolved"
_SLUG = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_-]*")
Record = TypeVar("Record")


def service(token: Secret, base_url: str = "", region: str = "us") -> Service:
    """Describe Sentry to a Caller: of a region, or at an address of its own. Raises ConfigurationInvalid."""
    text = token.reveal()
    if not text or not text.isascii() or not text.isprintable() or " " in text:
        raise ConfigurationInvalid(f"The variable that {SETTING} names holds no token.", hint="Make one with org:read.")
    if not base_url and region not in REGIONS:
        raise ConfigurationInvalid(f"integrations.sentry.region is {region!r}.", hint=f"Expected: {' or '.join(REGIONS)}")
    return Service(NAME, base_url or f"https://{region}.sentry.io", SETTING, {"Authorization": f"Bearer {text}"}, (text,))


class Sentry:
    """Reading operations on one organisation. A project is named by its id or its slug. All raise IntegrationFailed."""

    def __init__(self, caller: Caller, organization: str) -> None:
        self._caller = caller
        self._organization = f"/api/0/organizations/{_part(organization)}"
        self._projects = f"/api/0/projects/{_part(organization)}"

    def error_counts(
        self, project: str, period: timedelta = TWO_HOURS, bucket: timedelta = FIVE_MINUTES, *, before: timedelta | None = None
    ) -> Series:
        """Return the errors of the last `period`; with `before`, also those of as long ago beside each.

        Periods are of whole minutes. A bucket that the service does not like becomes one of its own choice: see `Series.bucket`.
        """
        query = [*_in(project, period), ("dataset", "errors"), ("yAxis", answers.COUNT), ("interval", str(_seconds(bucket)))]
        compared = [] if before is None else [("comparisonDelta", str(_seconds(before)))]
        answer = self._caller.get(f"{self._organization}/events-timeseries/", [*query, *compared])
        return answers.series(Shape(NAME, "GET events-timeseries", answer.json))

    def received(self, project: str, since: datetime, until: datetime) -> tuple[Point, ...]:
        """Return events by the hour, between two aware times: coarse, for where `error_counts` is not to be had.

        Sentry says that this operation may change without notice.
        """
        times = [("since", str(int(since.timestamp()))), ("until", str(int(until.timestamp())))]
        query = [("stat", "received"), ("resolution", "1h"), *times]
        answer = self._caller.get(f"{self._projects}/{_project(project)}/stats/", query)
        return answers.received(Shape(NAME, "GET project stats", answer.json))

    def issues(self, project: str, period: timedelta = DAY) -> Issues:
        """Return the unresolved issues of a project, at most 500."""
        return self._issues(project, _UNRESOLVED, period)

    def issues_of_release(self, project: str, version: str, period: timedelta = DAY) -> Issues:
        """Return the unresolved issues that a release has events of, at most 500."""
        return self._issues(project, f"{_UNRESOLVED} release:{_quoted(version)}", period)

    def new_issues_of_release(self, project: str, version: str, period: timedelta = DAY) -> Issues:
        """Return the unresolved issues that were first seen in a release, at most 500."""
        return self._issues(project, f"{_UNRESOLVED} firstRelease:{_quoted(version)}", period)

    def releases(self, project: str) -> Releases:
        """Return the releases of a project, at most 500, the newest first."""
        query = [("project", _project(project)), ("per_page", str(PAGE))]
        found, has_more = self._pages(
            f"{self._organization}/releases/", query, "GET releases", lambda row: answers.release(row, project)
        )
        return Releases(found, has_more)

    def release(self, project: str, version: str) -> Release:
        """Return one release as far as it concerns the project, with its health."""
        path = f"{self._organization}/releases/{_part(version)}/"
        answer = self._caller.get(path, [("project", _project(project)), ("health", "true")])
        return answers.release(Shape(NAME, "GET release", answer.json), project)

    def crash_free(self, project: str, period: timedelta = DAY) -> tuple[CrashFree, ...]:
        """Return the share of sessions without a crash for each release with sessions in the period (one hour or more)."""
        fields = [("field", answers.CRASH_FREE), ("field", answers.SESSIONS), ("groupBy", "release"), ("includeSeries", "0")]
        answer = self._caller.get(f"{self._organization}/sessions/", [*_in(project, period), *fields])
        return tuple(answers.crash_free(row) for row in Shape(NAME, "GET sessions", answer.json).at("groups").items())

    def top_errors(self, project: str, period: timedelta = DAY, most: int = 10) -> tuple[TopError, ...]:
        """Return the titles of most errors, the most frequent first: at most `most`, which is 1 to 100."""
        if not 1 <= most <= PAGE:
            raise UsageError(f"{most} rows cannot be asked for.", hint=f"From 1 to {PAGE}.")
        fields = [("field", "title"), ("field", answers.COUNT), ("sort", f"-{answers.COUNT}"), ("per_page", str(most))]
        query = [*_in(project, period), ("dataset", "errors"), *fields]
        answer = self._caller.get(f"{self._organization}/events/", query)
        return tuple(answers.top_error(row) for row in Shape(NAME, "GET events", answer.json).at("data").items())

    def project_keys(self, project: str) -> ProjectKeys:
        """Return the active keys of a project. Their DSNs are Secret, the secret halves are left out."""
        path = f"{self._projects}/{_project(project)}/keys/"
        found, has_more = self._pages(path, [("status", "active")], "GET project keys", answers.project_key)
        return ProjectKeys(found, has_more)

    def _issues(self, project: str, query: str, period: timedelta) -> Issues:
        wanted = [*_in(project, period), ("query", query), ("sort", "freq"), ("limit", str(PAGE))]
        found, has_more = self._pages(f"{self._organization}/issues/", wanted, "GET issues", answers.issue)
        return Issues(found, has_more)

    def _pages(self, path: str, query: Query, operation: str, read: Callable[[Shape], Record]) -> tuple[tuple[Record, ...], bool]:
        """Read page after page. Of a link only the cursor is taken: it must not lead the token to another host."""
        found: list[Record] = []
        cursor: str | None = None
        for _ in range(MOST_PAGES):
            answer = self._caller.get(path, [*query, *([] if cursor is None else [("cursor", cursor)])])
            page = Shape(NAME, operation, answer.json)
            found += [read(row) for row in page.items()]
            cursor = answers.next_cursor(answer.headers, page)
            if cursor is None:
                break
        return tuple(found), cursor is not None


def _in(project: str, period: timedelta) -> list[tuple[str, str]]:
    return [("project", _project(project)), ("statsPeriod", f"{_seconds(period) // 60}m")]


def _project(name: str) -> str:
    """Return a project's slug or id; Sentry takes an empty one and -1 for all projects."""
    if not _SLUG.fullmatch(name):
        raise UsageError(f"{name!r} is no project of Sentry's.", hint="Give its slug or its id.")
    return name


def _seconds(period: timedelta) -> int:
    seconds = int(period.total_seconds())
    if seconds < 1 or seconds % 60:
        raise UsageError(f"{period} is no period of whole minutes.", hint="Such as 5 minutes or 24 hours.")
    return seconds


def _part(name: str) -> str:
    """Return a name, such as a version, as one part of a path."""
    if not name.strip() or name in {".", ".."}:
        raise UsageError(f"{name!r} names nothing in Sentry.", hint="Give an id, a slug or a version.")
    return quote(name, safe="")


def _quoted(version: str) -> str:
    """Return a version as a search takes it literally: blanks, lists and wildcards in it mean nothing."""
    _part(version)
    return '"' + version.replace("\\", r"\\").replace('"', r"\"").replace("*", r"\*") + '"'
