"""Run two ways of doing the same in turns, so that what else the machine does meets both, and keep their medians."""

import os
import statistics
import time


def compared(benchmark, ours, theirs, *, rounds, every=1, peer="peer", before=None):
    """Run ours `rounds` times, theirs before every so many of them; return how many times slower theirs is.

    `before` runs before each, untimed. `theirs` may return the seconds that it took itself.
    """
    took: list[float] = []

    def setup():
        if setup.count % every == 0:
            took.append(timed(theirs, before))
        setup.count += 1
        if before:
            before()

    setup.count = 0
    load = os.getloadavg()[0]
    benchmark.pedantic(ours, setup=setup, rounds=rounds)
    own, other = benchmark.stats.stats.median, statistics.median(took)
    benchmark.extra_info |= {
        "ours_ms": own * 1000,
        f"{peer}_ms": other * 1000,
        f"{peer}_rounds": len(took),
        "ratio": other / own,
        "load": f"{load:.1f} -> {os.getloadavg()[0]:.1f}",
    }
    return other / own


def timed(call, before=None):
    """Return the seconds of a call, by itself if it says so."""
    if before:
        before()
    began = time.perf_counter()
    said = call()
    return said if isinstance(said, float) else time.perf_counter() - began
