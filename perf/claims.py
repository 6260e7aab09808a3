"""What a benchmark promises: a number, its margin, and whether it held; a page of all of them."""

import os
import platform
import statistics
import subprocess
from dataclasses import dataclass
from pathlib import Path

from capliquify_ops.configuration.system import this_tool

PAGE = Path(__file__).parents[1] / "docs" / "reference" / "performance.md"


@dataclass(frozen=True)
class Claim:
    """A measured number and its margin; `margin` says on which side it has to lie."""

    what: str
    value: float
    margin: str
    held: bool

    def line(self):
        """Say it as it stands in a table."""
        return f"| {self.what} | {self.value:.3g} | {self.margin} | {'held' if self.held else '**not held**'} |"


class Claims:
    """Collects what one benchmark promises. Only where asked, a promise that is not held fails it."""

    def __init__(self, extra_info, *, is_full, is_asserted):
        self._extra, self._is_full, self._is_asserted = extra_info, is_full, is_asserted

    def at_least(self, what, value, full, ci):
        """Promise that a number is not below its margin: of a full run, or the wider one of a short run."""
        margin = full if self._is_full else ci
        self._add(Claim(what, value, f">= {margin:g}", value >= margin))

    def at_most(self, what, value, full, ci):
        """Promise that a number is not above its margin."""
        margin = full if self._is_full else ci
        self._add(Claim(what, value, f"<= {margin:g}", value <= margin))

    def _add(self, claim):
        self._extra.setdefault("claims", []).append(claim.__dict__)
        if self._is_asserted:
            assert claim.held, f"{claim.what}: {claim.value:.4g}, promised {claim.margin}"


def claims_of(benchmark):
    """The claims that a benchmark made."""
    return [Claim(**each) for each in benchmark.extra_info.get("claims", ())]


def machine():
    """What it was measured on, line by line."""
    model = next((line.partition(":")[2].strip() for line in _lines("/proc/cpuinfo") if line.startswith("model name")), "?")
    memory = next((int(line.split()[1]) // 2**20 for line in _lines("/proc/meminfo") if line.startswith("MemTotal")), 0)
    commit = subprocess.run(["git", "rev-parse", "--short", "HEAD"], capture_output=True, text=True, check=False).stdout.strip()
    yield f"{os.cpu_count()} processors ({model}), {memory} GiB, {platform.system()} {platform.release()}"
    yield f"Python {platform.python_version()}, capliquify_ops {this_tool().version} at {commit or '?'}"


def _lines(path):
    try:
        return Path(path).read_text(encoding="utf-8").splitlines()
    except OSError:
        return []


def page(benchmarks, *, server, size, fleet):
    """Return the page of all benchmarks: what was promised, and the times with their spread."""
    lines = [
        "# Performance",
        "",
        "Each work is measured beside its usual alternative, in turns in one run: what else the machine did met both.",
        "Ratios are what is promised; times move from machine to machine. Written by `make bench`.",
        "",
        *(f"- {line}" for line in machine()),
        f"- PostgreSQL {server}, a fleet of {fleet:,} tenants, size `{size}`",
        "",
        "## Promised",
        "",
        "| what | measured | promised | |",
        "|---|---|---|---|",
        *(claim.line() for each in benchmarks for claim in claims_of(each)),
        "",
        "## Measured",
        "",
        "| benchmark | median | lowest | standard deviation | rounds | beside it |",
        "|---|---|---|---|---|---|",
        *(_row(each) for each in benchmarks),
        "",
    ]
    return "\n".join(lines)


def _row(bench):
    stats = bench.stats
    beside = ", ".join(f"{name} {_shown(value)}" for name, value in bench.extra_info.items() if name != "claims")
    spread = statistics.stdev(stats.data) if len(stats.data) > 1 else 0.0
    times = [f"{1000 * value:,.4g} ms" for value in (stats.median, stats.min, spread)]
    return f"| {bench.name} | {' | '.join(times)} | {stats.rounds} | {beside} |"


def _shown(value):
    return f"{value:.4g}" if isinstance(value, float) else str(value)
