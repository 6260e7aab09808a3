"""What a generator knows of itself: how late its loop came, its processor time, the machine it runs on."""

import resource
import sys
from array import array
from time import perf_counter, process_time

from capliquify_ops.load.machine import stretch, ticks
from capliquify_ops.load.plan import Plan
from capliquify_ops.load.result import Stretch
from capliquify_ops.load.samples import LARGEST

TICK_S = 0.02


class Meter:
    """Watches over the measured seconds of a plan that starts at `start` (of perf_counter)."""

    def __init__(self, plan: Plan, start: float) -> None:
        self.plan, self.start = plan, start
        self.lags = array("i")
        self.tick_due = start
        self.cpu_at_start, self.watched_from = process_time(), start
        self.cpu_s = self.wall_s = 0.0
        self.looked_at_s, self.ticks = perf_counter() - start, ticks()

    def tick(self) -> bool:
        """Note how late each tick is that is due; a loop that stood still has missed many. Return whether more are to come."""
        now, end = perf_counter(), self.start + self.plan.seconds
        if now < end and self.tick_due > self.start:
            self.cpu_s, self.wall_s = process_time() - self.cpu_at_start, now - self.watched_from
        elif self.tick_due <= self.start:
            self.cpu_at_start, self.watched_from = process_time(), now
        while self.tick_due <= now and self.tick_due < end:
            self.lags.append(microseconds(now - self.tick_due))
            self.tick_due += TICK_S
        return self.tick_due < end

    def to_next_tick(self) -> float:
        """Return the seconds until the next tick is due."""
        return max(0.0, self.tick_due - perf_counter())

    def take_lags(self) -> "array[int]":
        """Return the lags since the last time."""
        lags, self.lags = self.lags, array("i")
        return lags

    def look_at_machine(self) -> list[Stretch]:
        """Return what the processors did since the last look, within the measured seconds."""
        now_s, now = perf_counter() - self.start, ticks()
        found = stretch(max(0.0, self.looked_at_s), min(now_s, self.plan.seconds), self.ticks, now)
        self.looked_at_s, self.ticks = now_s, now
        return [found] if found and found.end_s > found.begin_s else []


def microseconds(seconds: float) -> int:
    """Return a time as it stands in a sample's column."""
    return min(LARGEST, max(0, round(seconds * 1e6)))


def memory_bytes() -> int:
    """Return the most that this process ever held."""
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return most if sys.platform == "darwin" else most * 1024
