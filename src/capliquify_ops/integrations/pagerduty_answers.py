"""PagerDuty's answers, read: JSON in, frozen dataclasses out, IntegrationFailed for whatever has another shape. Pure."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import cast

from capliquify_ops.integrations.pagerduty_model import Incident, Note
from capliquify_ops.model.errors import IntegrationFailed

NAME = "PagerDuty"


def wrong(operation: str, what: str) -> IntegrationFailed:
    """Return the error of an answer that is not as it must be."""
    return IntegrationFailed(f"{NAME}: {operation} answered {what}.", hint="See whether its API has changed.")


def accepted(answer: object, operation: str) -> str:
    """Return the dedup_key of an accepted event, "" where there is none. Raises IntegrationFailed when it was not accepted."""
    row = _table(answer, operation)
    if (status := _text(row, "status", operation)) != "success":
        raise wrong(operation, f"with the status {status[:40]!r}")
    return _optional(row, "dedup_key")


def incidents(answer: object, operation: str) -> tuple[tuple[Incident, ...], bool]:
    """Return one page of incidents, and whether there are more. Raises IntegrationFailed."""
    row = _table(answer, operation)
    listed, more = row.get("incidents"), row.get("more", False)
    if not isinstance(listed, list) or not isinstance(more, bool):
        raise wrong(operation, "without a list of incidents and whether there are more")
    return tuple(_incident(_table(each, operation), operation) for each in listed), more


def incident(answer: object, operation: str) -> Incident:
    """Return the incident of an answer. Raises IntegrationFailed."""
    return _incident(_table(_table(answer, operation).get("incident"), operation), operation)


def note(answer: object, operation: str) -> Note:
    """Return the note of an answer. Raises IntegrationFailed."""
    row = _table(_table(answer, operation).get("note"), operation)
    return Note(_text(row, "id", operation), _stamp(row, "created_at", operation))


def _incident(row: Mapping[str, object], operation: str) -> Incident:
    service = _table(row.get("service"), operation)
    return Incident(
        id=_text(row, "id", operation),
        number=_count(row, "incident_number", operation),
        title=_text(row, "title", operation),
        status=_text(row, "status", operation),
        urgency=_text(row, "urgency", operation),
        created_at=_stamp(row, "created_at", operation),
        service_id=_text(service, "id", operation),
        service=_optional(service, "summary"),
        dedup_key=_optional(row, "incident_key"),
        url=_optional(row, "html_url"),
        assignees=_assignees(row.get("assignments"), operation),
    )


def _assignees(value: object, operation: str) -> tuple[str, ...]:
    """Return the names of those who are on it; a resolved incident is assigned to nobody."""
    if value is None:
        return ()
    if not isinstance(value, list):
        raise wrong(operation, "assignments that are no list")
    people = [_table(_table(each, operation).get("assignee"), operation) for each in value]
    return tuple(_optional(one, "summary") or _text(one, "id", operation) for one in people)


def _table(value: object, operation: str) -> Mapping[str, object]:
    if not isinstance(value, dict):
        raise wrong(operation, "without the object that it must have")
    return cast("Mapping[str, object]", value)


def _text(row: Mapping[str, object], key: str, operation: str) -> str:
    value = row.get(key)
    if not isinstance(value, str):
        raise wrong(operation, f"without the text {key!r}")
    return value


def _optional(row: Mapping[str, object], key: str) -> str:
    value = row.get(key)
    return value if isinstance(value, str) else ""


def _count(row: Mapping[str, object], key: str, operation: str) -> int:
    value = row.get(key)
    if isinstance(value, bool) or not isinstance(value, int):
        raise wrong(operation, f"without the number {key!r}")
    return value


def _stamp(row: Mapping[str, object], key: str, operation: str) -> datetime:
    """Return a time in UTC; PagerDuty writes some with the account's offset."""
    try:
        found = datetime.fromisoformat(_text(row, key, operation))
        return (found if found.tzinfo else found.replace(tzinfo=UTC)).astimezone(UTC)
    except (ValueError, OverflowError):
        raise wrong(operation, f"a {key!r} that is no time") from None
