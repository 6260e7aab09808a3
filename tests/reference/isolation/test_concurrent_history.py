"""ISO-04 goes red through services that mix tenants up under concurrency, tells how regularly, and is green without."""

import json
import threading

import pytest

from capliquify_ops.isolation import concurrent_history, run_family
from capliquify_ops.isolation.concurrent_plan import Hold, Round, Step
from capliquify_ops.isolation.database import Lock
from capliquify_ops.isolation.history_model import Kind, Result
from capliquify_ops.isolation.run import probes_of
from capliquify_ops.isolation.serialised_operation import serialised
from capliquify_ops.model.outcome import Grade, Outcome

CHECK = "iso_04_concurrent_history"
LIST = "/api/products"


@pytest.fixture
def held_only(monkeypatch):
    """One stalled request for each tenant and nothing besides: what is found then owes nothing to luck."""
    drawn = concurrent_history.draw
    monkeypatch.setattr(concurrent_history, "connections", lambda world: 1)
    monkeypatch.setattr(concurrent_history, "PLANS", {"quick": 1, "full": 1})
    monkeypatch.setattr(concurrent_history, "draw", lambda *given: tuple(one for one in drawn(*given) if one.hold is Hold.ONE))


def last_comer(cast):
    """A fault: whoever came in last is the current one, and a list that waited is that one's."""
    current = {"who": ""}

    def lie(request, forward):
        who = cast.who(request)
        if not who.endswith(("owner", "admin", "member", "viewer")):
            return forward(request)
        current["who"] = who
        answer = forward(request)
        last = current["who"]
        is_mixed = request.method == "GET" and request.route == LIST and last.partition(".")[0] != who.partition(".")[0]
        return forward(cast.as_(request, last)) if is_mixed else answer

    return lie


def test_a_global_tenant_is_met_without_luck(world, cast, lie, held_only):
    """The request that a held lock stalls shows whose tenant came in meanwhile, in every run; the witness tells which."""
    world.seed = 7
    try:
        assert run_family(CHECK, world).outcome is Outcome.HEALTHY
        before = len(world.plants)
        lie(last_comer(cast))
        found = run_family(CHECK, world)
    finally:
        world.seed = 0
    assert (found.outcome, found.grade) == (Outcome.FAILING, Grade.PROOF)
    assert "seen in 3 of 3 runs of seed 7, round" in found.why
    assert found.measured["seed"] == 7
    told = [number for number, line in enumerate(found.witness.lines) if str(Kind.FOREIGN_READ) in line]
    assert told
    assert any("reads" in line and "to +" in line for line in found.witness.lines[told[0] + 1 : told[0] + 4])
    assert all(
        canary.token not in line for line in found.witness.lines for canary in world.caller.canaries if not canary.is_address
    )
    lie(None)
    assert run_family(CHECK, world).outcome is Outcome.HEALTHY
    assert len(world.plants) == before


@pytest.mark.whole
def test_a_write_into_another_schema_is_found_and_removed(world, cast, lie, held_only):
    """A row made while another tenant came in stands in that one's schema: the final scan finds it, and it is taken away."""
    lock, busy = threading.Lock(), {"count": 0}

    def lie_about(request, forward):
        is_write = request.method == "POST" and request.route == LIST and cast.who(request) == "a.owner"
        with lock:
            busy["count"] += is_write
        return forward(cast.as_(request, "b.owner") if is_write and busy["count"] % 2 else request)

    lie(lie_about)
    found = run_family(CHECK, world)
    lie(None)
    assert (found.outcome, found.grade) == (Outcome.FAILING, Grade.PROOF)
    assert any(str(Kind.WRONG_SCHEMA) in line for line in found.witness.lines)
    for key in ("a", "b"):
        shown = world.get(f"{key}.owner", f"{LIST}?limit=100").data
        assert len(shown) == len(world.planted(key, "products"))


@pytest.mark.whole
def test_an_acknowledged_row_that_is_missing_counts(world, cast, lie, held_only):
    """A create that is acknowledged and not done is a lost write: strong, not a proof."""

    def lose(request, forward):
        if request.method == "POST" and request.route == LIST:
            body = json.loads(request.body)
            if str(body.get("name", "")).startswith("Audit"):
                answer = forward(request)
                made = answer.document["data"]["id"]
                undo = cast.as_(request, cast.who(request))
                undo.method, undo.path, undo.body = "DELETE", f"{LIST}/{made}", b""
                forward(undo)
                return answer
        return forward(request)

    lie(lose)
    found = run_family(CHECK, world)
    assert found.outcome is Outcome.FAILING
    assert found.grade is Grade.STRONG
    assert str(Kind.LOST_WRITE) in found.why


@pytest.mark.whole
def test_refused_where_it_was_served_counts(world, cast, lie, held_only, make):
    """A list that its owner is refused only while others come in is told as such."""
    current = {"who": ""}

    def lie_about(request, forward):
        who = cast.who(request)
        current["who"] = who
        answer = forward(request)
        is_mixed = request.route == LIST and current["who"][:1] != who[:1] and request.method == "GET"
        return make.answer(403).saying({"error": "not_organization_member"}) if is_mixed else answer

    lie(lie_about)
    found = run_family(CHECK, world)
    assert (found.outcome, found.grade) == (Outcome.FAILING, Grade.STRONG)
    assert "403" in found.why


def test_what_was_sent_before_a_round_was_given_up_is_recorded(world, monkeypatch):
    """A change that a lock was to stall, and did not (its list came from a cache), has happened: the old row is no lost write."""
    changed = Round(Hold.ONE, "a", (Step("update", "a", "a.owner", 0),), ())
    plan = (Round(Hold.NOTHING, "", (), (Step("create", "a", "a.owner", 0),)), changed)
    monkeypatch.setattr(Lock, "await_waiter", lambda self, seconds, clock: False)
    ran = concurrent_history.run_plan(world, plan, frozenset())
    assert ["stalled no request" in why for why in ran.undone] == [True]
    assert [one.outcome for one in ran.recording.history if "round" in one.label] == [Result.OK, Result.OK]
    assert ran.anomalies == []


def test_one_tenants_serialised_work_keeps_no_other_waiting(world):
    """Both tenants' operations are done alone and beside each other's stalled one, under locks of keys of their own."""
    probes = probes_of(serialised, world)
    assert [probe.line() for probe in probes if probe.violation() or probe.untried] == []
    assert sum("is stalled" in probe.name for probe in probes) == 2


@pytest.mark.whole
@pytest.mark.parametrize("defect", ["GLOBAL_TENANT", "LOCK_KEY_CONSTANT"])
@pytest.mark.parametrize(("pool_size", "workers"), [(1, 1), (4, 2), (10, 1), (10, 2)])
def test_defects_of_the_service(switched, defect, pool_size, workers):
    """Whatever the pool's size and the number of workers, the defect is met."""
    with switched(defect, pool_size=pool_size, workers=workers) as built:
        found = run_family(CHECK, built)
    assert found.outcome is Outcome.FAILING
    assert found.grade is (Grade.PROOF if defect == "GLOBAL_TENANT" else Grade.STRONG)


@pytest.mark.whole
def test_shared_plans_are_right(switched):
    """Statements prepared at once and shared between schemas are no mixture of tenants."""
    with switched("PREPARED_STATEMENTS", pool_size=4) as built:
        assert run_family(CHECK, built).outcome is Outcome.HEALTHY
