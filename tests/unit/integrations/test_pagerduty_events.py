"""PagerDuty's events as a client sends them: one key is one problem, and nothing is raised twice or lost in silence."""

from datetime import UTC, datetime

import pytest

from capliquify_ops.integrations.caller import Caller
from capliquify_ops.integrations.pagerduty_events import PagerDutyEvents, pagerduty_events_service
from capliquify_ops.integrations.pagerduty_model import Change, Event, Severity
from capliquify_ops.model.errors import (
    IntegrationFailed,
    ServiceBroken,
    UsageError,
)
from capliquify_ops.model.secret import Secret

from .conftest import REFUSALS, Fault
from .fake_pagerduty import ROUTING_KEY, FakePagerDuty, mend_events
from .published import published

AT = datetime(2030, 1, 1, tzinfo=UTC)
EVENT = Event("db-full", "The disk is full", "db-1", Severity.CRITICAL, AT, "https://runbook.test/disk", {"free_percent": 1})
CHANGE = Change("Rolled back to 1.2.3", "api", AT, "https://deploy.test/7", {"commit": "abc"})
FAKE = FakePagerDuty


@pytest.fixture
def client(running, patience):
    key = Secret(ROUTING_KEY)
    with Caller(pagerduty_events_service(key, base_url=running.url), patience) as caller:
        yield PagerDutyEvents(caller, key)


def test_a_problem_is_raised_taken_and_resolved(client, state):
    """The incident follows the events of its key; a second trigger of the same key opens no second incident."""
    assert client.trigger(EVENT) == "db-full"
    assert client.trigger(EVENT) == "db-full"
    assert [each["status"] for each in state.incidents] == ["triggered"]
    assert client.acknowledge("db-full") == "db-full"
    assert state.incidents[0]["status"] == "acknowledged"
    assert client.resolve("db-full") == "db-full"
    assert state.incidents[0]["status"] == "resolved"
    client.trigger(EVENT)
    assert [each["status"] for each in state.incidents] == ["resolved", "triggered"]


def test_a_problem_arrives_whole(client, state):
    """Summary, source, severity, time, details and the link to the evidence are what was given."""
    client.trigger(EVENT)
    assert state.events == [
        {
            "routing_key": ROUTING_KEY,
            "event_action": "trigger",
            "dedup_key": "db-full",
            "payload": {
                "summary": "The disk is full",
                "source": "db-1",
                "severity": "critical",
                "timestamp": "2030-01-01T00:00:00+00:00",
                "custom_details": {"free_percent": 1},
            },
            "links": [{"href": "https://runbook.test/disk", "text": "Evidence"}],
        }
    ]


def test_a_short_problem_sends_nothing_empty(client, state):
    """Without a time, a link and details none of these is sent."""
    client.trigger(Event("k", "s", "x", Severity.INFO))
    assert state.events[0]["payload"] == {"summary": "s", "source": "x", "severity": "info"}
    assert "links" not in state.events[0]


def test_a_long_summary_is_cut(client, state):
    """PagerDuty takes 1024 characters of a summary: a longer one goes out cut, not refused."""
    client.trigger(Event("k", "x" * 2000, "s", Severity.ERROR))
    assert state.events[0]["payload"]["summary"] == "x" * 1023 + "…"


def test_a_change_is_marked_and_wakes_nobody(client, state):
    """A change stands in the timeline with its time and details, and opens no incident."""
    client.mark_change(CHANGE)
    assert [each["summary"] for each in state.changes] == ["Rolled back to 1.2.3"]
    assert state.changes[0]["timestamp"] == "2030-01-01T00:00:00+00:00"
    assert state.incidents == []


def test_what_the_server_would_refuse_is_not_sent(client, running):
    """An event without key, summary or source, with a key that is too long, or a time without a zone is an error of the call."""
    for event in (
        Event("", "s", "x", Severity.INFO),
        Event("k", " ", "x", Severity.INFO),
        Event("k", "s", "", Severity.INFO),
        Event("k" * 256, "s", "x", Severity.INFO),
        Event("k", "s", "x", Severity.INFO, AT.replace(tzinfo=None)),
    ):
        with pytest.raises(UsageError):
            client.trigger(event)
    for act in (client.acknowledge, client.resolve):
        with pytest.raises(UsageError, match="dedup_key"):
            act("")
    with pytest.raises(UsageError):
        client.mark_change(Change("", "x", AT))
    assert running.asked == []


def test_a_problem_is_raised_in_spite_of_faults(client, state, running, slept):
    """A key is one problem however often it comes: rate limit, error, broken connection and half an answer are tried again."""
    good = {"status": "success", "message": "x" * 999, "dedup_key": "db-full"}
    for fault in (Fault(429, headers={"Retry-After": "3"}), Fault(500), Fault(reset=True), Fault(202, good, cut=True)):
        running.faults[:] = [fault]
        assert client.trigger(EVENT) == "db-full"
    assert len(state.incidents) == 1
    assert slept[0] == pytest.approx(3.025)


def test_a_change_is_not_marked_twice(client, state, running):
    """After a fault nobody knows whether it stands there; only a refusal by rate is tried again."""
    for fault in (Fault(500), Fault(reset=True)):
        running.faults[:] = [fault]
        with pytest.raises(ServiceBroken):
            client.mark_change(CHANGE)
    running.faults[:] = [Fault(429)]
    client.mark_change(CHANGE)
    assert len(state.changes) == 1


@pytest.mark.parametrize(
    ("status", "kind"),
    [(400, IntegrationFailed), *REFUSALS.items()],
)
def test_refusals_are_told_by_kind(client, running, status, kind):
    """Each refusal has its error, with PagerDuty's own reason in it."""
    running.faults += [Fault(status, {"status": "invalid event", "message": "the reason", "errors": ["x"]})] * 3
    with pytest.raises(
        IntegrationFailed, match=f"PagerDuty Events answered POST /v2/enqueue with {status}: the reason"
    ) as caught:
        client.trigger(EVENT)
    assert type(caught.value) is kind


@pytest.mark.parametrize("body", [None, b"ok", [], {}, {"status": 1}, {"status": "throttled"}])
def test_only_success_is_success(client, running, body):
    """An answer 202 that does not say success is an error that names the operation: the problem may not have been raised."""
    for act, operation in ((lambda: client.trigger(EVENT), "trigger"), (lambda: client.mark_change(CHANGE), "a change event")):
        running.faults[:] = [Fault(202, body)]
        with pytest.raises(IntegrationFailed, match=f"PagerDuty's answer to {operation} is not understood: the answer"):
            act()


def test_a_slow_answer_ends(running, hasty):
    """PagerDuty that hangs costs the budget of one operation and no more."""
    running.faults.append(Fault(after_s=0.6))
    key = Secret(ROUTING_KEY)
    with (
        Caller(pagerduty_events_service(key, base_url=running.url), hasty) as caller,
        pytest.raises(ServiceBroken, match="in time"),
    ):
        PagerDutyEvents(caller, key).trigger(EVENT)


def test_the_routing_key_is_nowhere(fake, patience, state, caplog):
    """Neither a representation, nor a log, nor the error after a refusal that repeats the whole event, holds the key."""
    caplog.set_level("DEBUG")
    running = fake(lambda asked: (400, {"status": "invalid event", "message": f"unknown: {asked.body}"}))
    key = Secret(ROUTING_KEY)
    service = pagerduty_events_service(key, base_url=running.url)
    with Caller(service, patience) as caller:
        client = PagerDutyEvents(caller, key)
        with pytest.raises(IntegrationFailed) as caught:
            client.trigger(EVENT)
    assert "[redacted]" in str(caught.value)
    for text in (str(caught.value), repr(caught.value), repr(service), repr(client), repr(vars(client)), caplog.text):
        assert ROUTING_KEY not in text


def test_a_key_that_pagerduty_does_not_know_is_told(running, patience):
    """A wrong routing key is refused by 400: the error has PagerDuty's word for it."""
    key = Secret("f" * 32)
    with (
        Caller(pagerduty_events_service(key, base_url=running.url), patience) as caller,
        pytest.raises(IntegrationFailed, match="with 400: Event"),
    ):
        PagerDutyEvents(caller, key).resolve("db-full")


def test_requests_and_answers_are_as_published(client, state, running, patience):
    """Each event that is sent, and each answer of the fake that the other tests rely on, passes the published document."""
    document = published("pagerduty-events-v2.json", patch=mend_events)
    client.trigger(EVENT)
    client.trigger(Event("k", "s", "x", Severity.WARNING))
    client.acknowledge("k")
    client.resolve("k")
    client.mark_change(CHANGE)
    stranger = Secret("f" * 32)
    with Caller(pagerduty_events_service(stranger, base_url=running.url), patience) as caller, pytest.raises(IntegrationFailed):
        PagerDutyEvents(caller, stranger).resolve("k")
    assert [(asked.method, asked.path) for asked in running.asked] == [
        *[("POST", "/v2/enqueue")] * 4,
        ("POST", "/v2/change/enqueue"),
        ("POST", "/v2/enqueue"),
    ]
    for asked in running.asked:
        document.check_request(asked, asked.path.removeprefix("/v2"))
    assert [status for _, _, status, _ in state.answers] == [202] * 5 + [400]
    for answer in state.answers:
        document.check_answer(*answer)
