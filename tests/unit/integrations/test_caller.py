"""The caller against a real socket: what is tried again, for how long, and what is said when it did not help."""

import pytest

from capliquify_ops.integrations.caller import Caller, Service
from capliquify_ops.model.errors import (
    CredentialRefused,
    IntegrationFailed,
    NotThere,
    OperationForbidden,
    RateLimited,
    ServiceBroken,
)

from .conftest import Fault

TOKEN = "rnd_only_for_this_test_1234"


@pytest.fixture
def calling(fake, patience):
    """A fake that answers 200, and a caller of it."""
    running = fake(lambda asked: (200, {"path": asked.path}))
    service = Service("Render", running.url, "integrations.render.token_env", {"Authorization": f"Bearer {TOKEN}"})
    with Caller(service, patience) as caller:
        yield running, caller


def test_the_credential_and_the_query_arrive(calling):
    """A read carries the credential and an encoded query, and gives the document."""
    running, caller = calling
    answer = caller.get("/services", [("name", "a b&c"), ("limit", "100")])
    assert (answer.status, answer.json) == (200, {"path": "/services"})
    assert running.asked[0].query == [("name", "a b&c"), ("limit", "100")]
    assert running.asked[0].headers["authorization"] == f"Bearer {TOKEN}"


@pytest.mark.parametrize(
    ("status", "kind", "code"),
    [
        (400, IntegrationFailed, 69),
        (302, IntegrationFailed, 69),
        (401, CredentialRefused, 78),
        (403, OperationForbidden, 17),
        (404, NotThere, 69),
        (410, NotThere, 69),
        (429, RateLimited, 75),
        (500, ServiceBroken, 69),
        (503, ServiceBroken, 69),
    ],
)
def test_each_refusal_has_its_error(calling, status, kind, code):
    """The error says which service answered what, where, and why; never the credential or the query."""
    running, caller = calling
    running.faults += [Fault(status, {"message": f"no, {TOKEN}\nnot you"})] * 9
    with pytest.raises(IntegrationFailed) as caught:
        caller.get("/services", [("secret", "query")])
    assert type(caught.value) is kind
    assert caught.value.exit_code == code
    said = str(caught.value)
    assert f"Render answered GET /services with {status}: no, [redacted] not you." in said
    assert "query" not in said
    assert TOKEN not in repr(caught.value)


@pytest.mark.parametrize(
    "body", [{"errors": [{"message": "x"}]}, {"error": "x"}, {"detail": "x"}, [{"message": "x"}], {"error": {"message": "x"}}]
)
def test_the_reason_is_found_where_services_put_it(calling, body):
    """Each service has a place of its own for the reason of a refusal."""
    running, caller = calling
    running.faults.append(Fault(400, body))
    with pytest.raises(IntegrationFailed, match="with 400: x"):
        caller.get("/x")


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (b"no_service", ": no_service"),
        (b"invalid_payload\n", ": invalid_payload"),
        (f"unknown: {TOKEN}".encode(), ": unknown: [redacted]"),
        (b"x" * 200, f": {'x' * 200}"),
        (b"x" * 201, ""),
        (b"<html>no</html>", ""),
        (b"no\nreason", ""),
        (b"\x1b[31mno", ""),
        (b"no\x80", ""),
        (b" ", ""),
    ],
)
def test_a_plain_reason_is_said(calling, body, said):
    """One short line of text is a reason, without the credential; a page, a longer text, and what no terminal should get are none."""
    running, caller = calling
    running.faults.append(Fault(400, body))
    with pytest.raises(IntegrationFailed) as caught:
        caller.get("/x")
    assert caught.value.what == f"Render answered GET /x with 400{said}."


def test_a_read_is_tried_again_after_a_fault(calling, slept):
    """A server that breaks, closes, or cuts its answer short is asked again, each time later; then the answer counts."""
    running, caller = calling
    for fault in (Fault(500), Fault(reset=True), Fault(status=200, body={"long": "x" * 1000}, cut=True)):
        running.faults[:] = [fault, Fault(503)]
        assert caller.get("/x").json == {"path": "/x"}
    # A kept connection that was closed is asked again at once.
    assert slept == [0.25, 0.5, 0.25, 0.25, 0.5]


def test_patience_ends(calling, slept):
    """After three tries the fault is told; no try begins behind the budget."""
    running, caller = calling
    running.faults += [Fault(500)] * 9
    with pytest.raises(ServiceBroken):
        caller.get("/x")
    assert len(running.asked) == 3
    running.faults[:] = [Fault(429, headers={"Retry-After": "60"})]
    with pytest.raises(RateLimited) as caught:
        caller.get("/x")
    assert caught.value.retry_after_s == 60
    assert len(running.asked) == 4
    assert sum(slept) < 5


@pytest.mark.parametrize("value", ["2", "Tue, 01 Jan 2030 00:00:02 GMT"])
def test_retry_after_is_obeyed(calling, slept, value):
    """Seconds and dates alike: it is asked again a little after that, not before."""
    running, caller = calling
    running.faults.append(Fault(429, headers={"Retry-After": value}))
    assert caller.get("/x").status == 200
    assert slept == [pytest.approx(2.025)]


def test_the_reset_of_a_rate_limit_is_waited_for(calling, slept):
    """Where a service names no Retry-After, the seconds until its limit is reset count; where it names both, Retry-After."""
    running, caller = calling
    running.faults.append(Fault(429, headers={"Ratelimit-Limit": "400", "Ratelimit-Remaining": "0", "Ratelimit-Reset": "3"}))
    assert caller.get("/x").status == 200
    running.faults.append(Fault(429, headers={"Retry-After": "2", "Ratelimit-Reset": "60"}))
    assert caller.get("/x").status == 200
    assert slept == [pytest.approx(3.025), pytest.approx(2.025)]


@pytest.mark.parametrize("value", ["", "soon", "-1", "²", "9" * 400, "Tue, 99 Jan 2030"])
def test_a_retry_after_that_is_none_is_no_reason_to_fail(calling, value):
    """What nobody can read, or nobody would wait for, is a refusal by rate and nothing else."""
    running, caller = calling
    running.faults += [Fault(429, headers={"Retry-After": value.encode().decode("latin-1")})] * 3
    with pytest.raises(RateLimited):
        caller.get("/x")


def test_a_change_is_not_made_twice(calling):
    """After a fault nobody knows whether the change was made: it is not sent again, unless it may be or was refused by rate."""
    running, caller = calling
    for fault in (Fault(500), Fault(reset=True), Fault(status=200, body={"long": "x" * 1000}, cut=True)):
        running.asked.clear()
        running.faults[:] = [fault]
        with pytest.raises(ServiceBroken):
            caller.send("POST", "/restart")
        assert len(running.asked) == 1
        running.faults[:] = [fault]
        assert caller.send("POST", "/event", {"key": 1}, is_repeatable=True).status == 200
    running.faults[:] = [Fault(429)]
    assert caller.send("POST", "/restart", {"a": "b"}).status == 200
    assert running.asked[-1].body == {"a": "b"}


def test_nobody_there(fake, patience):
    """A service that does not listen is broken, by its name."""
    running = fake(lambda _: (200, None))
    running.close()
    with Caller(Service("Slack", running.url, "x"), patience) as caller, pytest.raises(ServiceBroken, match="Slack: http://127"):
        caller.get("/x")


def test_a_slow_answer_ends_with_the_budget(fake, hasty):
    """A service that does not answer costs the budget and no more."""
    running = fake(lambda _: (200, None))
    running.faults.append(Fault(after_s=3))
    with (
        Caller(Service("Clerk", running.url, "x"), hasty) as caller,
        pytest.raises(ServiceBroken, match="did not answer GET /x in time"),
    ):
        caller.get("/x")


@pytest.mark.parametrize(("body", "json", "text"), [(None, None, ""), (b"ok", None, "ok"), ({"a": 1}, {"a": 1}, '{"a": 1}')])
def test_answers_of_every_kind(fake, patience, body, json, text):
    """No body, text, and JSON are all good answers."""
    running = fake(lambda _: (200, body))
    with Caller(Service("x", running.url, "x"), patience) as caller:
        answer = caller.get("/")
    assert (answer.json, answer.text) == (json, text)
