"""From findings to what pytest shows of a test, so that it never says anything else than the record."""

from collections.abc import Sequence

import pytest

from capliquify_ops.model.finding import Finding
from capliquify_ops.model.outcome import Outcome, State
from capliquify_ops.pytest_plugin.outcomes import SHOWN_AS, GateFailure, NotRun, Undetermined

_RAISED: dict[type[Exception], tuple[Outcome, ...]] = {
    GateFailure: (Outcome.FAILING,),
    Undetermined: (Outcome.ERROR, Outcome.INCONCLUSIVE),
}
MOST_LINES = 12
"""Of a witness that a terminal shows; the report has all."""
_UNKNOWN: dict[type[BaseException], str] = {NotRun: "NOT RUN", Undetermined: "INCONCLUSIVE"}


def measured_nothing(report: pytest.TestReport) -> tuple[State, str]:
    """Turn a test that passed without a finding into an error: silence is never a pass."""
    why = "the test ended without requiring a finding or saying not_run: nothing was measured"
    report.outcome = "failed"
    report.longrepr = why
    return State.ERROR, why


def unswallow(report: pytest.TestReport, findings: Sequence[Finding]) -> None:
    """A test that caught what `require` raised does not look passed: pytest says what the record says."""
    error = _worst_of(findings)
    if error is not None:
        report.outcome, report.longrepr = "failed", str(error)
        name_outcome(report, error)


def name_outcome(report: pytest.TestReport, error: BaseException | None) -> None:
    """Have pytest show what nobody knows by its name instead of as a failure."""
    words = [name for kind, name in _UNKNOWN.items() if isinstance(error, kind)]
    report.user_properties = [*report.user_properties, *((SHOWN_AS, name) for name in words)]


def why_of(finding: Finding) -> str:
    """Return the reason of a finding that is not healthy."""
    return "" if finding.outcome is Outcome.HEALTHY else finding.why


def raise_for_worst(findings: Sequence[Finding]) -> None:
    """Raise GateFailure when a finding is failing, else Undetermined when one could not tell."""
    __tracebackhide__ = True
    error = _worst_of(findings)
    if error is not None:
        raise error


def _worst_of(findings: Sequence[Finding]) -> Exception | None:
    for kind, outcomes in _RAISED.items():
        found = [finding for finding in findings if finding.outcome in outcomes]
        if found:
            return kind("\n".join(["; ".join(finding.why for finding in found), *_told(found)]))
    return None


def _told(findings: Sequence[Finding]) -> list[str]:
    """Return the witness of the first failing finding, for whoever reads it at night: requests, who met whom, where to look."""
    witness = next((finding.witness for finding in findings if finding.outcome is Outcome.FAILING and finding.witness), None)
    if witness is None:
        return []
    lines = [f"  {line}" for line in witness.lines[:MOST_LINES]]
    lines += [f"  ... and {len(witness.lines) - MOST_LINES} more lines in the report"] if len(witness.lines) > MOST_LINES else []
    return [*lines, *([f"  look: {witness.look}"] if witness.look else [])]
