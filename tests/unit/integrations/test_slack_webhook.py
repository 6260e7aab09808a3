"""Slack's incoming webhook: a message goes out once, and its address, which is the secret, stays inside."""

import logging

import pytest

from capliquify_ops.integrations.caller import Caller
from capliquify_ops.integrations.slack_message import Fields, Links, Message
from capliquify_ops.integrations.slack_webhook import SlackWebhook, slack_webhook_service
from capliquify_ops.model.errors import (
    ConfigurationInvalid,
    IntegrationFailed,
    NotThere,
    OperationForbidden,
    RateLimited,
    ServiceBroken,
)
from capliquify_ops.model.secret import Secret

from .conftest import Fault
from .fake_slack import CHANNEL, WEBHOOK, FakeSlack, wrong_in
from .published import published

MESSAGE = Message("The API is down", (Fields((("Since", "10:00"),)), Links((("Runbook", "https://runbook.test"),))))
SECRETS = ("T0TEAM", "B0HOOK", "onlyForThisTest")
FAKE = FakeSlack


@pytest.fixture
def client(running, patience):
    url = Secret(WEBHOOK)
    with Caller(slack_webhook_service(url, base_url=running.url), patience) as caller:
        yield SlackWebhook(caller, url)


def test_a_message_is_posted(client, state, running):
    """The message stands in the channel; it went to the address as it is, without a credential beside it."""
    assert client.post(MESSAGE) is None
    assert list(state.messages.values()) == [MESSAGE.document()]
    assert running.asked[0].path == "/services/T0TEAM/B0HOOK/onlyForThisTest"


def test_the_address_of_slack_is_taken_from_the_webhook():
    """Without another address for tests, the host is that of the webhook, and the service shows nothing more of it."""
    service = slack_webhook_service(Secret(WEBHOOK + "\n"))
    assert service.base_url == "https://hooks.slack.com"
    assert not any(secret in repr(service) for secret in SECRETS)


@pytest.mark.parametrize(
    "url",
    [
        "",
        "hooks.test",
        "http://hooks.test/services/T/B/X",
        "https://hooks.test/",
        "https://hooks.test/services/T//X",
        "https://a:b@x/services/T/B/X",
        "https://[/services/T/B/X",
    ],
)
def test_what_is_no_webhook_is_refused(url):
    """An address that is not one of a webhook, or goes in the clear, is an error that names the setting and does not repeat it."""
    with pytest.raises(ConfigurationInvalid, match=r"integrations\.slack\.webhook_env") as caught:
        slack_webhook_service(Secret(url))
    assert not url or url not in str(caught.value)


@pytest.mark.parametrize(
    ("status", "word", "kind"),
    [
        (400, b"invalid_payload", IntegrationFailed),
        (403, b"action_prohibited", OperationForbidden),
        (404, b"channel_not_found", NotThere),
        (410, b"channel_is_archived", NotThere),
        (429, b"", RateLimited),
        (500, b"rollup_error", ServiceBroken),
    ],
)
def test_refusals_are_told_by_kind_and_without_the_address(client, running, caplog, status, word, kind):
    """Each refusal has its error; neither it, nor what caused it, nor any log shows the address."""
    caplog.set_level(logging.DEBUG)
    running.faults += [Fault(status, word, {"Retry-After": "1"})] * 3
    with pytest.raises(IntegrationFailed, match=rf"Slack webhook answered POST \[redacted\] with {status}(: \w+)?\.") as caught:
        client.post(MESSAGE)
    assert type(caught.value) is kind
    assert word.decode() in caught.value.what
    assert (caught.value.__context__, caught.value.__cause__) == (None, None)
    assert "[redacted]" in caplog.text
    for text in (str(caught.value), repr(caught.value), caplog.text, repr(client), repr(vars(client))):
        assert not any(secret in text for secret in SECRETS)


def test_the_log_is_left_as_it_was(client):
    """After a message the log of the HTTP library is no longer touched."""
    before = list(logging.getLogger("httpx").filters)
    client.post(MESSAGE)
    assert logging.getLogger("httpx").filters == before


def test_an_archived_channel_and_a_webhook_that_is_gone(running, client, state, patience):
    """Both are told as what is not there, with what to do."""
    state.archived.add(CHANNEL)
    with pytest.raises(NotThere) as caught:
        client.post(MESSAGE)
    assert "make a new one" in caught.value.hint
    other = Secret("https://hooks.slack.com/services/T0TEAM/B0HOOK/gone")
    with Caller(slack_webhook_service(other, base_url=running.url), patience) as caller, pytest.raises(NotThere):
        SlackWebhook(caller, other).post(MESSAGE)


def test_a_message_is_not_posted_twice(client, state, running, slept):
    """After a fault nobody knows whether it stands there; only a refusal by rate is tried again, after the time that Slack says."""
    for fault in (Fault(500), Fault(reset=True), Fault(200, b"ok" * 99, cut=True)):
        running.asked.clear()
        running.faults[:] = [fault]
        with pytest.raises(ServiceBroken):
            client.post(MESSAGE)
        assert len(running.asked) == 1
    running.faults[:] = [Fault(429, headers={"Retry-After": "1"})]
    client.post(MESSAGE)
    assert len(state.messages) == 1
    assert slept == [pytest.approx(1.025)]


@pytest.mark.parametrize("body", [None, b"", b"<html>sign in onlyForThisTest</html>", b"no_service", {"ok": True}, b"\xff"])
def test_only_ok_is_ok(client, running, body):
    """Status 200 with anything but `ok` did not post: the error shows what came, without the address."""
    running.faults.append(Fault(200, body))
    with pytest.raises(IntegrationFailed, match=r"Slack webhook answered .* instead of 'ok'") as caught:
        client.post(MESSAGE)
    assert "onlyForThisTest" not in str(caught.value)


def test_a_slow_answer_ends_without_the_address(running, hasty):
    """Slack that hangs costs the budget of one operation and no more."""
    running.faults.append(Fault(after_s=0.6))
    url = Secret(WEBHOOK)
    with (
        Caller(slack_webhook_service(url, base_url=running.url), hasty) as caller,
        pytest.raises(ServiceBroken, match="in time") as caught,
    ):
        SlackWebhook(caller, url).post(MESSAGE)
    assert not any(secret in str(caught.value) for secret in SECRETS)


def test_the_body_is_as_described(client, running):
    """What is sent passes the schema of a message with blocks."""
    published("slack.json")
    client.post(MESSAGE)
    assert wrong_in(running.asked[0].body) == []
    assert wrong_in(running.asked[0].body | {"blocks": [{"type": "unknown"}]}) != []
