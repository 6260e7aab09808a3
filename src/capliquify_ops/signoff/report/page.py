"""A decision as one self-contained HTML page: no script, no request, the same bytes for the same decision."""

import base64
import hashlib
from functools import cache
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup, escape

from capliquify_ops.model.decision import Decision
from capliquify_ops.rendering.text import block, line
from capliquify_ops.signoff.report.charts import RawReader
from capliquify_ops.signoff.report.view import Bounds, page_view

_TEMPLATES = Path(__file__).parent / "templates"
_SIZE = 4_500_000
"""Bytes beyond which fewer findings are shown: browsers on small machines stay usable below 5 MB."""
_BOUNDS = (Bounds(50, 20), Bounds(50, 3), Bounds(12, 1), Bounds(3, 1), Bounds(1, 0), Bounds(0, 0))
_FINDING = 1_500
"""Bytes of markup of the shortest finding."""
_TEXT = 800
_LINE = 300


def html(decision: Decision, raw: RawReader) -> bytes:
    """Return the report. `raw` gives raw data by SHA-256; only load runs are read, for their charts.

    Text from outside is shown, never acted on: escaped, kept from turning the direction of its surroundings, hidden characters
    made visible.
    """
    style = Markup((_TEMPLATES / "style.css").read_text("utf-8"))  # noqa: S704 - our own file
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    template = _environment().get_template("report.html.jinja")
    page, each = b"", float(_FINDING)
    for bounds in _BOUNDS:
        count = _shown(decision, bounds)
        if count * each > _SIZE:
            continue
        page = template.render(page=page_view(decision, raw, bounds), style=style, style_digest=digest).encode()
        if len(page) <= _SIZE:
            break
        each = len(page) / max(count, 1)
    return page


def _shown(decision: Decision, bounds: Bounds) -> int:
    records = (record for result in decision.boxes for record in result.records)
    return sum(min(len(record.findings), bounds.open + bounds.healthy) for record in records)


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=FileSystemLoader(_TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        finalize=_inert,
    )
    environment.filters |= {"show": _show, "block": _block}
    return environment


def _inert(value: object) -> object:
    """Make every text that a template writes visible and bounded, whether or not it asked for more."""
    return line(value, _TEXT) if isinstance(value, str) and not isinstance(value, Markup) else value


def _show(text: str, limit: int = _TEXT) -> Markup:
    """Isolate one line of untrusted text."""
    return Markup("<bdi>{}</bdi>").format(line(text, limit))


def _block(text: str, limit: int = _LINE) -> Markup:
    """Untrusted text whose own lines stay lines; the element around it isolates it."""
    return escape(block(text, limit))
