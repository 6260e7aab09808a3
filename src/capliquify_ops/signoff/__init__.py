"""The launch decision: which checks each box needs, the verdict, and its documents."""

from capliquify_ops.signoff.boxes import load_boxes
from capliquify_ops.signoff.documents import write_documents
from capliquify_ops.signoff.verdict import decide, target_named

__all__ = ["decide", "load_boxes", "target_named", "write_documents"]
