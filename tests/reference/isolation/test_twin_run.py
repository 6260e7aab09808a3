"""The twin run notices what another tenant's work does to what one observes, and nothing else."""

import itertools
import json
from operator import itemgetter

import pytest

from capliquify_ops.isolation import run_family, twin_run
from capliquify_ops.isolation.observations import moved
from capliquify_ops.isolation.routes import OTHER
from capliquify_ops.model.outcome import Outcome

CHECK = "iso_10_twin_run"


def test_the_correct_service_is_steady(world):
    """Alone or beside another tenant, each sees the same."""
    found = run_family(CHECK, world)
    assert found.outcome is Outcome.HEALTHY, found.why
    assert found.examined > 40


def test_a_shared_count_is_found(world, lie):
    """A number that every tenant's writes move: no secret leaks, and still it tells."""
    made = itertools.count(1)
    number = {"last": 0}

    def counting(request, forward):
        answer = forward(request)
        if request.method == "POST" and answer.status == 201:
            number["last"] = next(made)
            return answer.saying(
                {"success": True, "data": answer.document["data"] | {"number": number["last"] - number.get("base", 0)}}
            )
        if request.method == "DELETE":
            number["base"] = number["last"]
        return answer

    lie(counting)
    found = [probe.problem for probe in twin_run._both(world, {"a": "b"}) if probe.problem]
    assert found
    assert ".number" in found[0]
    assert "at work, not without" in found[0]


@pytest.mark.parametrize(
    ("third", "says"),
    [
        ({"lists": {"status": 200, ".total": 3}}, ""),
        ({"lists": {"status": 200, ".total": 4}}, "total was 3 and is 4"),
        ({"lists": {"status": 500}}, "total was 3 and is None"),
        ({"lists": {"status": 200, ".total": 3, ".more": True}}, "more was None and is True"),
        ({"lists": {"status": 200, ".total": 3, ".at": "anything"}}, ""),
        ({"lists": {"status": 200, ".total": 3, ".at": "one", ".now_and_then": 1}}, ""),
    ],
)
def test_what_moved(third, says):
    """Only what was steady without the other counts."""
    alone = [{"lists": {"status": 200, ".total": 3, ".at": at}} for at in ("one", "two")]
    alone[1]["lists"][".now_and_then"] = 2
    found = moved([(alone[0], alone[1])], third)
    assert (says in found.get("lists", "nothing")) if says else found == {}


@pytest.mark.parametrize(
    ("again", "says"),
    [((3, 3), "total was 3 and is 4"), ((4, 4), "total was 3 and is 4"), ((3, 4), ""), ((5, 3), "")],
    ids=["steady", "what the other one left", "moves by itself", "has moved by itself"],
)
def test_what_moves_again_without_the_other(again, says):
    """What only seemed steady, such as a list cut at random, moves when it is looked at again; an effect that lasts does not."""
    pairs = [tuple({"lists": {".total": total}} for total in pair) for pair in ((3, 3), again)]
    assert moved(pairs, {"lists": {".total": 4}}).get("lists", "") == says


def test_it_is_looked_at_again_where_something_moved(world, monkeypatch):
    """Runs of A alone, of A beside B, and two more of A alone, which do not agree with each other."""
    seen = iter([3, 3, 4, 3, 4])

    class Script:
        def __init__(self, world, key):
            self._key = key

        def run(self, between):
            between()
            return {"lists": {".total": next(seen)}}

        def step(self):
            """Is at work."""

        def remove(self):
            """Leaves nothing."""

    monkeypatch.setattr(twin_run, "Script", Script)
    assert [probe.problem for probe in twin_run._compared(world, "a", "b")] == [""]
    assert next(seen, None) is None


def in_another_order(request, forward):
    """Rows are listed by their ids, which are made at random, so that each run has them in another order."""
    answer = forward(request)
    rows = answer.document.get("data") if request.method == "GET" and answer.body[:1] == b"{" else None
    return answer.saying(answer.document | {"data": sorted(rows, key=itemgetter("id"))}) if is_of_rows(rows) else answer


def is_of_rows(value):
    return isinstance(value, list) and all(isinstance(row, dict) and "id" in row for row in value)


def test_lists_in_no_promised_order(world, lie):
    """That rows stand elsewhere in a list is no observation."""
    lie(in_another_order)
    assert [probe.problem for probe in twin_run._both(world, OTHER) if probe.problem] == []


def test_a_row_that_changes_in_such_a_list(world, lie):
    """That a row of a list has other content while the other tenant has rows of a script, is one."""
    made = set()
    other = world.tenants["b"].organization_id

    def fault(request, forward):
        answer = in_another_order(request, forward)
        if request.organization == other and request.method == "POST" and answer.status == 201:
            made.add(answer.document["data"]["id"])
        if request.method == "DELETE":
            made.discard(request.route.rpartition("/")[2])
        if request.organization == other or request.method != "GET" or request.route != "/api/products" or not made:
            return answer
        rows = answer.document["data"]
        return answer.saying(answer.document | {"data": [rows[0] | {"name": "changed"}, *rows[1:]]})

    lie(fault)
    found = [probe for probe in twin_run._both(world, {"a": "b"}) if probe.problem]
    assert [probe.name.split(",")[0] for probe in found] == ["a.owner reads /api/products?limit=100"]
    assert "data[].name of the rows lacks" in found[0].problem
    assert "has ['changed'] more" in found[0].problem


@pytest.mark.whole
def test_rows_are_removed(world):
    """Nothing of the scripts stays."""
    before = json.dumps(world.get("a.owner", "/api/products?limit=100").document["data"], sort_keys=True)
    run_family(CHECK, world)
    assert json.dumps(world.get("a.owner", "/api/products?limit=100").document["data"], sort_keys=True) == before
