"""Correct services that differ from the reference service: the audit must not take their ways for faults, nor for proofs."""

import dataclasses
import itertools
import json
import math
import time

import pytest

from capliquify_ops.configuration.profile_routes import SURFACES
from capliquify_ops.isolation import concurrent_writes, lifecycle_standing, permissions, run_family, tenant_lifecycle
from capliquify_ops.isolation.catalogue import families, named
from capliquify_ops.isolation.concurrent_history import _late
from capliquify_ops.isolation.features import starter_premium
from capliquify_ops.isolation.foreign_totals import foreign_total
from capliquify_ops.isolation.identity_matrix import _without_tenant
from capliquify_ops.isolation.judge import judge
from capliquify_ops.isolation.object_matrix_bodies import _bodies
from capliquify_ops.isolation.own_rows import _one_list
from capliquify_ops.isolation.poisoned_connections import _still_served
from capliquify_ops.isolation.run import _about, probes_of
from capliquify_ops.isolation.standing import admin_elsewhere
from capliquify_ops.isolation.world_model import FACTORS
from capliquify_ops.model.outcome import Grade, Outcome

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
    missing = dict.fromkeys(("users", "user", "own_profile", "report", "audit_log"), "left out here") | dict(
        profile.not_applicable
    )
    profile = dataclasses.replace(profile, routes=routes, not_applicable=missing, openapi="")
    return dataclasses.replace(world, target=dataclasses.replace(world.target, profile=profile), depth="quick")


@pytest.fixture
def stamped(world, monkeypatch):
    """Every row says when it was shown, by a coarse clock, and carries an address that is signed anew.

    The clock stands still between two looks; it moves with each write, and while the audit waits.
    """
    ticks, signatures = itertools.count(), itertools.count()
    shown_at = [next(ticks)]
    monkeypatch.setattr(world.caller, "_sleep", lambda seconds: shown_at.append(next(ticks)))

    def twin(request, forward):
        answer = forward(request)
        if request.method != "GET":
            shown_at.append(next(ticks))
        if request.method != "GET" or b'"data"' not in answer.body:
            return answer
        document = answer.document
        rows = document["data"] if isinstance(document["data"], list) else [document["data"]]
        for row in rows:
            if isinstance(row, dict):
                row |= {"shown_at": shown_at[-1], "picture": f"/pictures/1?signature={next(signatures)}"}
        return answer.saying(document)

    return twin


@pytest.mark.parametrize("check", ROWS)
def test_rows_that_say_when_they_were_shown(check, world, stamped, lie, run):
    """Members that change while nobody writes are no change of the row."""
    lie(stamped)
    found = run(check, world)
    assert found.outcome is Outcome.HEALTHY, found.why


def test_objects_that_say_when_they_were_shown(only_items, stamped, lie):
    """The matrix of objects leaves out what moves by itself, also where two looks right after each other saw the same."""
    lie(stamped)
    found = run_family("iso_01_object_matrix", only_items)
    assert found.outcome is Outcome.HEALTHY, found.why


@pytest.mark.whole
def test_a_change_beside_what_moves_by_itself(world, only_items, cast, stamped, lie, run):
    """A real change of another tenant's row is still proof."""

    def fault(request, forward):
        is_victim = request.method in {"PUT", "PATCH"} and request.route.startswith("/api/products/")
        return stamped(cast.as_(request, "b.owner") if is_victim and cast.who(request) == "a.owner" else request, forward)

    lie(fault)
    for found in (run("sec_001_other_tenants_data", world), run_family("iso_01_object_matrix", only_items)):
        assert (found.outcome, found.grade) == (Outcome.FAILING, Grade.PROOF), found.why


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


@pytest.mark.whole
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
    header = world.caller.addressing.header
    lie(lambda request, forward: forward(request.with_header(header, request.claims.get("org_id"))))
    world.caller.addressing.header = ""
    try:
        found = run(check, chosen)
    finally:
        world.caller.addressing.header = header
    assert found.outcome is Outcome.HEALTHY, found.why
    assert found.measured["probes"] > 0


@pytest.mark.parametrize("is_compared", [True, False])
@pytest.mark.parametrize("attack", ["int_05_not_a_member", pytest.param("sec_002_organization_header", marks=pytest.mark.whole)])
def test_the_name_of_the_host_chooses_the_organisation(attack, is_compared, world, cast, lie, run):
    """Where the host's name chooses, and no header: silent if it is compared with the session, proof if it is not."""
    suffix = ".shop.example.com"
    profile = dataclasses.replace(world.profile, organization_header="", tenant_host="{slug}" + suffix)
    hosted = dataclasses.replace(world, target=dataclasses.replace(world.target, profile=profile))
    organizations = {tenant.slug: tenant.organization_id for tenant in world.tenants.values()}

    def fault(request, forward):
        name = (request.header("Host") or "").lower()
        slug = name.removesuffix(suffix) if name.endswith(suffix) else ""
        chosen = organizations.get(slug, slug) or None
        if not is_compared and cast.owner_of(chosen):
            request = cast.as_(request, cast.owner_of(chosen))
        return forward(request.with_header("X-Organization-ID", chosen))

    lie(fault)
    header, host = world.caller.addressing.header, world.caller.addressing.host
    world.caller.addressing.header, world.caller.addressing.host = "", profile.tenant_host
    try:
        found = run(attack, hosted)
    finally:
        world.caller.addressing.header, world.caller.addressing.host = header, host
    expected = (Outcome.HEALTHY, None) if is_compared else (Outcome.FAILING, Grade.PROOF)
    assert (found.outcome, None if is_compared else found.grade) == expected, found.why


def test_a_tenant_with_more_rows_than_a_page(world, lie):
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
    routes = [world.route("products"), world.route("sales")]
    before, throwaway = (
        [probe.violation() for route in routes for probe in _one_list(each, "a", route)]
        for each in (dataclasses.replace(world, is_throwaway=False), world)
    )
    assert not any(before)
    assert len([what for what in throwaway if "own" in what]) == len(routes)


def test_a_service_that_recovers_slowly(world, make, lie):
    """503 after a fault says nothing about what would have been answered."""
    lie(lambda request, forward: make.answer(503, body=b"{}"))
    probes = list(_still_served(world, "after a fault", 2))
    assert [bool(probe.untried) for probe in probes] == [True, True]
    assert not any(probe.violation() for probe in probes)


def test_an_admin_elsewhere_who_is_none(world, make, lie):
    """Where nobody is an admin in the one tenant, that the other one refuses proves nothing."""
    control = named("iso_02_identity_matrix", families())
    assert judge(probes_of(admin_elsewhere, world), *_about(control, world, 0)).outcome is Outcome.HEALTHY
    refusal = make.answer(403, body=json.dumps({"success": False, "error": "insufficient_permissions"}).encode())
    for_admins = {route.path for route in world.profile.routes.values() if route.least_role in {"admin", "owner"}}

    def twin(request, forward):
        is_ranked = str(request.claims.get("sub", "")).endswith("_elsewhere")
        return refusal if is_ranked and request.route in for_admins else forward(request)

    lie(twin)
    assert judge(probes_of(admin_elsewhere, world), *_about(control, world, 0)).outcome is Outcome.INCONCLUSIVE


@pytest.mark.whole
def test_lives_of_tenants_whose_rows_say_when_they_were_shown(world, stamped, lie, monkeypatch):
    """What the others hold is the same afterwards, but for what moves by itself."""
    monkeypatch.setattr(tenant_lifecycle, "PARTS", (lifecycle_standing.half_made,))
    monkeypatch.setattr(tenant_lifecycle, "_well_made", lambda world: ())
    lie(stamped)
    found = run_family("iso_06_tenant_lifecycle", world)
    assert found.outcome is Outcome.HEALTHY, found.why


@pytest.mark.whole
def test_lives_of_tenants_that_end_half_way(world, make, lie, monkeypatch):
    """A part that could not be asked about, on a tenant that the audit made itself, is not left out in silence."""
    monkeypatch.setattr(tenant_lifecycle, "PARTS", (lifecycle_standing.half_made, lifecycle_standing.suspension))
    monkeypatch.setattr(tenant_lifecycle, "_well_made", lambda world: ())
    turns, away = itertools.count(), make.answer(503, body=b"{}")

    def twin(request, forward):
        is_made = request.method == "POST" and (request.organization or "").endswith("_m")
        return away if is_made and next(turns) else forward(request)

    lie(twin)
    found = run_family("iso_06_tenant_lifecycle", world)
    assert found.outcome is Outcome.INCONCLUSIVE, found.why


@pytest.mark.whole
def test_what_hangs_on_a_row_is_not_shown_to_its_owner(world, lie):
    """Where the owner sees none of the children either, that others see none proves nothing."""
    routes = {name: world.profile.routes[name] for name in ("products", "product", "product_comments")}
    missing = dict.fromkeys(SURFACES, "left out here")
    profile = dataclasses.replace(world.profile, routes=routes, not_applicable=missing, openapi="")
    small = dataclasses.replace(world, target=dataclasses.replace(world.target, profile=profile), depth="quick")
    assert run_family("iso_01_object_matrix", small).outcome is Outcome.HEALTHY

    def twin(request, forward):
        answer = forward(request)
        is_list = request.method == "GET" and request.route.endswith("/comments") and answer.status == 200
        return answer.saying({"success": True, "data": []}) if is_list else answer

    lie(twin)
    found = run_family("iso_01_object_matrix", small)
    assert found.outcome is Outcome.INCONCLUSIVE, found.why


def test_a_feature_of_another_name(world):
    """Routes whose feature the audit has never heard of are tried as well, since a row could be made through them."""
    sales = dataclasses.replace(world.profile.routes["sales"], feature="pipelines")
    profile = dataclasses.replace(world.profile, routes={**world.profile.routes, "sales": sales})
    named_so = dataclasses.replace(world, target=dataclasses.replace(world.target, profile=profile))
    names = [probe.name for probe in permissions._refused_writes(named_so, "")]
    assert "a.viewer makes a sales row" in names
    assert sales in _bodies(named_so, "a")


@pytest.mark.whole
def test_a_list_that_viewers_may_not_read(world, cast, make, lie, run):
    """Who has less than the role that a list needs is not expected to read it."""
    refusal = make.answer(403, body=json.dumps({"success": False, "error": "insufficient_permissions"}).encode())
    lie(lambda request, forward: refusal if cast.who(request) == "a.viewer" else forward(request))
    products = dataclasses.replace(world.profile.routes["products"], least_role="member")
    profile = dataclasses.replace(world.profile, routes={**world.profile.routes, "products": products})
    found = run("int_16_a_sees_only_a", dataclasses.replace(world, target=dataclasses.replace(world.target, profile=profile)))
    assert found.outcome is Outcome.HEALTHY, found.why
    assert run("int_16_a_sees_only_a", world).outcome is Outcome.FAILING


def test_members_who_may_delete(world, cast, lie, run):
    """Where the profile says that members delete rows, that they do is no fault."""

    def twin(request, forward):
        is_deletion = request.method == "DELETE" and cast.who(request) == "a.member"
        return forward(cast.as_(request, "a.admin") if is_deletion else request)

    lie(twin)
    product = dataclasses.replace(world.profile.routes["product"], delete_role="member")
    profile = dataclasses.replace(world.profile, routes={**world.profile.routes, "product": product})
    found = run(
        "int_14_member_refused_admin", dataclasses.replace(world, target=dataclasses.replace(world.target, profile=profile))
    )
    assert found.outcome is Outcome.HEALTHY, found.why
    assert run("int_14_member_refused_admin", world).outcome is Outcome.FAILING


def test_a_list_that_is_late(world, lie):
    """A list kept for a moment lacks what was just written, and has lost nothing."""
    late = {}

    def twin(request, forward):
        if request.method != "GET" or request.route != "/api/products":
            return forward(request)
        kept, looks = late.get(request.organization, (None, 0))
        if kept is None or looks > 2:
            kept, looks = forward(request), 0
        late[request.organization] = (kept, looks + 1)
        return kept

    lie(twin)
    for key in ("a", "b"):
        world.get(f"{key}.owner", "/api/products")
    probes = list(concurrent_writes._burst(world, "late"))
    assert not [probe.line() for probe in probes if probe.violation()]


def test_a_stranger_who_is_told_who_they_are(world, make, lie):
    """The own profile may answer anybody with a session; another list may not."""
    profile = world.route("own_profile").path
    told = make.ok({"id": "me", "tenants": []})
    stranger = world.people["n.stranger"].user_id

    def twin(request, forward, path=profile):
        return told if request.claims.get("sub") == stranger and request.route == path else forward(request)

    lie(twin)
    assert not [probe.line() for probe in _without_tenant(world) if probe.violation()]
    lie(lambda request, forward: twin(request, forward, path="/api/products"))
    assert [probe.name for probe in _without_tenant(world) if probe.violation()] == ["n.stranger reads /api/products"]


def test_moments_are_no_amounts():
    """A stamp that happens to be a multiple of the other tenant's prime is no total of its rows."""
    assert not foreign_total("a", {"created": FACTORS["b"] * 27_000, "expires_at": FACTORS["b"] * 27_000_000})
    assert foreign_total("a", {"total": FACTORS["b"] * 27_000})


def test_a_premium_feature_that_is_only_written(world):
    """A feature behind a write alone is tried as well as one behind a read."""
    scenarios = dataclasses.replace(world.profile.routes["scenarios"], methods=("POST",))
    profile = dataclasses.replace(
        world.profile, routes={"products": world.route("products"), "product": world.route("product"), "scenarios": scenarios}
    )
    alone = dataclasses.replace(world, target=dataclasses.replace(world.target, profile=profile))
    probes = probes_of(starter_premium, alone)
    assert any(probe.name == "s.owner POST /api/scenarios" and not probe.violation() for probe in probes), probes


@pytest.mark.whole
def test_a_history_of_lists_that_are_late(world, lie):
    """A list kept for a moment, documented or not, makes no history of lost writes."""
    kept = {}

    def twin(request, forward):
        if request.method != "GET" or request.route != "/api/products":
            return forward(request)
        at, answer = kept.get((request.token, request.path), (0.0, None))
        if answer is None or time.monotonic() - at > 0.4:
            at, answer = kept[request.token, request.path] = (time.monotonic(), forward(request))
        return answer

    assert _late(world) == 0
    lie(twin)
    assert 0.4 < _late(world) < 2
    found = run_family("iso_04_concurrent_history", dataclasses.replace(world, depth="quick"))
    assert found.outcome is Outcome.HEALTHY, found.why


class KeptLists:
    """Lists are kept for a time by tenant and path, as a service does that says so."""

    def __init__(self, seconds):
        self._seconds, self._kept = seconds, {}

    def __call__(self, request, forward):
        if request.method != "GET" or request.route != "/api/products":
            return forward(request)
        key, now = (request.organization, request.path), time.monotonic()
        answer, end = self._kept.get(key, (None, now))
        if now >= end:
            answer, end = forward(request), now + self._seconds
            self._kept[key] = answer, end
        return answer


@pytest.mark.parametrize(
    ("kept_s", "bound_s", "says"),
    [
        (0.6, 1.0, ""),
        (30, 0, "http.cache_bound_s"),
        pytest.param(30, 0.3, "after 0.3 s", marks=pytest.mark.whole),
    ],
)
def test_lists_that_are_kept_for_a_time(kept_s, bound_s, says, world, lie, run):
    """A new row is looked for until the declared bound has passed; without one the finding says what to declare."""
    lists = KeptLists(kept_s)
    lie(lists)
    world.get("a.owner", "/api/products?limit=100")
    profile = dataclasses.replace(world.profile, cache_bound_s=bound_s)
    found = run(
        "int_13_admin_creates_product", dataclasses.replace(world, target=dataclasses.replace(world.target, profile=profile))
    )
    assert found.outcome is (Outcome.FAILING if says else Outcome.HEALTHY), found.why
    assert says in found.why


class LateSignOuts:
    """Signing out is answered at once, and takes effect some seconds later."""

    def __init__(self, make, seconds):
        self._done, self._seconds, self._asked = make.ok({"signed_out": True}), seconds, {}

    def __call__(self, request, forward):
        if request.route == "/api/session/sign-out":
            self._asked[request.token] = time.monotonic(), request
            return self._done
        at, sign_out = self._asked.get(request.token, (math.inf, None))
        if time.monotonic() - at > self._seconds:
            del self._asked[request.token]
            forward(sign_out)
        return forward(request)


@pytest.mark.parametrize(
    ("ends_s", "bound_s", "outcome"),
    [
        (1, 3, Outcome.HEALTHY),
        pytest.param(1, 0, Outcome.FAILING, marks=pytest.mark.whole),
        pytest.param(math.inf, 3, Outcome.FAILING, marks=pytest.mark.whole),
    ],
)
def test_sign_outs_that_take_effect_later(ends_s, bound_s, outcome, world, make, lie, run):
    """A session must have ended when the declared bound has passed: at once where none is declared."""
    lie(LateSignOuts(make, ends_s))
    profile = dataclasses.replace(world.profile, sign_out_bound_s=bound_s)
    found = run("int_03_invalid_session", dataclasses.replace(world, target=dataclasses.replace(world.target, profile=profile)))
    assert found.outcome is outcome, found.why
    assert outcome is Outcome.HEALTHY or "a session signed out after use" in found.why
