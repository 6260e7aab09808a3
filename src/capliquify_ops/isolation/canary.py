"""Canaries: secret words that only their writer ever sends, so that meeting one elsewhere proves a leak."""

import base64
import hashlib
import re
from dataclasses import dataclass, field

TOKEN_BYTES = 12
"""96 random bits: no answer holds one by chance, and nobody guesses it from the run's public id."""
RUN = re.compile(r"r[0-9a-f]{10}")
"""A run's id: of one length, so that no id is the beginning of another one's words."""
WORDS = re.compile(r"canary[0-9a-z]+|audit-[0-9a-f]{16}|r[0-9a-f]{10}-[0-9a-f]{10}")
"""What an audit writes into texts and into codes that no two rows share."""
_CODE_LETTERS = 10
_WORD = re.compile(rf"canary({RUN.pattern})")


@dataclass(frozen=True, slots=True)
class Canary:
    """One secret word, the tenant whose content it stands in, and what a report calls it.

    `is_address` marks a row's id: it is a secret only until somebody else sends it, since what was sent may be repeated.
    """

    tenant: str
    label: str
    token: str = field(repr=False)
    is_address: bool = False


def mint(run: str, tenant: str, label: str, noise: bytes) -> Canary:
    """Make a secret word: lower case letters and digits only, which no sanitiser has a reason to change.

    It starts with the run, by which what a killed audit left is known from all else; the rest is random.
    """
    return Canary(tenant, label, marked(run, base64.b32encode(noise).decode().rstrip("=").lower()))


def marked(run: str, word: str) -> str:
    """Return a text that carries the run and is no secret: what several tenants are to write alike."""
    return f"canary{run}{word}"


def code_for(word: str) -> str:
    """Return a short code that differs from word to word and tells nothing of it; that of a canary starts with its run."""
    digest, run = hashlib.sha256(word.encode()).hexdigest(), _WORD.match(word)
    return f"{run[1]}-{digest[:_CODE_LETTERS]}" if run else f"audit-{digest[:16]}"


def carries(run: str, value: object) -> bool:
    """Whether a member of a row is an audit's of this run: a canary in it, or a code. To name the run is not enough."""
    text = str(value).lower()
    return f"canary{run}" in text or re.fullmatch(rf"{re.escape(run)}-[0-9a-f]{{{_CODE_LETTERS}}}", text) is not None
