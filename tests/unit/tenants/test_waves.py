"""Waves over a fleet, and waits between attempts: pure functions."""

from hypothesis import given
from hypothesis import strategies as st

from capliquify_ops.tenants.waves import Retry, wave_size, wave_sizes


def test_the_canary_is_alone_and_waves_grow_unless_they_are_given():
    """One, then ten or a hundredth, then ten times as many; or always as many as was said."""
    assert [wave_size(number, 5_000, None) for number in range(4)] == [1, 50, 500, 5_000]
    assert [wave_size(number, 30, None) for number in range(3)] == [1, 10, 100]
    assert [wave_size(number, 30, 7) for number in range(3)] == [1, 7, 7]


@given(st.integers(0, 20_000), st.none() | st.integers(1, 500))
def test_waves_cover_everybody(tenants, wave):
    """Each tenant is in one wave; waves of a chosen size keep it, others grow from ten or one in a hundred."""
    sizes = wave_sizes(tenants, wave)
    assert sum(sizes) == tenants
    assert all(size > 0 for size in sizes)
    assert sizes[:-1] == (
        [wave] * len(sizes[:-1]) if wave else [max(10, tenants // 100) * 10**each for each in range(len(sizes) - 1)]
    )


@given(st.integers(1, 200), st.floats(0, 1, exclude_max=True))
def test_waits_grow_to_a_bound(attempt, chance):
    """A wait is between half of its length and its length, which doubles up to the longest."""
    wait = Retry(9, lambda: chance).wait_s(attempt)
    longest = min(0.5 * 2 ** (attempt - 1), 20)
    assert longest / 2 <= wait <= longest
