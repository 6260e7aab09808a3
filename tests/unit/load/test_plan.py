"""A plan is refused before anything is started when it could not be run or judged as asked."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from capliquify_ops.load import Caller, Plan, reads
from capliquify_ops.load.operations import mixed_order, operation_of
from capliquify_ops.load.plan import MOST_REQUESTS, Share, arrivals, from_wire, share_of, to_wire
from capliquify_ops.load.receipt import Receipt
from capliquify_ops.model.errors import UsageError
from capliquify_ops.model.secret import Secret

PLAN = Plan(
    "http://127.0.0.1:8000", 300, 30, (Caller(Secret("hush"), {"X-Organization-ID": "org_a"}, "sku-a-"),), reads("/api/products")
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
        ({"connections": 0}, "outside 1 to 32000"),
        ({"connections": 32_001}, "outside 1 to 32000"),
        ({"base_url": "ftp://host"}, "http"),
        ({"base_url": "http://user:word@host"}, "without a user"),
        ({"operations": ()}, "paths"),
        ({"operations": reads("//elsewhere/")}, "one slash"),
        ({"order": (0, 1)}, "names operations"),
        ({"share": Share(2, 2)}, "no share 2 of 2"),
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


@given(st.integers(1, 9), st.integers(1, 60), st.integers(0, 3))
def test_shares_add_up_to_the_plan(of, connections, operations):
    """However many generators: together they send each arrival once, as the same caller and operation, over all connections."""
    callers = tuple(Caller(Secret(f"t{letter}"), {}, f"sku-{letter}-") for letter in "abc")
    plan = replace(
        PLAN, callers=callers, operations=reads(*(f"/{number}" for number in range(operations + 1))), connections=connections
    )
    shares = [share_of(plan, number, of) for number in range(of)]
    sent = sorted(arrival for share in shares for arrival in range(share.share.first, 500, share.share.of))
    assert sent == list(range(500))
    assert all(share.operation(arrival) == plan.operation(arrival) for share in shares for arrival in range(50))
    assert sum(share.connections for share in shares) == max(connections, of)


@pytest.mark.parametrize(("connections", "generators"), [(501, 1), (1_001, 2)])
def test_a_generator_has_no_more_connections_than_it_can_poll(connections, generators):
    """Several may have them together: refused is what is too much for each, before anything is started."""
    plan = replace(PLAN, connections=connections)
    assert share_of(plan, 0, generators + 1).connections <= 500
    for refused in (lambda: share_of(plan, 0, generators), lambda: Receipt(plan, generators)):
        with pytest.raises(UsageError, match="501 connections are more than the 500 of one generator"):
            refused()


@given(st.integers(1, 12), st.integers(1, 12))
def test_each_caller_goes_through_every_operation(callers, operations):
    """Whatever their numbers, no caller is left with the same operation for ever, and one round is no burst of one operation."""
    order = tuple(range(operations))
    for turn in range(callers):
        assert {operation_of(order, callers, again * callers + turn) for again in range(operations)} == {*order}
    assert len({operation_of(order, callers, turn) for turn in range(callers)}) == min(callers, operations)


def test_a_mix_has_its_shares_in_an_order_that_stays():
    """70, 20 and 10 of a hundred, and the same hundred in every run."""
    order = mixed_order({0: 0.4, 1: 0.3, 2: 0.2, 3: 0.1})
    assert [order.count(number) for number in range(4)] == [40, 30, 20, 10]
    assert order == mixed_order({0: 0.4, 1: 0.3, 2: 0.2, 3: 0.1})
    assert order != tuple(sorted(order))


@given(st.integers(1, 5000), st.integers(1, 50))
def test_arrivals_are_those_due_before_the_end(rate, seconds):
    """`arrivals` counts the i with i / rate < seconds."""
    assert arrivals(rate, seconds) == rate * seconds
