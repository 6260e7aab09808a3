"""Is an answer the right one: success, JSON, this tenant's rows and nobody else's."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from capliquify_ops.load.operations import Kind, Operation
from capliquify_ops.load.samples import Verdict

_RIGHT: Mapping[Kind, range] = {
    Kind.READ: range(200, 201),
    Kind.ANALYTICS: range(200, 201),
    Kind.WRITE: range(200, 300),
}
_WITHOUT_BODY = frozenset({202, 204})
"""A write that is answered so need not show the row that it made."""


@dataclass(frozen=True, slots=True)
class Expectation:
    """What a caller's answers must hold, and what they must not."""

    own: bytes
    foreign: tuple[bytes, ...]


def expectations(markers: Iterable[str]) -> tuple[Expectation, ...]:
    """Return for each caller's marker what its answers are compared with."""
    each = [marker.encode("ascii") for marker in markers]
    return tuple(Expectation(own, tuple(sorted(set(each) - {own}))) for own in each)


def verdict_of(status: int, body: bytes, expected: Expectation, operation: Operation) -> Verdict:
    """Judge one answer that arrived whole. Another tenant's rows count whatever the status."""
    if any(marker in body for marker in expected.foreign):
        return Verdict.FOREIGN
    if status not in _RIGHT[operation.kind]:
        return Verdict.STATUS
    if not body and status in _WITHOUT_BODY:
        return Verdict.OK
    is_whole = (expected.own in body or not operation.holds_rows) and _tells(body, operation.kind)
    return Verdict.OK if is_whole else Verdict.EMPTY


def _tells(body: bytes, kind: Kind) -> bool:
    """Whether a body is JSON; of a report, an object or a list with a value in it."""
    try:
        found = json.loads(body)
    except (ValueError, RecursionError):
        return False
    return kind is not Kind.ANALYTICS or (isinstance(found, dict | list) and _holds_value(found))


def _holds_value(found: object) -> bool:
    """Whether anything but null, at whatever depth, stands in what JSON gave."""
    waiting = [found]
    while waiting:
        each = waiting.pop()
        if isinstance(each, dict | list):
            waiting += each.values() if isinstance(each, dict) else each
        elif each is not None:
            return True
    return False


def witness(name: str, status: int, body: bytes, expected: Expectation, verdict: Verdict) -> str:
    """Return one line that proves a wrong answer, without the rows themselves."""
    own = expected.own.decode()
    if verdict is Verdict.FOREIGN:
        others = ", ".join(marker.decode() for marker in expected.foreign if marker in body)
        return f"{name} as {own} answered {status} with rows of {others}"
    if verdict is Verdict.EMPTY:
        return f"{name} as {own} answered {status} with {len(body)} bytes and none of its own rows"
    return f"{name} as {own} answered {status}"
