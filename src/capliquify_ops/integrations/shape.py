"""JSON answers, read piece by piece: each piece is of the kind that was expected, or the answer is refused by its place."""

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta, tzinfo
from typing import TypeVar

from capliquify_ops.model.errors import IntegrationFailed

MILLISECOND, SECOND = timedelta(milliseconds=1), timedelta(seconds=1)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MOST_DIGITS = 18
"""A number of more digits counts nothing that a service has."""
_PAIR = 2
_KINDS: Mapping[type, str] = {
    type(None): "missing",
    bool: "true or false",
    int: "a number",
    float: "a number",
    str: "a text",
    list: "a list",
    dict: "an object",
}
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Shape:
    """A piece of an answer, whose answer it is, to which operation, and its place there.

    `null` and a missing field are the same: services write one for the other. Fields that are not asked for may be there. Every
    method that reads raises IntegrationFailed, with the place and never with the value, which may be a secret.
    """

    service: str
    operation: str
    value: object = field(repr=False)
    place: str = "the answer"

    @property
    def is_missing(self) -> bool:
        """Whether there is nothing."""
        return self.value is None

    def at(self, key: str) -> "Shape":
        """Return the field of that name of an object, which may be missing."""
        if not isinstance(self.value, dict):
            raise self.refused("an object")
        return replace(self, value=self.value.get(key), place=f"{self.place}.{key}")

    def maybe_at(self, key: str) -> "Shape":
        """Return the field of that name; where the object itself is missing, so is the field."""
        return replace(self, place=f"{self.place}.{key}") if self.is_missing else self.at(key)

    def fields(self) -> "Mapping[str, Shape]":
        """Return all fields of an object whose names are not known; an error does not say theirs."""
        if not isinstance(self.value, dict):
            raise self.refused("an object")
        return {key: replace(self, value=value, place=f"{self.place}.*") for key, value in self.value.items()}

    def items(self) -> "Iterator[Shape]":
        """Yield the pieces of a list that must be there."""
        if not isinstance(self.value, list):
            raise self.refused("a list")
        for number, value in enumerate(self.value):
            yield replace(self, value=value, place=f"{self.place}[{number}]")

    def maybe_items(self) -> "Iterator[Shape]":
        """Yield the pieces of a list that may be missing."""
        return iter(()) if self.is_missing else self.items()

    def pair(self) -> "tuple[Shape, Shape]":
        """Return both pieces of a list of two."""
        found = tuple(self.items())
        if len(found) != _PAIR:
            raise self.wrong("is no pair")
        return found[0], found[1]

    def maybe(self, read: "Callable[[Shape], T]") -> T | None:
        """Return what `read` makes of it, None where it is missing."""
        return None if self.is_missing else read(self)

    def text(self) -> str:
        """Return a text in which half characters, which no file and no address can hold, are replaced by a question mark."""
        if not isinstance(self.value, str):
            raise self.refused("a text")
        return self.value.encode("utf-8", "replace").decode("utf-8")

    def filled(self) -> str:
        """Return a text that is not empty."""
        if not (found := self.text()):
            raise self.wrong("is empty")
        return found

    def maybe_text(self) -> str | None:
        """Return a text; None for a missing one and for an empty one, which is how some write that something is not set."""
        return None if self.is_missing else self.text() or None

    def whole(self) -> int:
        """Return a whole number."""
        if not isinstance(self.value, int) or isinstance(self.value, bool):
            raise self.refused("a whole number")
        return self.value

    def count(self) -> int:
        """Return a whole number from 0."""
        found = self.whole()
        if not 0 <= found < 10**_MOST_DIGITS:
            raise self.refused("a count")
        return found

    def loose_count(self) -> int:
        """Return a whole number from 0, also one that is written as 12.0 or "12"."""
        value = self.value
        if isinstance(value, float) and value.is_integer():
            return replace(self, value=int(value)).count()
        # Digits of other scripts are none of an API's.
        if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) <= _MOST_DIGITS:
            return int(value)
        return self.count()

    def number(self) -> float:
        """Return a finite number."""
        if isinstance(self.value, bool) or not isinstance(self.value, int | float):
            raise self.refused("a number")
        try:
            found = float(self.value)
        except OverflowError:
            found = math.inf
        if not math.isfinite(found):
            raise self.refused("a finite number")
        return found

    def figure(self) -> float:
        """Return a number that is written as text; it may be NaN or infinite."""
        try:
            return float(self.text())
        except ValueError:
            raise self.refused("a number in a text") from None

    def flag(self) -> bool:
        """Return true or false."""
        if not isinstance(self.value, bool):
            raise self.refused("true or false")
        return self.value

    def time(self, zone: tzinfo | None = None) -> datetime:
        """Return an ISO 8601 time in UTC; one without an offset is of `zone`, or refused where nobody knows when that is."""
        try:
            found = datetime.fromisoformat(self.text())
            if found.tzinfo is None and zone is None:
                raise self.refused("a time with an offset")
            return found.replace(tzinfo=found.tzinfo or zone).astimezone(UTC)
        except (ValueError, OverflowError):
            raise self.refused("a time") from None

    def maybe_time(self, zone: tzinfo | None = None) -> datetime | None:
        """Return a time in UTC; None where it is missing or empty."""
        return None if self.maybe_text() is None else self.time(zone)

    def since_1970(self, count: float, unit: timedelta) -> datetime:
        """Return the time that many units after 1970; `count` is this piece, read as the service writes its times."""
        try:
            return _EPOCH + count * unit
        except (ValueError, OverflowError):  # ValueError: NaN
            raise self.refused("a time") from None

    def refused(self, wanted: str) -> IntegrationFailed:
        """Make the error for a piece that is not what it must be."""
        return self.wrong(f"is {_KINDS[type(self.value)]}, not {wanted}")

    def wrong(self, what: str) -> IntegrationFailed:
        """Make the error for a piece of which `what` is said."""
        return IntegrationFailed(
            f"{self.service}'s answer to {self.operation} is not understood: {self.place} {what}.",
            hint="See whether its address is right and its API has not changed.",
        )
