"""Render's answers, read piece by piece: each piece is of the kind that was expected, or the answer is refused by its place."""

import math
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime

from capliquify_ops.model.errors import IntegrationFailed

_KINDS: dict[type, str] = {
    type(None): "missing",
    bool: "true or false",
    int: "a number",
    float: "a number",
    str: "a text",
    list: "a list",
    dict: "an object",
}


@dataclass(frozen=True, slots=True)
class Shape:
    """A piece of an answer, which operation's answer it is, and its place there.

    `null` and a missing field are the same: Render writes an empty list as `null` in places. Every method that reads raises
    IntegrationFailed, with the place and never with the value, which may be a secret.
    """

    operation: str
    value: object = field(repr=False)
    place: str = "the answer"

    def at(self, key: str) -> "Shape":
        """Return the field of that name of an object, which may be missing."""
        if not isinstance(self.value, dict):
            raise self.refused("an object")
        return Shape(self.operation, self.value.get(key), f"{self.place}.{key}")

    def maybe_at(self, key: str) -> "Shape":
        """Return the field of that name; where the object itself is missing, so is the field."""
        return Shape(self.operation, None, f"{self.place}.{key}") if self.value is None else self.at(key)

    def items(self) -> Iterator["Shape"]:
        """Yield the pieces of a list that must be there."""
        if not isinstance(self.value, list):
            raise self.refused("a list")
        for number, value in enumerate(self.value):
            yield Shape(self.operation, value, f"{self.place}[{number}]")

    def maybe_items(self) -> Iterator["Shape"]:
        """Yield the pieces of a list that may be missing."""
        return iter(()) if self.value is None else self.items()

    def text(self) -> str:
        """Return a text in which half characters, which no file and no address can hold, are replaced by a question mark."""
        if not isinstance(self.value, str):
            raise self.refused("a text")
        return self.value.encode("utf-8", "replace").decode("utf-8")

    def maybe_text(self) -> str | None:
        """Return a text; None for a missing one and for an empty one, which is how Render writes that something is not set."""
        return None if self.value is None else self.text() or None

    def whole(self) -> int:
        """Return a whole number."""
        if not isinstance(self.value, int) or isinstance(self.value, bool):
            raise self.refused("a whole number")
        return self.value

    def maybe_whole(self) -> int | None:
        """Return a whole number, None where it is missing."""
        return None if self.value is None else self.whole()

    def number(self) -> float:
        """Return a finite number."""
        if isinstance(self.value, bool) or not isinstance(self.value, (int, float)):
            raise self.refused("a number")
        try:
            found = float(self.value)
        except OverflowError:
            raise self.refused("a number that can be held") from None
        if not math.isfinite(found):
            raise self.refused("a finite number")
        return found

    def flag(self) -> bool:
        """Return true or false."""
        if not isinstance(self.value, bool):
            raise self.refused("true or false")
        return self.value

    def is_true(self) -> bool:
        """Return whether it is there and true."""
        return self.value is not None and self.flag()

    def time(self) -> datetime:
        """Return a time in UTC; one without an offset is refused, since nobody knows when that is."""
        try:
            found = datetime.fromisoformat(self.text())
            if found.tzinfo is None:
                raise self.refused("a time with an offset")
            return found.astimezone(UTC)
        except (ValueError, OverflowError):
            raise self.refused("a time") from None

    def maybe_time(self) -> datetime | None:
        """Return a time in UTC; None where it is missing or empty."""
        return None if self.maybe_text() is None else self.time()

    def refused(self, wanted: str) -> IntegrationFailed:
        """Make the error for a piece that is not what it must be."""
        found = _KINDS[type(self.value)]
        return IntegrationFailed(
            f"Render's answer to {self.operation} is not understood: {self.place} is {found}, not {wanted}.",
            hint="See whether its API has changed.",
        )
