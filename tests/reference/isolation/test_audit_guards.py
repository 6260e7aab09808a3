"""What must hold before a green means anything: the audit's guards go red when it does not."""

import dataclasses

from capliquify_ops.isolation import audit_guards, run_family
from capliquify_ops.model.outcome import Outcome

CHECK = "iso_00_audit_guards"


def test_the_guards_hold(world):
    """Oracles, both tenants, the role and a shared connection, all seen on the running service."""
    names = [probe.name for probe in audit_guards.guards(world) if not probe.untried]
    assert "one connection serves both tenants, one after the other" in names
    assert "the role of the service" in names
    assert run_family(CHECK, world).outcome is Outcome.HEALTHY


def test_another_role_than_the_configured_one(world, monkeypatch):
    """What is known of a role that the service does not have proves nothing."""
    roles = dataclasses.replace(world.target.roles, app=world.target.roles.observer)
    monkeypatch.setattr(world, "target", dataclasses.replace(world.target, roles=roles))
    found = run_family(CHECK, world)
    assert found.outcome is Outcome.FAILING
    assert world.target.roles.app in found.why


def test_a_tenant_that_is_not_served(world, lie, make):
    """No verdict on a service that does not serve one of the two."""
    theirs = world.tenants["b"].organization_id
    lie(lambda request, forward: make.answer(404).saying({}) if request.organization == theirs else forward(request))
    assert run_family(CHECK, world).outcome is Outcome.INCONCLUSIVE


def test_without_an_operator_it_says_what_was_not_seen(world, monkeypatch):
    """The role and its connections cannot be seen then; the rest stands."""
    monkeypatch.setattr(world, "target", dataclasses.replace(world.target, operator_url=None))
    found = run_family(CHECK, world)
    assert found.outcome is Outcome.HEALTHY
    assert "operator URL" in found.why
