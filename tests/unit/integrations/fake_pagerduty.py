"""PagerDuty as it answers: events make and change incidents, and incidents are read, taken, closed and written into."""

from datetime import UTC, datetime, timedelta
from functools import cache

from .published import FOLDER, published

NOW = datetime(2030, 1, 1, tzinfo=UTC)
ROUTING_KEY = "0123456789abcdef0123456789abcdef"
TOKEN = "u+only_for_this_test"
USER = "oncall@example.test"
ACCEPT = "application/vnd.pagerduty+json;version=2"
_ACTIONS = {"trigger": "triggered", "acknowledge": "acknowledged", "resolve": "resolved"}


def mend_events(document):
    """The answers 400 and 429 have for a description the name of a component that is not there: give them the file's Error."""
    for item in document["paths"].values():
        for status in ("400", "429"):
            item["post"]["responses"][status] = {"$ref": "#/components/responses/Error"}


def mend_rest(document):
    """Two places where the document contradicts itself."""
    # Its text says to pass `statuses[]` more than once, its schema is that of one value.
    for each in document["components"]["parameters"].values():
        if each.get("name") == "statuses[]":
            each["schema"] = {"type": "array", "items": each["schema"]}
    # Notes may answer that the arguments are wrong, and the incident they belong to, whose arguments are more, may not.
    responses = document["paths"]["/incidents/{id}"]["put"]["responses"]
    responses["400"] = document["paths"]["/incidents/{id}/notes"]["post"]["responses"]["400"]


@cache
def documents():
    """The published documents of events and of incidents; None for each that is not here."""
    return tuple(
        published(file, patch=mend) if (FOLDER / file).is_file() else None
        for file, mend in (("pagerduty-events-v2.json", mend_events), ("pagerduty.json", mend_rest))
    )


def stamp(at):
    return at.strftime("%Y-%m-%dT%H:%M:%SZ")


class FakePagerDuty:
    """Keeps incidents, notes and changes; `answers` are all (method, path, status, document), `problems` what nobody may send."""

    def __init__(self):
        self.incidents, self.notes, self.changes, self.events = [], [], [], []
        self.answers, self.problems = [], []
        self._events_document, self._rest_document = documents()

    def open(self, *, key="", service="PSERVICE", status="triggered", at=NOW):
        number = len(self.incidents) + 1
        self.incidents.append(
            {
                "id": f"PINC{number:03}",
                "type": "incident",
                "summary": f"[#{number}] broken",
                "self": f"https://api.pagerduty.com/incidents/PINC{number:03}",
                "html_url": f"https://example.pagerduty.com/incidents/PINC{number:03}",
                "incident_number": number,
                "title": "broken",
                "created_at": stamp(at),
                "status": status,
                # An incident that groups alerts has no key.
                **({"incident_key": key} if key else {}),
                "service": {"id": service, "type": "service_reference", "summary": "The API", "self": None, "html_url": None},
                "assignments": [
                    {"at": stamp(at), "assignee": {"id": "PUSER", "type": "user_reference", "summary": "Earline Greenholt"}}
                ],
                "urgency": "high",
                "brand_new_field": {"nobody": ["knows", "it"]},
            }
        )
        return self.incidents[-1]

    def answer(self, asked):
        is_event = asked.path.startswith("/v2/")
        path = asked.path.removeprefix("/v2")
        document = self._events_document if is_event else self._rest_document
        try:
            if document:
                document.check_request(asked, path)
            status, body = self._event(asked, path) if is_event else self._rest(asked, path)
        except AssertionError as problem:
            self.problems.append(str(problem))
            status, body = 400, {"status": "invalid event", "message": str(problem)}
        self.answers.append((asked.method, path, status, body))
        return status, body

    def _event(self, asked, path):
        assert "authorization" not in asked.headers, "an event has no credential but the key in its body"
        if asked.body.get("routing_key") != ROUTING_KEY:
            errors = ["'routing_key' is unknown"]
            return 400, {"status": "invalid event", "message": f"Event {asked.body} is invalid", "errors": errors}
        if path == "/change/enqueue":
            assert asked.body["payload"]["summary"]
            self.changes.append(asked.body["payload"])
            return 202, {"status": "success", "message": "Change event processed"}
        return self._alert(asked.body)

    def _alert(self, body):
        action, key = body["event_action"], body.get("dedup_key")
        if action == "trigger":
            assert {"summary", "source", "severity"} <= set(body["payload"])
            assert len(body["payload"]["summary"]) <= 1024
        else:
            assert key, "acknowledge and resolve need a key"
            assert "payload" not in body
        assert len(key) <= 255
        self.events.append(body)
        found = [each for each in self.incidents if each.get("incident_key") == key and each["status"] != "resolved"]
        for each in found if action != "trigger" else ():
            each["status"] = _ACTIONS[action]
        if action == "trigger" and not found:
            self.open(key=key)
        return 202, {"status": "success", "message": "Event processed", "dedup_key": key}

    def _rest(self, asked, path):
        assert asked.headers.get("accept") == ACCEPT
        if asked.headers.get("authorization") != f"Token token={TOKEN}":
            return 401, {"error": {"message": f"Unauthorized: {asked.headers.get('authorization')}", "code": 2006}}
        if path == "/incidents":
            return 200, self._listed(asked.query)
        assert asked.headers.get("from") == USER, "a change needs the header From"
        found = next((each for each in self.incidents if each["id"] == path.split("/")[2]), None)
        if found is None:
            return 404, {"error": {"message": "Not Found", "code": 2100}}
        if path.endswith("/notes"):
            self.notes.append((found["id"], asked.body["note"]["content"]))
            note = {"id": f"PNOTE{len(self.notes)}", "content": self.notes[-1][1], "created_at": "2030-01-01T02:00:00+02:00"}
            return 200, {"note": note | {"channel": {"summary": "The PagerDuty website or APIs"}}}
        wanted = asked.body["incident"]["status"]
        if found["status"] == "resolved" and wanted != "resolved":
            return 400, {"error": {"message": "Invalid Input Provided", "code": 2001, "errors": ["Incident Already Resolved"]}}
        found["status"] = wanted
        return 200, {"incident": found}

    def _listed(self, query):
        """Give 25 unless asked for up to 100, of the last month unless asked for all, and no total."""
        given = dict(query)
        services = [value for name, value in query if name == "service_ids[]"]
        statuses = [value for name, value in query if name == "statuses[]"]
        since = "" if given.get("date_range") == "all" else stamp(NOW - timedelta(days=30))
        found = [
            each
            for each in self.incidents
            if (not services or each["service"]["id"] in services)
            and (not statuses or each["status"] in statuses)
            and ("incident_key" not in given or each.get("incident_key") == given["incident_key"])
            and each["created_at"] >= since
        ]
        found.sort(key=lambda each: each["created_at"], reverse=given.get("sort_by") != "created_at:asc")
        offset, limit = int(given.get("offset", 0)), min(100, int(given.get("limit", 25)))
        page = found[offset : offset + limit]
        return {"incidents": page, "limit": limit, "offset": offset, "more": offset + limit < len(found), "total": None}
