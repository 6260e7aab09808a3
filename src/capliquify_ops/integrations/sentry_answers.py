"""From the JSON of Sentry's answers to records. Everything here raises IntegrationFailed for what it cannot read."""

import re
from collections.abc import Mapping
from datetime import timedelta

from capliquify_ops.integrations.sentry_records import (
    CrashFree,
    Deploy,
    Issue,
    KeyLimit,
    Point,
    ProjectKey,
    Release,
    Series,
    TopError,
)
from capliquify_ops.integrations.sentry_shape import Shape, items, since_1970, whole, wrong
from capliquify_ops.model.secret import Secret

_MILLISECOND, _SECOND = timedelta(milliseconds=1), timedelta(seconds=1)
_PAIR = 2
_PERCENT = 100
_LINK = re.compile(r"<[^>]*>((?:\s*;\s*\w+=\"[^\"]*\")*)")
CRASH_FREE, SESSIONS, COUNT = "crash_free_rate(session)", "sum(session)", "count()"


def series(shape: Shape) -> Series:
    """Read a time series of one axis without groups."""
    rows = [row for line in shape.rows("timeSeries")[:1] for row in line.rows("values")]
    complete = [row for row in rows if not row.yes("incomplete")]
    points = sorted((_point(row) for row in complete), key=lambda point: point.at)
    return Series(tuple(points), len(rows) - len(complete))


def _point(row: Shape) -> Point:
    at = since_1970(row.fields.get("timestamp"), _MILLISECOND)
    if at is None:
        raise row.without("timestamp")
    return Point(at, row.count("value"), None if row.is_null("comparisonValue") else row.count("comparisonValue"))


def received(value: object, operation: str) -> tuple[Point, ...]:
    """Read a list of pairs of a time in seconds and a count."""
    points = []
    for pair in items(value, operation):
        first, second = pair if isinstance(pair, list) and len(pair) == _PAIR else (None, None)
        at, count = since_1970(first, _SECOND), whole(second)
        if at is None or count is None:
            raise wrong(operation, "has a bucket that is no pair of a time and a count")
        points.append(Point(at, count))
    return tuple(sorted(points, key=lambda point: point.at))


def issue(row: Shape) -> Issue:
    """Read an issue of an organisation."""
    return Issue(
        id=row.text("id"),
        short_id=row.text("shortId"),
        title=row.text("title"),
        level=row.text("level"),
        status=row.text("status"),
        substatus=None if row.is_null("substatus") else row.text("substatus"),
        count=row.count("count"),
        users=row.count("userCount"),
        first_seen=row.moment("firstSeen"),
        last_seen=row.moment("lastSeen"),
        permalink=row.text("permalink"),
    )


def release(row: Shape, project: str) -> Release:
    """Read a release, with what is told of that project (its id or slug) where that is told apart."""
    deploy = None if row.is_null("lastDeploy") else row.inner("lastDeploy")
    last = None if deploy is None else Deploy(deploy.text("environment"), deploy.moment("dateFinished"))
    part = next((each for each in row.rows("projects") if project in (each.fields.get("slug"), str(each.fields.get("id")))), row)
    health = None if part.is_null("healthData") else part.inner("healthData").real_or_none("crashFreeSessions")
    rate = None if health is None else health / _PERCENT
    return Release(row.text("version"), part.count("newGroups"), row.moment("dateCreated"), last, rate)


def crash_free(row: Shape) -> CrashFree:
    """Read a group of sessions that have their release in common."""
    totals = row.inner("totals")
    sessions = 0 if totals.is_null(SESSIONS) else totals.count(SESSIONS)
    return CrashFree(row.inner("by").text("release"), totals.real_or_none(CRASH_FREE), sessions)


def top_error(row: Shape) -> TopError:
    """Read a row of the table of titles and counts."""
    return TopError(row.text("title"), row.count(COUNT))


def project_key(row: Shape) -> ProjectKey:
    """Read a client key."""
    limit = None if row.is_null("rateLimit") else _limit(row.inner("rateLimit"))
    return ProjectKey(row.text("id"), row.yes("isActive"), limit, Secret(row.inner("dsn").text("public")))


def _limit(row: Shape) -> KeyLimit:
    return KeyLimit(row.count("count"), row.count("window"))


def next_cursor(headers: Mapping[str, str], operation: str) -> str | None:
    """Return the cursor of the next page, None where it would be empty: a next link is always there, and says so."""
    for link in _LINK.findall(headers.get("link", "")):
        marks = dict(re.findall(r'(\w+)="([^"]*)"', link))
        if (marks.get("rel"), marks.get("results")) == ("next", "true"):
            if not marks.get("cursor"):
                raise wrong(operation, "has a next page without a cursor")
            return str(marks["cursor"])
    return None
