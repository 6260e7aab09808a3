"""From one phase of a test (setup, call, teardown) to a state and a reason: a pure function of what pytest saw."""

from collections.abc import Sequence

import pytest

from capliquify_ops.model.errors import OpsError
from capliquify_ops.model.finding import Finding
from capliquify_ops.model.outcome import Outcome, State
from capliquify_ops.pytest_plugin.outcomes import GateFailure, NotRun, Undetermined

INCONCLUSIVE_EXIT = 17


def state_of_phase(
    call: pytest.CallInfo[None], report: pytest.TestReport, findings: Sequence[Finding]
) -> tuple[State, str] | None:
    """Return what a phase says about its check, None when it says nothing: it passed, or its findings say it."""
    if hasattr(report, "wasxfail"):
        return State.NOT_RUN, "marked as expected to fail: a check is never expected to fail"
    if report.skipped:
        return State.NOT_RUN, "skipped: a skipped check measured nothing"
    error = call.excinfo.value if call.excinfo else None
    if error is None:
        return None
    if isinstance(error, GateFailure):
        failing = any(finding.outcome is Outcome.FAILING for finding in findings)
        return None if failing else (State.FAILED, str(error))
    return _state_of_error(error, report.when or "call")


def _state_of_error(error: BaseException, phase: str) -> tuple[State, str]:
    match error:
        case NotRun():
            return State.NOT_RUN, str(error)
        case Undetermined():
            return State.INCONCLUSIVE, str(error)
        case OpsError() if error.exit_code == INCONCLUSIVE_EXIT:
            return State.INCONCLUSIVE, str(error)
        case OpsError():
            return State.ERROR, str(error)
        case _:
            return (
                State.ERROR,
                f"{type(error).__name__} in {phase}: {str(error).splitlines()[0][:200] if str(error) else 'no text'}",
            )


def is_plain(error: BaseException) -> bool:
    """Whether an exception is a sentence for a person, for whom a traceback is noise."""
    return isinstance(error, OpsError | GateFailure | Undetermined | NotRun)
