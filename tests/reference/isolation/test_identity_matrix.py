"""K2 finds second identifiers, fields, keys and invitations that are believed, and is silent about the service as it is."""

import dataclasses
import json

import pytest

from capliquify_ops.configuration.profile_routes import SURFACES
from capliquify_ops.isolation import run_family
from capliquify_ops.model.outcome import Grade, Outcome

CHECK = "iso_02_identity_matrix"
FAULTS = {}
BASE = ("products", "product", "users", "user")


@pytest.fixture
def small(world):
    """A world whose profile names a few routes only, so that one part is tried in a second."""

    def build(*names):
        profile = world.profile
        routes = {name: profile.routes[name] for name in profile.routes if name in {*BASE, *names}}
        missing = {one: "left out here" for one in SURFACES if one not in {route.surface for route in routes.values()}}
        changed = dataclasses.replace(profile, routes=routes, not_applicable=missing, openapi="")
        plants = [plant for plant in world.plants if plant.route in changed.routes]
        return dataclasses.replace(world, target=dataclasses.replace(world.target, profile=changed), depth="quick", plants=plants)

    return build


def fault(name, *routes, grade=Grade.PROOF, says=""):
    """Register a fault with the routes that it concerns, and what the finding must say."""

    def register(make):
        FAULTS[name] = (make, routes, grade, says)
        return make

    return register


def other_of(cast, request):
    return "b" if cast.who(request).startswith("a.") else "a"


def as_the_other(cast, request):
    return cast.as_(request, f"{other_of(cast, request)}.owner")


def sent_elsewhere(is_hit):
    """What a request says a second time wins over its session."""

    def make(cast):
        return lambda request, forward: forward(as_the_other(cast, request) if is_hit(request) else request)

    return make


fault("a header that nobody knows wins for one report", "dashboard", "scenarios", says="X-Workspace-ID")(
    sent_elsewhere(
        lambda request: request.route == "/api/scenarios" and (request.header("X-Workspace-ID") or "").startswith("org_")
    )
)
fault("a cookie wins on one list", "scenarios", says="every carrier")(
    sent_elsewhere(lambda request: request.route == "/api/scenarios" and "active_org=org_" in (request.header("Cookie") or ""))
)
fault("a parameter wins on a summary", "product_summary", says="/summary")(
    sent_elsewhere(
        lambda request: request.route.endswith("/summary") and "orgId=" not in request.path and "&org=" in request.path
    )
)


@fault("the tenant before the path wins", says="below")
def _(cast):
    def lie(request, forward):
        if not request.route.startswith("/t/audit-"):
            return forward(request)
        _, _, _, rest = request.path.split("/", 3)
        return forward(as_the_other(cast, dataclasses.replace(request, path=f"/{rest}")))

    return lie


@fault("a key is good in every organisation", "api_keys", "api_key", says="the key of")
def _(cast):
    def lie(request, forward):
        wanted = cast.owner_of(request.organization) if request.header("X-API-Key") and not request.token else ""
        if wanted and request.method == "GET":
            return forward(cast.as_(request.with_header("X-API-Key", None), wanted))
        return forward(request)

    return lie


@fault("a revoked key still opens", "api_keys", "api_key", grade=Grade.STRONG, says="a revoked key")
def _(cast):
    known = {}

    def lie(request, forward):
        answer, key = forward(request), request.header("X-API-Key")
        if key and not request.token and answer.status == 200:
            listed = answer.body
            known[key] = next((name for name in ("a", "b") if any(
                canary.token.encode() in listed for canary in cast.world.caller.canaries if canary.tenant == name
            )), known.get(key, ""))  # fmt: skip
        if key and not request.token and answer.status == 401 and known.get(key):
            return forward(cast.as_(request.with_header("X-API-Key", None), f"{known[key]}.owner"))
        return answer

    return lie


@fault("the own profile takes a role", "user_profile", says="was member, is admin")
def _(cast):
    def lie(request, forward):
        if request.method != "PATCH" or request.route != "/api/users/profile" or b'"role"' not in request.body:
            return forward(request)
        who = cast.who(request)
        listed = forward(dataclasses.replace(cast.as_(request, f"{who[0]}.owner"), method="GET", path="/api/users?limit=100"))
        row = next(one for one in listed.document["data"] if one["email"] == cast.world.people[who].email)
        change = dataclasses.replace(
            cast.as_(request, f"{who[0]}.owner"), path=f"/api/users/{row['id']}", body=json.dumps({"role": "admin"}).encode()
        )
        return forward(change)

    return lie


@fault("the tenant in a nested field is believed", "scenarios", says="after POST /api/scenarios")
def _(cast):
    def lie(request, forward):
        if request.method != "POST" or request.route != "/api/scenarios" or b'"attributes"' not in request.body:
            return forward(request)
        kept = {"name": json.loads(request.body)["name"]}
        return forward(as_the_other(cast, dataclasses.replace(request, body=json.dumps(kept).encode())))

    return lie


INVITING = ("invitations", "invitation", "invitation_acceptance")


@fault("an invitation raises whoever takes it", *INVITING, says="was member, is admin")
def _(cast):
    def lie(request, forward):
        answer = forward(request)
        who = cast.who(request)
        if answer.status != 404 or request.route != "/api/invitations/accept" or not who.endswith(".member"):
            return answer
        owner = cast.as_(request, f"{who[0]}.owner")
        listed = forward(dataclasses.replace(owner, method="GET", path="/api/users?limit=100"))
        row = next(one for one in listed.document["data"] if one["email"] == cast.world.people[who].email)
        forward(dataclasses.replace(owner, method="PATCH", path=f"/api/users/{row['id']}", body=b'{"role": "admin"}'))
        return answer

    return lie


@fault("a revoked invitation is accepted", *INVITING, grade=Grade.STRONG, says="revoked invitation")
def _(cast):
    def lie(request, forward):
        answer = forward(request)
        is_hit = answer.status == 404 and request.route == "/api/invitations/accept" and not cast.who(request)
        return dataclasses.replace(answer.saying({"success": True, "data": {"role": "admin"}}), status=200) if is_hit else answer

    return lie


SAMPLE = {"a key is good in every organisation", "the tenant before the path wins"}
CASES = [pytest.param(name, marks=() if name in SAMPLE else pytest.mark.whole) for name in FAULTS]


@pytest.mark.parametrize("name", CASES)
def test_a_second_identity(name, small, cast, lie, as_found, is_whole):
    """What is believed besides the credentials is found with a witness that names it; nothing is found once it is not."""
    make, routes, grade, says = FAULTS[name]
    world = small(*routes)
    lie(make(cast))
    found = run_family(CHECK, world)
    assert found.outcome is Outcome.FAILING, found.why
    assert found.grade is grade
    assert any(says in line for line in found.witness.lines), found.witness.lines
    lie(None)
    as_found.put_back()
    if is_whole:
        assert run_family(CHECK, world).outcome is Outcome.HEALTHY


@pytest.mark.whole
def test_the_whole_matrix_is_silent(world):
    """On the service as it is every carrier, field, key and invitation is tried and nothing is left untried."""
    found = run_family(CHECK, world)
    assert found.outcome is Outcome.HEALTHY, found.why
    assert found.grade is Grade.STRONG
    assert found.examined == found.eligible


def test_invitations_that_nobody_can_take(small, lie):
    """Where the right person cannot take an invitation either, that others cannot proves nothing."""
    world = small(*INVITING)
    lie(lambda request, forward: forward(dataclasses.replace(request, path="/api/none") if "accept" in request.path else request))
    found = run_family(CHECK, world)
    assert found.outcome is Outcome.INCONCLUSIVE
    assert "takes the invitation" in found.why
