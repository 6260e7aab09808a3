"""Reading Prometheus' answers: each function returns a value of the kind that is wanted, or says which operation had none."""

import math
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from types import MappingProxyType
from typing import cast

from capliquify_ops.model.errors import IntegrationFailed

NAME = "Prometheus"
_NEVER = 1
"""The year of Go's zero time: that which has not happened yet."""
_QUERY_OF_URL = re.compile(r"(?<=[^\s\"'?])\?[^\s\"']*")
_USER_OF_URL = re.compile(r"(?<=://)[^\s/@\"']+@")


def wrong(operation: str, what: str) -> IntegrationFailed:
    """Return the error of an answer that is not as it must be."""
    return IntegrationFailed(f"{NAME}: {operation} answered {what}.", hint="Check base_url and the version of the server.")


def table(value: object, operation: str) -> Mapping[str, object]:
    """Return a JSON object. Raises IntegrationFailed."""
    if not isinstance(value, dict):
        raise wrong(operation, "without the object that it must have")
    return cast("Mapping[str, object]", value)


def rows(row: Mapping[str, object], key: str, operation: str) -> list[object]:
    """Return the list of that name. Raises IntegrationFailed."""
    value = row.get(key)
    if not isinstance(value, list):
        raise wrong(operation, f"without the list {key!r}")
    return value


def text(row: Mapping[str, object], key: str, operation: str) -> str:
    """Return the text of that name. Raises IntegrationFailed."""
    value = row.get(key)
    if not isinstance(value, str):
        raise wrong(operation, f"without the text {key!r}")
    return value


def optional_text(row: Mapping[str, object], key: str) -> str:
    """Return the text of that name, "" where there is none."""
    value = row.get(key)
    return value if isinstance(value, str) else ""


def texts(value: object) -> tuple[str, ...]:
    """Return the texts of a list, none where it is missing."""
    return tuple(each for each in value if isinstance(each, str)) if isinstance(value, list) else ()


def labels(row: Mapping[str, object], key: str, operation: str) -> Mapping[str, str]:
    """Return names with their texts. Raises IntegrationFailed."""
    found = table(row.get(key), operation)
    if not all(isinstance(value, str) for value in found.values()):
        raise wrong(operation, f"a {key!r} whose values are not texts")
    return MappingProxyType(cast("dict[str, str]", dict(found)))


def optional_labels(row: Mapping[str, object], key: str, operation: str) -> Mapping[str, str]:
    """Return names with their texts, none where they are missing: Prometheus leaves empty sets out. Raises IntegrationFailed."""
    return MappingProxyType({}) if row.get(key) is None else labels(row, key, operation)


def stamp(row: Mapping[str, object], key: str, operation: str) -> datetime | None:
    """Return a time in UTC, None where it is missing or Go's zero time. Raises IntegrationFailed."""
    value = row.get(key)
    if value is None:
        return None
    try:
        found = datetime.fromisoformat(cast("str", value))
        if found.year == _NEVER:
            return None
        return (found if found.tzinfo else found.replace(tzinfo=UTC)).astimezone(UTC)
    except (ValueError, TypeError, OverflowError):
        raise wrong(operation, f"a {key!r} that is no time") from None


def number(row: Mapping[str, object], key: str, operation: str) -> float:
    """Return a finite number. Raises IntegrationFailed."""
    return _number(row.get(key), operation)


def point(value: object, operation: str) -> tuple[datetime, float]:
    """Return the time and the number of `[seconds, "number"]`; the number may be NaN or infinite. Raises IntegrationFailed."""
    at, number = pair(value, operation)
    return at, figure(number, operation)


def pair(value: object, operation: str) -> tuple[datetime, object]:
    """Return the time of `[seconds, something]`, and that. Raises IntegrationFailed."""
    if not isinstance(value, list) or len(value) != 2:  # noqa: PLR2004 -- a pair
        raise wrong(operation, "a point that is no pair")
    try:
        return datetime.fromtimestamp(_number(value[0], operation), UTC), value[1]
    except (ValueError, OverflowError, OSError):
        raise wrong(operation, "a point whose time is none") from None


def figure(value: object, operation: str) -> float:
    """Return a number that Prometheus writes as text. Raises IntegrationFailed."""
    if not isinstance(value, str):
        raise wrong(operation, "a value that is no text")
    try:
        return float(value)
    except ValueError:
        raise wrong(operation, "a value that is no number") from None


def without_secrets(url: str) -> str:
    """Return text with the query and the user of every URL left out: scrape URLs carry keys there."""
    return _USER_OF_URL.sub("", _QUERY_OF_URL.sub("", url))


def _number(value: object, operation: str) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise wrong(operation, "a number that is none")
    try:
        found = float(value)
    except OverflowError:
        raise wrong(operation, "a number that is too large") from None
    if not math.isfinite(found):
        raise wrong(operation, "a number that is not finite")
    return found
