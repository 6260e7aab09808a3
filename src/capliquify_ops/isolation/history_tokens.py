"""What a history says of each token: whose it is, and when it must, may or cannot stand."""

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence

from capliquify_ops.isolation.history_model import SHARED, Kind, Operation, Result

_OK, _FAIL = Result.OK, Result.FAIL


class Tokens:
    """The writes and deletes of a history by token.

    `removable`: the start of the first delete that could have removed a token; `removed`: the first delete after which it
    cannot stand. A delete of another tenant is neither: it must not have an effect, so it excuses none.
    """

    __slots__ = ("planted", "removable", "removed", "writes")

    def __init__(self, history: Sequence[Operation], planted: Mapping[str, str]) -> None:
        self.planted = planted
        self.writes: dict[str, Operation] = {}
        self.removable: dict[str, float] = {}
        self.removed: dict[str, Operation] = {}
        for number, operation in enumerate(history):
            if not operation.start <= operation.end:
                raise ValueError(f"Operation {number} of {operation.principal} ends before it starts: {operation!r}.")
            if operation.written is not None:
                self._add_write(number, operation.written, operation)
        for operation in history:
            if operation.deleted is not None and operation.outcome is not _FAIL:
                self._add_delete(operation.deleted, operation)

    def _add_write(self, number: int, token: str, operation: Operation) -> None:
        if token == operation.deleted:
            raise ValueError(f"Operation {number} of {operation.principal} writes and deletes the same token: {operation!r}.")
        if token in self.writes or token in self.planted:
            raise ValueError(
                f"Operation {number} of {operation.principal} writes a token that was written or planted before, "
                "so a read of it would not name its writer. Give each attempt a token of its own."
            )
        self.writes[token] = operation

    def _add_delete(self, token: str, operation: Operation) -> None:
        write = self.writes.get(token)
        is_before = write is not None and operation.outcome is _OK and operation.end < write.start
        if self.owner(token) != operation.tenant or is_before:
            return
        if operation.start < self.removable.get(token, math.inf):
            self.removable[token] = operation.start
        is_after = write is None or (write.outcome is _OK and write.end < operation.start)
        first = self.removed.get(token)
        if operation.outcome is _OK and is_after and (first is None or operation.end < first.end):
            self.removed[token] = operation

    def owner(self, token: str) -> str | None:
        """Return whose a token is, None when nobody wrote it."""
        write = self.writes.get(token)
        return write.tenant if write is not None else self.planted.get(token)

    def wrong_read(self, operation: Operation, token: str) -> Kind | None:
        """Return what is wrong about a token in an answer. Only a foreign one is wrong in an answer other than OK."""
        write = self.writes.get(token)
        owner = write.tenant if write is not None else self.planted.get(token)
        if owner != operation.tenant and owner is not None:
            return None if owner == SHARED else Kind.FOREIGN_READ
        if operation.outcome is not _OK:
            return None
        if owner is None:
            return Kind.GARBAGE_READ
        if write is not None and write.outcome is _FAIL:
            return Kind.ABORTED_READ
        if write is not None and write.start > operation.end:
            return Kind.FUTURE_READ
        delete = self.removed.get(token)
        return Kind.RESURRECTED_READ if delete is not None and delete.end < operation.start else None

    def must_stand(self, read: Operation, token: str) -> bool:
        """Whether the reader's own token stood all through a read: acknowledged before it, and not removable until its end."""
        write = self.writes.get(token)
        if write is None:
            is_there = self.planted.get(token) == read.tenant
        else:
            is_there = write.tenant == read.tenant and write.outcome is _OK and write.end < read.start
        return is_there and self.removable.get(token, math.inf) > read.end

    def kept(self) -> Iterator[tuple[str, str]]:
        """Yield each token, and whose it is, that was there or acknowledged and that nothing could have removed."""
        for token, operation in self.writes.items():
            if operation.outcome is _OK and token not in self.removable:
                yield token, operation.tenant
        for token, owner in self.planted.items():
            if owner != SHARED and token not in self.removable:
                yield token, owner


def wrong_reads(history: Iterable[Operation], tokens: Tokens) -> Iterator[tuple[Kind, str, Operation]]:
    """Yield each token that an answer must not hold, with what is wrong about it."""
    spans = _spans(tokens)
    for operation in history:
        if operation.read:
            tenant, start, end = operation.tenant, operation.start, operation.end
            for token in operation.read:
                owner, first, last = spans.get(token, _NOBODY)
                if owner != tenant or first > end or last < start:
                    kind = tokens.wrong_read(operation, token)
                    if kind is not None:
                        yield kind, token, operation


_NOBODY = (None, math.inf, math.inf)


def _spans(tokens: Tokens) -> dict[str, tuple[str | None, float, float]]:
    """Return whose each token is, and from when until when an answer to that tenant may hold it: most do, which saves time."""
    removed, never = tokens.removed, math.inf
    spans: dict[str, tuple[str | None, float, float]] = {token: (owner, -never, never) for token, owner in tokens.planted.items()}
    for token, write in tokens.writes.items():
        spans[token] = (write.tenant, never if write.outcome is _FAIL else write.start, never)
    for token, delete in removed.items():
        owner, first, _ = spans[token]
        spans[token] = (owner, first, delete.end)
    return spans
