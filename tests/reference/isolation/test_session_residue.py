"""What idle connections of the service keep is found: each kind left by a real session of the service's role, and gone with it."""

import dataclasses

import psycopg
import pytest

from capliquify_ops.isolation import run_family, session_residue
from capliquify_ops.model.outcome import Grade, Outcome
from capliquify_ops.model.roles import Roles

CHECK = "iso_09_session_residue"
LEFT = {
    "a temporary table": ("CREATE TEMP TABLE products (id int)", "products", True),
    "a session lock": ("SELECT pg_advisory_lock(4711)", "4711", False),
    "an open transaction": ("BEGIN", "idle in transaction", True),
}


@pytest.fixture
def app(generous_stack):
    """A connection of the service's role, as a pool would keep it."""
    with psycopg.connect(generous_stack.app_url, autocommit=True) as connection:
        yield connection


@pytest.fixture(autouse=True)
def soon(monkeypatch):
    """Residue is not waited for longer than this stack's requests take."""
    monkeypatch.setattr(session_residue, "SETTLED_S", 0.3)


@pytest.mark.parametrize("what", ["a temporary table", "an open transaction"])
def test_residue_is_found(world, app, what):
    """Nothing, one thing, nothing again."""
    assert run_family(CHECK, world).outcome is Outcome.HEALTHY
    statement, named, _ = LEFT[what]
    app.execute(statement)
    found = run_family(CHECK, world)
    assert found.outcome is Outcome.FAILING
    assert found.grade is Grade.STRONG
    assert named in found.why
    app.close()
    assert run_family(CHECK, world).outcome is Outcome.HEALTHY


def test_a_lock_that_was_there_before_is_somebodys(world, app):
    """A leader's lock is no residue; one that appears while requests are answered is."""
    app.execute("SELECT pg_advisory_lock(4711)")
    assert run_family(CHECK, world).outcome is Outcome.HEALTHY


def test_a_new_session_lock_is_found(world, app, monkeypatch):
    """One that a request of the audit leaves."""
    looks = iter([lambda: None, lambda: app.execute("SELECT pg_advisory_lock(4711)")])
    honest = session_residue._held

    def held(session, role):
        next(looks, lambda: None)()
        return honest(session, role)

    monkeypatch.setattr(session_residue, "_held", held)
    probes = [probe for probe in session_residue.residue(world) if probe.problem]
    assert [("advisory lock" in probe.name, "4711" in probe.problem) for probe in probes] == [(True, True)]


def test_a_role_without_sessions_is_no_pass(direct_target, world, monkeypatch):
    """Who looks at the wrong role sees nothing, and that is not healthy."""
    roles = dataclasses.replace(direct_target.roles, app="nobody_there")
    assert isinstance(roles, Roles)
    monkeypatch.setattr(world, "target", dataclasses.replace(world.target, roles=roles))
    found = run_family(CHECK, world)
    assert found.outcome is Outcome.INCONCLUSIVE
    assert "nobody_there" in found.why
