"""JSON objects of Clerk's answers: every value is of its kind, or the answer is refused by the name of its operation."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from capliquify_ops.model.errors import IntegrationFailed

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def wrong(operation: str, what: str) -> IntegrationFailed:
    """Make the error of an answer that cannot be used; of the answer itself nothing is repeated."""
    return IntegrationFailed(f"Clerk's answer to {operation} {what}.", hint="See whether its API has changed.")


@dataclass(frozen=True, slots=True)
class Shape:
    """One object of an answer. Fields that are not asked for may be there and are never looked at."""

    operation: str
    fields: Mapping[str, object] = field(repr=False)

    @classmethod
    def of(cls, value: object, operation: str) -> "Shape":
        """Take a value as an object. Raises IntegrationFailed, as all that follow do."""
        if not isinstance(value, dict):
            raise wrong(operation, "is not the expected JSON object")
        return cls(operation, value)

    def text(self, key: str) -> str:
        """Return a text that is not empty."""
        found = self.fields.get(key)
        if not isinstance(found, str) or not found:
            raise self._without(key)
        return found

    def text_or_none(self, key: str) -> str | None:
        """Return a text, None where it is absent, null or empty."""
        return self.text(key) if self.fields.get(key) not in (None, "") else None

    def texts(self, key: str) -> tuple[str, ...]:
        """Return a list of texts."""
        found = self.fields.get(key)
        if not isinstance(found, list) or not all(isinstance(each, str) for each in found):
            raise self._without(key)
        return tuple(found)

    def count(self, key: str) -> int:
        """Return a whole number from 0."""
        found = self.fields.get(key)
        if not isinstance(found, int) or isinstance(found, bool) or found < 0:
            raise self._without(key)
        return found

    def moment(self, key: str, unit: timedelta) -> datetime:
        """Return a time that is counted in that unit since 1970."""
        try:
            return _EPOCH + self.count(key) * unit
        except OverflowError:
            raise self._without(key) from None

    def inner(self, key: str) -> "Shape":
        """Return an object inside this one."""
        if not isinstance(self.fields.get(key), dict):
            raise self._without(key)
        return Shape.of(self.fields[key], self.operation)

    def rows(self, key: str) -> tuple["Shape", ...]:
        """Return a list of objects."""
        found = self.fields.get(key)
        if not isinstance(found, list) or not all(isinstance(each, dict) for each in found):
            raise self._without(key)
        return tuple(Shape.of(each, self.operation) for each in found)

    def _without(self, key: str) -> IntegrationFailed:
        return wrong(self.operation, f"has no usable {key}")
