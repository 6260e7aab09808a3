"""All checks of a fleet in one call: what could not be asked is said, and under the observer role of the how-to nothing is missing."""

import time
from types import MappingProxyType

import pytest

from capliquify_ops.configuration import load_limits
from capliquify_ops.configuration.system import SystemClock
from capliquify_ops.database import fill, observer, operator, quoted
from capliquify_ops.integrity import fleet_check
from capliquify_ops.integrity.fleet_check import CHECKS, check_fleet
from capliquify_ops.model.errors import StatementFailed, TenantConflict, UsageError
from capliquify_ops.model.outcome import Outcome
from capliquify_ops.tenants.ownership import as_owner

FINE = {Outcome.HEALTHY, Outcome.NOT_APPLICABLE}
"""The standard product has no ledger of migrations in each tenant."""


@pytest.fixture
def check(observer_url, roles, profile, two):
    """Runs the checks as the observer, over two tenants."""
    del two

    def run(clock=None, **given):
        with observer(observer_url, "test") as session:
            return check_fleet(session, load_limits(), clock or SystemClock(), profile=profile, roles=roles, **given)

    return run


def test_every_check_answers_once(check):
    """A sound fleet gives one healthy finding for each check, in order."""
    found = check()
    assert [each.check for each in found] == list(CHECKS)
    assert {each.outcome for each in found} <= FINE, [each.why for each in found]


def test_a_migration_under_way_does_not_hold_it_up(check, operator_url, roles, two):
    """With every table of both tenants locked against everybody, every check answers, and at once."""
    tables = "SELECT c.relname FROM pg_catalog.pg_class AS c WHERE c.relnamespace = %(schema)s::regnamespace AND c.relkind = 'r'"
    with operator(operator_url, "migration") as session, session.transaction(), as_owner(session, roles):
        for schema in two.values():
            for row in session.mappings(tables, {"schema": quoted(schema)}):
                session.execute(fill('LOCK TABLE :"a".:"b" IN ACCESS EXCLUSIVE MODE', {"a": schema, "b": row["relname"]}))
        started = time.monotonic()
        found = check()
        assert time.monotonic() - started < 30
    assert {each.outcome for each in found} <= FINE, [each.why for each in found]


def test_it_locks_nothing_but_what_it_reads(observer_url, roles, profile, two):
    """All that is held at the end of all checks, made in one transaction, are the locks of readers."""
    del two
    held = "SELECT DISTINCT l.mode FROM pg_catalog.pg_locks AS l WHERE l.pid = pg_catalog.pg_backend_pid() AND l.locktype = 'relation'"
    with observer(observer_url, "test") as session, session.transaction():
        check_fleet(session, load_limits(), SystemClock(), profile=profile, roles=roles)
        assert [row["mode"] for row in session.mappings(held)] == ["AccessShareLock"]


def test_two_sessions_say_what_one_says(check, observer_url):
    """Two sessions share the checks: each answers once, in the same order, whichever session asked."""
    with observer(observer_url, "test") as second:
        found = check(second=second)
    assert [each.check for each in found] == list(CHECKS)
    assert {each.outcome for each in found} <= FINE, [each.why for each in found]


def test_a_refusal_ends_both_sessions(check, observer_url, monkeypatch):
    """A template that is none ends the run at once: what the other session is asking is stopped, and nothing else begins."""
    begun = []

    def slow(session, *_, **__):
        begun.append(session)
        with session.transaction():
            session.value("SELECT pg_catalog.pg_sleep(30)")

    others = {name: slow for name in CHECKS if name != "structure_equality"}
    monkeypatch.setattr(fleet_check, "CHECKS", MappingProxyType({**CHECKS, **others}))
    started = time.monotonic()
    with observer(observer_url, "test") as second, pytest.raises(TenantConflict, match="no_such_schema"):
        check(second=second, template="no_such_schema")
    assert len(begun) == 1
    assert time.monotonic() - started < 12, "it ends before the server's own limit of 15 s would end it"


class _Clock(SystemClock):
    """Each look at the clock takes ten seconds."""

    at = 0.0

    def monotonic(self):
        self.at += 10
        return self.at


def test_behind_the_deadline_nothing_begins(check):
    """What was measured before stays; what could not begin is inconclusive, with the command that asks for it."""
    found = check(_Clock(), deadline_s=25.0)
    outcomes = [each.outcome for each in found]
    assert outcomes == [Outcome.HEALTHY] + [Outcome.INCONCLUSIVE] * (len(CHECKS) - 1)
    assert "capliquify-ops fleet check structure_equality" in found[1].why


def test_a_check_that_breaks_is_an_error_and_the_others_stay(check, monkeypatch):
    """One refused statement is that check's ERROR, never a pass, and no reason to lose the others' answers."""

    def breaks(*_, **__):
        raise StatementFailed("The disk is on fire.")

    monkeypatch.setattr(fleet_check, "CHECKS", MappingProxyType(dict(CHECKS) | {"structure_equality": breaks}))
    found = {each.check: each for each in check()}
    assert found["structure_equality"].outcome is Outcome.ERROR
    assert "on fire" in found["structure_equality"].why
    assert {each.outcome for name, each in found.items() if name != "structure_equality"} <= FINE


def test_only_what_is_named_runs(check):
    """Checks run by name; a name that is none is refused with the known ones."""
    assert [each.check for each in check(only=["cross_references"])] == ["cross_references"]
    with pytest.raises(UsageError, match="One of: registry_catalogue"):
        check(only=["nonsense"])
