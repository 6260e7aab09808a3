"""The log of actions: a line before each one and a line after it, on this machine, since what is mended may be the database.

Lines are chained as the ledger's are: one that was changed, removed or put in between breaks the chain, and the file beside it
names the last one, so that a tail cut off is missed too. Nothing is added to a log that is damaged. Half a line at the end is
what a crash left of one that was confirmed to nobody: it does not count, and the next line takes its place.
"""

import errno
import fcntl
import json
import os
import stat
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import MappingProxyType

from capliquify_ops.evidence.canonical import Plain, canonical, digest, plain
from capliquify_ops.evidence.files import write_whole
from capliquify_ops.evidence.ledger import FIRST, Head
from capliquify_ops.evidence.redaction import Redactor
from capliquify_ops.model.errors import EvidenceDamaged, EvidenceUnwritable, TenantConflict

FILE = "actions.jsonl"
STARTED, ENDED, LOST = "started", "ended", "lost"
_APART = "What is not logged is not done. Keep it for whoever looks into that, and write another one meanwhile: --log FILE"
_NOTHING: Mapping[str, Plain] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class Line:
    """One line: an action has started or ended, or was lost: its program ended in between, and what it did is not known.

    `content` has the plan where it started and the outcome where it ended. `seal` is the digest of the other fields, `previous`
    the seal of the line before.
    """

    seq: int
    previous: str
    kind: str
    action: str
    at: str
    actor: str
    target: str
    remedy: str
    plan_digest: str
    content: Mapping[str, Plain] = field(default_factory=lambda: _NOTHING)
    seal: str = ""

    def sealed(self) -> "Line":
        """Return the line with its seal."""
        return replace(self, seal=digest(canonical(replace(self, seal=""))))


@dataclass(frozen=True, slots=True)
class Action:
    """What an action is called in each of its lines."""

    id: str
    actor: str
    target: str
    remedy: str
    plan_digest: str


class ActionLog:
    """One log of actions, and the locks of those that run. Every text passes the redactor before it is written."""

    def __init__(self, path: Path, redactor: Redactor) -> None:
        # By its one real name, since head and locks stand beside it.
        self.path = Path(os.path.realpath(path))
        self._redactor = redactor

    def lines(self) -> tuple[Line, ...]:
        """Return all lines, none where there is no log yet. Raises EvidenceDamaged, EvidenceUnwritable for one out of reach."""
        with _access(self.path):
            if not self.path.exists():
                self._require_end(self._head(), Head(0, FIRST))
                return ()
            with open(self.path, "rb", opener=_at_once) as file:
                self._require_file(file.fileno())
                fcntl.flock(file, fcntl.LOCK_SH)
                return self._checked(file.read())

    def append(self, kind: str, action: Action, at: str, content: Mapping[str, object]) -> Line:
        """Add one line, on the disk when this returns. What could not be written whole is taken back.

        Raises EvidenceDamaged for a log that is not what was written, EvidenceUnwritable.
        """
        with _access(self.path):
            self.path.parent.mkdir(parents=True, exist_ok=True)
            with open(self.path, "ab+", buffering=0, opener=_at_once) as file:
                self._require_file(file.fileno())
                fcntl.flock(file, fcntl.LOCK_EX)
                found = self._read(file.fileno())
                tail = _tail(self._checked(found))
                self._settle(file.fileno(), len(_whole(found)), tail)
                names = (action.id, at, action.actor, action.target, action.remedy, action.plan_digest)
                line = Line(tail.seq + 1, tail.seal, kind, *names, self.masked(content)).sealed()
                self._add(file.fileno(), line)
                return line

    def masked(self, content: Mapping[str, object]) -> dict[str, Plain]:
        """Return content as it may be written."""
        found = self._redactor.values(plain(content))
        return found if isinstance(found, dict) else {}

    def unfinished(self) -> tuple[Line, ...]:
        """Return the first lines of actions that have not ended: they run just now, or their program was ended."""
        return unfinished(self.lines())

    @contextmanager
    def alone(self, remedy: str, target: str) -> Iterator[None]:
        """Keep a remedy of a target to oneself. Raises TenantConflict while another program on this machine has it."""
        with _access(self.path):
            self.path.parent.mkdir(parents=True, exist_ok=True)
            descriptor = os.open(self._lock_of(remedy, target), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        try:
            if not _taken(descriptor):
                message = f"The remedy {remedy} is at work on {target!r} right now: nothing was changed."
                raise TenantConflict(message, hint="Wait until it has ended: capliquify-ops remedy list")
            yield
        finally:
            os.close(descriptor)

    def is_running(self, line: Line) -> bool:
        """Return whether the program that wrote this first line is still at work, as far as this machine can tell."""
        lock = self._lock_of(line.remedy, line.target)
        if not lock.exists():
            return False
        with _access(self.path), lock.open("rb") as file:
            return not _taken(file.fileno())

    def _settle(self, descriptor: int, size: int, tail: Head) -> None:
        """Finish what a writer that was ended in between has left: half a line goes, and the head names the last whole one."""
        os.ftruncate(descriptor, size)
        if self._head() != tail:
            write_whole(self._head_path, canonical(tail))

    def _add(self, descriptor: int, line: Line) -> None:
        size = os.fstat(descriptor).st_size
        try:
            _write(descriptor, canonical(line))
            os.fsync(descriptor)
            write_whole(self._head_path, canonical(Head(line.seq, line.seal)))
        except OSError:
            os.ftruncate(descriptor, size)
            raise

    @staticmethod
    def _require_file(descriptor: int) -> None:
        """Refuse a device, which keeps nothing, or never ends."""
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise OSError(errno.EINVAL, "it is no file")

    @staticmethod
    def _read(descriptor: int) -> bytes:
        return os.pread(descriptor, os.fstat(descriptor).st_size, 0)

    def _checked(self, content: bytes) -> tuple[Line, ...]:
        head, found, previous = self._head(), list[Line](), FIRST
        for number, text in enumerate(_whole(content).splitlines(keepends=True), 1):
            line = self._line(text, number)
            if line.seq != number or line.previous != previous or text != canonical(line.sealed()):
                raise self._damaged(f"is broken at line {number}: it was changed after it was written")
            if head.seq == number and head.seal != line.seal:
                raise self._damaged("does not end as it was written")
            previous = line.seal
            found.append(line)
        self._require_end(head, _tail(found))
        return tuple(found)

    def _require_end(self, head: Head, tail: Head) -> None:
        # One line may stand beyond the head: its writer was ended in between.
        if not head.seq <= tail.seq <= head.seq + 1:
            raise self._damaged(f"ends at line {tail.seq}, but {head.seq} were written")

    def _line(self, text: bytes, number: int) -> Line:
        try:
            return Line(**json.loads(text))
        except (ValueError, TypeError, RecursionError):
            raise self._damaged(f"holds no whole line at {number}") from None

    def _head(self) -> Head:
        try:
            head = Head(**json.loads(self._head_path.read_bytes()))
        except FileNotFoundError:
            return Head(0, FIRST)
        except (ValueError, TypeError, RecursionError):
            head = None
        if head is None or not isinstance(head.seq, int):
            raise self._damaged(f"has a {self._head_path.name} beside it that is not what was written")
        return head

    def _damaged(self, how: str) -> EvidenceDamaged:
        return EvidenceDamaged(f"The log of actions {self.path} {how}, so nothing is added to it.", hint=_APART)

    @property
    def _head_path(self) -> Path:
        return self.path.with_name(f"{self.path.name}.head")

    def _lock_of(self, remedy: str, target: str) -> Path:
        return self.path.with_name(f".{self.path.name}.{remedy}.{digest(target.encode())[:12]}.lock")


def unfinished(lines: Sequence[Line]) -> tuple[Line, ...]:
    """Return the first lines of actions without a last one."""
    over = {line.action for line in lines if line.kind != STARTED}
    return tuple(line for line in lines if line.kind == STARTED and line.action not in over)


def _tail(lines: Sequence[Line]) -> Head:
    return Head(lines[-1].seq, lines[-1].seal) if lines else Head(0, FIRST)


def _whole(content: bytes) -> bytes:
    return content[: content.rfind(b"\n") + 1]


@contextmanager
def _access(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        message = f"The log of actions {path} cannot be written: {error.strerror}."
        raise EvidenceUnwritable(message, hint="What is not logged is not done. Choose another one: --log FILE") from None


def _at_once(path: str, flags: int) -> int:
    """Open a file; a pipe without waiting for somebody at its other end."""
    return os.open(path, flags | os.O_NONBLOCK, 0o666)


def _taken(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _write(descriptor: int, content: bytes) -> None:
    view = memoryview(content)
    while view:
        view = view[os.write(descriptor, view) :]
