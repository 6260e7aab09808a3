"""The choke point: no byte of evidence is written that holds a known secret or looks like a credential."""

import html
import json
import re
from collections.abc import Iterable
from urllib.parse import quote, quote_plus

from capliquify_ops.evidence.canonical import Plain

MASK = "[redacted]"
_SHAPES = (
    re.compile(r"eyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]*"),  # a JSON web token
    re.compile(r"(?i)(?<=bearer )[A-Za-z0-9._~+/=-]{8,}"),
    re.compile(r"(?<=://)[^\s/@:\"]*:[^\s/@\"]+(?=@)"),  # user:password in a URL
    re.compile(r"(?i)(?<=password=)[^\s&\"']+"),
    re.compile(r"\b(?:sk|pk|rk)_(?:live|test)_[A-Za-z0-9]{8,}"),
    re.compile(r"-----BEGIN [A-Z ]*PRIVATE KEY-----[\s\S]*?(?:-----END [A-Z ]*PRIVATE KEY-----|\Z)"),
)
SHORTEST_SECRET = 4
"""A shorter secret would mask ordinary words."""


_OUR_OWN = frozenset(
    {"id", "run", "box", "check", "state", "schema", "outcome", "severity", "grade", "kind", "operator", "started_at"}
    | {"finished_at", "at", "digest", "raw", "fingerprint", "version", "python", "escalation", "remedy"}
)
"""Keys whose values this library makes itself: a short secret that happens to be a word must not break a record."""


def _forms(secret: str) -> Iterable[str]:
    """Yield a text as it is written in the places where evidence comes from."""
    yield secret
    yield json.dumps(secret, ensure_ascii=False)[1:-1]
    yield json.dumps(secret)[1:-1]
    yield repr(secret)[1:-1]
    yield html.escape(secret)
    octets = secret.encode("utf-8", "surrogatepass")
    yield from (quote(octets, safe=""), quote(octets), quote_plus(octets))


class Redactor:
    """Masks known secrets, also as they look inside JSON, a URL or a page, and whatever has the shape of a credential."""

    def __init__(self, secrets: Iterable[str] = ()) -> None:
        self._known: set[str] = set()
        for secret in secrets:
            self.learn(secret)

    def learn(self, secret: str) -> None:
        """Mask this text from now on."""
        if len(secret) >= SHORTEST_SECRET:
            self._known.update(_forms(secret))

    def text(self, text: str) -> str:
        """Return the text with every secret masked, longest first."""
        for secret in sorted(self._known, key=len, reverse=True):
            text = text.replace(secret, MASK)
        for shape in _SHAPES:
            text = shape.sub(MASK, text)
        return text

    def values(self, value: Plain, key: str = "") -> Plain:
        """Mask the free text inside tables and lists; names that only this library writes stay as they are."""
        if isinstance(value, dict):
            return {inner: self.values(found, inner) for inner, found in value.items()}
        if isinstance(value, list):
            return [self.values(found, key) for found in value]
        return self.text(value) if isinstance(value, str) and key not in _OUR_OWN else value

    def content(self, content: bytes) -> bytes:
        """Return bytes with every secret masked; bytes that are not text are searched for known secrets only."""
        try:
            return self.text(content.decode("utf-8")).encode("utf-8")
        except UnicodeDecodeError:
            for secret in sorted(self._known, key=len, reverse=True):
                content = content.replace(secret.encode("utf-8", "replace"), MASK.encode())
            return content
