"""The twin run notices what another tenant's work does to what one observes, and nothing else."""

import itertools
import json

import pytest

from capliquify_ops.isolation import run_family, twin_run
from capliquify_ops.isolation.observations import moved
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
    ],
)
def test_what_moved(third, says):
    """Only what was steady without the other counts."""
    alone = [{"lists": {"status": 200, ".total": 3, ".at": at}} for at in ("one", "two")]
    found = moved(*alone, third)
    assert (says in found.get("lists", "nothing")) if says else found == {}


@pytest.mark.whole
def test_rows_are_removed(world):
    """Nothing of the scripts stays."""
    before = json.dumps(world.get("a.owner", "/api/products?limit=100").document["data"], sort_keys=True)
    run_family(CHECK, world)
    assert json.dumps(world.get("a.owner", "/api/products?limit=100").document["data"], sort_keys=True) == before
