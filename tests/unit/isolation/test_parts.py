"""The pure parts around the sensor and the judge: tables, forged tokens, pace, ids, bodies."""

import importlib
import json
from datetime import UTC, datetime
from pathlib import Path

import jwt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from capliquify_ops.configuration import Route, load_profile
from capliquify_ops.isolation import controls, scenarios
from capliquify_ops.isolation.bodies import body, references, text_fields
from capliquify_ops.isolation.catalogue import families, named
from capliquify_ops.isolation.exchange import leaves, objects, sendable
from capliquify_ops.isolation.forged import forgeries, shuffled, spliced
from capliquify_ops.isolation.guessed_ids import unknown_like
from capliquify_ops.isolation.own_rows import _difference
from capliquify_ops.isolation.pace import Pace
from capliquify_ops.isolation.people import Person, Wallet, parts_of
from capliquify_ops.isolation.probe import CannotTell, answers
from capliquify_ops.isolation.selectors import payloads
from capliquify_ops.model.errors import UsageError
from capliquify_ops.model.outcome import Severity
from capliquify_ops.model.protocols import TokenVariant

PROFILE = load_profile("capliquify", Path())
SEVERITIES = {
    Severity.CRITICAL: "001 002 003 005 006 011 012 015 016",
    Severity.HIGH: "004 007 008 013 014 017 020",
    Severity.MEDIUM: "009 010 018 019",
}


def test_the_tables():
    """There are 18 scenarios and 20 controls in order, with the severities of the audit plan, and the families with a guard before them."""
    assert [row.id for row in scenarios()] == [f"INT-{number:02}" for number in range(1, 19)]
    assert [row.id for row in controls()] == [f"SEC-{number:03}" for number in range(1, 21)]
    assert [row.id for row in families()] == [f"ISO-{number:02}" for number in range(11)]
    expected = {f"SEC-{number}": severity for severity, numbers in SEVERITIES.items() for number in numbers.split()}
    assert {row.id: row.severity for row in controls()} == expected


@pytest.mark.parametrize("row", [*scenarios(), *controls(), *families()], ids=lambda row: row.id)
def test_every_measure_exists(row):
    """The function that a row names is there and says which row it measures."""
    module, function = row.measure.split(".")
    measure = getattr(importlib.import_module(f"capliquify_ops.isolation.{module}"), function)
    assert measure.__doc__.startswith(f"{row.id}: ")


def test_unknown_checks():
    """A check that does not exist is refused with a sentence."""
    with pytest.raises(UsageError, match="no check"):
        named("sec_999_nothing", controls())


class Clock:
    """A clock that moves when somebody sleeps."""

    def __init__(self):
        self.at = 0.0

    def monotonic(self):
        return self.at

    def now(self):
        return datetime.fromtimestamp(self.at, UTC)

    def sleep(self, seconds):
        self.at += seconds


@given(limit=st.integers(10, 5000), gaps=st.lists(st.floats(0, 0.5), min_size=1, max_size=300))
def test_pace(limit, gaps):
    """In no second does one tenant get more than half of its rate limit, however the requests come."""
    clock, sent = Clock(), []
    pace = Pace(limit, clock, clock.sleep)
    for gap in gaps:
        clock.at += gap * 0.01
        pace.wait("a")
        sent.append(clock.at)
    for index, start in enumerate(sent):
        within = sum(1 for at in sent[index:] if at < start + 1)
        assert within <= limit / 2 + 1


def test_pace_is_per_tenant():
    """A tenant that has used up its share does not slow another one down."""
    clock = Clock()
    pace = Pace(10, clock, clock.sleep)
    for _ in range(20):
        pace.wait("a")
    before = clock.at
    pace.wait("b")
    assert clock.at == before > 0


KEY = "a key of the right length for a test"
TOKEN = jwt.encode({"sub": "u", "org_id": "org_a", "exp": 10**10}, KEY, algorithm="HS256", headers={"kid": "k1"})


def test_forgeries_claim_what_they_should():
    """Each forgery is a JSON web token with the wanted claims, differs from the original, and fails verification."""
    found = dict(forgeries(TOKEN, {"org_id": "org_b"}))
    assert len(found) >= 10
    for name, token in found.items():
        assert parts_of(token)[1]["org_id"] == ("org_a" if name.startswith("the own") else "org_b")
        with pytest.raises(jwt.PyJWTError):
            jwt.decode(token, KEY, algorithms=["HS256"])
    algorithms = {parts_of(token)[0]["alg"] for token in found.values()}
    assert {"none", "None", "nOnE", "HS256"} <= algorithms


def test_an_opaque_token_cannot_be_forged():
    """A token that is no JSON web token has no claims to change; it can still be altered."""
    assert list(forgeries("opaque-session-token", {"org_id": "x"})) == []
    assert shuffled("opaque-session-token") != "opaque-session-token"
    assert parts_of("a.b.c") == ({}, {})


@given(token=st.from_regex(r"[A-Za-z0-9_-]{1,60}\.[A-Za-z0-9_-]{1,60}\.[A-Za-z0-9_-]{1,60}", fullmatch=True))
def test_shuffling_always_changes(token):
    """An altered token is never the token itself."""
    assert shuffled(token) != token
    assert spliced(token, "x.y.z").endswith(".z")


class Source:
    """A token source that counts and cannot make everything."""

    def __init__(self, clock, life=60):
        self.clock, self.life, self.asked = clock, life, []

    def tokens(self, requests):
        self.asked.append(len(requests))
        return [self._token(request) for request in requests]

    def _token(self, request):
        if request.variant is not TokenVariant.VALID:
            return None
        return jwt.encode({"sub": request.user_id, "exp": int(self.clock.now().timestamp()) + self.life}, KEY)

    def forget(self, run):
        """Nothing to forget."""


def person(name):
    return Person(name, "a", f"user_{name}", f"{name}@example.com", "org_a", "member")


def test_tokens_are_had_in_one_batch_and_renewed():
    """A batch is one question; a token close to its end is replaced, any other is kept."""
    clock = Clock()
    source = Source(clock)
    wallet = Wallet(source, clock)
    wallet.fill([person("one"), person("two")], ensure=True)
    first = wallet.token(person("one"))
    assert source.asked == [2]
    assert wallet.token(person("one")) == first
    clock.at = 50
    assert wallet.token(person("one")) != first
    assert source.asked == [2, 1]


def test_a_variant_that_cannot_be_made():
    """A token that the source cannot make is a reason, not an error in the suite."""
    clock = Clock()
    wallet = Wallet(Source(clock), clock)
    with pytest.raises(CannotTell, match="no expired token for one"):
        wallet.token(person("one"), TokenVariant.EXPIRED)


@given(noise=st.binary(min_size=16, max_size=16))
def test_unknown_ids_keep_their_shape(noise):
    """An unknown id looks like the known one and differs from it."""
    for known in ("17", "3f2504e0-4f89-41d3-9a0c-0305e82c3301", "prod_8Hk2mN4pQ7rS9tU", "ab12"):
        unknown = unknown_like(known, noise)
        assert unknown != known or known == noise.hex()[:4]
        assert len(unknown) == len(known) or known == "17"
        assert unknown.count("-") == known.count("-")


def test_bodies_follow_the_profile():
    """Every collection that the profile describes gets a body of its fields, with the canary in each text."""
    found = [route for route in PROFILE.routes.values() if route.fields]
    assert {route.name for route in found} >= {"products", "sales", "inventory", "forecasts", "scenarios"}
    for route in found:
        content = body(route, "canary1", 4, lambda name: f"id of {name}")
        assert content.keys() == route.fields.keys()
        assert all("canary1" in content[name] for name in text_fields(route))
        assert all(content[name] == f"id of {target}" for name, target in references(route.fields).items())
        json.dumps(content)


def test_a_literal_is_sent_as_it_is():
    """A field that names no kind is sent as the profile has it."""
    route = Route("r", "/r", "tenant", ("POST",), "viewer", "", {"currency": "EUR", "nested": {"x": 1}, "flag": True})
    assert body(route, "t", 1, str) == {"currency": "EUR", "nested": {"x": 1}, "flag": True}


def test_situations_that_the_profile_lacks():
    """An answer that the profile does not describe makes the check inconclusive, and says what to add."""
    with pytest.raises(CannotTell, match=r"answers\.teapot"):
        answers(PROFILE, "teapot")
    both = answers(PROFILE, "not_member", "no_tenant")
    assert both.statuses == {403, 404}


def test_payloads_can_be_sent():
    """Every injected text is a header value that a client can send, and none changes anything where it is run."""
    for text in payloads("tenant_a", "tenant_b"):
        assert text.isascii()
        assert text.isprintable()
        assert not any(word in text.upper() for word in ("DROP", "DELETE", "UPDATE", "INSERT", "ALTER"))


@given(value=st.text(alphabet=st.characters(exclude_categories=["Cs"]), max_size=60))
def test_any_name_can_be_sent(value):
    """Whatever a registry calls a schema, a request with that name in a header can be sent."""
    sent = sendable(value)
    assert sent == sent.strip()
    assert all(" " <= one <= "~" for one in sent)
    assert sendable(sent) == sent


def observed(**document):
    return dict(leaves(document))


def test_twin_observations():
    """What moves by itself is left out, a list as a whole; what another tenant's write moved is named."""
    first = observed(products=3, at="10:00", log=[{"id": 1}])
    second = observed(products=3, at="10:01", log=[{"id": 2}, {"id": 1}])
    third = observed(products=3, at="10:02", log=[{"id": 3}, {"id": 2}, {"id": 1}])
    assert _difference(first, second, third) == ""
    assert _difference(first, second, third | {".products": 4}) == ".products"
    assert _difference(observed(rows=[1]), observed(rows=[1]), observed(rows=[1, 2])) == ".rows[1]"


@given(
    st.recursive(st.integers() | st.text(max_size=5), lambda inner: st.lists(inner) | st.dictionaries(st.text(max_size=3), inner))
)
def test_walking_documents(document):
    """Every object with an id is found, at whatever depth, and every leaf is given."""
    assert [row["id"] for row in objects({"id": "outer", "deep": [[document, {"id": 7}]]})][-1] == 7
    assert [value for _, value in leaves([document, 1])][-1] == 1
