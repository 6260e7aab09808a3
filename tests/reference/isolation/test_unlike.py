"""Correct services that differ from the reference service: the audit must not take their ways for faults, nor for proofs."""

import dataclasses
import itertools
import json
import time

import pytest

from capliquify_ops.isolation import run_family
from capliquify_ops.isolation.identity_matrix import _rank_elsewhere
from capliquify_ops.isolation.judge import judge
from capliquify_ops.isolation.catalogue import families, named
from capliquify_ops.isolation.poisoned_connections import _still_served
from capliquify_ops.isolation.run import _about, probes_of
from capliquify_ops.model.outcome import Outcome

ROWS = ["int_02_missing_authorization", "sec_001_other_tenants_data", "sec_009_viewer_writes", "sec_019_inert_input"]
"""Checks that look whether a row is as it was."""
CHOSEN = [
    "int_05_not_a_member", "sec_001_other_tenants_data", "sec_002_organization_header", "sec_003_selector_injection",
    "sec_014_audit_trail",
]  # fmt: skip
"""Checks that send another organisation in the header."""


@pytest.fixture
def only_items(world):
    """A world whose profile names the main collection only, so that a family is tried in a second."""
    profile = world.profile
    routes = {name: profile.routes[name] for name in ("products", "product")}
    missing = dict.fromkeys(("users", "user", "own_profile", "report", "audit_log"), "left out here") | dict(profile.not_applicable)
    profile = dataclasses.replace(profile, routes=routes, not_applicable=missing, openapi="")
    return dataclasses.replace(world, target=dataclasses.replace(world.target, profile=profile), depth="quick")


def stamped():
    """Every row says when it was shown, to the second, and carries an address that is signed anew."""
    turns = itertools.count()

    def twin(request, forward):
        answer = forward(request)
        if request.method != "GET" or b'"data"' not in answer.body:
            return answer
        document = answer.document
        rows = document["data"] if isinstance(document["data"], list) else [document["data"]]
        for row in rows:
            if isinstance(row, dict):
                row |= {"shown_at": int(time.time()), "picture": f"/pictures/1?signature={next(turns)}"}
        return answer.saying(document)

    return twin


@pytest.mark.parametrize("check", ROWS)
def test_rows_that_say_when_they_were_shown(check, world, lie, run):
    """Members that change while nobody writes are no change of the row."""
    lie(stamped())
    found = run(check, world)
    assert found.outcome is Outcome.HEALTHY, found.why


def test_objects_that_say_when_they_were_shown(only_items, lie):
    """The matrix of objects leaves out what moves by itself, also where two looks within one second saw the same."""
    ticks = itertools.count()
    honest = stamped()

    def twin(request, forward):
        answer = honest(request, forward)
        if request.method == "GET" and request.route.startswith("/api/products/") and answer.status == 200:
            document = answer.document
            document["data"]["age_s"] = next(ticks) // 4
            return answer.saying(document)
        return answer

    lie(twin)
    found = run_family("iso_01_object_matrix", only_items)
    assert found.outcome is Outcome.HEALTHY, found.why


def test_a_changed_row_that_says_when_it_was_shown(world, cast, lie, run):
    """A real change is still seen beside what moves by itself."""
    honest = stamped()

    def fault(request, forward):
        is_victim = request.method in {"PUT", "PATCH"} and request.route.startswith("/api/products/")
        return honest(cast.as_(request, "b.owner") if is_victim and cast.who(request) == "a.owner" else request, forward)

    lie(fault)
    found = run("sec_001_other_tenants_data", world)
    assert (found.outcome, found.grade.value) == (Outcome.FAILING, "proof"), found.why


def repeatable(request, forward):
    """Deleting what is not there is answered like deleting what was."""
    answer = forward(request)
    gone = request.method == "DELETE" and answer.status in {200, 204, 404}
    return dataclasses.replace(answer, status=204, body=b"") if gone else answer


def test_deletions_that_may_be_repeated(world, only_items, lie, run):
    """204 for whatever id is no deletion of another tenant's row."""
    lie(repeatable)
    found = run("sec_001_other_tenants_data", world)
    assert found.outcome is Outcome.HEALTHY, found.why
    found = run_family("iso_01_object_matrix", only_items)
    assert found.outcome is Outcome.HEALTHY, found.why


def test_a_deletion_that_is_told_apart(world, lie, run):
    """204 for another tenant's row and 404 for an unknown one is an answer against the expectation."""
    known = {plant.id for plant in world.plants}

    def fault(request, forward):
        if request.method == "POST" and request.route == "/api/products":
            answer = forward(request)
            if answer.status == 201:
                known.add(answer.document["data"]["id"])
            return answer
        return repeatable(request, forward) if request.route.rpartition("/")[2] in known else forward(request)

    lie(fault)
    assert run("sec_001_other_tenants_data", world).outcome is Outcome.FAILING


@pytest.mark.parametrize("check", CHOSEN)
def test_the_token_alone_chooses_the_organisation(check, world, lie, run):
    """A service that knows no organisation header answers with the rows of the token's own, whatever else was sent."""
    profile = dataclasses.replace(world.profile, organization_header="")
    chosen = dataclasses.replace(world, target=dataclasses.replace(world.target, profile=profile))
    header = world.caller._organization_header
    lie(lambda request, forward: forward(request.with_header(header, request.claims.get("org_id"))))
    world.caller._organization_header = ""
    try:
        found = run(check, chosen)
    finally:
        world.caller._organization_header = header
    assert found.outcome is Outcome.HEALTHY, found.why
    assert found.measured["probes"] > 0


def test_a_tenant_with_more_rows_than_a_page(world, lie, run):
    """In a tenant that was there before, the oldest rows fill the first page, and the audit's own stand further down."""

    def twin(request, forward):
        answer = forward(request)
        is_list = request.method == "GET" and request.route in {"/api/products", "/api/sales"}
        if not is_list or "limit" in request.path or answer.status != 200:
            return answer
        document = answer.document
        document["data"] = [{"id": f"{number:08}-0000-4000-8000-000000000000", "name": "older"} for number in range(20)]
        return answer.saying(document)

    lie(twin)
    found = run("sec_015_own_rows_only", dataclasses.replace(world, is_throwaway=False))
    assert found.outcome is Outcome.HEALTHY, found.why
    found = run("sec_015_own_rows_only", world)
    assert found.outcome is Outcome.FAILING, found.why


def test_a_service_that_recovers_slowly(world, make, lie):
    """503 after a fault says nothing about what would have been answered."""
    lie(lambda request, forward: make.answer(503, body=b"{}"))
    probes = list(_still_served(world, "after a fault", 2))
    assert [bool(probe.untried) for probe in probes] == [True, True]
    assert not any(probe.violation() for probe in probes)


def test_an_admin_elsewhere_who_is_none(world, make, lie):
    """Where nobody is an admin in the one tenant, that the other one refuses proves nothing."""
    control = named("iso_02_identity_matrix", families())
    assert judge(probes_of(_rank_elsewhere, world), *_about(control, world, 0)).outcome is Outcome.HEALTHY
    refusal = make.answer(403, body=json.dumps({"success": False, "error": "insufficient_permissions"}).encode())
    for_admins = {route.path for route in world.profile.routes.values() if route.least_role in {"admin", "owner"}}

    def twin(request, forward):
        is_ranked = str(request.claims.get("sub", "")).endswith("_ranks")
        return refusal if is_ranked and request.route in for_admins else forward(request)

    lie(twin)
    assert judge(probes_of(_rank_elsewhere, world), *_about(control, world, 0)).outcome is Outcome.INCONCLUSIVE
