"""How commands print: a document for programs, lines for people. Control characters of data never reach a terminal."""

import json
import sys
from collections.abc import Sequence

from capliquify_ops.evidence.canonical import plain
from capliquify_ops.rendering.text import visible


def document(value: object) -> None:
    """Print one JSON document."""
    sys.stdout.write(json.dumps(plain(value), indent=2, sort_keys=True) + "\n")


def raw(content: bytes) -> None:
    """Print bytes that are a document already: JSON is UTF-8 whatever the terminal speaks."""
    sys.stdout.flush()
    sys.stdout.buffer.write(content)
    sys.stdout.buffer.flush()


def line(text: str = "") -> None:
    """Print one line for a person."""
    sys.stdout.write(visible(text) + "\n")


def note(text: str) -> None:
    """Print one line on stderr: progress and remarks."""
    sys.stderr.write(visible(text) + "\n")


def table(head: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> None:
    """Print columns."""
    shown = [tuple(visible(cell) for cell in row) for row in [head, *rows]]
    widths = [max(len(row[column]) for row in shown) for column in range(len(head))]
    for row in shown:
        line("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())
