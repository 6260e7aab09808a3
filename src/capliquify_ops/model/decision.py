"""The decision that a verdict makes of boxes and records."""

from dataclasses import dataclass
from enum import IntEnum

from capliquify_ops.model.outcome import State
from capliquify_ops.model.record import Record, TargetRef


class ExitCode(IntEnum):
    """What commands end with. 10 to 20 are the gate's causes."""

    READY = 0
    FAILING = 1
    FAIL = 10
    NOT_RUN = 11
    STALE = 12
    APPROVAL = 13
    WAIVER = 14
    INTEGRITY = 15
    TARGET = 16
    INCONCLUSIVE = 17
    ERROR = 20
    USAGE = 64
    UNREACHABLE = 69
    CONFIGURATION = 78


GATE_PRECEDENCE = (
    ExitCode.INTEGRITY,
    ExitCode.TARGET,
    ExitCode.ERROR,
    ExitCode.FAIL,
    ExitCode.NOT_RUN,
    ExitCode.INCONCLUSIVE,
    ExitCode.STALE,
    ExitCode.WAIVER,
    ExitCode.APPROVAL,
)
"""Which cause names the exit code when several hold, worst first."""


@dataclass(frozen=True, slots=True)
class Reason:
    """Why the verdict is not ready: a cause, the box it concerns and one sentence."""

    code: ExitCode
    box: str
    text: str


@dataclass(frozen=True, slots=True)
class Box:
    """One line of the sign-off sheet as planned: the checks it needs and whether it is measured or approved by people."""

    id: str
    title: str
    checks: tuple[str, ...]
    measured: bool = True


@dataclass(frozen=True, slots=True)
class BoxResult:
    """One line of the sign-off sheet as computed; `records` are the counted ones, in the box's order of checks."""

    box: Box
    state: State
    reasons: tuple[str, ...]
    records: tuple[Record, ...]


@dataclass(frozen=True, slots=True)
class Decision:
    """The verdict with everything that led to it."""

    ready: bool
    exit_code: ExitCode
    reasons: tuple[Reason, ...]
    target: TargetRef
    boxes: tuple[BoxResult, ...]
    decided_at: str
    tool_version: str
