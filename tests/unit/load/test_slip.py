"""How late a generator sent: its own delay, and nobody else's."""

import pytest

from capliquify_ops.load.generator import slip_of


@pytest.mark.parametrize(
    ("due", "free_at", "sent", "before", "slip"),
    [
        (10.0, 5.0, 10.0, 0.0, 0.0),
        (10.0, 5.0, 10.3, 0.0, 0.3),
        (10.0, 5.0, 10.0, 0.4, 0.0),
        (10.0, 12.0, 12.0, 0.0, 0.0),
        (10.0, 12.0, 12.0, 0.4, 0.4),
        (10.0, 10.1, 10.1, 0.4, 0.1),
        (10.0, 12.0, 12.3, 0.4, 0.7),
    ],
    ids=["in time", "late", "caught up", "the service's", "late since before", "late in part", "late again"],
)
def test_what_was_sent_late_by_the_generator(due, free_at, sent, before, slip):
    """It is what is left when waiting for a free connection is taken away."""
    assert slip_of(due, free_at, sent, before) == pytest.approx(slip)


def test_an_hour_of_backlog_is_not_the_generators():
    """Fifteen microseconds between an answer and the next request, ten thousand times on one connection."""
    slip = 0.0
    for arrival in range(10_000):
        free_at = arrival * 0.36 + 60.0
        slip = slip_of(arrival * 0.1, free_at, free_at + 15e-6, slip)
    assert slip == 0.0
