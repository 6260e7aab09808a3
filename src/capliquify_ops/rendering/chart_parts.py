"""What all charts are made of: scales, axes, lines, and the SVG element around them."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from html import escape

from capliquify_ops.rendering.words import number

WIDTH, HEIGHT = 480, 250
LEFT, RIGHT, TOP, BOTTOM = 56, 470, 34, 206
_TICKS = 6
DASHES = {
    "offered": ' stroke-dasharray="5 4"',
    "completed": "",
    "failed": ' stroke-dasharray="1.5 2.5"',
    "median": "",
    "p95": ' stroke-dasharray="5 4"',
    "slowest": ' stroke-dasharray="1.5 2.5"',
    "latency": "",
}
"""How each line is told apart without colour."""


@dataclass(frozen=True, slots=True)
class Scale:
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


def empty(sentence: str) -> str:
    """Return what stands where nothing was recorded."""
    return f'<p class="chart-empty">{escape(sentence)}</p>'


def element(ident: str, title: str, desc: str, body: list[str]) -> str:
    """Return the SVG element, with title and description for those who do not see it."""
    name = escape(ident)
    head = (
        f'<svg class="chart" viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-labelledby="{name}-t {name}-d" '
        'fill="currentColor" font-family="system-ui, sans-serif" font-size="12" xmlns="http://www.w3.org/2000/svg">'
    )
    labels = f'<title id="{name}-t">{escape(title)}</title><desc id="{name}-d">{escape(desc)}</desc>'
    return "\n".join([head, labels, *body, "</svg>"])


def limit_line(x: float, limit: float) -> Iterator[str]:
    """Yield the upright line of a limit, and its name."""
    yield (
        f'<line class="limit" x1="{x:.1f}" y1="{TOP - 6}" x2="{x:.1f}" y2="{BOTTOM}" '
        'stroke="currentColor" stroke-width="1.5" stroke-dasharray="6 3"/>'
    )
    anchor = "end" if x > WIDTH / 2 else "start"
    yield f'<text class="limit" x="{x:.1f}" y="{TOP - 12}" text-anchor="{anchor}">limit {escape(number(limit))} ms</text>'


def polyline(name: str, points: list[tuple[float, float]]) -> str:
    """Return a line through points, told apart by its class and its dashes; a single point is drawn across."""
    if len(points) == 1:
        points = [points[0], (RIGHT, points[0][1])]
    path = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
    return f'<polyline class="{name}" points="{path}" fill="none" stroke="currentColor" stroke-width="1.8"{DASHES[name]}/>'


def grid_y(tall: Scale) -> Iterator[str]:
    """Yield the lines across, with their values."""
    for value in round_values(0, tall.high, wanted=4):
        y = tall(value)
        kind = "grid" if value else "axis"
        opacity = "0.15" if value else "0.6"
        yield (
            f'<line class="{kind}" x1="{LEFT}" y1="{y:.1f}" x2="{RIGHT}" y2="{y:.1f}" '
            f'stroke="currentColor" stroke-opacity="{opacity}"/>'
        )
        yield f'<text class="tick" x="{LEFT - 6}" y="{y + 4:.1f}" text-anchor="end">{escape(_short(value))}</text>'


def grid_log(tall: Scale) -> Iterator[str]:
    """Yield the lines across of a logarithmic axis, with their values."""
    for value in values_x(tall):
        y = tall(value)
        yield (
            f'<line class="grid" x1="{LEFT}" y1="{y:.1f}" x2="{RIGHT}" y2="{y:.1f}" stroke="currentColor" stroke-opacity="0.15"/>'
        )
        yield f'<text class="tick" x="{LEFT - 6}" y="{y + 4:.1f}" text-anchor="end">{escape(number(value))}</text>'


def limit_across(tall: Scale, limit_ms: float | None) -> Iterator[str]:
    """Yield the level line of a limit, and its name; nothing where there is none."""
    if limit_ms is None:
        return
    y = tall(limit_ms)
    yield (
        f'<line class="limit" x1="{LEFT}" y1="{y:.1f}" x2="{RIGHT}" y2="{y:.1f}" stroke="currentColor" '
        'stroke-width="1.5" stroke-dasharray="6 3"/>'
    )
    yield f'<text class="limit" x="{RIGHT}" y="{y - 4:.1f}" text-anchor="end">limit {escape(number(limit_ms))} ms</text>'


def ticks_x(values: list[float], scale: Scale) -> Iterator[str]:
    """Yield the values below the chart."""
    for value in values:
        yield f'<text class="tick" x="{scale(value):.1f}" y="{BOTTOM + 17}" text-anchor="middle">{escape(_short(value))}</text>'


def axis_title(text: str) -> str:
    """Return what the values below the chart are."""
    return f'<text class="tick" x="{(LEFT + RIGHT) / 2:.0f}" y="{HEIGHT - 8}" text-anchor="middle">{escape(text)}</text>'


def values_x(scale: Scale) -> list[float]:
    """Return the round values of an axis, powers of ten and their parts on a logarithmic one."""
    if not scale.log:
        return round_values(scale.low, scale.high)
    powers = range(math.floor(math.log10(scale.low)), math.ceil(math.log10(scale.high)) + 1)
    for steps in ((1, 2, 5), (1, 3), (1,)):
        values = [step * 10.0**power for power in powers for step in steps]
        inside = [value for value in values if scale.low <= value <= scale.high]
        if len(inside) <= _TICKS:
            return inside
    return inside[:: math.ceil(len(inside) / _TICKS)]


def round_values(low: float, high: float, wanted: int = _TICKS) -> list[float]:
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


def legend(names: Sequence[str]) -> Iterator[str]:
    """Yield the key of a chart's lines, above it."""
    for place, name in enumerate(names):
        x = LEFT + place * 136
        yield (
            f'<line class="{name}" x1="{x}" y1="{TOP - 18}" x2="{x + 22}" y2="{TOP - 18}" '
            f'stroke="currentColor" stroke-width="2.2"{DASHES[name]}/>'
        )
        yield f'<text x="{x + 28}" y="{TOP - 14}">{name}</text>'
