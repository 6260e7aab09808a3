"""What the tests of the embedded stack share: a place of their own for run folders, and a look at processes and ports."""

import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from capliquify_ops.reference import run_folder
from capliquify_ops.reference.stack import Stack

DEADLINE_S = 60.0


class Machine:
    """Questions about the machine, answered from /proc and by connecting."""

    def until(self, condition: Callable[[], bool], claim: str) -> None:
        deadline = time.monotonic() + DEADLINE_S
        while not condition():
            assert time.monotonic() < deadline, f"not within {DEADLINE_S:g} s: {claim}"
            time.sleep(0.01)

    def is_alive(self, pid: int) -> bool:
        try:
            return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in {"Z", "X"}
        except OSError:
            return False

    def descendants(self, pid: int) -> set[int]:
        parents = {}
        for entry in Path("/proc").iterdir():
            if entry.name.isdigit():
                try:
                    parents[int(entry.name)] = int((entry / "stat").read_text().rpartition(")")[2].split()[1])
                except OSError:
                    continue
        found, wave = set(), {pid}
        while wave:
            wave = {child for child, parent in parents.items() if parent in wave}
            found |= wave
        return found

    def orphaned_segments(self, gid: int | None = None) -> set[str]:
        """System V segments, of this group's making or anybody's, to which no process is attached."""
        columns, *rows = (line.split() for line in Path("/proc/sysvipc/shm").read_text().splitlines())
        found = [dict(zip(columns, row, strict=True)) for row in rows]
        return {each["shmid"] for each in found if each["nattch"] == "0" and gid in {None, int(each["cgid"])}}

    def listens(self, port: int) -> bool:
        with socket.socket() as probe:
            probe.settimeout(2)
            return probe.connect_ex(("127.0.0.1", port)) == 0

    def processes_of(self, folder: Path) -> set[int]:
        """Processes whose command line names the folder: everything of a stack but PostgreSQL's own children."""
        found = set()
        for entry in Path("/proc").iterdir():
            if entry.name.isdigit() and self.is_alive(int(entry.name)):
                try:
                    if str(folder).encode() in (entry / "cmdline").read_bytes():
                        found.add(int(entry.name))
                except OSError:
                    continue
        return found


@pytest.fixture(scope="session")
def machine() -> Machine:
    return Machine()


@pytest.fixture(scope="session")
def own_base() -> Iterator[Callable[[], Path]]:
    """Makes folders that an unprivileged server can pass and in which nobody else's stack lives."""
    made = []

    def make() -> Path:
        base = Path(tempfile.mkdtemp(prefix="stack-tests-", dir=run_folder.choose_base(programs_inside=os.geteuid() == 0)))
        base.chmod(0o711)
        made.append(base)
        return base

    yield make
    for base in made:
        shutil.rmtree(base)


@pytest.fixture
def base(own_base) -> Path:
    return own_base()


@pytest.fixture(scope="session")
def running(whole_stack) -> Stack:
    """The one whole stack, for the tests that only look at it."""
    return whole_stack


@pytest.fixture
def starter(base) -> Iterator[Callable[..., subprocess.Popen[bytes]]]:
    """Runs a Python program in a process of its own; whatever still runs at the end is ended."""
    begun = []

    def run(program: str, *arguments: str, python: str = sys.executable, **options: object) -> subprocess.Popen[bytes]:
        process = subprocess.Popen(
            [python, "-c", program, *arguments], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, **options
        )
        begun.append(process)
        return process

    yield run
    for process in begun:
        process.kill()
        process.wait()
        process.stdout.close()


@pytest.fixture(scope="session")
def python_for_all() -> str:
    """An interpreter of this version that every user may execute: ours may lie in root's own folder."""
    version = f"python{sys.version_info.major}.{sys.version_info.minor}"
    candidates = [os.path.realpath(sys.executable), *(f"{folder}/{version}" for folder in ("/usr/bin", "/usr/local/bin"))]
    usable = [path for path in candidates if Path(path).exists() and run_folder.is_passable(Path(path).resolve().parent)]
    assert usable, f"no {version} that an ordinary user may execute"
    return usable[0]
