"""The lives of tenants: what a proxy, or the service itself, does wrong about them is found, each part by itself."""

import pytest

from capliquify_ops.isolation import lifecycle_names, lifecycle_reuse, lifecycle_standing, run_family, tenant_lifecycle
from capliquify_ops.isolation.run import probes_of
from capliquify_ops.model.outcome import Outcome

CHECK = "iso_06_tenant_lifecycle"


@pytest.fixture
def part(world, monkeypatch, run):
    """Measures one part as a family of its own."""

    def measured(*parts):
        monkeypatch.setattr(tenant_lifecycle, "PARTS", parts)
        monkeypatch.setattr(tenant_lifecycle, "_well_made", lambda world: (nothing for nothing in ()))
        return run_family(CHECK, world)

    return measured


@pytest.mark.whole
def test_the_correct_service(world):
    """All parts, no alarm, and nothing of them left."""
    before = dict(world.tenants)
    found = run_family(CHECK, world)
    assert found.outcome is Outcome.HEALTHY, found.why
    assert found.examined > 150
    assert world.tenants == before


@pytest.mark.whole
def test_a_suspended_tenant_that_is_served(part, world, lie, make):
    """Health, a list that answers although the tenant is suspended, health."""
    assert part(lifecycle_standing.suspension).outcome is Outcome.HEALTHY
    kept = {}

    def remembering(request, forward):
        answer = forward(request)
        if request.method == "GET" and request.route == "/api/inventory" and "_m" in (request.organization or ""):
            return (
                kept.setdefault(request.organization, answer) if answer.status == 200 else kept.get(request.organization, answer)
            )
        return answer

    lie(remembering)
    found = part(lifecycle_standing.suspension)
    assert found.outcome is Outcome.FAILING, found.why
    assert "/api/inventory suspended" in found.why
    lie(None)
    assert part(lifecycle_standing.suspension).outcome is Outcome.HEALTHY


def test_a_missing_table_that_is_answered(part, lie, make):
    """A list that is answered 200 although the tenant's table is gone stands somewhere else."""
    assert part(lifecycle_standing.half_made).outcome is Outcome.HEALTHY

    def falling_through(request, forward):
        answer = forward(request)
        return make.ok([]) if request.method == "GET" and request.route == "/api/products" and answer.status >= 500 else answer

    lie(falling_through)
    found = part(lifecycle_standing.half_made)
    assert found.outcome is Outcome.FAILING, found.why
    assert "without products" in found.why


def test_a_name_that_leads_to_another_tenant(part, world, lie, cast, make):
    """Two tenants whose slugs differ in a hyphen only, and one answers for the other."""

    def confusing(request, forward):
        if request.organization == f"org_{world.run}_w" and request.method == "GET":
            return forward(cast.as_(request, "v.owner"))
        if request.method == "POST" and request.route == "/api/admin/tenants":
            for letters in (b"_x", b".y", b"-z "):
                request.body = request.body.replace(letters, b"-w")
        return forward(request)

    lie(confusing)
    found = [probe for probe in probes_of(lifecycle_names.collisions, world) if probe.violation() or probe.untried]
    assert found


@pytest.mark.whole
def test_an_old_session_that_opens_a_deleted_tenant(part, lie, world):
    """What a deleted tenant was given is still good."""
    assert part(lifecycle_reuse.reuse).outcome is Outcome.HEALTHY
    kept = {}

    def remembering(request, forward):
        answer = forward(request)
        if request.method == "GET" and "_j" in (request.organization or "") and request.route.startswith("/api/products/"):
            return kept.setdefault(request.path, answer) if answer.status == 200 else kept.get(request.path, answer)
        return answer

    lie(remembering)
    found = part(lifecycle_reuse.reuse)
    assert found.outcome is Outcome.FAILING, found.why
    assert "after the deletion" in found.why
