"""PagerDuty's answers, read: JSON in, frozen dataclasses out. Raises IntegrationFailed for whatever has another shape. Pure."""

from datetime import UTC

from capliquify_ops.integrations.pagerduty_model import Incident, Note
from capliquify_ops.integrations.shape import Shape


def accepted(shape: Shape) -> str:
    """Return the dedup_key of an accepted event, "" where there is none. Raises IntegrationFailed when it was not accepted."""
    if (status := shape.at("status").text()) != "success":
        raise shape.at("status").wrong(f"is {status[:40]!r}")
    return shape.at("dedup_key").maybe_text() or ""


def incidents(shape: Shape) -> tuple[tuple[Incident, ...], bool]:
    """Return one page of incidents, and whether there are more."""
    more = shape.at("more").maybe(Shape.flag) or False
    return tuple(_incident(each) for each in shape.at("incidents").items()), more


def incident(shape: Shape) -> Incident:
    """Return the incident of an answer."""
    return _incident(shape.at("incident"))


def note(shape: Shape) -> Note:
    """Return the note of an answer."""
    row = shape.at("note")
    return Note(row.at("id").text(), row.at("created_at").time(UTC))


def _incident(row: Shape) -> Incident:
    # Some times have the account's offset, some none; a resolved incident is assigned to nobody.
    return Incident(
        id=row.at("id").text(),
        number=row.at("incident_number").whole(),
        title=row.at("title").text(),
        status=row.at("status").text(),
        urgency=row.at("urgency").text(),
        created_at=row.at("created_at").time(UTC),
        service_id=row.at("service").at("id").text(),
        service=row.at("service").at("summary").maybe_text() or "",
        dedup_key=row.at("incident_key").maybe_text() or "",
        url=row.at("html_url").maybe_text() or "",
        assignees=tuple(_name(each.at("assignee")) for each in row.at("assignments").maybe_items()),
    )


def _name(person: Shape) -> str:
    return person.at("summary").maybe_text() or person.at("id").text()
