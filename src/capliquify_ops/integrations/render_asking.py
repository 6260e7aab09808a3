"""How Render is asked: ids that cannot leave their place in a path, times it understands, and lists of many pages."""

import re
from collections.abc import Callable
from datetime import datetime
from typing import TypeVar

from capliquify_ops.integrations.caller import Caller, Query
from capliquify_ops.integrations.render_records import NAME, Listed
from capliquify_ops.integrations.shape import Shape
from capliquify_ops.model.errors import UsageError

PAGE = 100
"""The most that Render gives in one answer."""
MOST = 1000
"""The most that is taken of one list, ten answers: Render allows 400 reads a minute for all that a person runs."""
T = TypeVar("T")
_ID = re.compile(r"[A-Za-z0-9_.-]*[A-Za-z0-9_-][A-Za-z0-9_.-]*")


def path_of(*parts: str) -> str:
    """Join ids and fixed words to a path. Raises UsageError for what would lead to another one, such as an empty id."""
    for part in parts:
        if not _ID.fullmatch(part):
            raise UsageError(f"{part!r} is no id or key of Render's: it may have letters, digits, and _ . -")
    return "/" + "/".join(parts)


def stamp(time: datetime) -> str:
    """Write an aware time as Render reads it. Raises UsageError for one without an offset."""
    if time.utcoffset() is None:
        raise UsageError("A time for Render needs an offset: without one, nobody knows when that is.")
    return time.isoformat().replace("+00:00", "Z")


def between(start: datetime | None, end: datetime | None) -> list[tuple[str, str]]:
    """Return the query for a stretch of time; a side that is None is left to Render."""
    given = (("startTime", start), ("endTime", end))
    return [(name, stamp(time)) for name, time in given if time is not None]


def bounded(at_most: int) -> int:
    """Return how many are wanted. Raises UsageError for none, or for more than MOST."""
    if not 1 <= at_most <= MOST:
        raise UsageError(f"From 1 to {MOST} can be asked of Render at once, not {at_most}.")
    return at_most


def listed(
    caller: Caller, path: str, query: Query, *, operation: str, key: str, read: Callable[[Shape], T], at_most: int
) -> Listed[T]:
    """Follow the cursors of a list, whose items are `{key: {...}, cursor}`, until it ends or `at_most` are found.

    A page that is not full is the last one. Raises IntegrationFailed, also for a cursor that leads in a circle.
    """
    size, found, cursors = min(PAGE, bounded(at_most)), list[T](), list[str]()
    while True:
        asked = [*query, ("limit", str(size)), *(("cursor", cursor) for cursor in cursors[-1:])]
        page = list(Shape(NAME, operation, caller.get(path, asked).json).items())
        found += [read(each.at(key)) for each in page]
        if len(page) < size:
            return Listed(tuple(found[:at_most]), is_complete=len(found) <= at_most)
        cursor = page[-1].at("cursor").maybe_text()
        if len(found) >= at_most or cursor is None:
            return Listed(tuple(found[:at_most]), is_complete=False)
        if cursor in cursors:
            raise page[-1].at("cursor").wrong("leads in a circle")
        cursors.append(cursor)
