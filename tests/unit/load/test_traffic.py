"""Plans that a load's traffic gives: connections enough, below the service's rate limit, with tokens that outlast them."""

import json
from base64 import urlsafe_b64encode
from dataclasses import replace
from datetime import UTC, datetime
from types import SimpleNamespace

import pytest

from capliquify_ops.load import Caller, first_rows, reads
from capliquify_ops.load.first_rows import fill
from capliquify_ops.load.lifetimes import Renewal, end_of
from capliquify_ops.load.traffic import Traffic
from capliquify_ops.model.errors import ConfigurationInvalid, IntegrationFailed, UsageError
from capliquify_ops.model.protocols import TokenRequest
from capliquify_ops.model.secret import Secret

NOW = 1_800_000_000


def token(lives):
    claims = urlsafe_b64encode(json.dumps({"exp": NOW + lives}).encode()).decode().rstrip("=")
    return f"e30.{claims}.c2ln"


def callers(lives=900):
    return tuple(Caller(Secret(token(lives)), {}, f"sku-{letter}-") for letter in "abcdefghij")


TRAFFIC = Traffic("http://127.0.0.1:8000", callers(), callers(), reads("/rows"), (), (), rate_limit=200)


@pytest.mark.parametrize(
    ("rate", "generators", "connections"),
    [(10, 1, 100), (500, 1, 100), (501, 1, 101), (1_000, 1, 200), (5_000, 1, 500), (5_000, 4, 1_000)],
)
def test_as_many_connections_as_arrive_within_the_latency_limit(rate, generators, connections):
    """With fewer, answers that take 200 ms would be called the generator's fault; each generator can poll 500."""
    assert replace(TRAFFIC, rate_limit=0).api_plan(rate, 1, generators).connections == connections


def test_a_load_near_the_rate_limit_is_refused():
    """Half of the limit for each tenant is as near as it may come; an unknown limit is none."""
    assert TRAFFIC.api_plan(1_000, 1).rate == 1_000
    with pytest.raises(UsageError, match=r"1001 requests/s over 10 tenants are 100\.1 for each.* limit of 200"):
        TRAFFIC.api_plan(1_001, 1)
    assert replace(TRAFFIC, rate_limit=0).api_plan(9_000, 1).rate == 9_000


def renewal(known, lives):
    """Gives tokens of such a life, or of that asked for, the time standing still."""
    requests = [TokenRequest(caller.marker, "", "", "") for caller in known]
    asked = []
    source = SimpleNamespace(tokens=lambda some: asked.extend(some) or [token(lives or each.lasting_s) for each in some])
    clock = SimpleNamespace(now=lambda: datetime.fromtimestamp(NOW, UTC))
    return Renewal(source, requests, known, clock), asked


def test_tokens_that_would_end_within_the_run_are_asked_for_again():
    """For the same people; and nobody is asked while those at hand last."""
    known = callers(60)
    renewed, asked = renewal(known, 3_600)
    traffic = replace(TRAFFIC, crowd=known[1:], renewal=renewed)
    assert traffic.api_plan(10, 30).callers == known[1:]
    assert not asked
    plan = traffic.api_plan(10, 600)
    assert [each.user_id for each in asked] == [caller.marker for caller in known[1:]]
    assert {end_of(caller.token) for caller in plan.callers} == {NOW + 3_600}
    assert [caller.marker for caller in plan.callers] == [caller.marker for caller in known[1:]]


def test_tokens_are_asked_for_that_outlast_the_run():
    """A provider that gives a minute unless it is told otherwise is told: the run, its warm-up and start, and the making of them."""
    known = callers(60)
    renewed, asked = renewal(known, None)
    plan = replace(TRAFFIC, crowd=known, renewal=renewed).api_plan(10, 600)
    assert {each.lasting_s for each in asked} == {732}
    assert {end_of(caller.token) for caller in plan.callers} == {NOW + 732}


def test_a_provider_whose_tokens_end_within_the_run_is_one_sentence():
    """Before a request is sent: a run of refusals would be called the service's."""
    known = callers(60)
    traffic = replace(TRAFFIC, crowd=known, renewal=renewal(known, 60)[0])
    with pytest.raises(ConfigurationInvalid, match="end within the run: 60 s are left, and 612 s are needed"):
        traffic.api_plan(10, 600)


@pytest.mark.parametrize("text", ["opaque", "a.b.c", "e30.e30.e30", "e30.W10.e30", "e30.eyJleHAiOiAieCJ9.e30"])
def test_a_token_that_does_not_say_when_it_ends_never_does(text):
    """Only what is known is judged."""
    assert end_of(Secret(text)) == float("inf")


class Service:
    """Answers with the rows that were made, or fewer; stands for a client too."""

    def __init__(self, shown):
        self.shown, self.rows = shown, []

    def __call__(self, _):
        return self

    def __enter__(self):
        return self

    def __exit__(self, *_):
        pass

    def request(self, method, path, *, headers, content):
        if method == "POST":
            self.rows.append(json.loads(content))
        return SimpleNamespace(status=200, body=json.dumps(self.rows[: self.shown]).encode())


@pytest.mark.parametrize("between", ["-", " "])
def test_the_list_must_hold_the_rows_that_were_made(monkeypatch, between):
    """Otherwise every answer of the load would be wrong: one sentence, and not a failed check."""
    route = SimpleNamespace(path="/rows", fields={"sku": "unique" if between == "-" else "text"})
    monkeypatch.setattr(first_rows, "Client", Service(3))
    fill("http://127.0.0.1:8000", [callers()[:1]], route)
    monkeypatch.setattr(first_rows, "Client", Service(2))
    with pytest.raises(IntegrationFailed, match="GET /rows holds 2 of the 3 rows"):
        fill("http://127.0.0.1:8000", [callers()[:1]], route)
