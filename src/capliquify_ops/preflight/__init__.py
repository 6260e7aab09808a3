"""Before anything is measured: is this the target that was meant, does it answer, and what does it grant."""

from capliquify_ops.preflight.doctor import Answer, examine
from capliquify_ops.preflight.identify import identify

__all__ = ["Answer", "examine", "identify"]
