"""Findings that somebody has decided to live with for a while: `[[suppressions]]` of the configuration, each with an end."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime

from capliquify_ops.configuration.nearest import unknown
from capliquify_ops.model.errors import ConfigurationInvalid

_KEYS = ("id", "owner", "reason", "expires")


@dataclass(frozen=True, slots=True)
class Suppression:
    """One finding by its id, who answers for it, why, and the last day on which it holds (UTC)."""

    id: str
    owner: str
    reason: str
    expires: date


def parse_suppressions(rows: object, where: str) -> tuple[Suppression, ...]:
    """Return the suppressions of a configuration. Raises ConfigurationInvalid where something is missing, unknown or twice."""
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        raise ConfigurationInvalid(f"{where}: suppressions must be tables, each [[suppressions]].")
    found = tuple(_parse(row, f"{where}: suppression {number}") for number, row in enumerate(rows, 1))
    if twice := {one.id for one in found if [other.id for other in found].count(one.id) > 1}:
        raise ConfigurationInvalid(f"{where}: {min(twice)!r} is suppressed twice.", hint="Keep one of them.")
    return found


def _parse(row: Mapping[str, object], where: str) -> Suppression:
    for key in row:
        if key not in _KEYS:
            raise unknown("key", key, _KEYS, where)
    return Suppression(
        id=_text(row, "id", where),
        owner=_text(row, "owner", where),
        reason=_text(row, "reason", where),
        expires=_day(row.get("expires"), where),
    )


def _text(row: Mapping[str, object], key: str, where: str) -> str:
    found = row.get(key)
    if not isinstance(found, str) or not found.strip():
        raise ConfigurationInvalid(f"{where} has no {key}.", hint="It needs id, owner, reason and expires.")
    return found


def _day(value: object, where: str) -> date:
    try:
        day = date.fromisoformat(value) if isinstance(value, str) else value
    except ValueError:
        day = None
    if not isinstance(day, date) or isinstance(day, datetime):
        raise ConfigurationInvalid(f"{where}: expires must be a date.", hint="For example: expires = 2027-01-31")
    return day
