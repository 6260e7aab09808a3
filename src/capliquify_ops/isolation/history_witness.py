"""The shortest witness of an anomaly, and its lines in a report."""

import math
from bisect import bisect_right
from collections.abc import Iterator, Mapping, Sequence
from operator import attrgetter

from capliquify_ops.isolation.history_model import SHARED, Anomaly, Kind, Operation, Result
from capliquify_ops.isolation.history_tokens import Tokens

PREFIX = 6
"""Characters of a token that are shown where it has no label; of a short token at most half."""
LOOK_BACK = 100
"""Operations before a lost write's end among which the one that ran across it is looked for."""
_START = attrgetter("start")


def overlap(one: Operation, other: Operation) -> bool:
    """Whether the operations have a moment in common."""
    return one.start <= other.end and other.start <= one.end


class Neighbours:
    """Operations by tenant, to find those that another one met."""

    def __init__(self, history: Sequence[Operation], tokens: Tokens) -> None:
        self._tokens = tokens
        self._all = sorted(history, key=_START)
        self._by_process: dict[tuple[str, str], list[Operation]] = {}
        for operation in self._all:
            self._by_process.setdefault((operation.tenant, operation.process), []).append(operation)

    def witness(self, kind: Kind, token: str, read: Operation | None, schema: str | None) -> tuple[Operation, ...]:
        """Return the fewest operations that show the anomaly, in order of start."""
        write = self._tokens.writes.get(token)
        delete = self._tokens.removed.get(token) if kind is Kind.RESURRECTED_READ else None
        chosen = [one for one in (write, delete, read, self._met(kind, token, read, schema)) if one is not None]
        return tuple(sorted({id(one): one for one in chosen}.values(), key=attrgetter("start", "end")))

    def _met(self, kind: Kind, token: str, read: Operation | None, schema: str | None) -> Operation | None:
        """Return the operation of another tenant without which nobody could tell how the two came together."""
        write = self._tokens.writes.get(token)
        if kind is Kind.FOREIGN_READ and read is not None and (write is None or not overlap(write, read)):
            return self._last(self._tokens.owner(token) or "", read)
        if kind in {Kind.LOST_WRITE, Kind.WRONG_SCHEMA} and write is not None:
            return next((one for one in self._before(write.end) if self._is_across(one, write, schema)), None)
        return None

    def _last(self, tenant: str, read: Operation) -> Operation | None:
        """Return the tenant's last operation on the process of a read that began by the end of it."""
        found = self._by_process.get((tenant, read.process), [])
        index = bisect_right(found, read.end, key=_START)
        return found[index - 1] if index else None

    def _before(self, time: float) -> Iterator[Operation]:
        index = bisect_right(self._all, time, key=_START)
        return reversed(self._all[max(0, index - LOOK_BACK) : index])

    @staticmethod
    def _is_across(one: Operation, write: Operation, schema: str | None) -> bool:
        """Whether an operation of another tenant ran across a write: of the one whose schema shows the row, if any does."""
        is_other = one.tenant != write.tenant if schema in {None, write.tenant} else one.tenant == schema
        return is_other and overlap(one, write)


def lines(anomaly: Anomaly, labels: Mapping[str, str] | None = None, *, unit_s: float = 1.0) -> list[str]:
    """Return a witness as lines for a person: what is wrong, then each operation, its times in ms from the first one's start.

    `labels` are what tokens are shown as; without one a short prefix is, never the whole. `unit_s`: seconds of a unit of the
    history's clock.
    """
    token = shown(anomaly.token, labels or {})
    rows = [_row(one, anomaly, token, unit_s * 1000) for one in anomaly.operations]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    padded = ("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows)
    head = f"{anomaly.kind} ({anomaly.grade}): {_sentence(anomaly, token)}"
    return [head, *(f"  {line}" for line in padded)]


def shown(token: str, labels: Mapping[str, str]) -> str:
    """Return how a token is shown: by its label, else by the start of it."""
    if token in labels:
        return _printable(labels[token])
    return f"{_printable(token[: min(PREFIX, len(token) // 2)])}…"


def _printable(text: str) -> str:
    return "".join(one if one.isprintable() else one.encode("unicode_escape").decode("ascii") for one in text)


def _sentence(anomaly: Anomaly, token: str) -> str:
    who, owner = (_printable(anomaly.tenants[index]) for index in (0, -1))
    place = f"the schema of {who}" if anomaly.schema != SHARED else "the schema public"
    is_scanned = anomaly.schema is not None
    says = {
        Kind.WRONG_SCHEMA: f"{token} of {owner} stands in {place}",
        Kind.FOREIGN_READ: f"an answer to {who or 'nobody'} held {token} of {owner}",
        Kind.LOST_WRITE: f"{token} of {owner} was acknowledged, and " + ("stands in no schema" if is_scanned else "is missing"),
        Kind.GARBAGE_READ: f"an answer to {who} held {token}, which nobody wrote",
        Kind.ABORTED_READ: f"{token} stands in {place}" if is_scanned else f"an answer to {who} held {token}",
        Kind.FUTURE_READ: f"an answer to {who} held {token} before its write began",
        Kind.RESURRECTED_READ: f"an answer to {who} held {token} after its delete was acknowledged",
    }[anomaly.kind]
    says += ", whose write had failed" if anomaly.kind is Kind.ABORTED_READ else ""
    is_planted = anomaly.kind is not Kind.GARBAGE_READ and all(one.written != anomaly.token for one in anomaly.operations)
    return f"{says}, planted before the first operation" if is_planted else says


def _row(one: Operation, anomaly: Anomaly, token: str, to_ms: float) -> tuple[str, ...]:
    first = anomaly.operations[0].start
    times = (f"{(time - first) * to_ms:+.1f}" if math.isfinite(time - first) else "?" for time in (one.start, one.end))
    who = (_printable(text) for text in (one.tenant, one.principal, one.process))
    return (f"{' to '.join(times)} ms", *who, _what(one, anomaly.token, token), _OUTCOMES[one.outcome])


_OUTCOMES = {Result.OK: "ok", Result.FAIL: "fail: no effect", Result.INFO: "info: effect unknown"}


def _what(one: Operation, secret: str, token: str) -> str:
    """Return what an operation did, as far as it is about the token."""
    did = []
    if one.written is not None:
        did.append(f"writes {token if one.written == secret else 'another row'}")
    if one.deleted is not None:
        did.append(f"deletes {token if one.deleted == secret else 'another row'}")
    if one.read is not None:
        did.append(f"reads {len(one.read)} token(s), {'with' if secret in one.read else 'without'} {token}")
    says = ", ".join(did) or "does something else"
    return f"{_printable(one.label)}: {says}" if one.label else says
