"""Evidence on disk: records, raw files by content, the ledger. Written so that nothing is lost and nothing is changed unseen."""

from capliquify_ops.evidence.canonical import canonical, digest
from capliquify_ops.evidence.store import Store

__all__ = ["Store", "canonical", "digest"]
