"""Session tokens: which ones hold, and in one sentence why the others do not."""

import builtins
from datetime import UTC, datetime, timedelta, timezone

import jwt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from capliquify_ops.integrations import clerk_records as records
from capliquify_ops.integrations.caller import Caller
from capliquify_ops.integrations.clerk import Clerk, service
from capliquify_ops.integrations.clerk_verification import LEEWAY, Verification, verify_offline
from capliquify_ops.integrations.shape import Shape
from capliquify_ops.model.errors import ConfigurationInvalid, IntegrationFailed
from capliquify_ops.model.secret import Secret

from .anything import JSON, read_or_refused, spoilt
from .fake_clerk import KEY_ID, NOW, SECRET_KEY, FakeClerk

START = datetime(2030, 1, 1, tzinfo=UTC)
PARTY = "https://app.example.com"
SESSION = {"user_id": "user_1", "id": "sess_1", "last_active_organization_id": "org_1"}
CLAIMS = FakeClerk.claims(SESSION)
FAKE = FakeClerk


@pytest.fixture
def state(state):
    state.join("user_1", "org_1")
    return state


@pytest.fixture
def clerk(running, patience):
    with Caller(service(Secret(SECRET_KEY), f"{running.url}/v1"), patience) as caller:
        yield Clerk(caller)


@pytest.fixture
def keys():
    return records.signing_keys(Shape("Clerk", "x", {"keys": [FakeClerk._jwk("own", KEY_ID)]}))


def signed(**over):
    wanted = {name: value for name, value in (CLAIMS | over).items() if value is not None}
    return Secret(FakeClerk().sign(wanted))


def test_a_token_of_an_active_session_holds(clerk):
    """It names its user, session, organisation and end."""
    session = clerk.create_session("user_1", "org_1")
    found = clerk.verify_session(clerk.session_token(session.id), START, [PARTY])
    assert found == Verification("", "user_1", session.id, "org_1", START + timedelta(seconds=60))
    assert found.is_valid


def test_a_token_ends_with_its_session(clerk, state):
    """The signature of a revoked session's token still holds; the session does not, nor does one that is gone or another's."""
    session = clerk.create_session("user_1", "org_1")
    token = clerk.session_token(session.id)
    assert clerk.verify_session(token, START).is_valid
    clerk.revoke_session(session.id)
    assert clerk.verify_session(token, START).why == "its session is revoked"
    state.sessions[session.id] |= {"status": "active", "user_id": "user_2"}
    assert clerk.verify_session(token, START).why == "its session is another user's"
    del state.sessions[session.id]
    found = clerk.verify_session(token, START)
    assert (found.why, found.user_id, found.is_valid) == ("its session does not exist", "user_1", False)


def test_a_refused_token_asks_for_no_session(clerk, state):
    """What its own signature or time refuses is not looked up."""
    token = clerk.session_token(clerk.create_session("user_1").id)
    state.sessions.clear()
    assert clerk.verify_session(token, START + timedelta(hours=1)).why == "it has expired"


@pytest.mark.parametrize(
    ("after", "why"),
    [
        (timedelta(0), ""),
        (timedelta(seconds=60) + LEEWAY - timedelta(seconds=1), ""),
        (timedelta(seconds=60) + LEEWAY, "it has expired"),
        (timedelta(seconds=-10) - LEEWAY, ""),
        (timedelta(seconds=-11) - LEEWAY, "its time has not come"),
    ],
)
def test_the_time_is_the_one_that_is_given(keys, after, why):
    """A token holds from its beginning to its end, with a leeway for clocks that differ, in whatever zone the time is told."""
    assert verify_offline(signed(), keys, START + after).why == why
    assert verify_offline(signed(), keys, (START + after).astimezone(timezone(timedelta(hours=-7)))).why == why


@pytest.mark.parametrize("over", [{"exp": None}, {"sub": None}, {"sid": None}, {"sub": 7}, {"exp": 10**30}, {"sid": ""}])
def test_a_token_without_user_session_or_end_is_refused(keys, over):
    """Such a token cannot be a session's, however well it is signed."""
    assert verify_offline(signed(**over), keys, START).why == "it names no user, no session or no end"


def test_another_partys_token_is_refused(keys):
    """Where parties are given, a token that another site asked for, or nobody, does not count."""
    assert verify_offline(signed(), keys, START, [PARTY]).is_valid
    for azp in ("https://evil.example.com", None):
        assert verify_offline(signed(azp=azp), keys, START, [PARTY]).why == "another party asked for it"
        assert verify_offline(signed(azp=azp), keys, START).is_valid


def test_the_organisation_of_both_versions_of_tokens(keys):
    """Older tokens say `org_id`, newer ones `o.id`; a personal session has none."""
    assert verify_offline(signed(), keys, START).organization_id == "org_1"
    assert verify_offline(signed(org_id=None, o={"id": "org_2"}), keys, START).organization_id == "org_2"
    assert verify_offline(signed(org_id=None), keys, START).organization_id is None


def test_forged_tokens_are_refused(keys):
    """Another key under the real name, an unsigned one, one that the public key was misused for, and an altered one."""
    own = FakeClerk()
    public = keys[0].parts["n"]
    symmetric = jwt.encode(CLAIMS, public, algorithm="HS256", headers={"kid": KEY_ID})
    unsigned = jwt.encode(CLAIMS, None, algorithm="none", headers={"kid": KEY_ID})
    head, payload, signature = own.sign(CLAIMS).split(".")
    altered = own.sign(CLAIMS | {"sub": "user_2"}).split(".")[1]
    for forged in (own.sign(CLAIMS, key="older"), symmetric, unsigned, f"{head}.{altered}.{signature}", f"{head}.{payload}."):
        found = verify_offline(Secret(forged), keys, START)
        assert (found.why, found.user_id) == ("its signature does not hold", None), forged
    assert verify_offline(Secret(own.sign(CLAIMS, kid="ins_9")), keys, START).why == "no key of the instance signed it"
    assert verify_offline(Secret(own.sign(CLAIMS)), (), START).why == "no key of the instance signed it"


@pytest.mark.parametrize("text", ["", "x", "a.b.c", "eyJ.eyJ.", "ü.ü.ü", "....", "\ud800"])
def test_what_is_no_token_is_refused(keys, text):
    """Any text at all gives a verdict."""
    assert verify_offline(Secret(text), keys, START).why == "it is not a signed token"


def test_a_private_or_symmetric_key_is_never_taken_over():
    """Of a key that carries more than its public half only that half is read; keys that verify nothing are left out."""
    own = FakeClerk._jwk("own", KEY_ID)
    found = records.signing_keys(
        Shape("Clerk", "x", {"keys": [own | {"d": "private"}, {"kty": "oct", "k": "private"}, {"kty": "new"}]})
    )
    assert [(key.id, sorted(key.parts)) for key in found] == [(KEY_ID, ["e", "n"])]
    assert "private" not in repr(found)


@pytest.mark.parametrize(
    "over", [{"alg": "HS256"}, {"alg": "none"}, {"n": "!"}, {"n": "ü"}, {"kty": "EC", "crv": "P-0", "x": "a", "y": "b"}]
)
def test_a_key_that_cannot_be_used_is_clerks_fault(over):
    """It is told as such, not as a token that does not hold."""
    keys = records.signing_keys(Shape("Clerk", "x", {"keys": [FakeClerk._jwk("own", KEY_ID) | over]}))
    with pytest.raises(IntegrationFailed, match="Clerk's signing key ins_1"):
        verify_offline(signed(), keys, START)


@pytest.mark.parametrize("absent", ["jwt", "cryptography"])
def test_without_its_packages_nothing_is_verified(keys, monkeypatch, absent):
    """The error names the extra that is to be installed; all other operations do without it."""
    token, real = signed(), builtins.__import__

    def importing(name, *rest):
        if name == absent:
            raise ImportError(name)
        return real(name, *rest)

    monkeypatch.setattr(builtins, "__import__", importing)
    with pytest.raises(ConfigurationInvalid, match=r"capliquify-ops\[suites\]"):
        verify_offline(token, keys, START)


MEMBERSHIP = FakeClerk()._membership({"user": "user_1", "organization": "org_1", "role": "r", "permissions": ["p"]})
TICKET = {"id": "a", "user_id": "b", "status": "c", "token": "d", "url": None, "created_at": 1}
WHOLE = {
    "membership": (lambda shape: records.membership(shape, "user_1"), MEMBERSHIP),
    "session": (records.session, {"id": "a", "user_id": "b", "status": "c", "created_at": NOW * 1000, "expire_at": NOW * 1000}),
    "sign_in_token": (records.sign_in_token, TICKET),
    "testing_token": (records.testing_token, {"token": "a", "expires_at": NOW}),
    "signing_keys": (records.signing_keys, {"keys": [FakeClerk._jwk("own", KEY_ID)]}),
}


@pytest.mark.parametrize("name", WHOLE)
@given(data=st.data())
def test_any_json_is_read_or_refused(name, data):
    """Whatever stands in place of an answer, or of any part of a good one, gives a record or one IntegrationFailed."""
    read, whole = WHOLE[name]
    assert read(Shape("Clerk", "GET /x", whole)) is not None
    read_or_refused(read, "Clerk", data.draw(spoilt(whole)))


@pytest.mark.parametrize("value", [None, "1893459600", 1.5, True, -1, 10**30])
def test_a_time_that_is_none_is_refused(value):
    """Text, fractions, truth values, negative numbers and ages beyond any calendar are no times, and null is not 1970."""
    with pytest.raises(IntegrationFailed, match=r"Clerk's answer to GET /x is not understood: the answer\.expires_at is "):
        records.testing_token(Shape("Clerk", "GET /x", {"token": "a", "expires_at": value}))


@given(claims=st.dictionaries(st.sampled_from(["exp", "nbf", "sub", "sid", "azp", "org_id", "o", "iat", "aud", "jti"]), JSON))
def test_any_claims_give_a_verdict(claims):
    """Whatever a well-signed token claims, it is judged, not stumbled over."""
    keys = records.signing_keys(Shape("Clerk", "x", {"keys": [FakeClerk._jwk("own", KEY_ID)]}))
    try:
        token = signed(**claims)
    except (TypeError, ValueError):  # what the signing side refuses to write
        return
    assert isinstance(verify_offline(token, keys, START, [PARTY]).why, str)
