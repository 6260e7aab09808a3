"""Rows of a table as COPY writes them, counted and hashed on their way.

The content hash of a table is the sum, modulo 2^256, of the SHA-256 of each line of its COPY text, line end included: it
does not depend on the order of the rows, and anybody can compute it from the archive alone.
"""

import hashlib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

_FLUSH = 1 << 16
_MODULUS = 1 << 256


@dataclass(slots=True)
class Content:
    """What went through `counted`: how many rows, and their hash."""

    rows: int = 0
    total: int = 0

    @property
    def hash(self) -> str:
        """The content hash, in hexadecimal."""
        return f"{self.total % _MODULUS:064x}"


def counted(lines: Iterable[bytes | bytearray | memoryview], into: Content) -> Iterator[bytes]:
    """Yield the lines again in pieces of about 64 KiB, and count and hash each."""
    sha256, number = hashlib.sha256, int.from_bytes
    pieces: list[bytes | bytearray | memoryview] = []
    rows = total = size = 0
    for line in lines:
        total += number(sha256(line).digest(), "big")
        rows += 1
        size += len(line)
        pieces.append(line)
        if size >= _FLUSH:
            yield b"".join(pieces)
            pieces, size = [], 0
    into.rows += rows
    into.total += total
    if pieces:
        yield b"".join(pieces)


def count(lines: Iterable[bytes | bytearray | memoryview]) -> Content:
    """Count and hash lines without keeping them."""
    # As `counted`, without the pieces: a comparison of a large table spends its time here.
    sha256, number = hashlib.sha256, int.from_bytes
    rows = total = 0
    for line in lines:
        total += number(sha256(line).digest(), "big")
        rows += 1
    return Content(rows, total)


def write_rows(lines: Iterable[bytes | bytearray | memoryview], write: Callable[[bytes], None]) -> Content:
    """Write lines through `write` and return what went through."""
    content = Content()
    for piece in counted(lines, content):
        write(piece)
    return content
