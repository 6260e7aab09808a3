"""JSON of Sentry's answers: every value is of its kind, or the answer is refused by the name of its operation."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from capliquify_ops.model.errors import IntegrationFailed

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MOST_DIGITS = 18


def wrong(operation: str, what: str) -> IntegrationFailed:
    """Make the error of an answer that cannot be used; of the answer itself nothing is repeated."""
    return IntegrationFailed(f"Sentry's answer to {operation} {what}.", hint="See whether its API has changed.")


def since_1970(value: object, unit: timedelta) -> datetime | None:
    """Return a time that is counted in that unit, None where it is none."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    try:
        return _EPOCH + value * unit
    except (OverflowError, ValueError):  # ValueError: not a number
        return None


def whole(value: object) -> int | None:
    """Return a count from 0, also one that is written as 12.0 or "12"; None where it is none."""
    if isinstance(value, str):
        # Digits of other scripts are none of an API's, and more of them than these none of a count's.
        return int(value) if value.isascii() and value.isdigit() and len(value) <= _MOST_DIGITS else None
    number = real(value)
    return int(number) if number is not None and number >= 0 and number == int(number) else None


def real(value: object) -> float | None:
    """Return a finite number, None where it is none."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    try:
        number = float(value)
    except OverflowError:
        return None
    return number if math.isfinite(number) else None


def items(value: object, operation: str) -> list[object]:
    """Return a list. Raises IntegrationFailed, as all that follow do."""
    if not isinstance(value, list):
        raise wrong(operation, "is not the expected JSON list")
    return value


@dataclass(frozen=True, slots=True)
class Shape:
    """One object of an answer. Fields that are not asked for may be there and are never looked at."""

    operation: str
    fields: Mapping[str, object] = field(repr=False)

    @classmethod
    def of(cls, value: object, operation: str) -> "Shape":
        """Take a value as an object."""
        if not isinstance(value, dict):
            raise wrong(operation, "is not made of the expected JSON objects")
        return cls(operation, value)

    def is_null(self, key: str) -> bool:
        """Whether the field is absent or null."""
        return self.fields.get(key) is None

    def text(self, key: str) -> str:
        """Return a text, also an empty one."""
        found = self.fields.get(key)
        if not isinstance(found, str):
            raise self.without(key)
        return found

    def yes(self, key: str) -> bool:
        """Return a boolean."""
        found = self.fields.get(key)
        if not isinstance(found, bool):
            raise self.without(key)
        return found

    def count(self, key: str) -> int:
        """Return a count; Sentry writes some of them as text."""
        found = whole(self.fields.get(key))
        if found is None:
            raise self.without(key)
        return found

    def real_or_none(self, key: str) -> float | None:
        """Return a number, None where there is none to tell."""
        found = real(self.fields.get(key))
        if found is None and not self.is_null(key):
            raise self.without(key)
        return found

    def moment(self, key: str) -> datetime | None:
        """Return an ISO 8601 time with its zone, None where it is null."""
        if self.is_null(key):
            return None
        try:
            found = datetime.fromisoformat(self.text(key))
            if found.tzinfo is not None:
                return found.astimezone(UTC)
        except (ValueError, OverflowError):
            pass
        raise self.without(key)

    def inner(self, key: str) -> "Shape":
        """Return an object inside this one."""
        if not isinstance(self.fields.get(key), dict):
            raise self.without(key)
        return Shape.of(self.fields[key], self.operation)

    def rows(self, key: str) -> tuple["Shape", ...]:
        """Return a list of objects."""
        if not isinstance(self.fields.get(key), list):
            raise self.without(key)
        return tuple(Shape.of(each, self.operation) for each in items(self.fields[key], self.operation))

    def without(self, key: str) -> IntegrationFailed:
        """Make the error of a field that is absent, or not what it must be."""
        return wrong(self.operation, f"has no usable {key}")
