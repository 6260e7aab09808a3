"""PagerDuty's Events API v2: raise, acknowledge and resolve a problem under one key, and mark changes beside it."""

from collections.abc import Mapping
from datetime import datetime

from capliquify_ops.integrations.caller import Caller, Service
from capliquify_ops.integrations.pagerduty_answers import accepted
from capliquify_ops.integrations.pagerduty_model import NAME, Change, Event
from capliquify_ops.integrations.shape import Shape
from capliquify_ops.model.errors import UsageError
from capliquify_ops.model.secret import Secret

BASE_URL = "https://events.pagerduty.com"
SETTING = "integrations.pagerduty.routing_key_env"
LONGEST_KEY = 255
LONGEST_SUMMARY = 1024
"""A longer summary is refused whole: cut it, the rest stands in the details."""


def pagerduty_events_service(routing_key: Secret, *, base_url: str = BASE_URL) -> Service:
    """Return where events go. The key goes in each body, there is no header; it is masked in every error."""
    return Service(f"{NAME} Events", base_url, SETTING, secrets=(routing_key.reveal(),))


class PagerDutyEvents:
    """Tells PagerDuty about problems and changes. Every method raises IntegrationFailed when the event was not accepted.

    Accepted is not yet processed: an incident appears a moment later.
    """

    def __init__(self, caller: Caller, routing_key: Secret) -> None:
        self._caller = caller
        self._routing_key = routing_key

    def trigger(self, event: Event) -> str:
        """Raise a problem, and return its dedup_key.

        It may be repeated: events of one dedup_key are one alert, as long as that is not resolved. Raises UsageError for an
        event without key, summary or source.
        """
        _require(summary=event.summary, source=event.source)
        payload = {**_told(event.summary, event.source, event.at, event.details), "severity": str(event.severity)}
        links = {"links": [{"href": event.url, "text": "Evidence"}]} if event.url else {}
        return self._enqueue("trigger", event.dedup_key, {"payload": payload, **links})

    def acknowledge(self, dedup_key: str) -> str:
        """Say that somebody works on it. It may be repeated: an acknowledged alert stays acknowledged."""
        return self._enqueue("acknowledge", dedup_key, {})

    def resolve(self, dedup_key: str) -> str:
        """Say that the problem is gone. It may be repeated: without an open alert of that key it is nothing."""
        return self._enqueue("resolve", dedup_key, {})

    def mark_change(self, change: Change) -> None:
        """Mark a deploy, a rollback or another change in the service's timeline.

        It has no key: sent twice it stands there twice, so that it is sent again only where PagerDuty refused it by rate.
        """
        _require(summary=change.summary, source=change.source)
        body = {
            "routing_key": self._routing_key.reveal(),
            "payload": _told(change.summary, change.source, change.at, change.details),
            **({"links": [{"href": change.url, "text": "Details"}]} if change.url else {}),
        }
        accepted(Shape(NAME, "a change event", self._caller.send("POST", "/v2/change/enqueue", body).json))

    def _enqueue(self, action: str, dedup_key: str, more: Mapping[str, object]) -> str:
        _require(dedup_key=dedup_key)
        if len(dedup_key) > LONGEST_KEY:
            raise UsageError(f"A dedup_key of {len(dedup_key)} characters is longer than {LONGEST_KEY}.")
        body = {"routing_key": self._routing_key.reveal(), "event_action": action, "dedup_key": dedup_key, **more}
        answer = self._caller.send("POST", "/v2/enqueue", body, is_repeatable=True)
        return accepted(Shape(NAME, action, answer.json)) or dedup_key


def _told(
    summary: str, source: str, at: datetime | None, details: Mapping[str, str | int | float]
) -> dict[str, str | dict[str, str | int | float]]:
    """Return what both kinds of events tell. Raises UsageError for a time without a zone."""
    if at is not None and at.tzinfo is None:
        raise UsageError(f"The time {at.isoformat()} has no zone.", hint="Give a time in UTC.")
    cut = summary if len(summary) <= LONGEST_SUMMARY else f"{summary[: LONGEST_SUMMARY - 1]}…"
    return {
        "summary": cut,
        "source": source,
        **({"timestamp": at.isoformat()} if at else {}),
        **({"custom_details": dict(details)} if details else {}),
    }


def _require(**texts: str) -> None:
    """The published schema does not ask for these where they are needed, and the refusal comes only from the server."""
    for name, text in texts.items():
        if not text.strip():
            raise UsageError(f"An event needs a {name}.")
