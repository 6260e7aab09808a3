"""The ledger: one line for each thing that happened to the evidence, each line chained to the one before.

A line that was changed, removed or put in between breaks the chain. Two processes append one after the other (file lock).
"""

import fcntl
import json
import os
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from capliquify_ops.evidence.canonical import canonical, digest
from capliquify_ops.model.errors import EvidenceDamaged

FIRST = "0" * 64


@dataclass(frozen=True, slots=True)
class Entry:
    """One line: what happened (started, finished), to which record, and the digest of its bytes then.

    `seal` is the digest of the other fields, `previous` the seal of the line before.
    """

    seq: int
    previous: str
    kind: str
    record: str
    payload: str
    at: str
    seal: str = ""

    def sealed(self) -> "Entry":
        """Return the entry with its seal."""
        return replace(self, seal=digest(canonical(replace(self, seal=""))))


def append(path: Path, kind: str, record: str, payload: str, at: str) -> None:
    """Append one line. A half line, left by a writer that died, is refused rather than written over."""
    with path.open("ab+") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        seq, previous = _tail(file.fileno(), path)
        file.write(canonical(Entry(seq + 1, previous, kind, record, payload, at).sealed()))
        file.flush()
        os.fsync(file.fileno())


def _tail(descriptor: int, path: Path) -> tuple[int, str]:
    size = os.fstat(descriptor).st_size
    if not size:
        return 0, FIRST
    last = os.pread(descriptor, 4096, max(0, size - 4096)).splitlines(keepends=True)[-1]
    if not last.endswith(b"\n"):
        raise EvidenceDamaged(f"The last line of {path} is incomplete.", hint="Move the evidence folder away and measure again.")
    entry = _entry(last, path)
    return entry.seq, entry.seal


def read(path: Path) -> Iterator[Entry]:
    """Read the ledger and check its chain. Raises EvidenceDamaged at the first broken line."""
    if not path.is_file():
        return
    previous, seq = FIRST, 0
    with path.open("rb") as file:
        for line in file:
            entry = _entry(line, path)
            seq += 1
            if entry.seq != seq or entry.previous != previous or line != canonical(entry.sealed()):
                raise EvidenceDamaged(f"{path} is broken at line {seq}: it was changed after it was written.")
            previous = entry.seal
            yield entry


def _entry(line: bytes, path: Path) -> Entry:
    try:
        return Entry(**json.loads(line))
    except (ValueError, TypeError):
        raise EvidenceDamaged(f"{path} holds a line that is not an entry.") from None
