"""A plan is refused before anything is started when it could not be run or judged as asked."""

from dataclasses import replace
from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from capliquify_ops.load import Caller, Plan, plan_of
from capliquify_ops.load.plan import MOST_REQUESTS, arrivals, from_wire, to_wire
from capliquify_ops.model.errors import UsageError
from capliquify_ops.model.secret import Secret

PLAN = Plan(
    "http://127.0.0.1:8000", 300, 30, (Caller(Secret("hush"), {"X-Organization-ID": "org_a"}, "sku-a-"),), ("/api/products",)
)


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"rate": 0}, "rate above 0"),
        ({"rate": -1}, "rate above 0"),
        ({"rate": float("nan")}, "rate above 0"),
        ({"rate": float("inf")}, "rate above 0"),
        ({"seconds": 0}, "above 0"),
        ({"timeout_s": 0}, "above 0"),
        ({"rate": MOST_REQUESTS, "seconds": 2}, "in parts"),
        ({"connections": 0}, "outside 1 to 500"),
        ({"connections": 501}, "outside 1 to 500"),
        ({"base_url": "ftp://host"}, "http"),
        ({"base_url": "http://user:word@host"}, "without a user"),
        ({"paths": ()}, "paths"),
        ({"paths": ("//elsewhere/",)}, "one slash"),
        ({"callers": ()}, "at least one caller"),
        ({"callers": (Caller(Secret("t"), {}, ""),)}, "cannot mark"),
        ({"callers": (Caller(Secret("t"), {}, 'a"b'),)}, "cannot mark"),
        ({"callers": (Caller(Secret("t"), {}, "sku-1"), Caller(Secret("t"), {}, "sku-10"))}, "part of another"),
    ],
)
def test_a_plan_that_cannot_be_run_is_refused(wrong, said):
    """Each impossible amount, address, path or marker is one UsageError that says what to give."""
    with pytest.raises(UsageError, match=said):
        replace(PLAN, **wrong)


def test_the_plan_crosses_the_pipe_whole_and_is_never_printed():
    """The worker gets the plan as it was made, tokens included; the plan's own text holds none."""
    assert from_wire(to_wire(PLAN)) == PLAN
    assert b"hush" in to_wire(PLAN)
    assert "hush" not in repr(PLAN)


def test_traffic_becomes_a_plan():
    """What the suites' fixture gives is all that a plan needs besides rate and time."""
    speaker = SimpleNamespace(token="hush", headers={"X-Organization-ID": "org_a"}, marker="sku-a-")
    traffic = SimpleNamespace(base_url=PLAN.base_url, clients=(speaker,), paths=PLAN.paths)
    assert plan_of(traffic, rate=300, seconds=30) == PLAN
    assert PLAN.requests == 9000


@given(st.integers(1, 5000), st.integers(1, 50))
def test_arrivals_are_those_due_before_the_end(rate, seconds):
    """`arrivals` counts the i with i / rate < seconds."""
    assert arrivals(rate, seconds) == rate * seconds
