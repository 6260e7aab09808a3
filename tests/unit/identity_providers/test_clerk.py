"""Tokens from a Clerk development instance: people made by Clerk's ids, every variant, and nothing left, over real HTTP."""

from dataclasses import replace

import jwt
import pytest

from capliquify_ops.cli import app
from capliquify_ops.configuration import Identity, load_settings
from capliquify_ops.evidence.redaction import Redactor
from capliquify_ops.identity_providers import token_source
from capliquify_ops.identity_providers.clerk import ClerkTokens
from capliquify_ops.identity_providers.clerk_instance import address_for_tests
from capliquify_ops.integrations.clerk_people import SEATS
from capliquify_ops.isolation.people import Person, Wallet
from capliquify_ops.isolation.probe import CannotTell
from capliquify_ops.model.errors import (
    ConfigurationInvalid,
    CredentialRefused,
    IntegrationFailed,
    OpsError,
    RateLimited,
    ServiceBroken,
    UsageError,
)
from capliquify_ops.model.protocols import Enrolling, TokenRequest, TokenVariant
from capliquify_ops.model.secret import Secret
from capliquify_ops.pytest_plugin.known_secrets import known_secrets
from capliquify_ops.pytest_plugin.remembering import Remembering

from ..integrations.conftest import Fake, Fault, Time  # noqa: TID252 -- `tests` is no package: where it is found, only pytest knows
from ..integrations.fake_clerk import NOW, SECRET_KEY, FakeClerk, signing_key  # noqa: TID252

RUN = "r0123456789"
OTHER_KEY = "sk_test_another"
V = TokenVariant


class Instance(FakeClerk):
    """An instance whose time goes by with the test's."""

    clock = None

    def now(self):
        return int(NOW + self.clock.at)


@pytest.fixture
def time_of_test():
    return Time()


@pytest.fixture
def started(time_of_test):
    """Starts instances; each must have been asked for nothing that the published document does not know."""
    running = []

    def start(**options):
        state = Instance(**options)
        state.clock = time_of_test
        running.append((Fake(state.answer), state))
        return running[-1]

    yield start
    for fake, _ in running:
        fake.close()
    assert [problem for _, state in running for problem in state.problems] == []


@pytest.fixture
def clerk(started):
    """The instance, and the service that it is behind."""
    fake, state = started()
    state.http = fake
    return state


@pytest.fixture
def source_of(time_of_test):
    """Makes sources for an instance; each of them is what another process would have."""

    def make(state, **options):
        base = {"secret_key": Secret(state.secret_key), "base_url": f"{state.http.url}/v1"}
        return ClerkTokens(base | options, time_of_test, dice=lambda: 0.5, sleep=time_of_test.sleep)

    return make


@pytest.fixture
def source(clerk, source_of):
    return source_of(clerk)


def request(name="a_owner", organization=f"org_{RUN}_a", role="owner", *, ensure=True):
    user = f"user_{RUN}_{name}"
    return TokenRequest(user, f"{user}@example.com", organization, role, ensure=ensure)


def variant(wanted, of):
    return TokenRequest(of.user_id, of.email, of.organization_id, of.role, wanted)


def claims(token):
    return jwt.decode(
        token,
        signing_key("own").public_key(),
        algorithms=["RS256"],
        options=dict.fromkeys(("verify_exp", "verify_nbf", "verify_iat"), False),
    )


def test_addresses_are_for_tests_and_in_clerks_spelling():
    """As Clerk writes them, which lowers letters; one that is such already stays."""
    assert address_for_tests("User_R1@Example.com") == "user_r1+clerk_test@example.com"
    assert address_for_tests("user_r1+clerk_test@example.com") == "user_r1+clerk_test@example.com"


def test_people_are_made_by_clerks_ids(source, clerk):
    """User, organisation and membership are made; the request comes back with Clerk's ids and a test address."""
    assert isinstance(source, Enrolling)
    owner, member = source.enrol(RUN, [request(), request("a_member", role="member")])
    assert owner.user_id in clerk.people
    assert owner.organization_id == member.organization_id
    assert owner.email == f"user_{RUN}_a_owner+clerk_test@example.com"
    assert clerk.people[owner.user_id]["email_addresses"][0]["email_address"] == owner.email
    assert clerk.people[owner.user_id]["external_id"] == f"capliquify-ops/{RUN}/user_{RUN}_a_owner"
    assert clerk.organizations[owner.organization_id]["name"] == f"capliquify-ops {RUN} org_{RUN}_a"
    assert [(row["user"], row["role"]) for row in clerk.memberships] == [
        (owner.user_id, "org:admin"),
        (member.user_id, "org:member"),
    ]


def test_the_same_again_makes_nothing_new(source, clerk):
    """A second enrolment, by our ids or in Clerk's organisation, finds what the first one made."""
    first = source.enrol(RUN, [request()])
    assert source.enrol(RUN, [request()]) == first
    assert source.enrol(RUN, [request(organization=first[0].organization_id)]) == first
    assert (len(clerk.people), len(clerk.organizations), len(clerk.memberships)) == (1, 1, 1)


def test_one_user_in_two_organisations(source, clerk):
    """One user of two organisations is one user; each token names the organisation that it was asked for."""
    there, here = source.enrol(RUN, [request("both"), request("both", f"org_{RUN}_b", "viewer")])
    assert there.user_id == here.user_id
    one, two = (claims(token) for token in source.tokens([there, here]))
    assert (one["org_id"], two["org_id"]) == (there.organization_id, here.organization_id)
    assert [row["role"] for row in clerk.memberships] == ["org:admin", "org:member"]


def test_roles_are_the_configured_ones(started, source_of):
    """A role of the table replaces the one of that name only."""
    fake, clerk = started(roles={"org:admin", "org:viewer"})
    clerk.http = fake
    source_of(clerk, roles={"viewer": "org:viewer"}).enrol(RUN, [request("v", role="viewer"), request("a", role="admin")])
    assert [row["role"] for row in clerk.memberships] == ["org:viewer", "org:admin"]


def test_a_role_that_clerk_lacks_is_told(source_of, clerk):
    """Clerk's refusal names the role."""
    with pytest.raises(IntegrationFailed, match="Organization role not found: org:viewer"):
        source_of(clerk, roles={"viewer": "org:viewer"}).enrol(RUN, [request(role="viewer")])


def test_an_organisation_has_seats_for_all(source, clerk):
    """As many members as every plan of Clerk's allows, more than its default of five."""
    [owner] = source.enrol(RUN, [request()])
    for number in range(SEATS - 2):
        clerk.join(f"user_other{number}", owner.organization_id)
    assert source.enrol(RUN, [request("last")])[0].organization_id == owner.organization_id
    with pytest.raises(IntegrationFailed, match="no seat left"):
        source.enrol(RUN, [request("one_more")])


def test_users_join_an_organisation_that_is_there(source, clerk):
    """A given tenant's organisation is used as it is, and stays when the run is forgotten; its users go."""
    _, given = clerk._make_organization({"name": f"Customers of {RUN}"})
    [owner] = source.enrol(RUN, [request(organization=given["id"])])
    assert owner.organization_id == given["id"]
    assert claims(source.tokens([owner])[0])["org_id"] == given["id"]
    source.forget(RUN)
    assert (clerk.people, list(clerk.organizations), clerk.memberships) == ({}, [given["id"]], [])


@pytest.mark.parametrize("unknown", ["org_unknown", "Acme Ltd.", ""])
def test_an_organisation_that_clerk_does_not_know(source, unknown):
    """A tenant whose organisation is not Clerk's is a mistake of the configuration, with the reason and what to do."""
    with pytest.raises(ConfigurationInvalid, match="Clerk knows no organisation") as caught:
        source.enrol(RUN, [request(organization=unknown)])
    assert "identity.secret_key_env" in str(caught.value.hint)


def test_valid_tokens_are_of_new_sessions_and_a_minute_long(source, clerk):
    """Each token is of a session of its own, which names user and organisation, and lives for one minute."""
    [owner] = source.enrol(RUN, [request()])
    one, two = (claims(source.tokens([owner])[0]) for _ in range(2))
    assert (one["sub"], one["org_id"], one["exp"]) == (owner.user_id, owner.organization_id, NOW + 60)
    assert one["sid"] != two["sid"]
    assert {row["status"] for row in clerk.sessions.values()} == {"active"}
    assert [claims(source.tokens([replace(owner, lasting_s=life)])[0])["exp"] for life in (30, 732)] == [NOW + 60, NOW + 732]


def test_a_strangers_session_is_in_no_organisation(source, clerk):
    """A user who is made no member of the organisation has a valid token that names none."""
    _, stranger = source.enrol(RUN, [request(), request("n_stranger", role="member", ensure=False)])
    found = claims(source.tokens([stranger])[0])
    assert (found["sub"], found["org_id"]) == (stranger.user_id, None)
    assert len(clerk.memberships) == 1


@pytest.mark.parametrize("user", ["user_nobody", "no id", "audit-r1-a-owner"])
def test_whom_clerk_does_not_know_has_no_token(source, user):
    """None, as the protocol says: the check that needs it says who is missing."""
    assert source.tokens([TokenRequest(user, "x@example.com", "org_1", "owner")]) == [None]


def test_an_expired_token_was_made_at_the_start(source, time_of_test):
    """It is over after 30 s and what services grant; before that the reason says how long, and nobody waits."""
    [owner] = source.enrol(RUN, [request()])
    source.tokens([owner])
    with pytest.raises(IntegrationFailed, match=r"30 s or more; the one made at the start is over in 36 s") as caught:
        source.tokens([variant(V.EXPIRED, owner)])
    assert "together with others" in str(caught.value.hint)
    time_of_test.at = 35
    with pytest.raises(IntegrationFailed, match="in 1 s"):
        source.tokens([variant(V.EXPIRED, owner)])
    time_of_test.at = 36
    [expired] = source.tokens([variant(V.EXPIRED, owner)])
    assert claims(expired)["exp"] == NOW + 30
    assert time_of_test.slept == []


def test_no_expired_token_of_somebody_who_never_had_one(source, clerk):
    """Asking for one makes no session; the first token that is made for somebody brings it along, and that one only."""
    [owner] = source.enrol(RUN, [request()])
    assert source.tokens([variant(V.EXPIRED, owner)]) == [None]
    assert clerk.signed == 0
    source.tokens([variant(V.VALID, owner)])
    assert clerk.signed == 1
    source.tokens([owner, owner])
    assert clerk.signed == 4


def test_an_organisation_of_somebodys_invention_is_not_signed(source):
    """A token that would not name what was asked for is none: nobody may believe that it was tried."""
    [owner] = source.enrol(RUN, [request()])
    asked = [TokenRequest(owner.user_id, owner.email, text, "owner") for text in ("'; DROP", '"$user", public')]
    assert source.tokens(asked) == [None, None]
    with pytest.raises(IntegrationFailed, match="not a member"):
        source.tokens([TokenRequest(owner.user_id, owner.email, "public", "owner")])


def test_a_stranger_who_joins_is_none(source):
    """Somebody who was no member and is made one has tokens of the organisation."""
    source.enrol(RUN, [request("late", ensure=False)])
    [late] = source.enrol(RUN, [request("late")])
    assert claims(source.tokens([late])[0])["org_id"] == late.organization_id


def test_a_reason_is_not_remembered_as_a_refusal(source, time_of_test):
    """An audit that asks too soon is told why, and gets the token when it asks again later."""
    wallet = Wallet(source, time_of_test)
    named = request()
    [owner] = wallet.enrolled(RUN, [Person("a.owner", "a", named.user_id, named.email, named.organization_id, "owner")])
    wallet.fill([owner], ensure=True)
    with pytest.raises(OpsError, match="is over in"):
        wallet.token(owner, V.EXPIRED)
    time_of_test.at = 40
    assert claims(wallet.token(owner, V.EXPIRED))["exp"] == NOW + 30


def test_a_tampered_token_is_not_signed(source):
    """Its signature is of another payload."""
    [owner] = source.enrol(RUN, [request()])
    [token] = source.tokens([variant(V.TAMPERED, owner)])
    with pytest.raises(jwt.InvalidSignatureError):
        claims(token)


def test_a_signed_out_token_is_of_a_session_that_was_revoked(source, clerk):
    """The token is well signed, and its session is over."""
    [owner] = source.enrol(RUN, [request()])
    found = claims(source.tokens([variant(V.SIGNED_OUT, owner)])[0])
    assert clerk.sessions[found["sid"]]["status"] == "revoked"
    assert found["org_id"] == owner.organization_id


def test_a_foreign_environment_is_another_instance(started, clerk, source_of):
    """With a second key its instance has a user of the same name, signs the token, and is cleaned too; without, there is none."""
    _, state = started(secret_key=OTHER_KEY)
    own = clerk.answer
    answers = {f"Bearer {OTHER_KEY}": state.answer}
    clerk.http.close()
    clerk.http = Fake(lambda asked: answers.get(asked.headers["authorization"], own)(asked))
    plain, source = source_of(clerk), source_of(clerk, foreign_secret_key=Secret(OTHER_KEY))
    assert plain.tokens([variant(V.FOREIGN_ENVIRONMENT, plain.enrol(RUN, [request("x")])[0])]) == [None]
    [owner] = source.enrol(RUN, [request()])
    for _ in range(2):
        [token] = source.tokens([variant(V.FOREIGN_ENVIRONMENT, owner)])
    assert claims(token)["sub"] in state.people
    assert claims(token)["sub"] not in {owner.user_id, *clerk.users} or claims(token)["org_id"] in state.organizations
    assert [row["external_id"] for row in state.people.values()] == [f"capliquify-ops/{RUN}/user_{RUN}_a_owner"]
    source_of(clerk, foreign_secret_key=Secret(OTHER_KEY)).forget(RUN)
    assert (state.people, state.organizations, clerk.people, clerk.organizations) == ({}, {}, {}, {})
    clerk.http.close()


def test_a_platform_administrator_is_a_configured_user(source, clerk, source_of):
    """None without one; with one, a token without an organisation, whose session ends when the run is forgotten."""
    [owner] = source.enrol(RUN, [request()])
    assert source.tokens([variant(V.PLATFORM_ADMIN, owner)]) == [None]
    other = source_of(clerk, platform_admin="user_1")
    found = claims(other.tokens([variant(V.PLATFORM_ADMIN, owner)])[0])
    assert (found["sub"], found["org_id"]) == ("user_1", None)
    other.forget(RUN)
    assert clerk.sessions[found["sid"]]["status"] == "revoked"
    assert "user_1" in clerk.users


def test_another_process_forgets_a_run_and_nobody_else(source, clerk, source_of):
    """Found by what they are called in Clerk: users and organisations of this run go, of longer names and others stay; twice."""
    source.enrol(RUN, [request(), request("b_owner", f"org_{RUN}_b")])
    more = f"{RUN}0"
    other = source_of(clerk).enrol(
        more, [TokenRequest(f"user_{more}_a", f"user_{more}_a@example.com", f"org_{more}_a", "owner", ensure=True)]
    )
    _, namesake = clerk._make_organization({"name": f"Friends of {RUN}"})
    _, person = clerk._make_user({"email_address": [f"{RUN}@example.com"], "skip_password_requirement": True})
    for _ in range(2):
        source_of(clerk).forget(RUN)
        assert set(clerk.people) == {other[0].user_id, person["id"]}
        assert set(clerk.organizations) == {other[0].organization_id, namesake["id"]}


def test_what_a_list_does_not_show_yet_is_removed_too(source, clerk, monkeypatch):
    """The process that made people knows them, also where Clerk's lists lag behind; what comes after is made anew."""
    [first] = source.enrol(RUN, [request()])
    with monkeypatch.context() as patch:
        patch.setattr(Instance, "_users", lambda *_: (200, []))
        patch.setattr(Instance, "_organizations", lambda *_: (200, {"data": [], "total_count": 0}))
        source.forget(RUN)
    assert (clerk.people, clerk.organizations) == ({}, {})
    [second] = source.enrol(RUN, [request()])
    assert second.user_id != first.user_id
    assert second.user_id in clerk.people


def test_a_run_that_was_half_made_is_removed(source, clerk, source_of):
    """The service breaks between user and organisation: the error says so, and what was made is found and removed."""
    source.enrol(RUN, [request("first")])
    clerk.http.faults += [Fault(), Fault(reset=True)]
    with pytest.raises(ServiceBroken, match="Clerk"):
        source.enrol(RUN, [request("second", f"org_{RUN}_b")])
    assert (len(clerk.people), len(clerk.organizations)) == (2, 1)
    source_of(clerk).forget(RUN)
    assert (clerk.people, clerk.organizations) == ({}, {})


def test_one_failed_removal_stops_no_other(source, clerk):
    """All are tried and the failure is told; the next time there is only the one left."""
    source.enrol(RUN, [request(), request("a_member")])
    real, [first, *_] = clerk._remove_user, sorted(clerk.people)
    clerk._remove_user = lambda user: clerk._error(403, "forbidden", "Not this one") if user == first else real(user)
    with pytest.raises(IntegrationFailed, match="Not this one"):
        source.forget(RUN)
    assert (list(clerk.people), clerk.organizations) == ([first], {})
    clerk._remove_user = real
    source.forget(RUN)
    assert clerk.people == {}


@pytest.mark.parametrize("run", ["", "a", "r1", "../r0123456789", "r 1 2"])
def test_what_is_no_run_removes_nobody(source, clerk, run):
    """A text that is part of too many names, or of none, is refused before any request."""
    source.enrol(RUN, [request()])
    asked = len(clerk.http.asked)
    with pytest.raises(UsageError, match="is no run"):
        source.forget(run)
    assert (len(clerk.http.asked), len(clerk.people)) == (asked, 1)


def test_a_rate_limit_is_waited_out(source, clerk, time_of_test):
    """A development instance's limit lasts ten seconds: it is waited for, and nobody is made twice."""
    clerk.http.faults += [Fault(429, {"errors": []}, {"Retry-After": "10"})]
    source.enrol(RUN, [request()])
    assert time_of_test.slept == [pytest.approx(10.025)]
    assert len(clerk.people) == 1
    clerk.http.faults += [Fault(429, {"errors": []}, {"Retry-After": "60"})]
    with pytest.raises(RateLimited):
        source.enrol(RUN, [request("second")])


def test_a_wrong_key_is_named_by_its_setting(source_of, clerk):
    """401 names the setting; the key is in no message."""
    wrong = "sk_test_ofanotherinstance"
    for act in (lambda each: each.enrol(RUN, [request()]), lambda each: each.forget(RUN)):
        with pytest.raises(CredentialRefused, match=r"identity\.secret_key_env") as caught:
            act(source_of(clerk, secret_key=Secret(wrong)))
        assert wrong not in str(caught.value)


def test_a_production_instance_is_refused():
    """Neither key may be of a production instance: refused before any request, with the next step and without the key."""
    live, fine = Secret("sk_live_hunter2"), Secret(SECRET_KEY)
    for options in ({"secret_key": live}, {"secret_key": fine, "foreign_secret_key": live}):
        with pytest.raises(ConfigurationInvalid, match="production instance") as caught:
            token_source(Identity("clerk", options), Time())
        assert "sk_test_" in str(caught.value.hint)
        assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({}, r"identity\.secret_key_env is not set"),
        ({"missing": "the variable 'K' is not set"}, "'K' is not set"),
        ({"secret_key": Secret(SECRET_KEY), "missing": "the variable 'F' is not set"}, "'F' is not set"),
        ({"secret_key": Secret("k"), "foreign_secret_key": Secret("k")}, "must be of another instance"),
        ({"secret_key": Secret("sk_test_x y")}, r"identity\.secret_key_env names holds no secret key"),
        ({"secret_key": Secret(SECRET_KEY), "roles": "x"}, "must be a table"),
    ],
)
def test_a_wrong_table_is_named(options, says):
    """What is missing or wrong is ConfigurationInvalid before any request."""
    with pytest.raises(ConfigurationInvalid, match=says):
        token_source(Identity("clerk", options), Time())


class Plain:
    """A source whose provider takes any id."""

    def tokens(self, requests):
        return [None for _ in requests]

    def forget(self, run):
        """Nothing was made."""


def test_other_providers_name_people_as_they_are_named(time_of_test):
    """A source without ids of its own makes nothing and changes nothing."""
    person = Person("a.owner", "a", "user_1", "u@example.com", "org_1", "owner")
    assert Wallet(Plain(), time_of_test).enrolled(RUN, [person]) == [person]
    with pytest.raises(CannotTell):
        Wallet(Plain(), time_of_test).token(person)


CONFIGURED = """
[targets.x]
class = "loopback"
[targets.x.identity]
provider = "clerk"
secret_key_env = "KEY"
base_url = "{}/v1"
"""


@pytest.fixture
def configured(tmp_path, clerk, monkeypatch):
    """A configuration file whose target has nothing but this identity, with the key in the environment."""
    monkeypatch.setenv("KEY", SECRET_KEY)
    path = tmp_path / "capliquify-ops.toml"
    path.write_text(CONFIGURED.format(clerk.http.url))
    return path


def test_the_command_line_cleans_up_without_a_database(source, clerk, configured, capsys):
    """`security clean` of a target without an operator URL removes the users of a run; `--plan` and the key's absence remove none."""
    source.enrol(RUN, [request()])
    command = ["security", "clean", "--run", RUN, "--target", "x", "--config", str(configured)]
    assert app.run([*command, "--plan"]) == 0
    assert len(clerk.people) == 1
    assert app.run([*command, "--yes"]) == 0
    assert (clerk.people, clerk.organizations) == ({}, {})
    said = capsys.readouterr()
    assert "0 things could not be removed" in said.out
    assert SECRET_KEY not in said.out + said.err


def test_keys_and_tokens_are_masked(source, clerk, configured):
    """A run masks the key and every token that it was given, and people are enrolled through what masks them."""
    settings = load_settings(configured)
    redactor = Redactor(known_secrets(settings, settings.targets["x"]))
    remembering = Remembering(source, redactor)
    [owner] = remembering.enrol(RUN, [request()])
    assert owner.user_id in clerk.people
    [token] = remembering.tokens([owner])
    assert redactor.text(f"{SECRET_KEY} {token}") == "[redacted] [redacted]"
    assert Remembering(Plain(), redactor).enrol(RUN, [request()]) == [request()]
