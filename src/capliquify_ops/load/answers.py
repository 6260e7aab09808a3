"""Is an answer the right one: 200, JSON, this tenant's rows and nobody else's."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from capliquify_ops.load.operations import Kind, Operation
from capliquify_ops.load.samples import Verdict

_RIGHT: Mapping[Kind, frozenset[int]] = {
    Kind.READ: frozenset({200}),
    Kind.ANALYTICS: frozenset({200}),
    Kind.WRITE: frozenset({200, 201}),
}


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
    is_whole = (expected.own in body or not operation.holds_rows) and _is_json(body)
    return Verdict.OK if is_whole else Verdict.EMPTY


def _is_json(body: bytes) -> bool:
    try:
        json.loads(body)
    except ValueError:
        return False
    return True


def witness(name: str, status: int, body: bytes, expected: Expectation, verdict: Verdict) -> str:
    """Return one line that proves a wrong answer, without the rows themselves."""
    own = expected.own.decode()
    if verdict is Verdict.FOREIGN:
        others = ", ".join(marker.decode() for marker in expected.foreign if marker in body)
        return f"{name} as {own} answered {status} with rows of {others}"
    if verdict is Verdict.EMPTY:
        return f"{name} as {own} answered {status} with {len(body)} bytes and none of its own rows"
    return f"{name} as {own} answered {status}"
