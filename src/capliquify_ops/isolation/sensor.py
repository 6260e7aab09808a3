"""The sensor: which canaries an answer holds, in whatever form they were wrapped. Pure."""

import base64
import binascii
import html
import io
import re
import zipfile
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from urllib.parse import unquote_to_bytes

from capliquify_ops.isolation.canary import Canary

DEPTH = 3
"""Wrappings inside each other that are opened: base64 of gzip inside a JSON text is three."""
MOST_VIEWS = 64
"""An answer made to explode (nested archives) stops here; the plain forms come first."""
MOST_BYTES = 16 * 1024 * 1024
"""Of one decompressed view; the HTTP client reads no more of an answer either."""

_BASE64_RUN = re.compile(rb"[A-Za-z0-9+/_-]{40,}")
_HEX_RUN = re.compile(rb"[0-9A-Fa-f]{60,}")
_SPACE = re.compile(rb"\s+|\\[nrt]")
_UNICODE_ESCAPE = re.compile(rb"\\u([0-9A-Fa-f]{4})")
_ESCAPE = re.compile(rb'\\(["\\/])')
_URLSAFE = bytes.maketrans(b"-_", b"+/")


@dataclass(frozen=True, slots=True)
class Sighting:
    """One canary met in an answer: whose, which, where (body or headers) and in which wrapping."""

    tenant: str
    label: str
    place: str
    form: str


def sightings(canaries: Iterable[Canary], body: bytes, headers: Mapping[str, str]) -> tuple[Sighting, ...]:
    """Return each canary that body or headers hold: plain, JSON-, URL- or HTML-escaped, base64, hexadecimal, compressed."""
    wanted = tuple(canaries)
    head = "\n".join(f"{name}: {value}" for name, value in headers.items()).encode("utf-8", "replace")
    return (*_in(wanted, body, "body"), *_in(wanted, head, "headers"))


def _in(canaries: tuple[Canary, ...], content: bytes, place: str) -> Iterator[Sighting]:
    missing = list(canaries)
    for form, view in _views(content):
        if not missing:
            return
        plain = view.replace(b"\0", b"").lower()
        found = [canary for canary in missing if canary.token.encode() in plain]
        for canary in found:
            missing.remove(canary)
            yield Sighting(canary.tenant, canary.label, place, form)


def _views(content: bytes) -> Iterator[tuple[str, bytes]]:
    """Breadth first: the content itself, then each wrapping opened, then what was inside those."""
    seen = {content}
    level = [("plain", content)]
    for depth in range(DEPTH + 1):
        yield from level
        if depth == DEPTH:
            return
        following: list[tuple[str, bytes]] = []
        for form, view in level:
            for name, opened in _opened(view):
                if opened in seen or len(seen) >= MOST_VIEWS:
                    continue
                seen.add(opened)
                following.append((name if form == "plain" else f"{form}, {name}", opened))
        level = following


def _opened(view: bytes) -> Iterator[tuple[str, bytes]]:
    for name, opener in _OPENERS:
        for opened in opener(view):
            yield name, opened


def _json(view: bytes) -> Iterator[bytes]:
    if b"\\" in view:
        text = _UNICODE_ESCAPE.sub(lambda found: chr(int(found[1], 16)).encode("utf-8", "replace"), view)
        yield _ESCAPE.sub(rb"\1", text)


def _url(view: bytes) -> Iterator[bytes]:
    if b"%" in view:
        yield unquote_to_bytes(view)


def _entities(view: bytes) -> Iterator[bytes]:
    if b"&" in view:
        yield html.unescape(view.decode("latin-1")).encode("utf-8", "replace")


def _base64(view: bytes) -> Iterator[bytes]:
    """Decode each long run at its four alignments: what stands before it may use the same letters."""
    for run in _BASE64_RUN.findall(_SPACE.sub(b"", view)):
        text = run.translate(_URLSAFE)
        for start in range(4):
            part = text[start : start + (len(text) - start) // 4 * 4]
            yield base64.b64decode(part)
            tail = text[start + len(part) :]
            if len(tail) > 1:
                yield base64.b64decode(part + tail + b"=" * (4 - len(tail)))


def _hex(view: bytes) -> Iterator[bytes]:
    for run in _HEX_RUN.findall(view):
        for start in range(2):
            part = run[start:]
            yield binascii.unhexlify(part[: len(part) // 2 * 2])


def _compressed(view: bytes) -> Iterator[bytes]:
    for magic, bits in ((b"\x1f\x8b", 31), (b"\x78", 15)):
        start = view.find(magic)
        if start >= 0:
            try:
                yield zlib.decompressobj(bits).decompress(view[start:], MOST_BYTES)
            except zlib.error:
                continue


def _archive(view: bytes) -> Iterator[bytes]:
    """Each member of a ZIP archive, which spreadsheets are as well; one that is broken or encrypted stays closed."""
    start = view.find(b"PK\x03\x04")
    if start < 0:
        return
    try:
        with zipfile.ZipFile(io.BytesIO(view[start:])) as archive:
            for member in archive.infolist():
                with archive.open(member) as content:
                    yield member.filename.encode() + b"\n" + content.read(MOST_BYTES)
    except (zipfile.BadZipFile, zlib.error, RuntimeError, OSError, EOFError):
        return


_OPENERS: tuple[tuple[str, Callable[[bytes], Iterator[bytes]]], ...] = (
    ("json-escaped", _json),
    ("url-encoded", _url),
    ("html-escaped", _entities),
    ("base64", _base64),
    ("hex", _hex),
    ("compressed", _compressed),
    ("archived", _archive),
)
