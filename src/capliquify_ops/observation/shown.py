"""Texts of others on the screen of a diagnosis: what looks like a credential or an address of a person is left out."""

import re

from capliquify_ops.evidence.redaction import MASK, Redactor

_ADDRESS = re.compile(r"[^\s@<>\"'(),:;=/]{1,100}@[^\s@<>\"'(),:;=/]{1,100}\.[^\W\d_]{2,30}")
_MASKS = Redactor()


def shown(text: str) -> str:
    """Return the text without credentials and e-mail addresses."""
    return _ADDRESS.sub(MASK, _MASKS.text(text))
