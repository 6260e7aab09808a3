"""How far the figures of a run vary by chance: blocks of its seconds drawn again and again, with each time's figures."""

import math
import random
import sys
from array import array
from bisect import bisect_left
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import accumulate

from capliquify_ops.load.figures import cohorts
from capliquify_ops.load.result import LoadRun

BLOCK = 5
"""Neighbouring seconds are alike, such as those of one checkpoint: blocks of so many are drawn, not single ones."""
SHARES = {"p50_ms": 0.50, "p95_ms": 0.95, "p99_ms": 0.99}
ERRORS = "error_ratio"
_FIELD = "I"
_DIGITS = 3


@dataclass(frozen=True, slots=True)
class Blocks:
    """Every block of neighbouring seconds of a run. `values`: the latencies that occur, in microseconds, to three digits.

    A block is one integer whose fields are how often each value occurred, then failed and offered arrivals: one addition adds
    all of them, so that thousands of draws from hours take seconds.
    """

    values: tuple[int, ...]
    blocks: tuple[int, ...]

    def draws(self, many: int, dice: random.Random) -> Iterator[Mapping[str, float]]:
        """Yield the figures of so many draws, each of about as many seconds as the run."""
        for _ in range(many):
            yield self._figures(sum(dice.choices(self.blocks, k=math.ceil(len(self.blocks) / BLOCK))))

    def _figures(self, drawn: int) -> Mapping[str, float]:
        fields = array(_FIELD)
        fields.frombytes(drawn.to_bytes(fields.itemsize * (len(self.values) + 2), sys.byteorder))
        failed, offered = fields[-2:]
        below = list(accumulate(fields[:-2]))
        ranks = {figure: max(1, math.ceil(share * below[-1])) for figure, share in SHARES.items()}
        last = len(self.values) - 1
        found = {figure: self.values[min(last, bisect_left(below, rank))] / 1000 for figure, rank in ranks.items()}
        return {**found, ERRORS: failed / offered}


def blocks_of(run: LoadRun) -> Blocks:
    """Return the blocks of a run that has samples; the last seconds go on with the first, so that each counts alike."""
    late: dict[int, list[int]] = defaultdict(list)
    for index, latency in zip(run.samples.index, run.samples.latency_us, strict=True):
        late[int(index / run.rate)].append(_rounded(latency))
    values = sorted({value for each in late.values() for value in each})
    places = {value: place for place, value in enumerate(values)}
    seconds = []
    for row in cohorts(run):
        fields = array(_FIELD, [0]) * (len(values) + 2)
        for value in late[row.second]:
            fields[places[value]] += 1
        fields[-2], fields[-1] = row.failed, row.offered
        seconds.append(int.from_bytes(fields.tobytes(), sys.byteorder))
    many = len(seconds)
    return Blocks(tuple(values), tuple(sum(seconds[(start + step) % many] for step in range(BLOCK)) for start in range(many)))


def _rounded(value: int) -> int:
    return round(value, _DIGITS - len(str(value)))
