"""Untrusted text made safe to show: what is invisible or moves other text becomes visible, what is endless is cut."""

import re
from functools import cache

_HIDDEN = re.compile(
    "[\x00-\x1f\x7f-\x9f\xad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\u3164"
    "\ud800-\udfff\ufeff\uffa0\ufff0-\ufffb\ufffe\uffff\U0001bca0-\U0001bca3\U0001d173-\U0001d17a\U000e0000-\U000e0fff]"
)
"""Controls, bidirectional marks, invisible letters and lone surrogates. The joiners U+200C and U+200D stay: emoji need them."""

_MARKS = "\u0300-\u036f\u0483-\u0489\u1ab0-\u1aff\u1dc0-\u1dff\u20d0-\u20ff\ufe00-\ufe0f\ufe20-\ufe2f"
_STACKED = re.compile(f"([{_MARKS}]{{4}})([{_MARKS}]+)")
"""More than four combining marks on one letter paint over neighbouring lines."""

# fmt: off
_NAMES = (
    "NUL", "SOH", "STX", "ETX", "EOT", "ENQ", "ACK", "BEL", "BS", "TAB", "LF", "VT", "FF", "CR", "SO", "SI",
    "DLE", "DC1", "DC2", "DC3", "DC4", "NAK", "SYN", "ETB", "CAN", "EM", "SUB", "ESC", "FS", "GS", "RS", "US",
)
# fmt: on
"""ASCII's own names: fonts often lack the pictures of U+2400 and on."""


@cache
def _picture(character: str) -> str:
    code = ord(character)
    return f"[{_NAMES[code]}]" if code < len(_NAMES) else f"[U+{code:04X}]"


def visible(text: str, keep: str = "") -> str:
    """Return the text with every hidden character as its name or code in brackets: [ESC], [U+202E].

    The characters of `keep`, such as a newline, stay as they are. What comes back can be written as UTF-8 and as XML 1.0.
    """
    shown = _HIDDEN.sub(lambda match: match[0] if match[0] in keep else _picture(match[0]), text)
    return _STACKED.sub(lambda match: f"{match[1]}[{len(match[2])} more marks]", shown)


def clip(text: str, limit: int) -> str:
    """Return the text, or its first `limit` characters and how many more there are."""
    if len(text) <= limit:
        return text
    return f"{text[:limit]}\u2026 ({len(text) - limit:,} more characters)"


def line(text: str, limit: int) -> str:
    """Return untrusted text as one visible, bounded line."""
    return visible(clip(text, limit))


def block(text: str, limit: int) -> str:
    """Return untrusted text as visible, bounded lines: newlines and tabs stay."""
    return visible(clip(text, limit), keep="\n\t")
