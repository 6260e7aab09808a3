"""Rows of a table as COPY writes them, counted and hashed on their way.

The content hash of a table is the sum, modulo 2^256, of the SHA-256 of each line of its COPY text, line end included: it
does not depend on the order of the rows, and anybody can compute it from the archive alone. The stream hash is the SHA-256 of
the same text as it was written: cheaper, and enough for rows that come in the order in which they were loaded.
"""

import hashlib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

_FLUSH = 1 << 16
_MODULUS = 1 << 256


@dataclass(slots=True)
class Content:
    """What went through `counted`: how many rows, and their hashes."""

    rows: int = 0
    total: int = 0
    stream: str = ""

    @property
    def hash(self) -> str:
        """The content hash, in hexadecimal."""
        return f"{self.total % _MODULUS:064x}"


def counted(lines: Iterable[bytes | bytearray | memoryview], into: Content) -> Iterator[bytes]:
    """Yield the lines again in pieces of about 64 KiB, and count and hash each."""
    sha256, number, stream = hashlib.sha256, int.from_bytes, hashlib.sha256()
    pieces: list[bytes | bytearray | memoryview] = []
    rows = total = size = 0
    for line in lines:
        total += number(sha256(line).digest(), "big")
        rows += 1
        size += len(line)
        pieces.append(line)
        if size >= _FLUSH:
            piece, pieces, size = b"".join(pieces), [], 0
            stream.update(piece)
            yield piece
    rest = b"".join(pieces)
    stream.update(rest)
    into.rows += rows
    into.total += total
    into.stream = stream.hexdigest()
    if rest:
        yield rest


def count(lines: Iterable[bytes | bytearray | memoryview]) -> Content:
    """Count and hash lines without keeping them."""
    # As `counted`, without the pieces: a comparison of a large table spends its time here.
    sha256, number = hashlib.sha256, int.from_bytes
    rows = total = 0
    for line in lines:
        total += number(sha256(line).digest(), "big")
        rows += 1
    return Content(rows, total)


def count_stream(lines: Iterable[bytes | bytearray | memoryview]) -> tuple[int, str]:
    """Return how many lines there are, and their stream hash."""
    rows, found = 0, hashlib.sha256()
    for line in lines:
        found.update(line)
        rows += 1
    return rows, found.hexdigest()


def write_rows(lines: Iterable[bytes | bytearray | memoryview], write: Callable[[bytes], None]) -> Content:
    """Write lines through `write` and return what went through."""
    content = Content()
    for piece in counted(lines, content):
        write(piece)
    return content


def no_rows() -> Content:
    """Return what a table without rows has."""
    return Content(stream=hashlib.sha256().hexdigest())
