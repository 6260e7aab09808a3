"""Progress of long work: a bar with rate and time left on a terminal, a line now and then elsewhere."""

import sys
import time
from types import TracebackType
from typing import Self

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeRemainingColumn

from capliquify_ops.cli.output import note

_EVERY_S = 10.0


class Steps:
    """Says how far work is; `total` in `unit`. Writes to stderr only."""

    def __init__(self, what: str, total: int, unit: str, *, quiet: bool = False) -> None:
        self._what, self._total, self._unit = what, total, unit
        self._done = 0
        self._started = self._told = time.monotonic()
        self._quiet = quiet
        self._bar: Progress | None = None
        self._task = TaskID(0)

    def __enter__(self) -> Self:
        return self

    def reached(self, done: int) -> None:
        """Take note that so much is done in all."""
        self._done = done
        now = time.monotonic()
        if self._quiet:
            return
        if sys.stderr.isatty():
            self._advance(done)
        elif now - self._told >= _EVERY_S:
            self._told = now
            rate = done / (now - self._started)
            left = (self._total - done) / rate if rate else 0
            note(f"{self._what}: {done} of {self._total} {self._unit}, {rate:.0f} a second, {left:.0f} s left")

    def one_more(self) -> None:
        """Take note of one more."""
        self.reached(self._done + 1)

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if self._bar:
            self._bar.stop()

    def _advance(self, done: int) -> None:
        if self._bar is None:
            text = TextColumn("{task.description}")
            rate = TextColumn("{task.completed:.0f}/{task.total:.0f} " + self._unit + " {task.speed:.0f}/s")
            self._bar = Progress(text, BarColumn(), rate, TimeRemainingColumn(), console=Console(stderr=True))
            self._task = self._bar.add_task(self._what, total=self._total)
            self._bar.start()
        self._bar.update(self._task, completed=done)
