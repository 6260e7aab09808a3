"""The sign-off report: a decision as one self-contained page and as a JSON document."""

from capliquify_ops.signoff.report.document import document, document_bytes
from capliquify_ops.signoff.report.page import html

__all__ = ["document", "document_bytes", "html"]
