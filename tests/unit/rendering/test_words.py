"""Numbers, durations and times read as a person would write them."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from capliquify_ops.model.decision import GATE_PRECEDENCE
from capliquify_ops.model.finding import Limit
from capliquify_ops.model.outcome import State
from capliquify_ops.rendering.words import CAUSES, STATES, bound, duration, elapsed_ms, label, moment, number, quantity, unit_of


def test_every_state_and_cause_has_words():
    """No state and no cause of the gate is left without words, and no two states share them."""
    assert set(STATES) == set(State)
    assert set(CAUSES) == set(GATE_PRECEDENCE)
    assert len(set(STATES.values())) == len(State)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (9000, "9,000"),
        (47.92, "47.92"),
        (0.0, "0"),
        (0.1 + 0.2, "0.3"),
        (1234.5, "1,234.5"),
        (1e-9, "1e-09"),
        (1e20, "1e+20"),
        (True, "yes"),
        ("x", "x"),
        (math.nan, "not a number"),
        (math.inf, "not a number"),
        (2**64, str(2**64)),
        (99.99999, "100"),
        (-3.5, "-3.5"),
    ],
)
def test_numbers(value, text):
    """A value is written without noise and without losing what matters."""
    assert number(value) == text


@given(st.floats(min_value=1e-3, max_value=1e9))
def test_a_written_number_is_within_a_hundred_thousandth(value):
    """Writing a number moves it by less than 0.001 %."""
    assert float(number(value).replace(",", "")) == pytest.approx(value, rel=1e-5)


@pytest.mark.parametrize(
    ("key", "name", "unit"),
    [
        ("p95_ms", "p95", "ms"),
        ("idle_s", "idle", "s"),
        ("error_percent", "error", "%"),
        ("rows", "rows", ""),
        ("completed_per_second", "completed", "/s"),
        ("bytes", "bytes", "bytes"),
        ("tables", "tables", ""),
    ],
)
def test_units_come_from_the_key(key, name, unit):
    """A measured key names its unit at its end."""
    assert (label(key), unit_of(key)) == (name, unit)


def test_limits_are_operator_and_number():
    """A limit reads as its operator and its number with unit; an unknown operator is shown as given."""
    assert bound(Limit(200, "<=", "x"), "ms") == "≤ 200 ms"
    assert bound(Limit("utf8", "is", "x"), "ms") == "is utf8"
    assert quantity(True, "ms") == "yes"


@pytest.mark.parametrize(
    ("ms", "text"),
    [
        (0, "0 ms"),
        (4.3181, "4.32 ms"),
        (999.7, "999 ms"),
        (30_214.2, "30.2 s"),
        (83_000, "1 min 23 s"),
        (3_900_000, "1 h 5 min"),
        (math.nan, "unknown"),
        (-1, "unknown"),
    ],
)
def test_durations(ms, text):
    """A duration is in the unit that a person would choose."""
    assert duration(ms) == text


def test_times():
    """RFC 3339 times of UTC lose their fraction; anything else is shown as it came."""
    assert moment("2026-03-14T09:26:53.589793Z") == "2026-03-14 09:26:53 UTC"
    assert moment("yesterday") == "yesterday"
    assert elapsed_ms("2026-03-14T09:26:53Z", "2026-03-14T09:26:54.5Z") == 1500
    assert elapsed_ms("2026-03-14T09:26:53Z", None) is None
    assert elapsed_ms("2026-03-14T09:26:53Z", "2026-03-14T09:26:54") is None
