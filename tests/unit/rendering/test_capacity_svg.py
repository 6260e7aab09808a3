"""The capacity curve: every rate that was driven, which held, and the same in words."""

from xml.etree import ElementTree as ET

from hypothesis import given
from hypothesis import strategies as st

from capliquify_ops.rendering.capacity_svg import Rate, capacity_curve, capacity_sentence

SVG = "{http://www.w3.org/2000/svg}"
ROWS = (Rate(100, 4, 12, True), Rate(130, 5, 20, True), Rate(169, 300, 1_400, False))
MS = st.floats(0, 1e7)
RATES = st.lists(st.tuples(st.integers(1, 10**6), MS, MS, st.booleans()), max_size=22, unique_by=lambda row: row[0])


def test_rates_that_held_are_dots_and_those_that_did_not_are_rings():
    """A point for each rate, the limit and the highest rate named, and all of it in the description."""
    root = ET.fromstring(capacity_curve(ROWS, 130, "c", 100))
    assert [each.get("fill") for each in root.iter(f"{SVG}circle")] == ["currentColor", "currentColor", "none"]
    assert root.find(f"{SVG}text[@class='held']").text == "held: 130/s"
    assert root.find(f"{SVG}text[@class='limit']").text == "limit 100 ms"
    assert root.find(f"{SVG}desc").text == capacity_sentence(ROWS, 130)
    assert capacity_sentence(ROWS, 130) == (
        "p95 by rate: 100/s 12 ms, 130/s 20 ms, 169/s 1,400 ms (did not hold). Highest rate that held every limit: 130/s."
    )


def test_nothing_driven_is_a_sentence():
    """Neither a curve nor a limit without a rate."""
    assert capacity_curve((), 0, "c", 100) == '<p class="chart-empty">No rate was driven.</p>'


@given(RATES)
def test_any_rates_stay_inside_the_picture(rows):
    """Whatever was measured, the markup is well-formed and every point lies in the frame."""
    rates = [Rate(*row) for row in sorted(rows)]
    if rates:
        root = ET.fromstring(capacity_curve(rates, 0, "c"))
        assert all(0 <= float(dot.get("cx")) <= 480 and 0 <= float(dot.get("cy")) <= 250 for dot in root.iter(f"{SVG}circle"))
        assert root.find(f"{SVG}text[@class='held']") is None
