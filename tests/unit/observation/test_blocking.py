"""Who keeps whom waiting, from what the server says of each waiting session."""

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from capliquify_ops.observation.activity import Backend, blocking_roots

NOW = datetime(2030, 1, 1, tzinfo=UTC)


def _backend(pid, *blocked_by):
    wait = "Lock" if blocked_by else ""
    return Backend(pid, "app", "web", "local", True, True, "active", wait, "", 1, 1, 1, NOW, NOW, "SELECT 1", blocked_by, False)


@pytest.mark.parametrize(
    ("waits", "roots"),
    [
        ({1: [], 2: []}, {}),
        ({1: [], 2: [1], 3: [1]}, {1: {2, 3}}),
        ({1: [], 2: [1], 3: [2], 4: [3, 2]}, {1: {2, 3, 4}}),
        ({1: [], 2: [], 3: [1, 2]}, {1: {3}, 2: {3}}),
        ({1: [2], 2: [1]}, {}),
        ({1: [2], 2: [1], 3: [], 4: [1, 3]}, {3: {4}}),
        ({1: [0]}, {}),
        ({1: [99]}, {}),
    ],
    ids=["nobody", "two", "a chain", "two roots", "a circle", "a circle and a root", "a prepared transaction", "one who left"],
)
def test_roots_and_their_victims(waits, roots):
    """The root is who waits for nobody; everybody behind it is its victim, however long the chain."""
    found = blocking_roots([_backend(pid, *by) for pid, by in waits.items()])
    assert {each.root.pid: {victim.pid for victim in each.victims} for each in found} == roots


@given(st.dictionaries(st.integers(1, 12), st.lists(st.integers(0, 14), max_size=3), max_size=12))
def test_whatever_the_server_says_has_an_end(waits):
    """Any graph is walked to its end: a root waits for nobody, no session is its own victim, most victims come first."""
    found = blocking_roots([_backend(pid, *by) for pid, by in waits.items()])
    assert all(not each.root.blocked_by for each in found)
    assert all(each.root.pid not in {victim.pid for victim in each.victims} for each in found)
    sizes = [len(each.victims) for each in found]
    assert sizes == sorted(sizes, reverse=True)
