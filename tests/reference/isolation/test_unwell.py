"""A service that is ill, away or busy is neither a leak nor a pass."""

import dataclasses
import itertools
import threading

import pytest

from capliquify_ops.http_client import Client
from capliquify_ops.isolation import controls, families, scenarios
from capliquify_ops.model.outcome import Grade, Outcome

BUILT = [row.check for row in (*scenarios(), *controls(), *families()) if row.measure]
POSITIVE = {
    "int_01_valid_session",
    "int_13_admin_creates_product",
    "int_16_a_sees_only_a",
    "int_17_b_sees_only_b",
}
"""Scenarios that claim a success: a service that serves nobody fails them."""
MANY_AT_ONCE = "sec_016_concurrent_search_path"
"""Sends more at once than a service must serve: being turned away is an answer there."""
LONGEST = {"iso_03_poisoned_connections"}
"""These take most of a minute in full depth, for reads that say nothing more about one answer that did not come."""
DISTURBING = {MANY_AT_ONCE, "iso_00_audit_guards", "iso_03_poisoned_connections", "iso_08_provoked_errors"}
"""These hold requests up or break what they need, so that a server error may well be the answer."""


def ill(make, status, body, kind="text/html"):
    answer = make.answer(status, [("Content-Type", kind)], body)
    return lambda request, forward: answer


def at_depth(check, world):
    return dataclasses.replace(world, depth="quick") if check in LONGEST else world


@pytest.mark.parametrize("check", BUILT)
@pytest.mark.parametrize(
    ("status", "body"),
    [
        (500, b'{"success": false, "error": "internal_error"}'),
        (200, b"<html>Welcome</html>"),
        (200, b'{"success": true, "data": []}'),
    ],
    ids=["500", "html", "empty"],
)
def test_a_service_that_answers_everything_the_same_way(check, status, body, world, make, lie, run):
    """A service that answers everything with 500, a page, or an empty success passes no check and is no proof of a leak."""
    lie(ill(make, status, body))
    found = run(check, world)
    allowed = {Outcome.INCONCLUSIVE, Outcome.FAILING} if check in POSITIVE else {Outcome.INCONCLUSIVE}
    assert found.outcome in allowed, found.why
    assert found.grade is not Grade.PROOF
    assert found.escalation is None


@pytest.mark.parametrize("check", BUILT)
def test_a_service_that_goes_away(check, world, lie, run):
    """A service that drops every connection after the first request makes the check inconclusive, with the reason."""
    left = itertools.count(1, -1)
    lie(lambda request, forward: forward(request) if next(left) > 0 else None)
    found = run(check, world)
    assert found.outcome is Outcome.INCONCLUSIVE, found.why
    assert "cannot be reached" in found.why, found.why


@pytest.mark.parametrize("check", BUILT)
@pytest.mark.parametrize(("status", "at"), [(503, 0), (502, 4), (504, 21)])
def test_one_request_that_cannot_be_answered(check, status, at, world, make, lie, run):
    """One 502, 503 or 504 says nothing about what would have been answered: the check could not tell, and is never failing."""
    turns = itertools.count()
    away = make.answer(status, body=b'{"success": false, "error": "database_unavailable"}')
    lie(lambda request, forward: away if next(turns) == at else forward(request))
    found = run(check, at_depth(check, world))
    if next(turns) <= at or check in DISTURBING:
        assert found.outcome in {Outcome.HEALTHY, Outcome.INCONCLUSIVE}, found.why
    else:
        assert found.outcome is Outcome.INCONCLUSIVE, found.why
        assert str(status) in found.why


@pytest.mark.parametrize("check", BUILT)
def test_what_is_looked_at_afterwards_is_not_shown(check, world, cast, make, lie, run):
    """A tenant's owner cannot read while the check looks for what a probe left behind: nothing was changed for all that is known."""
    away, turns = make.answer(503, body=b"{}"), itertools.count()
    lie(lambda request, forward: away if cast.who(request) == "a.owner" and next(turns) > 1 else forward(request))
    found = run(check, at_depth(check, world))
    assert found.outcome is not Outcome.FAILING, found.why


@pytest.mark.parametrize("check", BUILT)
def test_a_service_that_stops_answering(check, world, lie, monkeypatch, run):
    """Requests that are never answered run into the timeout: the check could not tell."""
    turns, over = itertools.count(), threading.Event()

    def stuck(request, forward):
        return forward(request) if next(turns) < 1 else over.wait(20) and None

    with Client(world.target.base_url, timeout_s=0.2) as impatient:
        monkeypatch.setattr(world.caller, "client", impatient)
        lie(stuck)
        try:
            found = run(check, world)
        finally:
            over.set()
    assert found.outcome is Outcome.INCONCLUSIVE, found.why
    assert "in time" in found.why or "cannot be reached" in found.why, found.why


def test_concurrent_requests_of_one_tenant_that_are_all_turned_away(world, cast, make, lie, run):
    """Where no concurrent request of a tenant is served, tenants were not seen to be kept apart: that is no pass."""
    busy, turns = make.answer(503, body=b"{}"), itertools.count()
    lie(lambda request, forward: busy if cast.who(request) == "b.owner" and 1 <= next(turns) <= 10 else forward(request))
    found = run(MANY_AT_ONCE, world)
    assert found.outcome is Outcome.INCONCLUSIVE, found.why
    assert "none of its requests was served" in found.why


def test_some_concurrent_requests_that_are_turned_away(world, cast, make, lie, run):
    """A service that turns some of many concurrent requests away is healthy, and the finding says what was not seen."""
    busy, turns = make.answer(503, body=b"{}"), itertools.count()
    lie(lambda request, forward: busy if cast.who(request) == "b.owner" and 1 <= next(turns) <= 4 else forward(request))
    found = run(MANY_AT_ONCE, world)
    assert (found.outcome, found.grade) == (Outcome.HEALTHY, Grade.WEAK), found.why
    assert found.examined == found.eligible - 4


class Crowded:
    """A service that fails with 500 while requests that `is_crowd` counts as too many are in it, and says `text` then."""

    def __init__(self, make, is_crowd, text="internal_error"):
        self._answer = make.answer(500).saying({"error": text})
        self._is_crowd, self._lock, self._inside = is_crowd, threading.Lock(), []

    def __call__(self, request, forward):
        with self._lock:
            self._inside.append(request)
            is_crowded = self._is_crowd(self._inside)
        try:
            # Those that are let in hold the others up until all of a burst have come.
            answer = forward(request)
            return self._answer if is_crowded else answer
        finally:
            with self._lock:
                self._inside = [one for one in self._inside if one is not request]


def is_mixed(inside):
    return len({one.organization for one in inside}) > 1


@pytest.mark.whole
def test_a_burst_that_is_too_much(world, make, lie, run):
    """500 for many requests at once, of one tenant alone as well, is the service's load: no verdict, and it is said."""
    lie(Crowded(make, lambda inside: len(inside) > 3))
    found = run(MANY_AT_ONCE, world)
    assert found.outcome is Outcome.INCONCLUSIVE, found.why
    assert "500" in found.why
    assert "overloaded" in found.why


@pytest.mark.whole
def test_failures_of_two_tenants_at_once(world, make, lie, run):
    """500 only while requests of both tenants are in the service is no load."""
    lie(Crowded(make, is_mixed))
    found = run(MANY_AT_ONCE, world)
    assert (found.outcome, found.grade) == (Outcome.FAILING, Grade.STRONG), found.why


@pytest.mark.whole
def test_failures_that_name_the_other_tenant(world, make, lie, run):
    """An error under load that names the other tenant's schema is held against the service."""
    lie(Crowded(make, lambda inside: len(inside) > 3, f"no such table in {world.tenants['b'].schema_name}"))
    found = run(MANY_AT_ONCE, world)
    assert found.outcome is Outcome.FAILING, found.why
    assert "names the schema of b" in "\n".join(found.witness.lines)


def test_what_was_seen_before_it_went_away_counts(world, cast, lie, run):
    """A leak that was seen before the service went away is still reported."""
    left = itertools.count(20, -1)

    def fault(request, forward):
        if next(left) < 0:
            return None
        return forward(
            cast.as_(request, "b.owner") if cast.who(request) == "a.owner" and request.route == "/api/sales" else request
        )

    lie(fault)
    found = run("sec_001_other_tenants_data", world)
    assert found.outcome is Outcome.FAILING
    assert found.grade is Grade.PROOF


def test_a_busy_service_is_waited_for(world, make, lie, run):
    """429 with a short Retry-After is waited for and changes no verdict."""
    turns = itertools.count()
    busy = make.answer(429, [("Retry-After", "0")], b'{"error": "rate_limit_exceeded"}')
    lie(lambda request, forward: busy if next(turns) % 5 == 3 else forward(request))
    assert run("int_02_missing_authorization", world).outcome is Outcome.HEALTHY


@pytest.mark.parametrize("wait", ["0", "3600"])
def test_a_service_that_stays_busy(world, make, lie, wait, run):
    """429 again and again, or for longer than an audit waits, is inconclusive and says so."""
    lie(lambda request, forward: make.answer(429, [("Retry-After", wait)], b"{}"))
    found = run("sec_002_organization_header", world)
    assert found.outcome is Outcome.INCONCLUSIVE
    assert "429" in found.why or "Retry-After" in found.why
