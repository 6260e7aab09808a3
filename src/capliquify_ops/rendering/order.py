"""What every document asks of a decision: the state to show, what comes first, and which planned checks have no record."""

from collections.abc import Iterable

from capliquify_ops.model.decision import GATE_PRECEDENCE, BoxResult, Decision, Reason
from capliquify_ops.model.finding import Finding
from capliquify_ops.model.outcome import Severity, State, state_of
from capliquify_ops.model.record import Record

_STATES = {state: place for place, state in enumerate(State)}
_SEVERITIES = {severity: place for place, severity in enumerate(Severity)}
_CAUSES = {code: place for place, code in enumerate(GATE_PRECEDENCE)}

NEVER_FINISHED = "The check started and never finished."


def state_shown(record: Record) -> State:
    """Return the record's state; one that never finished reads as not run whatever it claims."""
    return record.state if record.finished_at is not None else State.NOT_RUN


def worst_first(findings: Iterable[Finding]) -> list[Finding]:
    """Return findings by outcome and severity, worst first; equals keep their order."""
    return sorted(findings, key=lambda finding: (_STATES[state_of(finding.outcome)], _SEVERITIES[finding.severity]))


def why(record: Record) -> str:
    """Return the sentence that explains the record's state: its reason, or the worst finding's."""
    if record.finished_at is None:
        return record.reason or NEVER_FINISHED
    if record.reason or not record.findings:
        return record.reason
    return worst_first(record.findings)[0].why


def without_record(result: BoxResult) -> list[str]:
    """Return the planned checks of a box that no record counts for, in the box's order."""
    have = {record.check for record in result.records}
    return [check for check in result.box.checks if check not in have]


def reasons_worst_first(decision: Decision) -> list[Reason]:
    """Return the reasons by the gate's precedence; equals keep their order."""
    return sorted(decision.reasons, key=lambda reason: _CAUSES.get(reason.code, len(_CAUSES)))


def boxes_worst_first(decision: Decision) -> list[BoxResult]:
    """Return the boxes by state, worst first; equals keep their order."""
    return sorted(decision.boxes, key=lambda result: _STATES[result.state])


def records_worst_first(result: BoxResult) -> list[Record]:
    """Return the counted records of a box by state, worst first; equals keep their order."""
    return sorted(result.records, key=lambda record: _STATES[state_shown(record)])


def tally(decision: Decision) -> dict[State, int]:
    """Return how many planned checks stand in each state, worst first, without empty states; no record is not run."""
    found = [state_shown(record) for result in decision.boxes for record in result.records]
    found += [State.NOT_RUN for result in decision.boxes if result.box.measured for _ in without_record(result)]
    return {state: found.count(state) for state in State if state in found}
