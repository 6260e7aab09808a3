"""The capacity curve as inline SVG: median and p95 over the rate, with the highest rate that held. As in `svg`."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from html import escape

from capliquify_ops.rendering.chart_parts import (
    BOTTOM,
    LEFT,
    RIGHT,
    TOP,
    WIDTH,
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

_LINES = (("median", "p50_ms"), ("p95", "p95_ms"))


@dataclass(frozen=True, slots=True)
class Rate:
    """One rate that was driven: requests a second, median and p95 in ms, and whether every limit held."""

    rate: float
    p50_ms: float
    p95_ms: float
    held: bool


def capacity_sentence(rows: Sequence[Rate], highest: float) -> str:
    """Return the curve in words."""
    if not rows:
        return "No rate was driven."
    told = ", ".join(f"{number(row.rate)}/s {number(row.p95_ms)} ms{'' if row.held else ' (did not hold)'}" for row in rows)
    return f"p95 by rate: {told}. Highest rate that held every limit: {number(highest)}/s."


def capacity_curve(rows: Sequence[Rate], highest: float, ident: str, limit_ms: float | None = None) -> str:
    """Return latency, on a logarithmic axis, over the rate. `rows` rise by rate; `ident` is unique in the document."""
    if not rows:
        return empty(capacity_sentence(rows, highest))
    across = Scale(0, rows[-1].rate * 1.05, LEFT, RIGHT)
    marks = [max(value, 0.01) for row in rows for value in (row.p50_ms, row.p95_ms)] + ([limit_ms] if limit_ms else [])
    tall = Scale(min(marks) / 1.3, max(marks) * 1.3, BOTTOM, TOP, log=True)
    body = [*grid_log(tall), *ticks_x(round_values(across.low, across.high), across)]
    for name, column in _LINES:
        body.append(polyline(name, [(across(row.rate), tall(max(getattr(row, column), 0.01))) for row in rows]))
    body += [*_dots(rows, across, tall), *limit_across(tall, limit_ms), *_upright(across, highest)]
    title = "requests per second; latency in ms, logarithmic; a ring: it did not hold"
    body += [*legend([name for name, _ in _LINES]), axis_title(title)]
    return element(ident, "Latency over the rate", capacity_sentence(rows, highest), body)


def _dots(rows: Sequence[Rate], across: Scale, tall: Scale) -> Iterator[str]:
    for row in rows:
        x, y = across(row.rate), tall(max(row.p95_ms, 0.01))
        fill = "currentColor" if row.held else "none"
        yield f'<circle class="step" cx="{x:.1f}" cy="{y:.1f}" r="3.5" fill="{fill}" stroke="currentColor" stroke-width="1.5"/>'


def _upright(across: Scale, highest: float) -> Iterator[str]:
    if not highest:
        return
    x = across(highest)
    yield f'<line class="held" x1="{x:.1f}" y1="{TOP}" x2="{x:.1f}" y2="{BOTTOM}" stroke="currentColor" stroke-opacity="0.6"/>'
    anchor, away = ("end", -4) if x > WIDTH / 2 else ("start", 4)
    yield (
        f'<text class="held" x="{x + away:.1f}" y="{BOTTOM - 6}" text-anchor="{anchor}">held: {escape(number(highest))}/s</text>'
    )
