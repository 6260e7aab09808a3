"""Which requests were under way while the machine was short of time: the same as by looking at each stretch."""

from hypothesis import given, settings
from hypothesis import strategies as st

from capliquify_ops.load.result import Stretch
from capliquify_ops.load.shortage import overlaps, untouched

quarters = st.integers(0, 40).map(lambda quarter: quarter / 4)
stretches = st.lists(st.tuples(quarters, quarters).map(sorted).map(lambda times: Stretch(*times, 0.0, 0.0)), max_size=8)


@settings(max_examples=200, deadline=None)
@given(stretches, st.lists(st.integers(0, 16), min_size=40, max_size=40))
def test_merged_stretches_touch_the_same_requests(make_run, short, latencies):
    """In whatever order they come, and also where one begins at the moment at which another ends."""
    run = make_run([quarter * 250_000 for quarter in latencies], rate=4, seconds=10)
    expected = [row for row in range(40) if not overlaps(short, row / 4, (row + latencies[row]) / 4)]
    assert list(untouched(run, short).index) == expected


def test_as_many_stretches_as_seconds_cost_no_more_than_one(make_run):
    """Each request is looked up, not compared with every stretch: a million comparisons would take most of a second."""

    class Counted(list):
        looks = 0

        def __iter__(self):
            Counted.looks += 1
            return super().__iter__()

    short = Counted(Stretch(second, second + 0.5, 0.0, 0.0) for second in range(0, 600, 3))
    run = make_run(rate=10, seconds=600)
    assert 0 < len(untouched(run, short).index) < 6_000
    assert Counted.looks <= 2
