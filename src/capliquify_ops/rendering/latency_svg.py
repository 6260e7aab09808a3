"""Charts of latency as inline SVG: over percentiles, and over time. As in `svg`: no script, no style attribute, deterministic."""

import math
from collections.abc import Iterator, Sequence

from capliquify_ops.rendering.chart_parts import (
    BOTTOM,
    LEFT,
    RIGHT,
    TOP,
    Scale,
    axis_title,
    element,
    empty,
    grid_log,
    legend,
    limit_across,
    polyline,
    round_values,
    ticks_x,
)
from capliquify_ops.rendering.words import number

Percentile = tuple[float, float]
"""Share of the requests, 0 to 1, and the latency in ms that so many did not exceed."""
SecondLatency = tuple[int, float, float, float]
"""Second since the start, and of its arrivals the median, p95 and slowest in ms."""
_POINTS = 138
_LINES = (("median", 1), ("p95", 2), ("slowest", 3))
_LABELS = {0.5: "50", 0.9: "90", 0.99: "99", 0.999: "99.9", 0.9999: "99.99", 0.99999: "99.999"}


def percentiles_sentence(rows: Sequence[Percentile]) -> str:
    """Return the percentiles in words."""
    if not rows:
        return "No latency was recorded."
    told = ", ".join(f"p{_LABELS[share]} {number(ms)} ms" for share, ms in rows if share in _LABELS)
    return f"{told}, slowest {number(rows[-1][1])} ms, from when each request was due."


def percentiles(rows: Sequence[Percentile], ident: str, limit_ms: float | None = None) -> str:
    """Return latency over percentiles, both axes logarithmic, so that the slowest thousandth is as wide as the slowest tenth.

    `rows` rise in both columns. `ident` is unique in the document.
    """
    if not rows:
        return empty(percentiles_sentence(rows))
    inside = [(share, max(ms, 0.01)) for share, ms in rows if share < 1]
    across = Scale(1.0, max(10.0, *(1 / (1 - share) for share, _ in inside)), LEFT, RIGHT, log=True)
    tall = _tall([ms for _, ms in inside], limit_ms)
    body = [*grid_log(tall), *_percent_ticks(across), *limit_across(tall, limit_ms)]
    body.append(polyline("latency", [(across(1 / (1 - share)), tall(ms)) for share, ms in inside]))
    body.append(axis_title("percentile, logarithmic; latency in ms"))
    return element(ident, "Latency over percentiles", percentiles_sentence(rows), body)


def over_time_sentence(rows: Sequence[SecondLatency]) -> str:
    """Return latency over time in words."""
    if not rows:
        return "No latency was recorded."
    worst = max(rows, key=lambda row: row[2])
    middle = sorted(row[2] for row in rows)[len(rows) // 2]
    return (
        f"{len(rows):,} s: p95 of a second was {number(middle)} ms as a rule, at most {number(worst[2])} ms in second {worst[0]}."
    )


def over_time(rows: Sequence[SecondLatency], ident: str, limit_ms: float | None = None) -> str:
    """Return latency over the seconds in which requests were due; of a run longer than the chart is wide, the worst per point."""
    if not rows:
        return empty(over_time_sentence(rows))
    shown = _thinned(rows)
    across = Scale(rows[0][0], max(rows[-1][0], rows[0][0] + 1), LEFT, RIGHT)
    tall = _tall([max(value, 0.01) for row in shown for value in row[1:]], limit_ms)
    body = [*grid_log(tall), *ticks_x(round_values(across.low, across.high), across), *limit_across(tall, limit_ms)]
    for name, column in _LINES:
        body.append(polyline(name, [(across(row[0]), tall(max(row[column], 0.01))) for row in shown]))
    body += [*legend([name for name, _ in _LINES]), axis_title("seconds since the start; latency in ms, logarithmic")]
    return element(ident, "Latency over time", over_time_sentence(rows), body)


def _tall(values: Sequence[float], limit_ms: float | None) -> Scale:
    marks = [*values, limit_ms] if limit_ms else [*values]
    return Scale(min(marks) / 1.3, max(marks) * 1.3, BOTTOM, TOP, log=True)


def _percent_ticks(across: Scale) -> Iterator[str]:
    for share, label in _LABELS.items():
        if 1 / (1 - share) <= across.high * 1.001:
            yield f'<text class="tick" x="{across(1 / (1 - share)):.1f}" y="{BOTTOM + 17}" text-anchor="middle">{label}</text>'


def _thinned(rows: Sequence[SecondLatency]) -> list[SecondLatency]:
    step = math.ceil(len(rows) / _POINTS)
    groups = (rows[start : start + step] for start in range(0, len(rows), step))
    return [(each[0][0], *(max(row[column] for row in each) for column in (1, 2, 3))) for each in groups]  # type: ignore[misc]
