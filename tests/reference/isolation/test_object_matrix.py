"""K1 finds what reaches another tenant on surfaces that no control looks at, and is silent about the service as it is."""

import dataclasses
import json
import re

import pytest

from capliquify_ops.configuration.profile_routes import SURFACES
from capliquify_ops.isolation import run_family
from capliquify_ops.isolation.made_objects import id_routes
from capliquify_ops.model.outcome import Grade, Outcome

CHECK = "iso_01_object_matrix"
FAULTS = {}
BASE = ("products", "product")


@pytest.fixture
def small(world):
    """A world whose profile names a few routes only, so that one surface is tried in a second."""

    def build(*names, **changes):
        profile = world.profile
        routes = {name: profile.routes[name] for name in profile.routes if name in {*BASE, *names}}
        missing = {one: "left out here" for one in SURFACES if one not in {route.surface for route in routes.values()}}
        changed = dataclasses.replace(profile, **({"routes": routes, "not_applicable": missing, "openapi": ""} | changes))
        plants = [plant for plant in world.plants if plant.route in changed.routes]
        return dataclasses.replace(world, target=dataclasses.replace(world.target, profile=changed), depth="quick", plants=plants)

    return build


def fault(name, *routes, grade=Grade.PROOF, says=""):
    """Register a fault with the routes that it concerns, and what the finding must say."""

    def register(make):
        FAULTS[name] = (make, routes, grade, says)
        return make

    return register


def is_tenant(cast, request, key):
    return cast.who(request).startswith(f"{key}.")


def as_the_other(cast, request):
    """The request as the owner of the other tenant would have sent it."""
    return cast.as_(request, "b.owner" if is_tenant(cast, request, "a") else "a.owner")


def refused_then_as_the_other(pattern, methods, *, keeps_refusal=False):
    """What one tenant may not see is asked for as the other one, on paths of one kind."""

    def make(cast):
        def lie(request, forward):
            answer = forward(request)
            if request.method not in methods or not re.fullmatch(pattern, request.route) or answer.status != 404:
                return answer
            other = forward(as_the_other(cast, request))
            return answer if keeps_refusal or other.status == 404 else other

        return lie

    return make


fault("comments are found by the product's id alone", "product_comments", says="/comments of")(
    refused_then_as_the_other(r"/api/products/[^/]+/comments", {"GET"})
)
fault("a summary of anybody's product", "product_summary", says="/summary of")(
    refused_then_as_the_other(r"/api/products/[^/]+/summary", {"GET"})
)
fault("a file of anybody's export", "exports", "export", "export_file", says="/file of")(
    refused_then_as_the_other(r"/api/exports/[^/]+/file", {"GET"})
)
fault("a job of anybody", "jobs", "job", "scenarios", says="/api/jobs/{id} of")(
    refused_then_as_the_other(r"/api/jobs/[^/]+", {"GET"})
)
fault("a key revoked by anybody, with a 404", "api_keys", "api_key", says="changed or deleted it")(
    refused_then_as_the_other(r"/api/api-keys/[^/]+", {"DELETE"}, keeps_refusal=True)
)
fault("an invitation revoked by anybody", "invitations", "invitation", says="/api/invitations/{id}")(
    refused_then_as_the_other(r"/api/invitations/[^/]+", {"DELETE"})
)
fault("a comment hung on anybody's product by its path", "product_comments", says="holds another tenant's secret")(
    refused_then_as_the_other(r"/api/products/[^/]+/comments", {"POST"})
)
fault("a comment hung on anybody's product by its body", "comments", "product_comments", says="holds another tenant's secret")(
    refused_then_as_the_other(r"/api/comments", {"POST"}, keeps_refusal=True)
)


@fault("another tenant's user is forbidden, an unknown one not found", "users", "user", grade=Grade.STRONG, says="answered 403")
def _(cast):
    def lie(request, forward):
        answer = forward(request)
        is_read = request.method == "GET" and re.fullmatch(r"/api/users/[^/]+", request.route)
        if answer.status != 404 or not is_read or forward(as_the_other(cast, request)).status != 200:
            return answer
        return dataclasses.replace(answer.saying({"error": "forbidden"}), status=403)

    return lie


@fault("a HEAD tells that the export is there", "exports", "export", grade=Grade.STRONG, says="HEAD")
def _(cast):
    def lie(request, forward):
        answer = forward(request)
        if answer.status == 404 and request.method == "HEAD" and request.route.startswith("/api/exports/"):
            return dataclasses.replace(answer, status=forward(as_the_other(cast, request)).status)
        return answer

    return lie


@fault("a search over all tenants", "search", says="searches for")
def _(cast):
    def lie(request, forward):
        answer = forward(request)
        if request.route == "/api/search" and answer.status == 200:
            both = answer.document["data"], forward(as_the_other(cast, request)).document["data"]
            return answer.saying({"success": True, "data": both})
        return answer

    return lie


@fault("a list as CSV is everybody's", "scenarios", says="format=csv")
def _(cast):
    def lie(request, forward):
        is_hit = request.route == "/api/scenarios" and "format=csv" in request.path
        return forward(as_the_other(cast, request) if is_hit else request)

    return lie


@fault("a list in XML is everybody's", "scenarios", says="application/xml")
def _(cast):
    def lie(request, forward):
        is_hit = request.route == "/api/scenarios" and "xml" in (request.header("Accept") or "")
        return forward(as_the_other(cast, request) if is_hit else request)

    return lie


@fault("the second page of the invitations is everybody's", "invitations", says="page=2")
def _(cast):
    def lie(request, forward):
        is_hit = request.route == "/api/invitations" and "page=2" in request.path
        return forward(as_the_other(cast, request) if is_hit else request)

    return lie


@fault("the tenant of the body is believed by one route", "scenarios", says="after POST /api/scenarios")
def _(cast):
    def lie(request, forward):
        is_hit = request.method == "POST" and request.route == "/api/scenarios" and b"tenant_id" in request.body
        if not is_hit:
            return forward(request)
        kept = {"name": json.loads(request.body)["name"]}
        return forward(as_the_other(cast, dataclasses.replace(request, body=json.dumps(kept).encode())))

    return lie


SAMPLE = {
    "comments are found by the product's id alone",
    "a search over all tenants",
    "a list as CSV is everybody's",
}
CASES = [pytest.param(name, marks=() if name in SAMPLE else pytest.mark.whole) for name in FAULTS]


@pytest.mark.parametrize("name", CASES)
def test_a_fault_on_one_surface(name, small, cast, lie, as_found, is_whole):
    """A fault on one surface is found with a witness that names it, and nothing is found before and afterwards."""
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
    """On the service as it is every surface of the profile is tried and nothing is left untried."""
    found = run_family(CHECK, world)
    assert found.outcome is Outcome.HEALTHY, found.why
    assert found.grade is Grade.STRONG
    assert found.examined == found.eligible
    assert found.measured["positive_controls"] > len(id_routes(world))


def test_a_route_that_the_profile_does_not_name(small, world):
    """An operation of the service's own document that no route covers is named, and leaves the check without a verdict."""
    found = run_family(CHECK, small(openapi=world.profile.openapi))
    assert found.outcome is Outcome.INCONCLUSIVE
    assert "GET /api/users" in found.why
    assert "GET /api/products" not in found.why.replace("/api/products/{id}/", "")


def test_a_route_that_the_service_does_not_have(small, world):
    """A route of the profile that the service does not answer leaves the check without a verdict, and is named."""
    gone = dataclasses.replace(world.route("products"), name="ghosts", path="/api/ghosts", methods=("GET",), surface="other")
    routes = {name: world.profile.routes[name] for name in BASE} | {"ghosts": gone}
    found = run_family(CHECK, small(routes=routes))
    assert found.outcome is Outcome.INCONCLUSIVE
    assert "/api/ghosts" in found.why


def test_a_surface_that_nobody_declared(small):
    """A surface that the profile neither has nor declares absent is said."""
    found = run_family(CHECK, small(not_applicable={}))
    assert found.outcome is Outcome.INCONCLUSIVE
    assert "not_applicable" in " ".join(found.witness.lines) or "does not say that there is none" in found.why
