"""Load charts as inline SVG: no script, no style attribute, the same bytes for the same numbers.

Colours come from the CSS classes chart, bar, over, limit, offered, completed, failed, grid and axis; without a stylesheet
everything is drawn in the text's own colour.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from html import escape
from itertools import pairwise

from capliquify_ops.rendering.series import LoadSeries, PerSecond
from capliquify_ops.rendering.words import number

__all__ = ["LoadSeries", "latency", "latency_sentence", "throughput", "throughput_sentence"]

WIDTH, HEIGHT = 480, 250
_LEFT, _RIGHT, _TOP, _BOTTOM = 56, 470, 34, 206
_BINS = 56
_POINTS = 138
_LOG_FROM = 20
"""A range over more than this ratio is drawn on a logarithmic axis."""
_TICKS = 6
_SMALLEST_BAR = 1.5
_NOTHING = 1e-6


@dataclass(frozen=True, slots=True)
class _Scale:
    """Maps a value onto pixels of one axis."""

    low: float
    high: float
    start: float
    end: float
    log: bool = False

    def __call__(self, value: float) -> float:
        low, high, at = self.low, self.high, min(max(value, self.low), self.high)
        if self.log:
            low, high, at = math.log(low), math.log(high), math.log(at)
        return self.start + (self.end - self.start) * (at - low) / (high - low)


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
        return _empty(latency_sentence(series))
    uppers = [upper for upper, count in series.buckets_ms if count]
    scale = _latency_scale(uppers, series.limit_ms)
    bins = _bins(series, scale)
    tall = _Scale(0, max(bins), _BOTTOM, _TOP)
    body = [*_grid_y(tall), *_ticks_x(_values_x(scale), scale), *_bars(bins, scale, tall, series.limit_ms)]
    body.append(_axis_title("latency in ms" + (", logarithmic" if scale.log else "")))
    if series.limit_ms is not None:
        body += _limit(scale(series.limit_ms), series.limit_ms)
    return _svg(ident, "Latency distribution", latency_sentence(series), body)


def throughput(series: LoadSeries, ident: str) -> str:
    """Return requests per second over time as an SVG element, or a sentence in a paragraph where nothing was recorded.

    A run longer than the chart is wide shows, per point, the most offered, the fewest completed and the most failed.
    """
    if not series.per_second:
        return _empty(throughput_sentence(series))
    rows, step = _thinned(series.per_second)
    across = _Scale(rows[0][0], max(rows[-1][0], rows[0][0] + 1), _LEFT, _RIGHT)
    tall = _Scale(0, max(1, *(max(row[1:]) for row in rows)), _BOTTOM, _TOP)
    body = [*_grid_y(tall), *_ticks_x(_round_values(across.low, across.high), across)]
    body += [_line(name, [(across(row[0]), tall(row[column])) for row in rows]) for name, column in _LINES]
    body += [*_legend(), _axis_title("seconds since the start")]
    note = f" Each point shows the worst of {step} s." if step > 1 else ""
    return _svg(ident, "Requests per second", throughput_sentence(series) + note, body)


_LINES = (("offered", 1), ("completed", 2), ("failed", 3))
_DASHES = {"offered": ' stroke-dasharray="5 4"', "completed": "", "failed": ' stroke-dasharray="1.5 2.5"'}


def _empty(sentence: str) -> str:
    return f'<p class="chart-empty">{escape(sentence)}</p>'


def _svg(ident: str, title: str, desc: str, body: list[str]) -> str:
    name = escape(ident)
    head = (
        f'<svg class="chart" viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-labelledby="{name}-t {name}-d" '
        'fill="currentColor" font-family="system-ui, sans-serif" font-size="12" xmlns="http://www.w3.org/2000/svg">'
    )
    labels = f'<title id="{name}-t">{escape(title)}</title><desc id="{name}-d">{escape(desc)}</desc>'
    return "\n".join([head, labels, *body, "</svg>"])


def _latency_scale(uppers: list[float], limit: float | None) -> _Scale:
    marks = [*uppers, limit] if limit is not None else uppers
    low, high = min(marks), max(marks)
    positive = min((mark for mark in marks if mark > 0), default=0.0)
    if positive and high / positive > _LOG_FROM:
        return _Scale(positive / 1.3, high * 1.3, _LEFT, _RIGHT, log=True)
    pad = (high - low) * 0.04 or 1.0
    return _Scale(max(0.0, low - pad) if low > (high - low) else 0.0, high + pad, _LEFT, _RIGHT)


def _bins(series: LoadSeries, scale: _Scale) -> list[float]:
    """Return requests per bin of the axis, each bucket spread over its own width.

    Empty buckets may have been left out, so a bucket far from its neighbour keeps the usual width instead of filling the gap.
    """
    ends = [(scale(upper), requests) for upper, requests in series.buckets_ms if requests]
    gaps = sorted(right[0] - left[0] for left, right in pairwise(ends))
    usual = 2.5 * gaps[len(gaps) // 2] if gaps else 0.0
    bins, previous = [0.0] * _BINS, -math.inf
    for end, requests in ends:
        _spread(bins, max(previous, end - usual, _LEFT), end, requests)
        previous = end
    return bins


def _spread(bins: list[float], start: float, end: float, requests: int) -> None:
    wide = (_RIGHT - _LEFT) / len(bins)
    first, last = (min(int((x - _LEFT) / wide), len(bins) - 1) for x in (start, end))
    if first == last or end - start < _NOTHING:
        bins[last] += requests
        return
    for place in range(first, last + 1):
        left, right = max(start, _LEFT + place * wide), min(end, _LEFT + (place + 1) * wide)
        bins[place] += requests * max(0.0, right - left) / (end - start)


def _bars(bins: list[float], scale: _Scale, tall: _Scale, limit: float | None) -> Iterator[str]:
    wide = (_RIGHT - _LEFT) / len(bins)
    border = scale(limit) if limit is not None else math.inf
    for place, requests in enumerate(bins):
        if requests < _NOTHING:
            continue
        x, high = _LEFT + place * wide, max(_SMALLEST_BAR, _BOTTOM - tall(requests))
        kind = "bar over" if x >= border else "bar"
        yield f'<rect class="{kind}" x="{x:.1f}" y="{_BOTTOM - high:.1f}" width="{max(1.0, wide - 1):.1f}" height="{high:.1f}"/>'


def _limit(x: float, limit: float) -> Iterator[str]:
    yield (
        f'<line class="limit" x1="{x:.1f}" y1="{_TOP - 6}" x2="{x:.1f}" y2="{_BOTTOM}" '
        'stroke="currentColor" stroke-width="1.5" stroke-dasharray="6 3"/>'
    )
    anchor = "end" if x > WIDTH / 2 else "start"
    yield f'<text class="limit" x="{x:.1f}" y="{_TOP - 12}" text-anchor="{anchor}">limit {escape(number(limit))} ms</text>'


def _thinned(rows: tuple[PerSecond, ...]) -> tuple[list[PerSecond], int]:
    step = math.ceil(len(rows) / _POINTS)
    groups = (rows[start : start + step] for start in range(0, len(rows), step))
    return [(g[0][0], max(r[1] for r in g), min(r[2] for r in g), max(r[3] for r in g)) for g in groups], step


def _line(name: str, points: list[tuple[float, float]]) -> str:
    if len(points) == 1:
        points = [points[0], (_RIGHT, points[0][1])]
    path = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
    return f'<polyline class="{name}" points="{path}" fill="none" stroke="currentColor" stroke-width="1.8"{_DASHES[name]}/>'


def _legend() -> Iterator[str]:
    for place, (name, _) in enumerate(_LINES):
        x = _LEFT + place * 136
        yield (
            f'<line class="{name}" x1="{x}" y1="{_TOP - 18}" x2="{x + 22}" y2="{_TOP - 18}" '
            f'stroke="currentColor" stroke-width="2.2"{_DASHES[name]}/>'
        )
        yield f'<text x="{x + 28}" y="{_TOP - 14}">{name}</text>'


def _grid_y(tall: _Scale) -> Iterator[str]:
    for value in _round_values(0, tall.high, wanted=4):
        y = tall(value)
        kind = "grid" if value else "axis"
        opacity = "0.15" if value else "0.6"
        yield (
            f'<line class="{kind}" x1="{_LEFT}" y1="{y:.1f}" x2="{_RIGHT}" y2="{y:.1f}" '
            f'stroke="currentColor" stroke-opacity="{opacity}"/>'
        )
        yield f'<text class="tick" x="{_LEFT - 6}" y="{y + 4:.1f}" text-anchor="end">{escape(_short(value))}</text>'


def _ticks_x(values: list[float], scale: _Scale) -> Iterator[str]:
    for value in values:
        yield f'<text class="tick" x="{scale(value):.1f}" y="{_BOTTOM + 17}" text-anchor="middle">{escape(_short(value))}</text>'


def _axis_title(text: str) -> str:
    return f'<text class="tick" x="{(_LEFT + _RIGHT) / 2:.0f}" y="{HEIGHT - 8}" text-anchor="middle">{escape(text)}</text>'


def _values_x(scale: _Scale) -> list[float]:
    if not scale.log:
        return _round_values(scale.low, scale.high)
    powers = range(math.floor(math.log10(scale.low)), math.ceil(math.log10(scale.high)) + 1)
    for steps in ((1, 2, 5), (1, 3), (1,)):
        values = [step * 10.0**power for power in powers for step in steps]
        inside = [value for value in values if scale.low <= value <= scale.high]
        if len(inside) <= _TICKS:
            return inside
    return inside[:: math.ceil(len(inside) / _TICKS)]


def _round_values(low: float, high: float, wanted: int = _TICKS) -> list[float]:
    """Return at most `wanted` + 1 round numbers between the bounds."""
    rough = (high - low) / wanted
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(size * power for size in (1, 2, 2.5, 5, 10) if size * power >= rough * (1 - 1e-9))
    first = math.ceil(low / step - 1e-9)
    return [place * step for place in range(first, math.floor(high / step + 1e-9) + 1)]


def _short(value: float) -> str:
    for size, suffix in ((1e9, "G"), (1e6, "M"), (1e4, "k")):
        if abs(value) >= size:
            return number(round(value / (1e3 if suffix == "k" else size), 2)) + suffix
    return number(round(value, 6))
