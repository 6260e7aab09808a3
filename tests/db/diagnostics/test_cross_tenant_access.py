"""cross-tenant-access: each way from one tenant to another provoked on a real server, named first where it is the worst, and gone."""

import psycopg
import pytest

from capliquify_ops.configuration import Target, TargetClass, load_limits, load_profile
from capliquify_ops.configuration.system import SystemClock, dice
from capliquify_ops.database import operator, quoted
from capliquify_ops.database.identifiers import composed
from capliquify_ops.diagnostics import cross_tenant_access
from capliquify_ops.diagnostics.diagnose import diagnose
from capliquify_ops.diagnostics.inquiry import Inquiry
from capliquify_ops.model.finding import Level
from capliquify_ops.model.secret import Secret
from capliquify_ops.tenants.ownership import as_owner


@pytest.fixture
def found(database, roles, tmp_path):
    """Diagnoses the test's database as the observer, or by another URL."""

    def run(url=None):
        profile = load_profile("capliquify", tmp_path)
        target = Target("here", TargetClass.LOOPBACK, profile, url or database.observer_url, roles=roles)
        [diagnosis] = diagnose(Inquiry(target, load_limits(), SystemClock(), dice), [cross_tenant_access.NAME])
        return diagnosis

    return run


@pytest.fixture
def owner(operator_url, roles, two):
    """Runs a statement as the owner, with :a and :b for the two tenants' schemas."""

    def run(statement):
        named = statement.replace(":a", quoted(two["a"])).replace(":b", quoted(two["b"]))
        with operator(operator_url, "test") as session, session.transaction(), as_owner(session, roles):
            session.script(composed(named))

    return run


WAYS = {
    "cross_references": ("CREATE VIEW :a.seen AS SELECT sku FROM :b.products", "DROP VIEW :a.seen"),
    "access_rights": ("GRANT SELECT ON :b.sales TO PUBLIC", "REVOKE SELECT ON :b.sales FROM PUBLIC"),
    "function_safety": (
        "CREATE FUNCTION :b.mighty() RETURNS int LANGUAGE sql SECURITY DEFINER AS 'SELECT 1';"
        " REVOKE ALL ON FUNCTION :b.mighty() FROM PUBLIC",
        "DROP FUNCTION :b.mighty()",
    ),
}


@pytest.mark.parametrize("check", sorted(WAYS))
def test_a_way_is_named_and_gone(found, owner, two, check):
    """Nothing; then the way, for the highest level, with its tenants and the command that closes it; then nothing."""
    diagnosis = found()
    assert (diagnosis.causes, diagnosis.is_certain) == ((), True), diagnosis
    others = [cross_tenant_access.AUDIT_LOG, cross_tenant_access.MEMBERS, cross_tenant_access.CHANGES]
    assert [source.name for source in diagnosis.sources] == [*cross_tenant_access.WAYS, *others]
    opened, closed = WAYS[check]
    owner(opened)
    [cause] = found().causes
    assert cause.name.startswith(f"{check}: ")
    assert (cause.level, two["b"] in cause.tenants) == (Level.L3, True)
    assert cause.evidence
    assert "tenant suspend" in cause.next_command
    owner(closed)
    assert found().causes == ()


def test_it_opens_one_connection(found, two, monkeypatch):
    """A server that is nearly full is not filled up by the question."""
    del two
    opened, connect = [], psycopg.connect

    def counted(*given, **named):
        opened.append(given)
        return connect(*given, **named)

    monkeypatch.setattr(psycopg, "connect", counted)
    assert found().is_certain
    assert len(opened) == 1


def test_the_worst_comes_first(found, owner):
    """Of two ways at once both are named: what is open to everybody before what somebody must first call."""
    for check in ("function_safety", "access_rights"):
        owner(WAYS[check][0])
    assert [cause.name.partition(":")[0] for cause in found().causes] == ["access_rights", "function_safety"]


def test_what_cannot_be_told_is_no_all_clear(found, owner, roles):
    """A registry that cannot be read, and a database that is not there, leave it open, with the grant or the reason."""
    owner(f"REVOKE SELECT ON public.tenants FROM {quoted(roles.observer)}")
    diagnosis = found()
    assert (diagnosis.causes, diagnosis.is_certain) == ((), False)
    assert any("GRANT SELECT ON" in source.says for source in diagnosis.sources if not source.answered)
    diagnosis = found(Secret("postgresql://u@127.0.0.1:1/x"))
    assert (diagnosis.causes, diagnosis.is_certain) == ((), False)
