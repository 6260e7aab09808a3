"""The audit's trial of itself: an oracle that is blind, or sees ghosts, may not judge."""

import pytest

from capliquify_ops.configuration.system import SystemClock
from capliquify_ops.isolation import concurrent_writes, exchange, guessed_ids
from capliquify_ops.isolation.faulty_service import Fault
from capliquify_ops.isolation.probe import OWN_OR_REFUSED, CannotTell
from capliquify_ops.isolation.self_test import _try_oracles
from capliquify_ops.isolation.sensor import Sighting

CLOCK = SystemClock()


def test_the_oracles_work():
    """Each planted fault is seen, a correct service is not."""
    _try_oracles(CLOCK)


def test_a_blind_sensor_is_noticed(monkeypatch):
    """A sensor that sees nothing of others passes no audit."""
    honest = exchange.sightings

    def blind(canaries, body, headers):
        return honest([one for one in canaries if one.tenant == "a"], body, headers)

    monkeypatch.setattr(exchange, "sightings", blind)
    with pytest.raises(CannotTell, match=Fault.FOREIGN_ROW.value):
        _try_oracles(CLOCK)


def test_a_sensor_that_sees_ghosts_is_noticed(monkeypatch):
    """A sensor that sees a foreign secret in every answer is not fit to judge either."""
    honest = exchange.sightings
    monkeypatch.setattr(exchange, "sightings", lambda *given: (*honest(*given), Sighting("b", "ghost", "body", "plain")))
    with pytest.raises(CannotTell, match="sees a fault in a correct service"):
        _try_oracles(CLOCK)


def test_a_comparison_that_never_differs_is_noticed(monkeypatch):
    """Answers for foreign and unknown ids that are not compared."""
    monkeypatch.setattr(guessed_ids, "_difference", lambda first, second: "")
    monkeypatch.setattr(guessed_ids, "answers", lambda profile, situation: OWN_OR_REFUSED)
    with pytest.raises(CannotTell, match="unknown one 404"):
        _try_oracles(CLOCK)


def test_lost_writes_that_nobody_looks_for_are_noticed(monkeypatch):
    """Acknowledged rows that are not looked for afterwards."""
    monkeypatch.setattr(concurrent_writes, "_afterwards", lambda *given: ())
    with pytest.raises(CannotTell, match=Fault.LOST_WRITE.value):
        _try_oracles(CLOCK)
