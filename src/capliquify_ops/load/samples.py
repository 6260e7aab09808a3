"""One row per request, in columns of machine integers: 19 bytes a request, on the wire and in the evidence alike."""

import base64
import sys
import zlib
from array import array
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import IntEnum

LARGEST = 2**31 - 1
"""Of a 32-bit column: 35 minutes in microseconds."""


class Verdict(IntEnum):
    """What became of one request."""

    OK = 0
    UNREACHABLE = 1  # refused, reset, closed: no answer
    TIMED_OUT = 2
    STATUS = 3  # answered, but not with success
    EMPTY = 4  # success without the tenant's own rows: empty, cut short or not JSON
    FOREIGN = 5  # with another tenant's rows


TYPES: Mapping[str, str] = {
    "index": "i",
    "slip_us": "i",
    "latency_us": "i",
    "service_us": "i",
    "status": "H",
    "verdict": "B",
}
"""The columns of a sample. Times are microseconds; `status` is 0 where nothing answered."""


def _column(name: str) -> "array[int]":
    return array(TYPES[name])


@dataclass(slots=True)
class Samples:
    """Requests by column: `index` of the arrival, and three times.

    `slip_us`: how late the generator itself was. `latency_us`: from when the request was due to the last byte.
    `service_us`: from when it was sent. What remains, latency - service - slip, was spent waiting for a free connection.
    """

    index: "array[int]" = field(default_factory=lambda: _column("index"))
    slip_us: "array[int]" = field(default_factory=lambda: _column("slip_us"))
    latency_us: "array[int]" = field(default_factory=lambda: _column("latency_us"))
    service_us: "array[int]" = field(default_factory=lambda: _column("service_us"))
    status: "array[int]" = field(default_factory=lambda: _column("status"))
    verdict: "array[int]" = field(default_factory=lambda: _column("verdict"))

    def __len__(self) -> int:
        return len(self.index)

    def add(self, index: int, *, slip_us: int, latency_us: int, service_us: int, status: int, verdict: Verdict) -> None:
        """Append one request."""
        self.index.append(index)
        self.slip_us.append(min(slip_us, LARGEST))
        self.latency_us.append(min(latency_us, LARGEST))
        self.service_us.append(min(service_us, LARGEST))
        self.status.append(status)
        self.verdict.append(verdict)

    def append_row(self, other: "Samples", row: int) -> None:
        """Append one request of another block."""
        for name in TYPES:
            getattr(self, name).append(getattr(other, name)[row])

    def extend(self, other: "Samples") -> None:
        """Append another block of requests."""
        for name in TYPES:
            getattr(self, name).extend(getattr(other, name))

    def pack(self) -> dict[str, str]:
        """Return the columns as text."""
        return {name: pack(getattr(self, name)) for name in TYPES}


def unpack_samples(columns: Mapping[str, str]) -> Samples:
    """Return what `Samples.pack` was given. Raises ValueError when columns are missing, damaged or of unequal length."""
    if set(columns) != set(TYPES):
        raise ValueError("the columns of a sample are not the ones expected")
    samples = Samples(**{name: unpack(columns[name], kind) for name, kind in TYPES.items()})
    if len({len(getattr(samples, name)) for name in TYPES}) != 1:
        raise ValueError("the columns differ in length")
    return samples


def pack(column: "array[int]") -> str:
    """Return a column as text: base64 of the compressed little-endian integers."""
    return base64.b64encode(zlib.compress(_little_endian(column).tobytes(), level=6)).decode("ascii")


def unpack(text: str, kind: str) -> "array[int]":
    """Return the column that `pack` was given, of array type `kind`. Raises ValueError."""
    column = array(kind)
    try:
        column.frombytes(zlib.decompress(base64.b64decode(text, validate=True)))
    except zlib.error as error:
        raise ValueError(f"a column cannot be read: {error}") from None
    return _little_endian(column)


def _little_endian(column: "array[int]") -> "array[int]":
    if sys.byteorder == "little":
        return column
    swapped = array(column.typecode, column)
    swapped.byteswap()
    return swapped
