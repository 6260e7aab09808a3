"""From the JSON of Sentry's answers to records. Everything here raises IntegrationFailed for what it cannot read."""

import re
from collections.abc import Mapping

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
from capliquify_ops.integrations.shape import MILLISECOND, SECOND, Shape
from capliquify_ops.model.secret import Secret

_PERCENT = 100
_LINK = re.compile(r"<[^>]*>((?:\s*;\s*\w+=\"[^\"]*\")*)")
CRASH_FREE, SESSIONS, COUNT = "crash_free_rate(session)", "sum(session)", "count()"


def series(shape: Shape) -> Series:
    """Read a time series of one axis without groups."""
    rows = [row for line in list(shape.at("timeSeries").items())[:1] for row in line.at("values").items()]
    complete = [row for row in rows if not row.at("incomplete").flag()]
    points = sorted((_point(row) for row in complete), key=lambda point: point.at)
    return Series(tuple(points), len(rows) - len(complete))


def _point(row: Shape) -> Point:
    at = row.at("timestamp")
    before = row.at("comparisonValue").maybe(Shape.loose_count)
    return Point(at.since_1970(at.number(), MILLISECOND), row.at("value").loose_count(), before)


def received(shape: Shape) -> tuple[Point, ...]:
    """Read a list of pairs of a time in seconds and a count."""
    pairs = (each.pair() for each in shape.items())
    points = [Point(at.since_1970(at.number(), SECOND), count.loose_count()) for at, count in pairs]
    return tuple(sorted(points, key=lambda point: point.at))


def issue(row: Shape) -> Issue:
    """Read an issue of an organisation."""
    return Issue(
        id=row.at("id").text(),
        short_id=row.at("shortId").text(),
        title=row.at("title").text(),
        level=row.at("level").text(),
        status=row.at("status").text(),
        substatus=row.at("substatus").maybe_text(),
        count=row.at("count").loose_count(),
        users=row.at("userCount").loose_count(),
        first_seen=row.at("firstSeen").maybe_time(),
        last_seen=row.at("lastSeen").maybe_time(),
        permalink=row.at("permalink").text(),
    )


def release(row: Shape, project: str) -> Release:
    """Read a release, with what is told of that project (its id or slug) where that is told apart."""
    projects = row.at("projects").items()
    part = next((each for each in projects if project in (each.at("slug").value, str(each.at("id").value))), row)
    health = part.at("healthData").maybe_at("crashFreeSessions").maybe(Shape.number)
    return Release(
        version=row.at("version").text(),
        new_issues=part.at("newGroups").loose_count(),
        created_at=row.at("dateCreated").maybe_time(),
        last_deploy=row.at("lastDeploy").maybe(_deploy),
        crash_free_rate=None if health is None else health / _PERCENT,
    )


def _deploy(row: Shape) -> Deploy:
    return Deploy(row.at("environment").text(), row.at("dateFinished").maybe_time())


def crash_free(row: Shape) -> CrashFree:
    """Read a group of sessions that have their release in common."""
    totals = row.at("totals")
    sessions = totals.at(SESSIONS).maybe(Shape.loose_count) or 0
    return CrashFree(row.at("by").at("release").text(), totals.at(CRASH_FREE).maybe(Shape.number), sessions)


def top_error(row: Shape) -> TopError:
    """Read a row of the table of titles and counts."""
    return TopError(row.at("title").text(), row.at(COUNT).loose_count())


def project_key(row: Shape) -> ProjectKey:
    """Read a client key."""
    limit, dsn = row.at("rateLimit").maybe(_limit), Secret(row.at("dsn").at("public").text())
    return ProjectKey(row.at("id").text(), row.at("isActive").flag(), limit, dsn)


def _limit(row: Shape) -> KeyLimit:
    return KeyLimit(row.at("count").loose_count(), row.at("window").loose_count())


def next_cursor(headers: Mapping[str, str], page: Shape) -> str | None:
    """Return the cursor of the next page, None where it would be empty: a next link is always there, and says so."""
    for link in _LINK.findall(headers.get("link", "")):
        marks = dict(re.findall(r'(\w+)="([^"]*)"', link))
        if (marks.get("rel"), marks.get("results")) == ("next", "true"):
            if not marks.get("cursor"):
                raise page.wrong("has a next page without a cursor")
            return str(marks["cursor"])
    return None
