"""The generator's process as the parent holds it: lines out of it, and an end in every case."""

import os
import queue
import signal
import subprocess
import threading
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import IO

GRACE_S = 1.0
"""For a process that has closed its output to end, so that its exit code is known."""


class Worker:
    """A running generator. `lines` gives its output, and None once when it has closed it."""

    def __init__(self, python: str, arguments: Sequence[str]) -> None:
        self.lines: queue.Queue[str | None] = queue.Queue()
        self._last_words: deque[str] = deque(maxlen=20)
        self._process = subprocess.Popen(  # in a group of its own, so that a wrapper around Python ends with it
            [python, "-P", "-m", "capliquify_ops.load.worker", *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        self._threads = [_thread(_drain, self._process.stderr, self._last_words.append)]
        self._threads.append(_thread(_drain, self._process.stdout, self.lines.put, lambda: self.lines.put(None)))

    def feed(self, line: bytes) -> None:
        """Write lines without waiting for them to be read, and leave the pipe open: its end is the worker's end."""
        self._threads.append(_thread(_feed, self._process.stdin, line.decode()))

    def how_it_ended(self) -> str:
        """Return the last thing it said, or else its exit code (negative: a signal)."""
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(timeout=GRACE_S)
        self._threads[0].join(timeout=GRACE_S)
        return self._last_words[-1].strip() if self._last_words else f"exit code {self._process.returncode}"

    def end(self) -> None:
        """Kill its group, wait for it, and close the pipes."""
        if self._process.poll() is None:
            with suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()
        for thread in self._threads:
            thread.join(timeout=GRACE_S)
        if self._process.stdin:
            with suppress(OSError):
                self._process.stdin.close()


@contextmanager
def started(python: str, arguments: Sequence[str] = ()) -> Iterator[Worker]:
    """Start a generator with this interpreter; it is gone when the block is left, however that happens."""
    worker = Worker(python, arguments)
    try:
        yield worker
    finally:
        worker.end()


def _thread(work: Callable[..., None], *arguments: object) -> threading.Thread:
    thread = threading.Thread(target=work, args=arguments, daemon=True)
    thread.start()
    return thread


def _feed(pipe: IO[str], line: str) -> None:
    with suppress(OSError):
        pipe.write(line)
        pipe.flush()


def _drain(pipe: IO[str], take: Callable[[str], None], at_end: Callable[[], None] = lambda: None) -> None:
    with pipe:
        for line in pipe:
            take(line)
    at_end()
