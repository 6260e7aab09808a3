"""The audit with people that Clerk makes: an instance on loopback signs with the key that the reference service trusts."""

import dataclasses
import time

import jwt
import pytest

from capliquify_ops.configuration.system import SystemClock, new_run
from capliquify_ops.database import operator
from capliquify_ops.identity_providers.clerk import ClerkTokens
from capliquify_ops.isolation import build_world, remove_run
from capliquify_ops.model.errors import ConfigurationInvalid
from capliquify_ops.model.outcome import Outcome
from capliquify_ops.model.protocols import TokenRequest
from capliquify_ops.model.secret import Secret
from capliquify_ops.reference import keys, token_settings
from capliquify_ops.reference.members import Members

from ...unit.integrations.conftest import Fake  # noqa: TID252 -- `tests` is no package: where it is found, only pytest knows
from ...unit.integrations.fake_clerk import SECRET_KEY, FakeClerk  # noqa: TID252


class StackClerk(FakeClerk):
    """Signs as the stack's own provider does, and tells the identity process, which the service asks, who is a member."""

    def __init__(self, folder):
        super().__init__()
        self.folder, self.settings = folder, token_settings.load(folder)
        self.key = (folder / keys.SIGNING).read_text()

    def now(self):
        return int(time.time())

    def sign(self, claims, *_):
        return jwt.encode(claims, self.key, algorithm="RS256", headers={"kid": keys.KEY_ID})

    def claims(self, session):
        now = self.now()
        times = {"iat": now, "nbf": now, "iss": self.settings.issuer, "azp": self.settings.authorized_party}
        return times | {"sub": session["user_id"], "sid": session["id"], "org_id": session["last_active_organization_id"]}

    def join(self, user, organization, role="org:member", permissions=()):
        super().join(user, organization, role, permissions)
        address = self.people[user]["email_addresses"][0]["email_address"]
        with Members(self.folder, self.settings) as members:
            members.put(TokenRequest(user, address, organization, role.removeprefix("org:")))


@pytest.fixture(scope="module")
def clerk(generous_stack):
    state = StackClerk(generous_stack.run_folder)
    state.http = Fake(state.answer)
    yield state
    state.http.close()
    assert state.problems == []


def source(clerk):
    return ClerkTokens({"secret_key": Secret(SECRET_KEY), "base_url": f"{clerk.http.url}/v1"}, SystemClock())


@pytest.fixture(scope="module")
def clerk_world(clerk, world_on):
    """A world whose people are Clerk's; nothing of it stays there."""
    with world_on(tokens=source(clerk)) as built:
        yield built
    assert built.leftovers == []
    assert (clerk.people, clerk.organizations, clerk.memberships) == ({}, {}, [])


def test_registry_and_users_have_clerks_ids(clerk, clerk_world, generous_stack):
    """Tenants are made for Clerk's organisations and owners; everybody is let in, with the role they are called after."""
    world = clerk_world
    assert world.missing == {}
    assert {tenant.organization_id for tenant in world.tenants.values()} < set(clerk.organizations)
    query = "SELECT clerk_user_id, role::text FROM public.users WHERE tenant_id = %(id)s::uuid"
    with operator(Secret(generous_stack.superuser_url), "test") as session, session.transaction():
        rows = {row["clerk_user_id"]: row["role"] for row in session.mappings(query, {"id": world.tenants["a"].id})}
    people = [person for person in world.people.values() if person.tenant == "a"]
    assert rows == {person.user_id: person.role for person in people}
    assert {person.user_id for person in world.people.values()} <= set(clerk.people)


def test_a_control_passes(clerk_world, run):
    """Positive controls succeed and nothing is found in the correct service, though Clerk calls viewers and members the same."""
    found = run("sec_007_member_to_admin", clerk_world)
    assert found.outcome is Outcome.HEALTHY, found.why


@pytest.mark.whole
@pytest.mark.parametrize(
    "check",
    [
        "iso_02_identity_matrix",
        "sec_002_organization_header",
        "sec_003_selector_injection",
        "sec_005_tampered_token",
        "sec_008_admin_to_owner",
    ],
)
def test_families_and_controls_pass(check, clerk_world, run):
    """The matrices too, with users of two tenants, and what is forged from Clerk's tokens."""
    found = run(check, clerk_world)
    assert found.outcome is Outcome.HEALTHY, found.why


@pytest.mark.whole
def test_what_clerk_cannot_make_is_inconclusive(clerk_world, run):
    """An environment that does not exist, since no key of a second one is configured: that is the reason given."""
    found = run("sec_006_foreign_environment", clerk_world)
    assert found.outcome is Outcome.INCONCLUSIVE
    assert "makes no foreign environment token" in found.why


@pytest.mark.whole
def test_expired_tokens(clerk_world, run):
    """The token made at the start is over by the time it is wanted, or the reason says when; one in use is waited for."""
    found = run("sec_004_expired_token", clerk_world)
    if found.outcome is Outcome.INCONCLUSIVE:
        assert "the one made at the start is over in" in found.why
    else:
        assert found.outcome is Outcome.HEALTHY, found.why


class Killed(ClerkTokens):
    """The source of an audit that does not live to remove what it made."""

    def forget(self, run):
        """The process is gone."""


def killed(clerk):
    return Killed({"secret_key": Secret(SECRET_KEY), "base_url": f"{clerk.http.url}/v1"}, SystemClock())


@pytest.mark.whole
def test_two_given_tenants(clerk, clerk_world, world_on, direct_target):
    """Users are made for two tenants that are there, and another process removes them; roles that are not told apart are said."""
    given = clerk_world.tenants["a"].slug, clerk_world.tenants["b"].slug
    before = set(clerk.people), set(clerk.organizations)
    with world_on(tokens=killed(clerk), operator_url=None, tenants=given) as world:
        assert world.people["a.member"].organization_id == clerk_world.tenants["a"].organization_id
        assert world.people["a.member"].user_id in set(clerk.people) - before[0]
        assert "a.member" not in world.missing
        assert "a.owner is admin in the service, not owner" in world.missing["a.owner"]
    assert set(clerk.people) > before[0]
    assert remove_run(dataclasses.replace(direct_target, operator_url=None), source(clerk), world.run) == ()
    assert (set(clerk.people), set(clerk.organizations)) == before


@pytest.mark.whole
def test_tenants_of_another_provider_are_refused(clerk, world, world_on):
    """A given tenant whose organisation Clerk does not know: one sentence, and nobody is left in Clerk."""
    given = world.tenants["a"].slug, world.tenants["b"].slug
    before = set(clerk.people)
    with pytest.raises(ConfigurationInvalid, match="Clerk knows no organisation"), world_on(tokens=source(clerk), tenants=given):
        raise AssertionError("the world cannot have been built")
    assert set(clerk.people) == before


@pytest.mark.whole
def test_a_killed_audit_is_cleaned_by_another_process(clerk, direct_target):
    """What a process made that did not live to remove it is found by the run alone: tenants, users and organisations."""
    before = set(clerk.people), set(clerk.organizations)
    with build_world(direct_target, killed(clerk), run := new_run(), SystemClock()):
        assert set(clerk.people) > before[0]
    assert set(clerk.people) > before[0]
    for _ in range(2):
        assert remove_run(direct_target, source(clerk), run) == ()
        assert (set(clerk.people), set(clerk.organizations)) == before
