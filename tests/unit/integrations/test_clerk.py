"""Clerk, against an instance on loopback that keeps what it is told and refuses what Clerk's published document does not know."""

import logging
from datetime import UTC, datetime, timedelta

import pytest

from capliquify_ops.integrations.caller import Caller
from capliquify_ops.integrations.clerk import MOST_PAGES, PAGE, Clerk, RateLimit, RateState, rate_limit, service
from capliquify_ops.model.errors import (
    ConfigurationInvalid,
    CredentialRefused,
    IntegrationFailed,
    NotThere,
    ServiceBroken,
    UsageError,
)
from capliquify_ops.model.secret import Secret

from .conftest import REFUSALS, Fault
from .fake_clerk import NOW, SECRET_KEY, FakeClerk
from .published import published

START = datetime(2030, 1, 1, tzinfo=UTC)
FAKE = FakeClerk


@pytest.fixture
def state(state):
    state.join("user_1", "org_1", "org:admin", ["org:billing:manage"])
    state.join("user_2", "org_1")
    state.join("user_1", "org_2")
    return state


@pytest.fixture
def clerk(running, patience):
    with Caller(service(Secret(SECRET_KEY), f"{running.url}/v1"), patience) as caller:
        yield Clerk(caller)


def operations(clerk):
    """Every operation that makes a request of its own, with what is to be asked, and whether it is asked again after a fault."""
    return [
        (lambda: clerk.membership("org_1", "user_1"), True),
        (lambda: clerk.organizations_of("user_1"), True),
        (lambda: clerk.create_session("user_1"), False),
        (lambda: clerk.session_token("sess_1"), True),
        (lambda: clerk.revoke_session("sess_1"), True),
        (lambda: clerk.sign_in_token("user_1"), False),
        (clerk.testing_token, True),
        (clerk.signing_keys, True),
        (lambda: clerk.session("sess_1"), True),
        (clerk.rate_state, True),
    ]


ALL = range(10)


def test_a_member_is_told_from_a_stranger(clerk, state):
    """The membership has the user's role and permissions; whoever is no member has none, and who joins has one."""
    found = clerk.membership("org_1", "user_1")
    assert (found.organization_id, found.user_id, found.role) == ("org_1", "user_1", "org:admin")
    assert found.permissions == ("org:billing:manage",)
    assert clerk.membership("org_2", "user_2") is None
    state.join("user_2", "org_2")
    assert clerk.membership("org_2", "user_2").role == "org:member"


@pytest.mark.parametrize("bad", ["", "-user_1", "+user_1", "..", "a/b", "user 1", "user_1?x=y", "üser"])
def test_an_id_that_would_mean_something_else_is_not_sent(clerk, running, bad):
    """Signs turn Clerk's filters round, dots and slashes its paths: such ids are refused before any request."""
    for act in (
        lambda: clerk.membership("org_1", bad),
        lambda: clerk.membership(bad, "user_1"),
        lambda: clerk.organizations_of(bad),
        lambda: clerk.create_session(bad),
        lambda: clerk.create_session("user_1", bad),
        lambda: clerk.session_token(bad),
        lambda: clerk.revoke_session(bad),
        lambda: clerk.session(bad),
        lambda: clerk.sign_in_token(bad),
    ):
        with pytest.raises(UsageError, match="is no id of Clerk's"):
            act()
    assert running.asked == []


def test_another_users_membership_is_no_answer(clerk, running):
    """Where the service lists somebody else, or counts what it does not list, nobody is taken for a member."""
    other = FakeClerk()._membership({"user": "user_2", "organization": "org_1", "role": "r", "permissions": []})
    running.faults += [Fault(200, {"data": [other], "total_count": 1})]
    with pytest.raises(IntegrationFailed, match=r"memberships is not understood: the answer\.data\[0\] is about another user"):
        clerk.membership("org_1", "user_1")
    for body in ({"data": [], "total_count": 1}, {"data": [other], "total_count": 0}):
        running.faults += [Fault(200, body)]
        with pytest.raises(IntegrationFailed, match="counts other members than it lists"):
            clerk.membership("org_1", "user_1")


def test_all_organisations_are_read_page_after_page(clerk, running, state):
    """More than one page is read whole, in order, none twice."""
    for number in range(10, 10 + PAGE + 1):
        state.join("user_1", f"org_{number}")
    found = clerk.organizations_of("user_1")
    assert [each.organization_id for each in found.found] == ["org_1", "org_2", *(f"org_{n}" for n in range(10, 11 + PAGE))]
    assert (found.total, found.left) == (PAGE + 3, 0)
    assert [dict(asked.query)["offset"] for asked in running.asked] == ["0", str(PAGE)]
    assert [each.organization_id for each in clerk.organizations_of("user_2").found] == ["org_1"]


def test_reading_ends_at_its_bound_and_says_so(clerk, running, state):
    """Ten full pages are read; how many memberships were left is told."""
    state.memberships = [{**state.memberships[0], "organization": f"org_{n}"} for n in range(PAGE * MOST_PAGES + 7)]
    found = clerk.organizations_of("user_1")
    assert (len(found.found), found.left, len(running.asked)) == (PAGE * MOST_PAGES, 7, MOST_PAGES)


def test_a_list_that_shrinks_meanwhile_ends(clerk, running, state):
    """A page that comes back empty ends the reading, and a membership that moved onto the next page is counted once."""
    row = state._membership(state.memberships[0])
    running.faults += [Fault(200, {"data": [row], "total_count": 9}), Fault(200, {"data": [row], "total_count": 9})]
    running.faults += [Fault(200, {"data": [], "total_count": 9})]
    found = clerk.organizations_of("user_1")
    assert (len(found.found), found.left) == (1, 8)


def test_a_test_user_is_signed_in_and_out(clerk, state):
    """A session begins active in its organisation, gives tokens of the wanted life, and gives none once it is revoked."""
    session = clerk.create_session("user_1", "org_1")
    assert (session.user_id, session.organization_id, session.is_active) == ("user_1", "org_1", True)
    assert (session.created_at, session.expires_at) == (START, START + timedelta(days=7))
    token = clerk.session_token(session.id, timedelta(seconds=90))
    assert clerk.verify_session(token, START).expires_at == START + timedelta(seconds=90)
    revoked = clerk.revoke_session(session.id)
    assert (revoked.status, revoked.is_active, clerk.session(session.id).status) == ("revoked", False, "revoked")
    assert clerk.revoke_session(session.id).status == "revoked"
    with pytest.raises(NotThere, match="Session not found"):
        clerk.session_token(session.id)


def test_two_sessions_are_two(clerk, state):
    """Each request makes a session of its own, and without an organisation none is active in it."""
    first, second = clerk.create_session("user_1"), clerk.create_session("user_1")
    assert first.id != second.id
    assert first.organization_id is None
    with pytest.raises(IntegrationFailed, match="with 422: The user is not a member"):
        clerk.create_session("user_2", "org_2")


def test_production_makes_no_sessions_but_tickets(fake, patience):
    """On a production instance the service refuses a session; a sign-in token is made there, for one user, for a while."""
    kept = FakeClerk(production=True)
    with Caller(service(Secret(SECRET_KEY), f"{fake(kept.answer).url}/v1"), patience) as caller:
        clerk = Clerk(caller)
        with pytest.raises(IntegrationFailed, match="development instances only"):
            clerk.create_session("user_1")
        ticket = clerk.sign_in_token("user_1", timedelta(seconds=300))
    assert (ticket.user_id, ticket.status, ticket.created_at) == ("user_1", "pending", START)
    assert ticket.token.reveal() in ticket.url.reveal()
    assert kept.tickets == [{"user_id": "user_1", "expires_in_seconds": 300}]
    assert kept.problems == []


@pytest.mark.parametrize("life", [timedelta(0), timedelta(seconds=29), timedelta(days=36500), timedelta(-1)])
def test_a_life_that_clerk_does_not_know_is_not_sent(clerk, running, life):
    """Session tokens live for 30 seconds to ten years."""
    with pytest.raises(UsageError, match="cannot be valid for"):
        clerk.session_token("sess_1", life)
    assert running.asked == []


def test_the_testing_token_ends_within_hours(clerk):
    """Its end is counted in seconds, where every other time of Clerk's is in milliseconds."""
    token = clerk.testing_token()
    assert token.expires_at == START + timedelta(hours=1)
    assert token.token.reveal() == f"{NOW}-c_testing"


def test_the_rate_limit_is_known_by_the_kind_of_key():
    """Production allows ten times what development does; both in ten seconds."""
    assert rate_limit(Secret("sk_live_x")) == RateLimit(1000, 10)
    assert rate_limit(Secret("sk_test_x")) == RateLimit(100, 10)


def test_a_rate_limit_in_force_is_seen(clerk, running):
    """Refused by rate is a state and no error, with the wait that Clerk names; then it is over."""
    running.faults += [Fault(429, {"errors": [{"message": "Too many requests"}]}, {"Retry-After": "9"})]
    assert clerk.rate_state() == RateState(is_limited=True, retry_after_s=9)
    assert clerk.rate_state() == RateState(is_limited=False)


@pytest.mark.parametrize("number", ALL)
def test_every_operation_waits_as_long_as_clerk_says(clerk, running, state, slept, number):
    """A refusal by rate changed nothing: it is asked again after Retry-After, changes too."""
    clerk.create_session("user_1")
    running.faults += [Fault(429, {"errors": []}, {"Retry-After": "2"})]
    operations(clerk)[number][0]()
    assert slept == [pytest.approx(2.025)]
    assert running.asked[-1].body == running.asked[-2].body


@pytest.mark.parametrize("number", ALL)
def test_only_what_is_repeatable_is_repeated(clerk, running, number):
    """After a fault reads, tokens of a session and ends of it are asked for again; sessions and tickets are not made twice."""
    clerk.create_session("user_1")
    act, is_repeatable = operations(clerk)[number]
    for fault in (Fault(500), Fault(200, {"long": "x" * 999}, cut=True)):
        running.faults[:] = [fault]
        running.asked.clear()
        if is_repeatable:
            act()
        else:
            with pytest.raises(ServiceBroken, match="Clerk"):
                act()
        assert len(running.asked) == 1 + is_repeatable, fault


def test_a_connection_that_breaks_makes_no_second_session(clerk, running, state):
    """Nobody knows whether the session was made: that is told, and no other is asked for."""
    running.faults += [Fault(reset=True)]
    with pytest.raises(ServiceBroken, match="Clerk"):
        clerk.create_session("user_1")
    assert len(running.asked) == 1
    running.faults += [Fault(reset=True)]
    assert clerk.membership("org_1", "user_1") is not None


def test_a_slow_clerk_costs_the_budget_and_no_more(running, hasty):
    """What does not answer in time is broken, in one sentence."""
    running.faults += [Fault(after_s=2)]
    with (
        Caller(service(Secret(SECRET_KEY), f"{running.url}/v1"), hasty) as caller,
        pytest.raises(ServiceBroken, match="did not answer GET /jwks in time"),
    ):
        Clerk(caller).signing_keys()


@pytest.mark.parametrize("number", ALL)
def test_every_refusal_is_told_in_clerks_words(clerk, running, number):
    """The error is of its kind, says what Clerk said, and never the key; how things stand with the rate is no error."""
    act, _ = operations(clerk)[number]
    for status, kind in REFUSALS.items():
        running.faults[:] = [Fault(status, {"errors": [{"message": f"No, {SECRET_KEY}", "long_message": "x", "code": "y"}]})] * 3
        if (number, status) == (9, 429):
            assert act().is_limited
            continue
        with pytest.raises(kind, match=rf"Clerk answered (GET|POST) /\S+ with {status}: No, \[redacted\]") as caught:
            act()
        assert SECRET_KEY not in repr(caught.value)


OTHER_SHAPES = (None, b"<html>", b'{"data": [', [], {}, 3, "x", {"data": {}, "keys": 1, "total_count": "1"})


@pytest.mark.parametrize("number", ALL)
def test_an_answer_of_another_shape_is_refused(clerk, running, number):
    """No body, a page, half a document, or other fields: one sentence that names Clerk and the operation."""
    for body in OTHER_SHAPES:
        running.faults[:] = [Fault(200, body)]
        with pytest.raises(
            IntegrationFailed, match=r"^Clerk's answer to (GET|POST) /[\w/{}]+ is not understood: the answer"
        ) as caught:
            operations(clerk)[number][0]()
        assert type(caught.value) is IntegrationFailed


def test_a_wrong_key_is_refused(running, patience):
    """A key of another instance is told apart from a fault of the service, and it is not repeated."""
    with (
        Caller(service(Secret("sk_test_someoneelse"), f"{running.url}/v1"), patience) as caller,
        pytest.raises(CredentialRefused, match=r"integrations\.clerk\.secret_key_env") as caught,
    ):
        Clerk(caller).testing_token()
    assert "sk_test_someoneelse" not in str(caught.value)


@pytest.mark.parametrize("text", ["", "sk_test_x\n", "sk test", "sk_ü"])
def test_a_key_that_no_header_can_carry_is_a_mistake_of_the_configuration(text):
    """It is found before any request, by the name of its setting, without its text."""
    with pytest.raises(ConfigurationInvalid, match=r"integrations\.clerk\.secret_key_env") as caught:
        service(Secret(text))
    assert not text or text not in str(caught.value)


def test_no_credential_leaves_by_accident(clerk, running, caplog):
    """Neither key, session token, ticket, testing token nor private metadata is in a representation or in a log."""
    caplog.set_level(logging.DEBUG)
    session = clerk.create_session("user_1", "org_1")
    token, ticket, testing = clerk.session_token(session.id), clerk.sign_in_token("user_1"), clerk.testing_token()
    keys, member, all_of_them = clerk.signing_keys(), clerk.membership("org_1", "user_1"), clerk.organizations_of("user_1")
    verified, made = clerk.verify_session(token, START), service(Secret(SECRET_KEY))
    shown = f"{session} {token} {ticket} {testing} {keys} {member} {all_of_them} {verified} {made}{caplog.text}"
    assert token.reveal().startswith("eyJ")
    for secret in (SECRET_KEY, token.reveal(), ticket.token.reveal(), testing.token.reveal(), "nobody may see", "nobody-may-see"):
        assert secret not in shown


def test_fields_that_nobody_asked_for_do_no_harm(clerk, running, state):
    """New fields and new words of the service are no reason to fail."""
    session = clerk.create_session("user_1")
    state.document = None
    state.sessions[session.id] |= {"status": "hibernating", "brand_new": {"x": 1}, "last_active_organization_id": ""}
    found = clerk.session(session.id)
    assert (found.status, found.is_active, found.organization_id) == ("hibernating", False, None)


def test_the_contract_is_clerks_published_document(clerk, running, state):
    """Each request of every operation, and each answer of the instance above, passes the published document."""
    document = published("clerk.json")
    clerk.create_session("user_1", "org_1")
    for act, _ in operations(clerk):
        act()
    assert len(running.asked) == 11
    good = 0
    for asked in running.asked:
        path = asked.path.removeprefix("/v1")
        document.check_request(asked, path)
        status, answer = state.answer(asked)
        document.check_answer(asked.method, path, status, answer)
        good += status == 200
    # Asked once more, only the token of the session that is revoked by now is not to be had.
    assert good == 10
