"""The processes that one supervisor starts: each in a session of its own, none of them outliving it."""

import ctypes
import errno
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from capliquify_ops.model.errors import TargetUnreachable

_PR_SET_PDEATHSIG = 1
_POLL_S = 0.02
_TAIL_BYTES = 2_000
_C = ctypes.CDLL(None) if sys.platform == "linux" else None


@dataclass(frozen=True, slots=True)
class Member:
    """A started process, the signal that asks it to end, and how long it may take."""

    name: str
    process: subprocess.Popen[bytes]
    log: Path
    ends_on: signal.Signals
    grace_s: float
    tells_its_children: bool


@dataclass(frozen=True, slots=True)
class Account:
    """The user and group that a process runs as."""

    uid: int
    gid: int


class Family:
    """Every process that was started here, ended in the opposite order."""

    def __init__(self, guard: Callable[[], AbstractContextManager[None]] = nullcontext) -> None:
        """`guard` keeps interruptions away between the start of a process and its entry in the list."""
        self.members: list[Member] = []
        self._guard = guard

    def spawn(
        self,
        name: str,
        command: Sequence[str],
        log: Path,
        *,
        account: Account | None = None,
        ends_on: signal.Signals = signal.SIGTERM,
        grace_s: float = 5.0,
        tells_its_children: bool = False,
    ) -> Member:
        """Start a process whose output goes to `log` and which gets `ends_on` when this process dies.

        Its whole group gets that signal in the end, unless it tells its children itself: they then have the grace to finish.
        Call it in the main thread: the death of the thread that started it is what the kernel reports.
        """
        with self._guard(), open(os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600), "ab") as output:  # noqa: PTH123
            try:
                process = _started(command, output, account, ends_on)
            except (OSError, subprocess.SubprocessError) as error:
                message = f"The embedded stack cannot start {name}: {error}."
                raise TargetUnreachable(message, hint=f"Program: {command[0]}") from error
            self.members.append(Member(name, process, log, ends_on, grace_s, tells_its_children))
        return self.members[-1]

    def end(self) -> None:
        """End all processes, the last one first, and whatever is left of their groups."""
        for member in reversed(self.members):
            _ask(member)
        for member in reversed(self.members):
            self._finish(member)
        self.members.clear()

    def remove(self, member: Member) -> None:
        """End one process and forget it."""
        _ask(member)
        self._finish(member)
        self.members.remove(member)

    def _finish(self, member: Member) -> None:
        deadline = time.monotonic() + member.grace_s
        while status(member) is None and time.monotonic() < deadline:
            time.sleep(_POLL_S)
        if member.tells_its_children:
            member.process.kill()
            member.process.wait()
            while _has_group(member) and time.monotonic() < deadline:
                time.sleep(_POLL_S)
        _signal(member, signal.SIGKILL)
        member.process.wait()


def status(member: Member) -> int | None:
    """Return how a process ended (exit code, or signal as a negative number), None while it runs.

    It stays unreaped until its `Family` ends it, so that nobody else can get its number as long as we signal its group.
    """
    if member.process.returncode is not None:
        return member.process.returncode
    ended = os.waitid(os.P_PID, member.process.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT)
    if ended is None:
        return None
    return ended.si_status if ended.si_code == os.CLD_EXITED else -ended.si_status


def wait_until(condition: Callable[[], bool], member: Member, timeout_s: float) -> None:
    """Poll until the condition holds. Raises TargetUnreachable when the process ends first or the time is over."""
    deadline = time.monotonic() + timeout_s
    while not condition():
        ended = status(member)
        if ended is not None:
            raise _failed(member, f"ended with {ended} while starting")
        if time.monotonic() > deadline:
            raise _failed(member, f"was not ready after {timeout_s:g} s")
        time.sleep(_POLL_S)


def _failed(member: Member, how: str) -> TargetUnreachable:
    said = tail(member.log)
    if os.strerror(errno.ENOSPC) in said:
        return no_space(str(member.log.parent))
    return TargetUnreachable(f"{member.name} {how}.{said}")


def no_space(where: str) -> TargetUnreachable:
    """Return the error for a full disk."""
    return TargetUnreachable(f"The embedded stack found no space left in {where}.", hint="Free 200 MB there, or set TMPDIR.")


def _ask(member: Member) -> None:
    if not member.tells_its_children:
        _signal(member, member.ends_on)
    elif status(member) is None:
        member.process.send_signal(member.ends_on)


def _has_group(member: Member) -> bool:
    try:
        os.killpg(member.process.pid, 0)
    except ProcessLookupError:
        return False
    return True


def _signal(member: Member, number: signal.Signals) -> None:
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(member.process.pid, number)


def tail(log: Path) -> str:
    """Return the end of a log for an error's sentence, empty when it has nothing."""
    try:
        text = log.read_bytes()[-_TAIL_BYTES:].decode("utf-8", "replace").strip()
    except OSError:
        return ""
    return f" Its last words:\n{text}" if text else ""


def _started(
    command: Sequence[str], output: BinaryIO, account: Account | None, ends_on: signal.Signals
) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        command,
        stdin=subprocess.DEVNULL,
        stdout=output,
        stderr=subprocess.STDOUT,
        cwd="/",
        start_new_session=True,
        user=account.uid if account else None,
        group=account.gid if account else None,
        extra_groups=[] if account else None,
        umask=0o077,
        # No threads run here, so code between fork and exec is safe; it comes after the change of user, which would undo it.
        preexec_fn=_end_with_parent(os.getpid(), ends_on),  # noqa: PLW1509
    )


def _end_with_parent(parent: int, ends_on: signal.Signals) -> Callable[[], None]:
    def prepare() -> None:
        if _C is not None:
            _C.prctl(_PR_SET_PDEATHSIG, int(ends_on), 0, 0, 0)
        if os.getppid() != parent:
            os._exit(1)

    return prepare
