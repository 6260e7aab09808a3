"""PagerDuty's incidents as a client sees them: read whole, taken, closed, and written into, with every fault told."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from capliquify_ops.integrations import pagerduty, pagerduty_answers
from capliquify_ops.integrations.caller import Caller
from capliquify_ops.integrations.pagerduty import PagerDuty, pagerduty_service
from capliquify_ops.integrations.shape import Shape
from capliquify_ops.model.errors import (
    CredentialRefused,
    IntegrationFailed,
    NotThere,
    RateLimited,
    ServiceBroken,
    UsageError,
)
from capliquify_ops.model.secret import Secret

from .anything import read_or_refused, spoilt
from .conftest import FAULTS, REFUSALS, Fault
from .fake_pagerduty import NOW, TOKEN, USER, FakePagerDuty, mend_rest
from .published import published

INCIDENT = FakePagerDuty().open(key="db-full")
FAKE = FakePagerDuty


def shape(value):
    return Shape("PagerDuty", "a test", value)


@pytest.fixture
def client(running, patience):
    with Caller(pagerduty_service(Secret(TOKEN), USER, base_url=running.url), patience) as caller:
        yield PagerDuty(caller)


def test_open_incidents_are_those_that_nobody_closed(client, state):
    """Triggered and acknowledged incidents of the named services come oldest first, with times that have a zone and whole counts."""
    state.open(key="db-full", at=NOW - timedelta(hours=1))
    state.open(status="acknowledged", at=NOW - timedelta(hours=2))
    state.open(status="resolved")
    state.open(service="POTHER")
    found = client.open_incidents(["PSERVICE"])
    assert found.is_complete
    assert [(each.number, each.status, each.dedup_key) for each in found.incidents] == [
        (2, "acknowledged", ""),
        (1, "triggered", "db-full"),
    ]
    first = found.incidents[1]
    assert first.created_at == datetime(2029, 12, 31, 23, tzinfo=UTC)
    assert (first.id, first.title, first.urgency, first.service_id) == ("PINC001", "broken", "high", "PSERVICE")
    assert (first.service, first.assignees) == ("The API", ("Earline Greenholt",))
    assert first.url == "https://example.pagerduty.com/incidents/PINC001"


def test_an_incident_that_is_open_for_months_is_found(client, state):
    """PagerDuty searches one month unless it is told otherwise; an older open incident is not missed."""
    state.open(at=NOW - timedelta(days=200))
    assert len(client.open_incidents().incidents) == 1


def test_the_incident_of_a_problem_is_found_by_its_key(client, state):
    """With a dedup_key only the incidents of that problem are given."""
    state.open(key="a")
    state.open(key="b")
    assert [each.dedup_key for each in client.open_incidents(dedup_key="b").incidents] == ["b"]


def test_all_pages_are_read(client, state, running):
    """More incidents than fit on a page are all given, each once."""
    for number in range(230):
        state.open(at=NOW - timedelta(minutes=number))
    found = client.open_incidents()
    assert (len(found.incidents), len({each.id for each in found.incidents}), found.is_complete) == (230, 230, True)
    assert [dict(asked.query)["offset"] for asked in running.asked] == ["0", "100", "200"]


def test_pages_end(client, state, running, monkeypatch):
    """Behind the stated bound nothing is read, and the answer says that there was more."""
    monkeypatch.setattr(pagerduty, "MOST_PAGES", 2)
    for _ in range(201):
        state.open()
    found = client.open_incidents()
    assert (len(found.incidents), found.is_complete) == (200, False)
    running.faults.append(Fault(200, {"incidents": [], "more": True}))
    running.asked.clear()
    assert not client.open_incidents().is_complete
    assert len(running.asked) == 1


def test_an_incident_is_taken_and_closed(client, state):
    """After acknowledge it is acknowledged there, after resolve it is no longer open; each can be said twice."""
    opened = state.open()
    assert client.acknowledge(opened["id"]).status == "acknowledged"
    assert client.acknowledge(opened["id"]).status == "acknowledged"
    assert [each.status for each in client.open_incidents().incidents] == ["acknowledged"]
    assert client.resolve(opened["id"]).status == "resolved"
    assert client.resolve(opened["id"]).status == "resolved"
    assert client.open_incidents().incidents == ()


def test_a_closed_incident_cannot_be_taken(client, state, running):
    """Whether PagerDuty refuses it, or answers with the incident as it is: it is an error, not a success."""
    closed = state.open(status="resolved")
    with pytest.raises(IntegrationFailed, match="with 400: Invalid Input Provided"):
        client.acknowledge(closed["id"])
    running.faults.append(Fault(200, {"incident": closed}))
    with pytest.raises(IntegrationFailed, match="setting an incident to acknowledged is that it is 'resolved'"):
        client.acknowledge(closed["id"])


def test_a_change_of_status_is_repeated_after_a_fault(client, state, running):
    """A status is the same however often it is set: it is sent again after a fault."""
    opened = state.open()
    for fault in (Fault(500), Fault(reset=True), Fault(200, {"incident": opened}, cut=True)):
        running.faults[:] = [fault]
        assert client.acknowledge(opened["id"]).status == "acknowledged"


def test_a_note_is_written_once(client, state, running):
    """The note stands in the timeline; after a fault it is not written again, as nobody knows whether it stands there."""
    opened = state.open()
    written = client.add_note(opened["id"], "rolled back")
    assert (written.id, written.created_at) == ("PNOTE1", datetime(2030, 1, 1, tzinfo=UTC))
    running.faults.append(Fault(500))
    with pytest.raises(ServiceBroken):
        client.add_note(opened["id"], "again")
    running.faults.append(Fault(429))
    client.add_note(opened["id"], "refused by rate at first")
    assert state.notes == [("PINC001", "rolled back"), ("PINC001", "refused by rate at first")]


def test_what_cannot_be_meant_is_not_sent(client, running):
    """An empty note, and an id that would make another address, are errors of the call."""
    with pytest.raises(UsageError):
        client.add_note("PINC001", " \n")
    for name in ("", "..", " "):
        with pytest.raises(UsageError):
            client.resolve(name)
    assert running.asked == []


def test_an_id_stays_one_piece_of_the_address(client, running):
    """An id with strokes or a question mark does not lead to another operation."""
    with pytest.raises(NotThere):
        client.acknowledge("../services?x=1")
    assert running.asked[0].path == "/incidents/..%2Fservices%3Fx%3D1"


@pytest.mark.parametrize(("status", "kind"), REFUSALS.items())
def test_refusals_are_told_by_kind(client, running, status, kind):
    """Each refusal has its error, with PagerDuty's own reason in it."""
    running.faults += [Fault(status, {"error": {"message": "the reason", "code": 1}})] * 3
    with pytest.raises(kind, match=f"PagerDuty answered GET /incidents with {status}: the reason"):
        client.open_incidents()


def test_a_read_survives_faults(client, state, running, slept):
    """A rate limit with a time, an error of the server, a broken connection, and half an answer do not end a read."""
    state.open()
    for fault in FAULTS:
        running.faults[:] = [fault]
        assert len(client.open_incidents().incidents) == 1
    assert slept[0] == pytest.approx(2.025)


def test_the_reset_of_a_rate_limit_is_waited_for(client, state, running, slept):
    """The REST API says `ratelimit-reset` and no Retry-After: a short wait is waited, a long one is told."""
    running.faults += [
        Fault(429, {"error": {"message": "Rate Limit Exceeded"}}, {"ratelimit-reset": seconds}) for seconds in ("2", "20")
    ]
    with pytest.raises(RateLimited) as caught:
        client.open_incidents()
    assert (caught.value.retry_after_s, slept) == (20, [pytest.approx(2.025)])


def test_a_slow_answer_ends(running, hasty):
    """PagerDuty that hangs costs the budget of one operation and no more."""
    running.faults.append(Fault(after_s=0.6))
    service = pagerduty_service(Secret(TOKEN), USER, base_url=running.url)
    with (
        Caller(service, hasty) as caller,
        pytest.raises(ServiceBroken, match="in time"),
    ):
        PagerDuty(caller).open_incidents()


def test_the_token_is_nowhere(fake, patience, state, caplog):
    """Neither a representation, nor a log, nor the error after a refusal that repeats the token, holds it."""
    caplog.set_level("DEBUG")
    running = fake(lambda asked: (401, {"error": {"message": f"{asked.headers['authorization']} and {TOKEN} are unknown"}}))
    service = pagerduty_service(Secret(TOKEN), USER, base_url=running.url)
    with Caller(service, patience) as caller, pytest.raises(CredentialRefused) as caught:
        PagerDuty(caller).open_incidents()
    assert "[redacted]" in str(caught.value)
    for text in (str(caught.value), repr(caught.value), repr(service), repr(caller), caplog.text):
        assert TOKEN not in text


@pytest.mark.parametrize(
    "body", [None, b"<html>", [], {}, {"incidents": None}, {"incidents": [None]}, {"incidents": [], "more": 1}]
)
def test_another_shape_is_told_with_its_operation(client, running, body):
    """What is not a list of incidents is an error that names PagerDuty and the operation."""
    running.faults.append(Fault(200, body))
    with pytest.raises(IntegrationFailed, match="PagerDuty's answer to open incidents is not understood: the answer"):
        client.open_incidents()


@pytest.mark.parametrize("lost", ["id", "incident_number", "title", "status", "urgency", "created_at", "service"])
def test_an_incident_has_what_it_must_have(lost):
    """An incident without one of these is refused, and the error says which operation had it."""
    cut = {key: value for key, value in INCIDENT.items() if key != lost}
    with pytest.raises(
        IntegrationFailed, match=rf"PagerDuty's answer to a test is not understood: the answer\.incident\.{lost}\b"
    ):
        pagerduty_answers.incident(shape({"incident": cut}))


def test_what_is_new_is_tolerated():
    """A status nobody has heard of and fields nobody knows are no reason to fail."""
    found = pagerduty_answers.incident(shape({"incident": INCIDENT | {"status": "snoozed", "assignments": None}}))
    assert (found.status, found.assignees) == ("snoozed", ())


ANSWERS = {
    "incidents": {"incidents": [INCIDENT], "more": False},
    "incident": {"incident": INCIDENT},
    "note": {"note": {"id": "x", "created_at": "2030-01-01T00:00:00Z"}},
    "accepted": {"status": "success", "dedup_key": "x"},
}


@pytest.mark.parametrize("name", ANSWERS)
@given(data=st.data())
def test_any_answer_is_a_value_or_an_error(name, data):
    """No answer whatever ends in another error than IntegrationFailed."""
    read_or_refused(getattr(pagerduty_answers, name), "PagerDuty", data.draw(spoilt(ANSWERS[name])))


@pytest.mark.parametrize("time", ["0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00", "soon", "2030-01-01"])
def test_times_at_the_edges(time):
    """A time that no calendar in UTC holds is a wrong answer; one without a zone is UTC."""
    try:
        assert pagerduty_answers.note(shape({"note": {"id": "x", "created_at": time}})).created_at == NOW
    except IntegrationFailed as fault:
        assert time != "2030-01-01"
        assert "created_at is a text, not a time" in fault.what


def test_requests_and_answers_are_as_published(client, state, running):
    """Each request of the client, and each answer of the fake that the other tests rely on, passes the published document."""
    document = published("pagerduty.json", patch=mend_rest)
    opened = state.open(key="db-full")
    client.open_incidents(["PSERVICE"], dedup_key="db-full")
    client.acknowledge(opened["id"])
    client.resolve(opened["id"])
    client.add_note(opened["id"], "done")
    for refused in (lambda: client.acknowledge(opened["id"]), lambda: client.resolve("PNONE")):
        with pytest.raises(IntegrationFailed):
            refused()
    assert [(asked.method, asked.path) for asked in running.asked] == [
        ("GET", "/incidents"),
        ("PUT", "/incidents/PINC001"),
        ("PUT", "/incidents/PINC001"),
        ("POST", "/incidents/PINC001/notes"),
        ("PUT", "/incidents/PINC001"),
        ("PUT", "/incidents/PNONE"),
    ]
    for asked in running.asked:
        document.check_request(asked)
    assert len(state.answers) == 6
    for answer in state.answers:
        document.check_answer(*answer)
