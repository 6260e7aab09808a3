"""Writes the documents of a decision into the evidence folder: report, signoff.json, junit.xml, summary.md."""

from collections.abc import Callable
from pathlib import Path
from typing import Protocol

from capliquify_ops.model.decision import Decision
from capliquify_ops.rendering.junit import junit
from capliquify_ops.rendering.markdown import summary
from capliquify_ops.signoff.report import html
from capliquify_ops.signoff.report.document import document_bytes

REPORT = "report/index.html"


class Shelf(Protocol):
    """Where documents go and raw data comes from: an evidence store."""

    def write(self, name: str, content: bytes) -> Path: ...
    def raw(self, name: str) -> bytes | None: ...


def write_documents(decision: Decision, shelf: Shelf) -> Path:
    """Write all documents and return the path of the report. Raises EvidenceUnwritable."""
    makers: dict[str, Callable[[], bytes]] = {
        "signoff.json": lambda: document_bytes(decision),
        "junit.xml": lambda: junit(decision),
        "summary.md": lambda: summary(decision),
        REPORT: lambda: html(decision, shelf.raw),
    }
    paths = {name: shelf.write(name, make()) for name, make in makers.items()}
    return paths[REPORT]
