"""What the page shows, as plain values: words, numbers and order are settled here, markup in the template."""

import shlex
from collections.abc import Iterator
from dataclasses import dataclass

from capliquify_ops.model.decision import BoxResult, Decision, ExitCode
from capliquify_ops.model.finding import Finding, Scalar, Spread
from capliquify_ops.model.outcome import Outcome, State, state_of
from capliquify_ops.model.record import Record
from capliquify_ops.rendering.driven import driven
from capliquify_ops.rendering.order import (
    reasons_worst_first,
    state_shown,
    tally,
    why,
    without_record,
    worst_first,
)
from capliquify_ops.rendering.text import visible
from capliquify_ops.rendering.words import STATES, bound, cause, duration, elapsed_ms, label, moment, quantity, unit_of
from capliquify_ops.signoff.report.charts import LoadCharts, RawReader, charts_of

LOAD_BOX = "load"
_ROLES = ("technical_lead", "devops_lead", "product_owner", "cto")
"""Who approves where the box names nobody: the sign-off sheet of the runbook."""
_SPELT = {"cto": "CTO", "ceo": "CEO", "ciso": "CISO", "devops": "DevOps", "qa": "QA", "sre": "SRE"}
_REASONS = 200
_STATE_OF_CAUSE = {
    ExitCode.FAIL: State.FAILED,
    ExitCode.NOT_RUN: State.NOT_RUN,
    ExitCode.APPROVAL: State.NOT_RUN,
    ExitCode.STALE: State.STALE,
    ExitCode.INCONCLUSIVE: State.INCONCLUSIVE,
}
"""How a cause is drawn; every other one looks like an error."""


@dataclass(frozen=True, slots=True)
class Bounds:
    """How many findings of one record are shown: those that are not healthy, and healthy ones."""

    open: int
    healthy: int


@dataclass(frozen=True, slots=True)
class FindingView:
    """One finding; empty texts are left out by the template."""

    state: State
    outcome: str
    severity: str
    subject_kind: str
    subject: str
    why: str
    measured: list[tuple[str, str]]
    limit: str
    limit_source: str
    coverage: str
    partial: bool
    asked: str
    of: str
    at: str
    elapsed: str
    raw: str
    witness: tuple[str, ...]
    look: str
    tenants: Spread | None
    notes: list[tuple[str, str]]


@dataclass(frozen=True, slots=True)
class RecordView:
    """One counted record, or a planned check without one (`id` is empty then)."""

    id: str
    check: str
    title: str
    state: State
    words: str
    why: str
    facts: list[tuple[str, str]]
    raw: tuple[str, ...]
    findings: list[FindingView]
    hidden: int
    opened: bool


@dataclass(frozen=True, slots=True)
class BoxView:
    """One line of the sheet and its evidence; `further` are the reasons that no single check tells, `load` what was driven."""

    id: str
    title: str
    state: State
    words: str
    ticked: bool
    counts: str
    load: str
    reasons: tuple[str, ...]
    further: list[str]
    records: list[RecordView]
    approvals: list[tuple[str, str]]
    charts: list[LoadCharts]


@dataclass(frozen=True, slots=True)
class ReasonView:
    """One reason against the launch; `place` numbers its box on the page, or 0."""

    state: State
    words: str
    box: str
    place: int
    text: str


@dataclass(frozen=True, slots=True)
class PageView:
    """The whole page."""

    ready: bool
    verdict: str
    headline: str
    target_name: str
    facts: list[tuple[str, str]]
    tally: list[tuple[State, str, int]]
    planned: int
    reasons: list[ReasonView]
    more_reasons: int
    boxes: list[BoxView]
    commands: list[str]


def page_view(decision: Decision, raw: RawReader, bounds: Bounds) -> PageView:
    """Return what the page shows of a decision, within these bounds."""
    reasons, counts = reasons_worst_first(decision), tally(decision)
    return PageView(
        ready=decision.ready,
        verdict="READY" if decision.ready else "NOT READY",
        headline=_headline(decision),
        target_name=decision.target.name,
        facts=_facts(decision),
        tally=[(state, STATES[state].lower(), count) for state, count in counts.items()],
        planned=sum(counts.values()),
        reasons=list(_reasons(decision)),
        more_reasons=max(0, len(reasons) - _REASONS),
        boxes=[_box(result, raw, bounds) for result in decision.boxes],
        commands=_commands(decision),
    )


def _headline(decision: Decision) -> str:
    ticked, boxes = sum(1 for result in decision.boxes if result.state is State.PASSED), len(decision.boxes)
    sheet = f"Ticked by evidence: {ticked} of {boxes} boxes."
    if decision.ready:
        return f"{sheet} Nothing stands against the launch."
    count = len(decision.reasons)
    return f"{sheet} {count:,} {'reason stands' if count == 1 else 'reasons stand'} against the launch."


def _facts(decision: Decision) -> list[tuple[str, str]]:
    target, code = decision.target, decision.exit_code
    return [
        ("Class", target.kind),
        ("Decided", moment(decision.decided_at)),
        ("Tool", f"capliquify_ops {decision.tool_version}"),
        ("Exit code", f"{int(code)} ({code.name.lower().replace('_', ' ')})"),
        ("Fingerprint", target.fingerprint),
    ]


def _reasons(decision: Decision) -> Iterator[ReasonView]:
    places = {result.box.id: place for place, result in enumerate(decision.boxes, start=1)}
    titles = {result.box.id: result.box.title for result in decision.boxes}
    for reason in reasons_worst_first(decision)[:_REASONS]:
        state = _STATE_OF_CAUSE.get(reason.code, State.ERROR)
        box = titles.get(reason.box, reason.box)
        yield ReasonView(state, cause(reason.code), box, places.get(reason.box, 0), reason.text)


def _box(result: BoxResult, raw: RawReader, bounds: Bounds) -> BoxView:
    missing = without_record(result)
    records = [_record(record, bounds) for record in result.records]
    approvals: list[tuple[str, str]] = []
    if result.box.measured:
        records += [_missing(check) for check in missing]
    else:
        approvals = _approvals(result, missing)
    return BoxView(
        id=result.box.id,
        title=result.box.title,
        state=result.state,
        words=STATES[result.state],
        ticked=result.state is State.PASSED,
        counts=_counts(result, len(missing)),
        load=driven(result),
        reasons=result.reasons if result.box.measured else (),
        further=[reason for reason in result.reasons if not _told_by_check(reason, result)] if result.box.measured else [],
        records=records,
        approvals=approvals,
        charts=list(charts_of(result.records, raw)) if result.box.id == LOAD_BOX else [],
    )


def _told_by_check(reason: str, result: BoxResult) -> bool:
    """Whether the box's reason only repeats what one of its checks says on the page anyway."""
    return reason.partition(":")[0] in result.box.checks


def _counts(result: BoxResult, missing: int) -> str:
    if not result.box.measured:
        return "decided by people"
    passed = sum(1 for record in result.records if state_shown(record) is State.PASSED)
    return f"{passed} of {len(result.records) + missing} checks passed"


def _approvals(result: BoxResult, missing: list[str]) -> list[tuple[str, str]]:
    """Return role and words of every approval that is still awaited: the box's reasons, or else its checks without record."""
    if result.state is State.PASSED:
        return []
    lines = [
        (role or words, words if role else "open") for role, _, words in (reason.rpartition(": ") for reason in result.reasons)
    ]
    awaited = missing or ([] if result.records else list(_ROLES))
    return lines or [(_role(role), "awaiting approval") for role in awaited]


def _role(ident: str) -> str:
    words = [word for word in ident.split("_") if word not in {"approval", "approved", "by"}] or [ident]
    return " ".join(_SPELT.get(word, word.capitalize()) for word in words)


def _missing(check: str) -> RecordView:
    reason = "No record of this check counts for this target: it was not run."
    return RecordView("", check, "", State.NOT_RUN, STATES[State.NOT_RUN], reason, [], (), [], 0, opened=False)


def _record(record: Record, bounds: Bounds) -> RecordView:
    ordered = worst_first(record.findings)
    bad = [finding for finding in ordered if finding.outcome is not Outcome.HEALTHY]
    good = [finding for finding in ordered if finding.outcome is Outcome.HEALTHY]
    shown = bad[: bounds.open] + good[: bounds.healthy]
    state = state_shown(record)
    return RecordView(
        id=record.id,
        check=record.check,
        title=record.title,
        state=state,
        words=STATES[state],
        why=_own_reason(record),
        facts=_record_facts(record),
        raw=record.raw,
        findings=[_finding(finding) for finding in shown],
        hidden=len(ordered) - len(shown),
        opened=state is not State.PASSED,
    )


def _own_reason(record: Record) -> str:
    """Return the record's own reason, unless its findings say the same."""
    reason = why(record)
    return "" if reason in {finding.why for finding in record.findings} else reason


def _record_facts(record: Record) -> list[tuple[str, str]]:
    spent = elapsed_ms(record.started_at, record.finished_at)
    return [
        ("Started", moment(record.started_at)),
        ("Finished", moment(record.finished_at) if record.finished_at is not None else "never"),
        ("Took", duration(spent) if spent is not None else "unknown"),
        ("Measured on", f"{record.target.name} ({record.target.kind})"),
        ("With", f"capliquify_ops {record.tool.version}, Python {record.tool.python}"),
        ("Run", record.run),
        ("Record", f"records/{record.id}.json"),
    ]


def _finding(finding: Finding) -> FindingView:
    evidence, limit, witness = finding.evidence, finding.limit, finding.witness
    return FindingView(
        state=state_of(finding.outcome),
        outcome=finding.outcome.value.replace("_", " ").capitalize(),
        severity=finding.severity.value if finding.outcome is Outcome.FAILING else "",
        subject_kind=finding.subject.kind.value,
        subject=finding.subject.name,
        why=finding.why,
        measured=[(label(key), quantity(value, unit_of(key))) for key, value in finding.measured.items()],
        limit=bound(limit, _unit(finding)) if limit else "",
        limit_source=limit.source if limit else "",
        coverage=f"{finding.examined:,} of {finding.eligible:,}",
        partial=finding.examined < finding.eligible,
        asked=evidence.asked,
        of=evidence.of,
        at=moment(evidence.at),
        elapsed=duration(evidence.elapsed_ms),
        raw=evidence.raw,
        witness=witness.lines if witness else (),
        look=witness.look if witness else "",
        tenants=finding.tenants,
        notes=_notes(finding),
    )


def _unit(finding: Finding) -> str:
    """Return the unit of the limit: that of the measured values where they agree on one."""
    numeric = {unit_of(key) for key, value in finding.measured.items() if _is_number(value)}
    return numeric.pop() if len(numeric) == 1 else ""


def _is_number(value: Scalar) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _notes(finding: Finding) -> list[tuple[str, str]]:
    notes = [("Strength of evidence", finding.grade.value if finding.grade else "")]
    notes += [("Remedy", f"capliquify-ops remedy plan {finding.remedy}" if finding.remedy else "")]
    notes += [("Escalate to", finding.escalation.value.upper() if finding.escalation else "")]
    return [(name, text) for name, text in notes if text]


def _commands(decision: Decision) -> list[str]:
    target = shlex.quote(visible(decision.target.name))
    return [f"capliquify-ops readiness --target {target}", f"capliquify-ops signoff verify --target {target}"]
