"""From records to the decision: a pure function. There is no way to tick a box but by a record that passed."""

from collections.abc import Iterable, Mapping, Sequence

from capliquify_ops.model.decision import GATE_PRECEDENCE, Box, BoxResult, Decision, ExitCode, Reason
from capliquify_ops.model.outcome import State, worst
from capliquify_ops.model.record import Record, TargetRef

APPROVERS = ("Technical Lead", "DevOps Lead", "Product Owner", "CTO")
"""The four roles of the runbook's sign-off sheet."""

_CAUSE = {
    State.ERROR: ExitCode.ERROR,
    State.FAILED: ExitCode.FAIL,
    State.NOT_RUN: ExitCode.NOT_RUN,
    State.INCONCLUSIVE: ExitCode.INCONCLUSIVE,
    State.STALE: ExitCode.STALE,
    State.NOT_APPLICABLE: ExitCode.NOT_RUN,
}
_RANK = {state: rank for rank, state in enumerate(State)}


def target_named(records: Iterable[Record], name: str) -> TargetRef | None:
    """Return the target of that name as it was last measured: an address that was re-pointed has a new fingerprint.

    Records come in the order of the ledger.
    """
    found = [record.target for record in records if record.target.name == name]
    return found[-1] if found else None


def counted(records: Iterable[Record], target: TargetRef) -> dict[str, Record]:
    """Return for each check the record that counts: the latest started one of this very target, in the order of the ledger."""
    latest: dict[str, Record] = {}
    for record in records:
        if record.target == target:
            latest[record.check] = record
    return latest


def effective_state(record: Record | None) -> State:
    """Return what a record says; one that never finished says nothing."""
    if record is None or record.finished_at is None:
        return State.NOT_RUN
    return record.state


def judge_box(box: Box, latest: Mapping[str, Record]) -> BoxResult:
    """Judge one box by its worst member."""
    if not box.measured:
        waiting = tuple(f"{role}: awaiting approval" for role in APPROVERS)
        return BoxResult(box, State.NOT_RUN, waiting, ())
    states = {check: effective_state(latest.get(check)) for check in box.checks}
    known = set(states.values())
    state = worst(known - {State.NOT_APPLICABLE} if State.PASSED in known else known)
    open_checks = sorted(
        (check for check in box.checks if states[check] is not State.PASSED), key=lambda check: _RANK[states[check]]
    )
    reasons = tuple(_reason(check, states[check], latest.get(check)) for check in open_checks)
    return BoxResult(box, state, reasons, tuple(latest[check] for check in box.checks if check in latest))


def _reason(check: str, state: State, record: Record | None) -> str:
    if record is None:
        return f"{check}: not run, no record of this target"
    if record.finished_at is None:
        return f"{check}: not run, the run died before it finished"
    return f"{check}: {state.value.replace('_', ' ')}, {record.reason}" if record.reason else f"{check}: {state.value}"


def decide(boxes: Sequence[Box], records: Iterable[Record], target: TargetRef, at: str, version: str) -> Decision:
    """Decide about a launch. `at` is the time of the decision (RFC 3339), `version` that of this library."""
    latest = counted(records, target)
    results = tuple(judge_box(box, latest) for box in boxes)
    reasons = tuple(reason for result in results for reason in _causes(result))
    codes = {reason.code for reason in reasons}
    code = next((cause for cause in GATE_PRECEDENCE if cause in codes), ExitCode.READY)
    ready = bool(results) and code is ExitCode.READY
    return Decision(ready, code if results else ExitCode.NOT_RUN, _worst_first(reasons), target, results, at, version)


def _causes(result: BoxResult) -> list[Reason]:
    if result.state is State.PASSED:
        return []
    code = _CAUSE[result.state] if result.box.measured else ExitCode.APPROVAL
    return [Reason(code, result.box.id, _summary(result))]


def _summary(result: BoxResult) -> str:
    first, more = result.reasons[0], len(result.reasons) - 1
    return f"{first} (and {more} more)" if more else first


def _worst_first(reasons: tuple[Reason, ...]) -> tuple[Reason, ...]:
    return tuple(sorted(reasons, key=lambda reason: GATE_PRECEDENCE.index(reason.code)))


def measured_boxes_passed(decision: Decision) -> bool:
    """Whether each of the boxes that are measured, not approved, is ticked."""
    return all(result.state is State.PASSED for result in decision.boxes if result.box.measured)


def nothing_measured_failed(decision: Decision) -> bool:
    """Whether no counted record failed or ended in an error: what the demonstration ends with."""
    states = {effective_state(record) for result in decision.boxes for record in result.records}
    return not states & {State.FAILED, State.ERROR}
