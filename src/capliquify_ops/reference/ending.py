"""When a supervisor has to end: its starter closed the pipe, died, or a signal came. At any moment, also half-way."""

import os
import select
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

_EVERY_S = 0.1
_SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)


class Ended(BaseException):
    """The supervisor was asked to end. No `except Exception` of a library may swallow it."""


class Watch:
    """Raises `Ended` in the main thread, once.

    A timer looks at the pipe, so there is no second thread, and code between fork and exec stays safe.
    """

    def __init__(self, pipe: int) -> None:
        self._poll = select.poll()
        self._poll.register(pipe, 0)
        self._starter = os.getppid()
        self._held = False
        self._due = False
        self._raised = False

    def begin(self) -> None:
        """Start watching."""
        for number in _SIGNALS:
            signal.signal(number, self._on_signal)
        signal.signal(signal.SIGALRM, self._on_timer)
        signal.setitimer(signal.ITIMER_REAL, _EVERY_S, _EVERY_S)

    def stop(self) -> None:
        """Stop watching: from here on nothing interrupts the tidying up."""
        signal.setitimer(signal.ITIMER_REAL, 0)
        for number in (*_SIGNALS, signal.SIGALRM):
            signal.signal(number, signal.SIG_IGN)

    def wait(self) -> None:
        """Wait for the end; always raises `Ended`."""
        while True:
            signal.pause()

    @contextmanager
    def held(self) -> Iterator[None]:
        """Put the end off while something is made that must not be forgotten: a process, a folder."""
        self._held = True
        try:
            yield
        finally:
            self._held = False
            if self._due:
                self._end()

    def _on_timer(self, _number: int, _frame: FrameType | None) -> None:
        # POLLHUP is always reported; whoever started us may have died without its copies of the pipe.
        if self._poll.poll(0) or os.getppid() != self._starter:
            self._end()

    def _on_signal(self, _number: int, _frame: FrameType | None) -> None:
        self._end()

    def _end(self) -> None:
        self._due = True
        if not self._held and not self._raised:
            self._raised = True
            raise Ended
