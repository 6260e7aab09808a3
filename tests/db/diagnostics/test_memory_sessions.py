"""Memory that a session keeps for each tenant: measured on real tenants, told for the application's sessions, refused with its grant."""

import dataclasses
import time
import uuid

import psycopg
import pytest

from capliquify_ops.configuration import Target, TargetClass, load_limits, load_profile
from capliquify_ops.configuration.system import SystemClock
from capliquify_ops.database import observer, operator, quoted
from capliquify_ops.diagnostics import memory
from capliquify_ops.diagnostics.diagnose import diagnose
from capliquify_ops.diagnostics.inquiry import Inquiry
from capliquify_ops.diagnostics.memory_sessions import SESSIONS
from capliquify_ops.observation.backend_memory import read_backend_memory
from capliquify_ops.tenants.create import NewTenant, create
from capliquify_ops.tenants.registry_columns import fill_registry

NOTHING = load_limits({"backend_memory_ratio": 0, "connection_lifetime_s": 0}, "here")


@pytest.fixture
def target(database, roles, tmp_path):
    return Target("here", TargetClass.LOOPBACK, load_profile("capliquify", tmp_path), database.observer_url, roles=roles)


@pytest.fixture
def found(target):
    def run(limits=None, **changes):
        inquiry = Inquiry(dataclasses.replace(target, **changes), limits or load_limits(), SystemClock(), lambda: 0.5)
        [diagnosis] = diagnose(inquiry, [memory.NAME])
        return diagnosis

    return run


def source(diagnosis):
    return next(each for each in diagnosis.sources if each.name == SESSIONS)


def test_each_tenant_costs_memory(target, two, roles):
    """By touching a tenant the session grows by some hundred kB; the tenants and no other role's sessions are counted."""
    del two
    with observer(target.observer_url(), "test") as session, session.transaction():
        seen = read_backend_memory(session, lambda text: fill_registry(text, target.profile.registry), roles, 3600.0)
    assert (seen.touched, seen.tenants, seen.sessions, seen.old_sessions, seen.oldest_s) == (1, 2, 0, 0, None)
    assert 50_000 < seen.per_tenant < 1_000_000
    assert seen.shared_buffers > 1_000_000


def test_no_tenants_are_nothing_to_measure_by(found):
    """Without tenants the line says so."""
    diagnosis = found()
    assert (diagnosis.causes, source(diagnosis).says) == ((), "there are fewer than two tenants with tables to measure by")


def test_sessions_that_live_too_long(found, two, database):
    """Nothing; with limits of zero and one session of the application, the cause; without the session, nothing again."""
    del two
    assert (found().causes, found().is_certain) == ((), True)
    assert found(NOTHING).causes == ()
    with psycopg.connect(database.app_url.reveal()):
        assert found().causes == ()
        [cause] = found(NOTHING).causes
        assert cause.name == "memory of database sessions"
        assert cause.why.startswith("1 session of the application live")
        assert "with 2 tenants" in cause.why
        assert cause.since_s >= 0
        says = source(found()).says
        assert "2 tenants, 1 session of the application, 0 of them old: up to 0 MB" in says
    deadline = time.monotonic() + 10
    while found(NOTHING).causes:
        assert time.monotonic() < deadline, "the session does not end"


def test_it_is_quick(found, two):
    """Far below a second."""
    del two
    assert source(found()).elapsed_ms < 1000


def test_what_may_not_be_read_is_said(found, two, roles, database):
    """Without the registry, then without its own session's memory, the exact grant is the answer, and nothing is certain."""
    del two
    app = quoted(roles.app)
    assert f"GRANT SELECT ON public.tenants TO {app}" in source(found(database_url=database.app_url)).says
    with psycopg.connect(database.superuser_url.reveal(), autocommit=True) as mighty:
        mighty.execute(f"GRANT SELECT ON public.tenants TO {app}")
    diagnosis = found(database_url=database.app_url)
    assert (diagnosis.is_certain, diagnosis.causes) == (False, ())
    assert f"GRANT pg_read_all_stats TO {quoted(roles.app)}" in source(diagnosis).says


@pytest.mark.whole
def test_on_15_the_same_is_measured(database_15, fifteen, tmp_path):
    """PostgreSQL 15 has the same view and says about the same."""
    server, _ = fifteen
    registry = load_profile("capliquify", tmp_path).registry
    with operator(database_15.operator_url, "test") as session:
        for slug in ("a", "b"):
            create(session, server.roles, NewTenant(uuid.uuid4(), slug, slug, f"org_{slug}"), actor="test")
    with observer(database_15.observer_url, "test") as session, session.transaction():
        seen = read_backend_memory(session, lambda text: fill_registry(text, registry), server.roles, 3600.0)
    assert 50_000 < seen.per_tenant < 1_000_000
