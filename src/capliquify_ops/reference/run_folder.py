"""The folder of one run of the embedded stack: made with a lock in it, removed whole, swept when its owner died.

The lock (flock) lives exactly as long as the process that made the folder. Age says nothing: a run may last for days.
"""

import fcntl
import os
import shutil
import stat
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path

from capliquify_ops.model.errors import TargetUnreachable

PREFIX = "capliquify-ops-run-"
LOCK = "lock"
_SHELL = frozenset('"$`\\\n')
_ATTEMPTS = 20
_REMOVAL_S = 10.0
_FALLBACKS = ("/tmp", "/var/tmp", "/run", "/dev/shm")  # noqa: S108 - only folders made by mkdtemp inside them are used


class RunFolder:
    """A private folder with a held lock. Only `remove()` or the death of this process lets go of it."""

    def __init__(self, path: Path, lock: int) -> None:
        self.path = path
        self._lock = lock

    def open_to(self, gid: int) -> None:
        """Let one group pass through to what it owns inside; it cannot list the folder, others cannot enter at all."""
        os.chown(self.path, -1, gid)
        self.path.chmod(0o710)

    def write(self, name: str, text: str) -> Path:
        """Write a file that only this user can read and return its path."""
        path = self.path / name
        with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", encoding="utf-8") as file:  # noqa: PTH123
            file.write(text)
        return path

    def remove(self) -> None:
        """Remove everything. The lock goes last, so that a removal that is cut short can be finished by a sweep."""
        if self._lock >= 0:
            _remove(self.path)
            os.close(self._lock)
            self._lock = -1


def create(base: Path) -> RunFolder:
    """Make a run folder in `base`. Raises TargetUnreachable when nothing can be made there."""
    for _ in range(_ATTEMPTS):
        try:
            path = Path(tempfile.mkdtemp(prefix=PREFIX, dir=base))
        except OSError as error:
            reason = error.strerror or "refused"
            message = f"The embedded stack cannot make its folder in {base}: {reason}."
            raise TargetUnreachable(message, hint="Point TMPDIR at a folder that you can write.") from error
        # A sweep may look in before the lock is held; it takes the folder away whole, and the next attempt gets another.
        with suppress(OSError):
            lock = _take(path, os.O_CREAT)
            if lock is not None:
                return RunFolder(path, lock)
    raise TargetUnreachable(f"The embedded stack cannot keep a folder in {base}: each one was taken away.")


def sweep(bases: Sequence[Path]) -> list[Path]:
    """Remove this user's run folders whose process is dead, and return them. Other users' folders are left alone."""
    removed = []
    for path in _candidates(bases):
        with suppress(OSError):
            if not (path / LOCK).exists():
                path.rmdir()
                continue
            lock = _take(path, 0)
            if lock is not None:
                RunFolder(path, lock).remove()
                removed.append(path)
    return removed


def bases() -> list[Path]:
    """Return the folders in which run folders are made, the preferred one first."""
    return list(dict.fromkeys(Path(name) for name in (tempfile.gettempdir(), *_FALLBACKS)))


def choose_base(*, programs_inside: bool) -> Path:
    """Return where a run folder goes: the temporary folder, unless another account has to reach and execute what is inside.

    A temporary folder below a private one (root's 0700) cannot be passed by the account of the server, and loosening
    somebody's folder is no option: the first of the system's own temporary folders that everybody can pass is taken. The same
    goes for one whose name a shell would not leave alone.
    """
    if not programs_inside:
        return Path(tempfile.gettempdir())
    for base in bases():
        if (
            is_passable(base)
            and not breaks_initdb(base)
            and os.access(base, os.W_OK)
            and not os.statvfs(base).f_flag & os.ST_NOEXEC
        ):
            return base
    message = "No temporary folder can be reached by an unprivileged account and hold programs."
    raise TargetUnreachable(message, hint="Run as an ordinary user, or make /tmp passable and executable.")


def is_passable(folder: Path) -> bool:
    """Tell whether everybody can pass through a folder and all the folders above it."""
    try:
        return all(stat.S_IMODE(each.stat().st_mode) & stat.S_IXOTH for each in (folder, *folder.resolve().parents))
    except OSError:
        return False


def _candidates(bases: Sequence[Path]) -> Iterator[Path]:
    for base in bases:
        with suppress(OSError):
            yield from (Path(entry.path) for entry in os.scandir(base) if _is_ours(entry))


def _is_ours(entry: os.DirEntry[str]) -> bool:
    with suppress(FileNotFoundError):
        is_folder = entry.name.startswith(PREFIX) and entry.is_dir(follow_symlinks=False)
        return is_folder and entry.stat(follow_symlinks=False).st_uid == os.geteuid()
    return False


def _take(path: Path, create: int) -> int | None:
    """Lock a run folder: the descriptor, or None when another process has it or it was removed meanwhile."""
    lock = os.open(path / LOCK, os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC | create, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if os.path.samestat(os.fstat(lock), (path / LOCK).stat()):
            return lock
    except OSError:
        pass
    os.close(lock)
    return None


def _remove(path: Path) -> None:
    """Empty the folder, then the lock, then the folder; processes that are dying may still write for a moment."""
    deadline = time.monotonic() + _REMOVAL_S
    while True:
        for entry in list(path.iterdir()):
            if entry.name != LOCK:
                _remove_entry(entry)
        try:
            (path / LOCK).unlink(missing_ok=True)
            path.rmdir()
        except OSError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.02)
        else:
            return


def _remove_entry(entry: Path) -> None:
    if entry.is_dir() and not entry.is_symlink():
        shutil.rmtree(entry, ignore_errors=True)
    else:
        entry.unlink(missing_ok=True)


def breaks_initdb(folder: Path) -> bool:
    """Whether initdb cannot find `postgres` there: it hands the path to a shell, in double quotes."""
    return bool(_SHELL & set(str(folder)))
