"""PagerDuty's REST API: which incidents are open, taking one, closing one, and writing into its timeline."""

from collections.abc import Sequence
from urllib.parse import quote

from capliquify_ops.integrations import pagerduty_answers as answers
from capliquify_ops.integrations.caller import Caller, Service
from capliquify_ops.integrations.pagerduty_model import NAME, Incident, Incidents, Note
from capliquify_ops.integrations.shape import Shape
from capliquify_ops.model.errors import IntegrationFailed, UsageError
from capliquify_ops.model.secret import Secret

BASE_URL = "https://api.pagerduty.com"
SETTING = "integrations.pagerduty.token_env"
PAGE, MOST_PAGES = 100, 10
_OPEN = ("triggered", "acknowledged")


def pagerduty_service(token: Secret, acting_user: str, *, base_url: str = BASE_URL) -> Service:
    """Return where incidents are. `acting_user` is the e-mail address of the user in whose name incidents are changed."""
    headers = {
        "Authorization": f"Token token={token.reveal()}",
        "Accept": "application/vnd.pagerduty+json;version=2",
        "From": acting_user,
    }
    return Service(NAME, base_url, SETTING, headers, (token.reveal(),))


class PagerDuty:
    """Reads and changes incidents. Every method raises IntegrationFailed."""

    def __init__(self, caller: Caller) -> None:
        self._caller = caller

    def open_incidents(self, service_ids: Sequence[str] = (), *, dedup_key: str = "") -> Incidents:
        """Return incidents that are triggered or acknowledged, oldest first, 1000 at most.

        Of these services, or of all that the token may see where none is named; with `dedup_key` only those of that problem.
        """
        found: dict[str, Incident] = {}
        more, offset = True, 0
        for _ in range(MOST_PAGES):
            page, more = answers.incidents(self._page(service_ids, dedup_key, offset))
            found |= {each.id: each for each in page}
            offset += len(page)
            if not more or not page:
                break
        return Incidents(tuple(found.values()), is_complete=not more)

    def _page(self, service_ids: Sequence[str], dedup_key: str, offset: int) -> Shape:
        asked = [
            *(("service_ids[]", each) for each in service_ids),
            *(("statuses[]", each) for each in _OPEN),
            *([("incident_key", dedup_key)] if dedup_key else []),
            # Without it only the last month is searched, and the oldest incidents would be missed.
            ("date_range", "all"),
            # What is new meanwhile comes behind the pages that are read already.
            ("sort_by", "created_at:asc"),
            ("limit", str(PAGE)),
            ("offset", str(offset)),
        ]
        return Shape(NAME, "open incidents", self._caller.get("/incidents", asked).json)

    def acknowledge(self, incident_id: str) -> Incident:
        """Take an incident, which stops its escalation. It may be repeated: acknowledged stays acknowledged."""
        return self._set(incident_id, "acknowledged")

    def resolve(self, incident_id: str) -> Incident:
        """Close an incident. It may be repeated: resolved stays resolved; a new problem opens a new incident."""
        return self._set(incident_id, "resolved")

    def _set(self, incident_id: str, status: str) -> Incident:
        """Set a status and look whether the answer has it: an incident that was resolved meanwhile cannot be taken."""
        body = {"incident": {"type": "incident", "status": status}}
        answer = self._caller.send("PUT", f"/incidents/{_id(incident_id)}", body, is_repeatable=True).json
        found = answers.incident(Shape(NAME, f"setting an incident to {status}", answer))
        if (found.id, found.status) != (incident_id, status):
            raise IntegrationFailed(f"{NAME}'s answer to setting an incident to {status} is that it is {found.status[:20]!r}.")
        return found

    def add_note(self, incident_id: str, content: str) -> Note:
        """Write into the timeline of an incident.

        Sent twice it stands there twice: it is sent again only where PagerDuty refused it by rate. Raises UsageError for an
        empty note.
        """
        if not content.strip():
            raise UsageError("A note needs a text.")
        answer = self._caller.send("POST", f"/incidents/{_id(incident_id)}/notes", {"note": {"content": content}})
        return answers.note(Shape(NAME, "a note", answer.json))


def _id(incident_id: str) -> str:
    """Return an id as one piece of a path; an empty one would be another operation."""
    if not incident_id.strip(". "):
        raise UsageError("An incident has an id.")
    return quote(incident_id, safe="")
