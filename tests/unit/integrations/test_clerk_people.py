"""What is made and removed in Clerk, against an instance on loopback that refuses what Clerk's published document does not know."""

import logging

import pytest

from capliquify_ops.integrations.caller import Caller
from capliquify_ops.integrations.clerk import PAGE, Clerk, service
from capliquify_ops.integrations.clerk_people import SEATS, ClerkPeople, Found
from capliquify_ops.model.errors import CredentialRefused, IntegrationFailed, ServiceBroken, UsageError
from capliquify_ops.model.secret import Secret

from .conftest import REFUSALS, Fault
from .fake_clerk import SECRET_KEY, FakeClerk
from .published import published

FAKE = FakeClerk


@pytest.fixture
def people(running, patience):
    with Caller(service(Secret(SECRET_KEY), f"{running.url}/v1"), patience) as caller:
        yield ClerkPeople(caller)


@pytest.fixture
def made(people):
    """A user and an organisation."""
    return people.create_user("run/one", "one+clerk_test@example.com"), people.create_organization("run one")


def operations(people, made):
    """Every operation, and whether it is asked again after a fault."""
    user, organization = made
    return [
        (lambda: people.users("one"), True),
        (lambda: people.organizations("one"), True),
        (lambda: people.has_organization(organization), True),
        (lambda: people.create_user("run/two", "two+clerk_test@example.com"), False),
        (lambda: people.create_organization("run two"), False),
        (lambda: people.add_member(organization, user, "org:admin"), False),
        (lambda: people.delete_user(user), True),
        (lambda: people.delete_organization(organization), True),
    ]


ALL = range(8)


def test_what_was_made_is_there_and_is_found(people, made, state):
    """Users are found by a part of their address in any case, organisations by a part of their name, with what we called them."""
    user, organization = made
    people.add_member(organization, user, "org:admin")
    assert people.users("ONE+clerk") == (Found(user, "run/one"),)
    assert people.users("two") == ()
    assert people.organizations("RUN") == (Found(organization, "run one"),)
    assert people.organizations("two") == ()
    assert [(row["organization"], row["user"], row["role"]) for row in state.memberships] == [(organization, user, "org:admin")]
    assert state.organizations[organization]["max_allowed_memberships"] == SEATS


def test_an_organisation_is_there_by_its_id_only(people, made, state):
    """Clerk takes a slug for an id; an organisation that is known by its slug alone is not there."""
    _, organization = made
    assert people.has_organization(organization)
    assert not people.has_organization(state.organizations[organization]["slug"])
    assert not people.has_organization("org_1")


def test_all_pages_are_read(people, running):
    """More than one page is read whole."""
    one = FakeClerk._person("user_1", "a", "a@example.com")
    running.faults += [Fault(200, [one] * PAGE), Fault(200, [one | {"id": "user_2"}])]
    found = people.users("a")
    assert (len(found), found[-1].id) == (PAGE + 1, "user_2")
    assert [dict(asked.query)["offset"] for asked in running.asked] == ["0", str(PAGE)]


def test_removing_twice_is_no_fault(people, made, state):
    """What is removed is gone with all memberships; what is gone already is no error."""
    user, organization = made
    people.add_member(organization, user, "org:member")
    for _ in range(2):
        people.delete_organization(organization)
        people.delete_user(user)
    assert (state.people, state.organizations, state.memberships) == ({}, {}, [])


def test_a_removal_that_did_not_happen_is_told(people, running):
    """An answer that says that nothing was deleted is an error."""
    running.faults += [Fault(200, {"object": "user", "id": "user_1", "deleted": False})]
    with pytest.raises(IntegrationFailed, match=r"the answer\.deleted says that it was not"):
        people.delete_user("user_1")


@pytest.mark.parametrize("bad", ["", "-user_1", "..", "a/b", "user 1"])
def test_an_id_that_would_mean_something_else_is_not_sent(people, running, bad):
    """Such ids are refused before any request: a slash or nothing would address more than one."""
    for act in (
        lambda: people.delete_user(bad),
        lambda: people.delete_organization(bad),
        lambda: people.has_organization(bad),
        lambda: people.add_member(bad, "user_1", "org:admin"),
        lambda: people.add_member("org_1", bad, "org:admin"),
    ):
        with pytest.raises(UsageError, match="is no id of Clerk's"):
            act()
    assert running.asked == []


@pytest.mark.parametrize("number", ALL)
def test_only_what_is_repeatable_is_repeated(people, made, running, number):
    """After a fault, reading and removing are tried again; nobody is made twice."""
    act, is_repeatable = operations(people, made)[number]
    running.faults[:] = [Fault(500)]
    running.asked.clear()
    if is_repeatable:
        act()
    else:
        with pytest.raises(ServiceBroken, match="Clerk"):
            act()
    assert len(running.asked) == 1 + is_repeatable


@pytest.mark.parametrize("number", ALL)
def test_every_refusal_is_told_in_clerks_words(people, made, running, number):
    """The error is of its kind, says what Clerk said, and never the key."""
    act, _ = operations(people, made)[number]
    for status, kind in REFUSALS.items():
        if status == 404 and number in {2, 6, 7}:
            continue
        running.faults[:] = [Fault(status, {"errors": [{"message": f"No, {SECRET_KEY}"}]})] * 3
        with pytest.raises(kind, match=rf"Clerk answered (GET|POST|DELETE) /\S+ with {status}: No, \[redacted\]") as caught:
            act()
        assert SECRET_KEY not in repr(caught.value)


@pytest.mark.parametrize("number", ALL)
def test_an_answer_of_another_shape_is_refused(people, made, running, number):
    """No body, a page, or other fields: one sentence that names Clerk and the operation."""
    for body in (None, b"<html>", {}, 3, {"data": {}, "id": 1, "deleted": "yes"}):
        running.faults[:] = [Fault(200, body)]
        with pytest.raises(IntegrationFailed, match=r"^Clerk's answer to (GET|POST|DELETE) /[\w/{}]+ is not understood"):
            operations(people, made)[number][0]()


def test_a_wrong_key_is_refused_by_its_setting(running, patience):
    """The error names the setting that holds the key, not another one."""
    told = service(Secret("sk_test_someoneelse"), f"{running.url}/v1", "identity.secret_key_env")
    with Caller(told, patience) as caller, pytest.raises(CredentialRefused, match=r"identity\.secret_key_env"):
        ClerkPeople(caller).users("a")


def test_metadata_is_not_shown(people, made, caplog):
    """What is found carries neither metadata nor addresses, and nothing of it is logged."""
    caplog.set_level(logging.DEBUG)
    shown = f"{people.users('one')} {people.organizations('one')} {caplog.text}"
    assert "nobody may see" not in shown
    assert SECRET_KEY not in shown


def test_the_contract_is_clerks_published_document(people, made, running, state):
    """Each request of every operation, and each answer of the instance above, passes the published document."""
    document = published("clerk.json")
    for act, _ in operations(people, made):
        act()
    Clerk(people._caller).create_session(people.create_user("run/three", "three+clerk_test@example.com"))
    for asked in running.asked:
        document.check_request(asked, asked.path.removeprefix("/v1"))
    assert len(running.asked) == 12
    assert state.problems == []
