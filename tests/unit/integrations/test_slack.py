"""Slack's bot as a client sees it: messages posted, answered and changed, and refusals found behind status 200."""

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from capliquify_ops.integrations import slack
from capliquify_ops.integrations.caller import Answer, Caller
from capliquify_ops.integrations.slack import Posted, Slack, slack_service
from capliquify_ops.integrations.slack_message import Header, Message, Section
from capliquify_ops.model.errors import (
    CredentialRefused,
    IntegrationFailed,
    NotThere,
    OperationForbidden,
    RateLimited,
    ServiceBroken,
    UsageError,
)
from capliquify_ops.model.secret import Secret

from .anything import JSON
from .conftest import FAULTS, REFUSALS, Fault
from .fake_slack import CHANNEL, TOKEN, FakeSlack, opened
from .published import published

MESSAGE = Message("The API is down", (Header("The API is down"), Section("Since 10:00")))
POSTED = {"ok": True, "channel": CHANNEL, "ts": "1893456000.000001", "message": {}}
FAKE = FakeSlack


@pytest.fixture
def client(running, patience):
    with Caller(slack_service(Secret(TOKEN), base_url=running.url), patience) as caller:
        yield Slack(caller)


def test_a_message_is_posted(client, state):
    """The message stands in the channel; its id and time come back."""
    posted = client.post(CHANNEL, MESSAGE)
    assert posted == Posted(CHANNEL, "1893456000.000001", datetime(2030, 1, 1, 0, 0, 0, 1, tzinfo=UTC))
    assert state.messages[posted.ts] == {"channel": CHANNEL, **MESSAGE.document()}


def test_an_answer_stands_in_the_thread(client, state):
    """An answer belongs to the message that was posted, and is shown in the channel only when that is wanted."""
    parent = client.post(CHANNEL, MESSAGE)
    quiet = client.post(CHANNEL, Message("rolled back"), thread=parent)
    loud = client.post(CHANNEL, Message("it is up"), thread=parent, is_broadcast=True)
    assert [state.messages[each.ts]["thread_ts"] for each in (quiet, loud)] == [parent.ts] * 2
    assert [state.messages[each.ts]["reply_broadcast"] for each in (quiet, loud)] == [False, True]
    assert "thread_ts" not in state.messages[parent.ts]


def test_a_message_is_changed_in_its_place(client, state):
    """The new message stands where the old one stood, nothing of the old one is left, and no second one appears."""
    posted = client.post(CHANNEL, MESSAGE)
    assert client.update(posted, Message("The API is up")) == posted
    assert state.messages == {posted.ts: {"channel": CHANNEL, "text": "The API is up"}}


def test_the_token_is_somebody(client):
    """The identity says whose token it is, and in which workspace."""
    found = client.identity()
    assert (found.team, found.team_id, found.user, found.user_id) == ("Example", "T0TEAM", "ops", "U0OPS")


def test_refusals_hide_behind_status_200(client, state, running):
    """A channel that is not there, an archived one, a message that is gone and a missing right are errors of their kind."""
    with pytest.raises(NotThere, match=r"Slack refused chat\.postMessage: channel_not_found"):
        client.post("C0000000000", MESSAGE)
    with pytest.raises(NotThere, match="message_not_found"):
        client.update(Posted(CHANNEL, "1893456000.999999", datetime(2030, 1, 1, tzinfo=UTC)), MESSAGE)
    state.archived.add(CHANNEL)
    with pytest.raises(NotThere, match="is_archived"):
        client.post(CHANNEL, MESSAGE)
    state.scopes.clear()
    with pytest.raises(OperationForbidden, match=r"missing_scope \(it needs chat:write\)"):
        client.post(CHANNEL, MESSAGE)
    assert state.messages == {}


def test_a_token_that_slack_does_not_know(running, patience):
    """A wrong token is told as such, with the setting that holds it."""
    with (
        Caller(slack_service(Secret("xoxb-other"), base_url=running.url), patience) as caller,
        pytest.raises(CredentialRefused, match="invalid_auth") as caught,
    ):
        Slack(caller).identity()
    assert "integrations.slack.token_env" in caught.value.hint


@pytest.mark.parametrize(
    ("word", "kind"),
    [
        ("token_revoked", CredentialRefused),
        ("not_in_channel", OperationForbidden),
        ("ratelimited", RateLimited),
        ("fatal_error", ServiceBroken),
        ("brand_new_word", IntegrationFailed),
        ("channel_not_found: <b>\n", IntegrationFailed),
    ],
)
def test_words_have_their_kind(client, running, word, kind):
    """Slack's word decides what kind of error it is; a new word is an error as well, and only letters of it are shown."""
    running.faults.append(Fault(200, {"ok": False, "error": word}))
    with pytest.raises(IntegrationFailed) as caught:
        client.post(CHANNEL, MESSAGE)
    assert type(caught.value) is kind
    assert not {"<", "\n"} & set(caught.value.what)


def test_a_message_is_not_posted_twice(client, state, running, slept):
    """After a fault nobody knows whether it stands there; only a refusal by rate is tried again, after the time that Slack says."""
    for fault in (Fault(500), Fault(reset=True), Fault(200, POSTED, cut=True)):
        running.asked.clear()
        running.faults[:] = [fault]
        with pytest.raises(ServiceBroken):
            client.post(CHANNEL, MESSAGE)
        assert len(running.asked) == 1
    running.faults[:] = [Fault(429, {"ok": False, "error": "ratelimited"}, {"Retry-After": "1"})]
    client.post(CHANNEL, MESSAGE)
    assert len(state.messages) == 1
    assert slept == [pytest.approx(1.025)]


def test_a_change_is_repeated_after_a_fault(client, state, running):
    """The same message in the same place is the same however often it is put there."""
    posted = client.post(CHANNEL, MESSAGE)
    for fault in (Fault(500), Fault(reset=True), Fault(200, POSTED, cut=True)):
        running.faults[:] = [fault]
        assert client.update(posted, Message("up")).ts == posted.ts
    assert len(state.messages) == 1


@pytest.mark.parametrize(("status", "kind"), REFUSALS.items())
def test_refusals_by_status_are_told_by_kind(client, running, status, kind):
    """What stands before Slack answers by status: each has its error."""
    running.faults += [Fault(status, {"ok": False, "error": "the_reason"})] * 3
    with pytest.raises(kind, match=f"Slack answered GET /api/auth.test with {status}: the_reason"):
        client.identity()


def test_a_read_survives_faults(client, running):
    """A rate limit, an error of the server, a broken connection, and half an answer do not end a read."""
    for fault in FAULTS:
        running.faults[:] = [fault]
        assert client.identity().user == "ops"


def test_a_slow_answer_ends(running, hasty):
    """Slack that hangs costs the budget of one operation and no more."""
    running.faults.append(Fault(after_s=0.6))
    with (
        Caller(slack_service(Secret(TOKEN), base_url=running.url), hasty) as caller,
        pytest.raises(ServiceBroken, match="in time"),
    ):
        Slack(caller).post(CHANNEL, MESSAGE)


def test_a_message_without_text_is_not_sent(client, running):
    """A message that Slack would refuse is an error of the call."""
    with pytest.raises(UsageError):
        client.post(CHANNEL, Message(""))
    assert running.asked == []


def test_the_token_is_nowhere(fake, patience, caplog):
    """Neither a representation, nor a log, nor the error after a refusal that repeats the token, holds it."""
    caplog.set_level("DEBUG")
    running = fake(lambda asked: (401, {"error": f"unknown: {asked.headers['authorization']}"}))
    service = slack_service(Secret(TOKEN), base_url=running.url)
    with Caller(service, patience) as caller, pytest.raises(CredentialRefused) as caught:
        Slack(caller).identity()
    assert "[redacted]" in str(caught.value)
    for text in (str(caught.value), repr(caught.value), repr(service), repr(caller), caplog.text):
        assert TOKEN not in text


@pytest.mark.parametrize(
    "body",
    [
        None,
        b"ok",
        [],
        {},
        {"ok": 1},
        {"ok": False},
        {"ok": True},
        POSTED | {"ts": 1},
        POSTED | {"ts": "x"},
        POSTED | {"channel": None},
    ],
)
def test_another_shape_is_told_with_its_operation(client, running, body):
    """What is neither a success with its id nor a refusal with its word is an error that names Slack and the operation."""
    running.faults.append(Fault(200, body))
    with pytest.raises(IntegrationFailed, match=r"Slack's answer to chat\.postMessage is not understood: the answer"):
        client.post(CHANNEL, MESSAGE)


@given(JSON, st.sampled_from(sorted(POSTED)), JSON)
def test_any_answer_is_a_value_or_an_error(document, key, value):
    """No answer whatever ends in another error than IntegrationFailed."""
    for given_answer in (document, POSTED | {key: value}, {"ok": False, "error": value, "needed": document}):
        try:
            slack._posted(Answer(200, given_answer, {}), "a test")
        except IntegrationFailed as fault:
            assert fault.what.startswith(("Slack's answer to a test is not understood: ", "Slack refused a test"))


def test_requests_and_answers_are_as_published(client, state, running):
    """Each request of the client, and each answer of the fake that the other tests rely on, passes the published document."""
    document = published("slack.json", patch=opened)
    posted = client.post(CHANNEL, MESSAGE)
    client.post(CHANNEL, MESSAGE, thread=posted)
    client.update(posted, MESSAGE)
    client.identity()
    state.scopes.clear()
    with pytest.raises(OperationForbidden):
        client.post(CHANNEL, MESSAGE)
    assert [(asked.method, asked.path) for asked in running.asked] == [
        *[("POST", "/api/chat.postMessage")] * 2,
        ("POST", "/api/chat.update"),
        ("GET", "/api/auth.test"),
        ("POST", "/api/chat.postMessage"),
    ]
    for asked in running.asked:
        document.check_request(asked, asked.path.removeprefix("/api"))
    assert len(state.answers) == 5
    for answer in state.answers:
        document.check_answer(*answer)
