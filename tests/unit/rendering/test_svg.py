"""Load charts: honest, deterministic, without script or style attribute."""

import re
from xml.etree import ElementTree as ET

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from capliquify_ops.rendering.svg import LoadSeries, latency, latency_sentence, throughput, throughput_sentence

SVG = "{http://www.w3.org/2000/svg}"
COUNT = st.integers(0, 10_000)
BUCKETS = st.lists(st.tuples(st.floats(0, 1e6), COUNT), max_size=60, unique_by=lambda b: b[0]).map(
    lambda rows: tuple(sorted(rows))
)
ROWS = st.lists(st.tuples(COUNT, COUNT, COUNT), max_size=400).map(lambda rows: tuple((n, *row) for n, row in enumerate(rows)))


def drawn(markup):
    return ET.fromstring(markup)


def test_no_data_is_a_sentence():
    """Where nothing was recorded, a sentence says so."""
    assert latency(LoadSeries(), "a") == '<p class="chart-empty">No latency was recorded.</p>'
    assert latency(LoadSeries(((5.0, 0),)), "a").startswith("<p")
    assert throughput(LoadSeries(), "a") == '<p class="chart-empty">No throughput was recorded.</p>'


def test_charts_are_labelled_for_readers_without_eyes():
    """Each chart is an image named by its own title and description, which holds the numbers."""
    series = LoadSeries(((10.0, 95), (300.0, 5)), ((0, 50, 49, 1), (1, 50, 50, 0)), 200)
    for chart, words in (
        (latency(series, "x"), latency_sentence(series)),
        (throughput(series, "y"), throughput_sentence(series)),
    ):
        root = drawn(chart)
        assert root.get("role") == "img"
        ids = {e.get("id"): e.text for e in root if e.get("id")}
        assert list(ids) == root.get("aria-labelledby").split()
        assert words in list(ids.values())[1]


def test_the_limit_is_a_line_and_bars_beyond_it_are_marked():
    """The limit is drawn and named; what lies beyond it has a class of its own and a count."""
    series = LoadSeries(((10.0, 95), (300.0, 5)), (), 200)
    root = drawn(latency(series, "x"))
    assert root.find(f"{SVG}line[@class='limit']") is not None
    assert root.find(f"{SVG}text[@class='limit']").text == "limit 200 ms"
    assert root.findall(f"{SVG}rect[@class='bar over']")
    assert (
        latency_sentence(series)
        == "100 requests: p50 at most 10 ms, p95 at most 10 ms, p99 at most 300 ms, slowest 300 ms. 5 above the limit of 200 ms."
    )


def test_throughput_tells_the_worst_second():
    """Sums and the fewest completed requests of any second are told."""
    series = LoadSeries(per_second=((0, 300, 300, 0), (1, 300, 258, 8)))
    assert (
        throughput_sentence(series) == "2 s: 600 requests offered, 558 completed, 8 failed; fewest completed in one second 258."
    )


def test_long_runs_keep_their_worst_seconds():
    """A day of seconds is drawn with bounded points, and its one bad second still reaches the bottom."""
    rows = tuple((s, 100, 0 if s == 4242 else 100, 0) for s in range(86_400))
    root = drawn(throughput(LoadSeries(per_second=rows), "x"))
    points = root.find(f"{SVG}polyline[@class='completed']").get("points").split()
    assert len(points) <= 140
    assert max(float(p.split(",")[1]) for p in points) == 206.0


def test_single_latencies_become_buckets():
    """Latencies given one by one are counted by value."""
    series = LoadSeries.of_latencies([3.0, 1.0, 3.0], limit_ms=2)
    assert series.buckets_ms == ((1.0, 1), (3.0, 2))
    assert series.above_limit() == 2


@settings(deadline=None)
@given(buckets=BUCKETS, rows=ROWS, limit=st.none() | st.floats(0, 1e6))
def test_any_series_is_drawn_within_its_frame(buckets, rows, limit):
    """Any numbers give well-formed markup inside the frame, without style, script or a number that is none."""
    series = LoadSeries(buckets, rows, limit)
    for chart in (latency(series, "x"), throughput(series, "y")):
        root = drawn(chart)
        assert "nan" not in chart.replace("<title", "")
        assert not re.search(r'style=|<script|="[^"]*inf', chart)
        for bar in root.iter(f"{SVG}rect"):
            assert 55.9 <= float(bar.get("x")) <= 470.1
            assert 33.9 <= float(bar.get("y")) <= 206.1


@settings(deadline=None)
@given(buckets=BUCKETS)
def test_percentiles_are_the_buckets_own_bounds(buckets):
    """A percentile is the bound of the bucket where that share of the requests is reached."""
    series = LoadSeries(buckets)
    if series.requests:
        values = [upper for upper, count in buckets for _ in range(count)]
        assert series.percentile(0.5) == values[(len(values) + 1) // 2 - 1]
        assert series.percentile(1) == values[-1]


@pytest.mark.parametrize("draw", [latency, throughput])
def test_bytes_are_stable(draw, build):
    """The same numbers give the same markup."""
    from capliquify_ops.signoff.report.charts import load_run

    series = load_run(build.LOAD_RUN).series
    assert draw(series, "x") == draw(load_run(build.LOAD_RUN).series, "x")
