"""The ledger: one line for each thing that happened to the evidence, each line chained to the one before.

A line that was changed, removed or put in between breaks the chain; `ledger.head` names the last line, so that a tail cut off is
missed too. Two processes append one after the other (file lock).
"""

import fcntl
import json
import os
from collections.abc import Iterator
from contextlib import nullcontext
from dataclasses import dataclass, replace
from pathlib import Path

from capliquify_ops.evidence.canonical import canonical, digest
from capliquify_ops.evidence.files import write_whole
from capliquify_ops.model.errors import EvidenceDamaged

FIRST = "0" * 64
WINDOW = 4096
"""First guess at the length of the last line, in bytes."""
_AGAIN = "Move the evidence folder away and measure again."


@dataclass(frozen=True, slots=True)
class Entry:
    """One line: what happened (started, finished), to which record, and the digest of its bytes then.

    `content` is the record itself where it was started: one whose file is lost still reads as a run that died. `seal` is the
    digest of the other fields, `previous` the seal of the line before.
    """

    seq: int
    previous: str
    kind: str
    record: str
    payload: str
    at: str
    content: str = ""
    seal: str = ""

    def sealed(self) -> "Entry":
        """Return the entry with its seal."""
        return replace(self, seal=digest(canonical(replace(self, seal=""))))


@dataclass(frozen=True, slots=True)
class Head:
    """The last line as it was when it was written."""

    seq: int
    seal: str


def append(path: Path, kind: str, record: str, content: bytes, at: str) -> None:
    """Append one line about a record's bytes. What could not be written whole is taken back, so that the next line can follow."""
    started = content.decode() if kind == "started" else ""
    with path.open("ab+") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        size = os.fstat(file.fileno()).st_size
        seq, previous = _tail(file.fileno(), size, path)
        _catch_up(path, Head(seq, previous))
        entry = Entry(seq + 1, previous, kind, record, digest(content), at, started).sealed()
        try:
            file.write(canonical(entry))
            file.flush()
            os.fsync(file.fileno())
            write_whole(_head_of(path), canonical(Head(entry.seq, entry.seal)))
        except OSError:
            os.ftruncate(file.fileno(), size)
            raise


def _catch_up(path: Path, tail: Head) -> None:
    """See to it that the head names the tail before another line follows: that must not hide lines that were cut off."""
    head = _read_head(path)
    if head.seq > tail.seq or (head.seq == tail.seq and head != tail):
        raise EvidenceDamaged(f"{path} ends at line {tail.seq}, but {head.seq} were written.", hint=_AGAIN)
    if head != tail:
        write_whole(_head_of(path), canonical(tail))


def _head_of(path: Path) -> Path:
    return path.with_suffix(".head")


def _tail(descriptor: int, size: int, path: Path) -> tuple[int, str]:
    if not size:
        return 0, FIRST
    window = WINDOW
    lines = os.pread(descriptor, window, max(0, size - window)).splitlines(keepends=True)
    while len(lines) < 2 and window < size:  # noqa: PLR2004  # the last line is whole once another one stands before it
        window *= 4
        lines = os.pread(descriptor, window, max(0, size - window)).splitlines(keepends=True)
    if not lines[-1].endswith(b"\n"):
        raise EvidenceDamaged(f"The last line of {path} is incomplete.", hint=_AGAIN)
    entry = _entry(lines[-1], path)
    return entry.seq, entry.seal


def read(path: Path) -> Iterator[Entry]:
    """Read the ledger and check its chain. Raises EvidenceDamaged at the first broken line, or when its end is missing."""
    previous, seq = FIRST, 0
    with path.open("rb") if path.exists() else nullcontext() as file:
        if file is not None:
            fcntl.flock(file, fcntl.LOCK_SH)
        head = _read_head(path)
        for line in file or ():
            entry = _entry(line, path)
            seq += 1
            if entry.seq != seq or entry.previous != previous or line != canonical(entry.sealed()):
                raise EvidenceDamaged(f"{path} is broken at line {seq}: it was changed after it was written.", hint=_AGAIN)
            if head.seq == seq and head.seal != entry.seal:
                raise EvidenceDamaged(f"{path} does not end as it was written.", hint=_AGAIN)
            previous = entry.seal
            yield entry
    # One line may stand beyond the head: its writer was killed in between.
    if not head.seq <= seq <= head.seq + 1:
        raise EvidenceDamaged(f"{path} ends at line {seq}, but {head.seq} were written.", hint=_AGAIN)


def _read_head(path: Path) -> Head:
    file = _head_of(path)
    try:
        return Head(**json.loads(file.read_bytes()))
    except FileNotFoundError:
        return Head(0, FIRST)
    except (ValueError, TypeError):
        raise EvidenceDamaged(f"{file} is not what was written.", hint=_AGAIN) from None


def _entry(line: bytes, path: Path) -> Entry:
    try:
        return Entry(**json.loads(line))
    except (ValueError, TypeError):
        raise EvidenceDamaged(f"{path} holds a line that is not an entry.") from None
