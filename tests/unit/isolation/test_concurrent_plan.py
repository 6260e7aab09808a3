"""Plans of concurrent operations: had again from their seed, with both tenants in every round."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from capliquify_ops.configuration.system import seeded
from capliquify_ops.isolation.concurrent_history import Ran, _judged
from capliquify_ops.isolation.concurrent_plan import WRITES, Hold, Size, draw
from capliquify_ops.isolation.concurrent_recording import Recording
from capliquify_ops.isolation.probe import CannotTell

PEOPLE = {"a": ("a.owner", "a.viewer"), "b": ("b.owner", "b.member")}
SIZES = st.builds(Size, free=st.integers(0, 4), held=st.integers(1, 3), operations=st.integers(2, 12), pool=st.integers(1, 10))


@given(st.integers(0, 2**32), SIZES)
def test_a_plan_is_had_again_from_its_seed(seed, size):
    """The same seed gives the same plan, however often."""
    assert draw(seeded(seed), PEOPLE, size) == draw(seeded(seed), PEOPLE, size)


def test_other_seeds_give_other_plans():
    """Plans differ, else running several would be running one."""
    size = Size(free=2, held=1, operations=8, pool=4)
    assert len({draw(seeded(seed), PEOPLE, size) for seed in range(20)}) == 20


@given(st.integers(0, 2**32), SIZES)
def test_both_tenants_take_part_and_both_are_stalled(seed, size):
    """Each round mixes the tenants; each tenant is stalled alone and with its whole pool; only who may write does."""
    plan = draw(seeded(seed), PEOPLE, size)
    assert all({step.tenant for step in one.steps} == {"a", "b"} for one in plan)
    for key in PEOPLE:
        for hold in (Hold.ONE, Hold.POOL):
            held = [one for one in plan if one.hold is hold and one.held == key]
            assert len(held) == size.held
            assert all(step.tenant == key for one in held for step in one.stalled)
            assert all(len(one.stalled) == 1 if hold is Hold.ONE else len(one.stalled) > size.pool for one in held)
    steps = [step for one in plan for step in (*one.stalled, *one.steps)]
    assert all(step.principal.endswith(".owner") for step in steps if step.kind in WRITES)


@pytest.mark.parametrize(("served", "says"), [({"a"}, "tenant b"), ({"b"}, "tenant a"), (set(), "tenant a")])
def test_a_plan_of_which_one_tenant_was_not_served_tells_nothing(served, says):
    """Two tenants that were never both served cannot have been mixed: that is no pass."""
    with pytest.raises(CannotTell, match=says):
        list(_judged(None, 7, (), Ran(Recording(None, served=served), (), ()), frozenset()))


def test_a_plan_of_which_both_were_served_is_told():
    """And one that did serve both has its row, without a problem."""
    [probe] = _judged(None, 7, (), Ran(Recording(None, served={"a", "b"}), (), ()), frozenset())
    assert (probe.problem, probe.untried) == ("", "")
