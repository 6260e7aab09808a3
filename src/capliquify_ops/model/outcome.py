"""What a measurement can say, how bad it is, and how sure we are."""

from collections.abc import Iterable
from enum import StrEnum


class Outcome(StrEnum):
    """The answer of one check about one subject."""

    HEALTHY = "healthy"
    FAILING = "failing"
    NOT_APPLICABLE = "not_applicable"
    INCONCLUSIVE = "inconclusive"
    ERROR = "error"


class Severity(StrEnum):
    """How much a failing finding matters."""

    CRITICAL = "critical"
    HIGH = "high"
    MEDIUM = "medium"
    LOW = "low"
    INFO = "info"


class Grade(StrEnum):
    """How strongly the evidence supports the outcome."""

    PROOF = "proof"
    STRONG = "strong"
    WEAK = "weak"


class State(StrEnum):
    """The state of a record or of a box, worst first."""

    ERROR = "error"
    FAILED = "failed"
    NOT_RUN = "not_run"
    INCONCLUSIVE = "inconclusive"
    STALE = "stale"
    NOT_APPLICABLE = "not_applicable"
    PASSED = "passed"


_WORST_FIRST = tuple(State)
_STATE_OF = {
    Outcome.HEALTHY: State.PASSED,
    Outcome.FAILING: State.FAILED,
    Outcome.NOT_APPLICABLE: State.NOT_APPLICABLE,
    Outcome.INCONCLUSIVE: State.INCONCLUSIVE,
    Outcome.ERROR: State.ERROR,
}


def state_of(outcome: Outcome) -> State:
    """Return the state of a record whose only finding has this outcome."""
    return _STATE_OF[outcome]


def worst(states: Iterable[State]) -> State:
    """Return the worst state. Of no states at all: NOT_RUN, since silence is never a pass."""
    found = set(states)
    return next((state for state in _WORST_FIRST if state in found), State.NOT_RUN)
