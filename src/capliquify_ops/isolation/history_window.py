"""Lost writes: acknowledged rows that a later answer misses, found without a look at every row for every read."""

import math
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from operator import attrgetter, itemgetter

from capliquify_ops.isolation.history_model import Operation, Result
from capliquify_ops.isolation.history_tokens import Tokens

_OK = Result.OK
Place = tuple[str, str]
"""A tenant and its collection."""


def lost_writes(history: Sequence[Operation], tokens: Tokens) -> Iterator[tuple[str, Operation]]:
    """Yield the lost tokens, each with a read that misses it; of complete reads only the first for a token."""
    reads: dict[Place, list[Operation]] = {}
    for operation in history:
        if operation.outcome is _OK and operation.read is not None:
            expected = operation.expected
            if expected is not None and expected not in operation.read and tokens.must_stand(operation, expected):
                yield expected, operation
            if operation.is_complete:
                reads.setdefault((operation.tenant, operation.collection), []).append(operation)
    rows = _rows(reads, tokens)
    for place, complete in reads.items():
        yield from _missed(complete, _Window(rows.pop(place), tokens))


def _rows(reads: dict[Place, list[Operation]], tokens: Tokens) -> dict[Place, list[tuple[float, str]]]:
    """Return when each row was acknowledged, without those that a delete was under way for by then."""
    rows: dict[Place, list[tuple[float, str]]] = {place: [] for place in reads}
    for token, write in tokens.writes.items():
        place = (write.tenant, write.collection)
        if write.outcome is _OK and place in rows and tokens.removable.get(token, math.inf) > write.end:
            rows[place].append((write.end, token))
    for token, owner in tokens.planted.items():
        if (owner, "") in rows:
            rows[owner, ""].append((-math.inf, token))
    return rows


def _missed(reads: list[Operation], window: "_Window") -> Iterator[tuple[str, Operation]]:
    reads.sort(key=attrgetter("start", "end"))
    for read in reads:
        for token in window.missing(read):
            yield token, read


class _Window:
    """The rows of one collection that a complete read must list, as the reads go by in order of their start.

    Most reads list every row that stands. For the others the rows that a read must list are counted: those acknowledged and
    not removable by its start, less those removable by its end (a Fenwick tree over the order of removal). Where it lists
    fewer of them, the rows are looked at; each row missed is then left out, so that what is looked at is bounded by what was
    read and what is lost.
    """

    __slots__ = ("_counts", "_gone", "_live", "_next", "_order", "_rank", "_rows", "_times", "_uncounted")

    def __init__(self, rows: list[tuple[float, str]], tokens: Tokens) -> None:
        rows.sort(key=itemgetter(0))
        removable = tokens.removable
        removals = sorted((removable[token], token) for _, token in rows if token in removable)
        self._rows, self._next = rows, 0
        self._times = [time for time, _ in removals]
        self._order, self._gone = [token for _, token in removals], 0
        self._rank = {token: number for number, token in enumerate(self._order, start=1)}
        self._counts = [0] * (len(removals) + 1)
        self._uncounted: list[int] = []
        self._live: dict[str, int] = {}

    def missing(self, read: Operation) -> list[str]:
        """Return the rows that a read must list and does not. Reads come in order of their start."""
        self._acknowledge(read.start)
        self._forget(read.start)
        live = self._live
        listed = read.read if isinstance(read.read, set | frozenset) else frozenset(read.read or ())
        if live.keys() <= listed:
            return []
        removable = bisect_right(self._times, read.end)
        required = len(live) - (self._removable(removable) if removable > self._gone else 0)
        if required == sum(live.get(token, 0) > removable for token in listed):
            return []
        missing = [token for token, rank in live.items() if rank > removable and token not in listed]
        for token in missing:
            self._count_removable()
            self._count(live.pop(token), -1)
        return missing

    def _acknowledge(self, before: float) -> None:
        """Add the rows whose writes were acknowledged before a moment."""
        rows, number, never = self._rows, self._next, len(self._counts)
        while number < len(rows) and rows[number][0] < before:
            token = rows[number][1]
            rank = self._live[token] = self._rank.get(token, never)
            if rank != never:
                self._uncounted.append(rank)
            number += 1
        self._next = number

    def _forget(self, until: float) -> None:
        """Drop the rows that no later read must list."""
        while self._gone < len(self._times) and self._times[self._gone] <= until:
            self._live.pop(self._order[self._gone], None)
            self._gone += 1

    def _removable(self, rank: int) -> int:
        """Return how many of the rows are of the first ranks, by order of removal."""
        self._count_removable()
        return self._counted(rank) - self._counted(self._gone)

    def _count_removable(self) -> None:
        for rank in self._uncounted:
            if rank > self._gone:
                self._count(rank, 1)
        self._uncounted.clear()

    def _count(self, rank: int, by: int) -> None:
        while rank < len(self._counts):
            self._counts[rank] += by
            rank += rank & -rank

    def _counted(self, rank: int) -> int:
        found = 0
        while rank:
            found += self._counts[rank]
            rank &= rank - 1
        return found
