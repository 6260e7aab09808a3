"""Load charts as inline SVG: no script, no style attribute, the same bytes for the same numbers.

Colours come from the CSS classes chart, bar, over, limit, offered, completed, failed, grid and axis; without a stylesheet
everything is drawn in the text's own colour.
"""

import math
from collections.abc import Iterator
from itertools import pairwise

from capliquify_ops.rendering.chart_parts import (
    BOTTOM,
    LEFT,
    RIGHT,
    TOP,
    Scale,
    axis_title,
    element,
    empty,
    grid_y,
    legend,
    limit_line,
    polyline,
    round_values,
    ticks_x,
    values_x,
)
from capliquify_ops.rendering.series import LoadSeries, PerSecond
from capliquify_ops.rendering.words import number

__all__ = ["LoadSeries", "latency", "latency_sentence", "throughput", "throughput_sentence"]

_BINS = 56
_POINTS = 138
_LOG_FROM = 20
"""A range over more than this ratio is drawn on a logarithmic axis."""
_SMALLEST_BAR = 1.5
_NOTHING = 1e-6


def latency_sentence(series: LoadSeries) -> str:
    """Return the latency distribution in words."""
    if not series.requests:
        return "No latency was recorded."
    marks = ", ".join(f"p{share} at most {number(series.percentile(share / 100))} ms" for share in (50, 95, 99))
    words = f"{series.requests:,} requests: {marks}, slowest {number(series.percentile(1))} ms."
    if series.limit_ms is None:
        return words
    return f"{words} {series.above_limit():,} above the limit of {number(series.limit_ms)} ms."


def throughput_sentence(series: LoadSeries) -> str:
    """Return offered, completed and failed requests in words."""
    if not series.per_second:
        return "No throughput was recorded."
    offered, completed, failed = (sum(row[column] for row in series.per_second) for column in (1, 2, 3))
    slowest = min(row[2] for row in series.per_second)
    seconds = len(series.per_second)
    return (
        f"{seconds:,} s: {offered:,} requests offered, {completed:,} completed, {failed:,} failed; "
        f"fewest completed in one second {slowest:,}."
    )


def latency(series: LoadSeries, ident: str) -> str:
    """Return the latency histogram as an SVG element, or a sentence in a paragraph where nothing was recorded.

    `ident` is unique in the document.
    """
    if not series.requests:
        return empty(latency_sentence(series))
    uppers = [upper for upper, count in series.buckets_ms if count]
    scale = _latency_scale(uppers, series.limit_ms)
    bins = _bins(series, scale)
    tall = Scale(0, max(bins), BOTTOM, TOP)
    body = [*grid_y(tall), *ticks_x(values_x(scale), scale), *_bars(bins, scale, tall, series.limit_ms)]
    body.append(axis_title("latency in ms" + (", logarithmic" if scale.log else "")))
    if series.limit_ms is not None:
        body += limit_line(scale(series.limit_ms), series.limit_ms)
    return element(ident, "Latency distribution", latency_sentence(series), body)


def throughput(series: LoadSeries, ident: str) -> str:
    """Return requests per second over time as an SVG element, or a sentence in a paragraph where nothing was recorded.

    A run longer than the chart is wide shows, per point, the most offered, the fewest completed and the most failed.
    """
    if not series.per_second:
        return empty(throughput_sentence(series))
    rows, step = _thinned(series.per_second)
    across = Scale(rows[0][0], max(rows[-1][0], rows[0][0] + 1), LEFT, RIGHT)
    tall = Scale(0, max(1, *(max(row[1:]) for row in rows)), BOTTOM, TOP)
    body = [*grid_y(tall), *ticks_x(round_values(across.low, across.high), across)]
    body += [polyline(name, [(across(row[0]), tall(row[column])) for row in rows]) for name, column in _LINES]
    body += [*legend([name for name, _ in _LINES]), axis_title("seconds since the start")]
    note = f" Each point shows the worst of {step} s." if step > 1 else ""
    return element(ident, "Requests per second", throughput_sentence(series) + note, body)


_LINES = (("offered", 1), ("completed", 2), ("failed", 3))


def _latency_scale(uppers: list[float], limit: float | None) -> Scale:
    marks = [*uppers, limit] if limit is not None else uppers
    low, high = min(marks), max(marks)
    positive = min((mark for mark in marks if mark > 0), default=0.0)
    if positive and high / positive > _LOG_FROM:
        return Scale(positive / 1.3, high * 1.3, LEFT, RIGHT, log=True)
    pad = (high - low) * 0.04 or 1.0
    return Scale(max(0.0, low - pad) if low > (high - low) else 0.0, high + pad, LEFT, RIGHT)


def _bins(series: LoadSeries, scale: Scale) -> list[float]:
    """Return requests per bin of the axis, each bucket spread over its own width.

    Empty buckets may have been left out, so a bucket far from its neighbour keeps the usual width instead of filling the gap.
    """
    ends = [(scale(upper), requests) for upper, requests in series.buckets_ms if requests]
    gaps = sorted(right[0] - left[0] for left, right in pairwise(ends))
    usual = 2.5 * gaps[len(gaps) // 2] if gaps else 0.0
    bins, previous = [0.0] * _BINS, -math.inf
    for end, requests in ends:
        _spread(bins, max(previous, end - usual, LEFT), end, requests)
        previous = end
    return bins


def _spread(bins: list[float], start: float, end: float, requests: int) -> None:
    wide = (RIGHT - LEFT) / len(bins)
    first, last = (min(int((x - LEFT) / wide), len(bins) - 1) for x in (start, end))
    if first == last or end - start < _NOTHING:
        bins[last] += requests
        return
    for place in range(first, last + 1):
        left, right = max(start, LEFT + place * wide), min(end, LEFT + (place + 1) * wide)
        bins[place] += requests * max(0.0, right - left) / (end - start)


def _bars(bins: list[float], scale: Scale, tall: Scale, limit: float | None) -> Iterator[str]:
    wide = (RIGHT - LEFT) / len(bins)
    border = scale(limit) if limit is not None else math.inf
    for place, requests in enumerate(bins):
        if requests < _NOTHING:
            continue
        x, high = LEFT + place * wide, max(_SMALLEST_BAR, BOTTOM - tall(requests))
        kind = "bar over" if x >= border else "bar"
        yield f'<rect class="{kind}" x="{x:.1f}" y="{BOTTOM - high:.1f}" width="{max(1.0, wide - 1):.1f}" height="{high:.1f}"/>'


def _thinned(rows: tuple[PerSecond, ...]) -> tuple[list[PerSecond], int]:
    step = math.ceil(len(rows) / _POINTS)
    groups = (rows[start : start + step] for start in range(0, len(rows), step))
    return [(g[0][0], max(r[1] for r in g), min(r[2] for r in g), max(r[3] for r in g)) for g in groups], step
