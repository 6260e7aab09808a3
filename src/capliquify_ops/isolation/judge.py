"""The one judge of every scenario and control: probes in, finding out. Pure."""

import hashlib
from collections.abc import Iterable, Sequence

from capliquify_ops.isolation.catalogue import Control
from capliquify_ops.isolation.probe import Probe
from capliquify_ops.model.finding import SAMPLE_OF_TENANTS, Evidence, Finding, Level, Spread, Subject, Witness
from capliquify_ops.model.outcome import Grade, Outcome, Severity

MOST_LINES = 20
"""A witness names at most this many violations, each after its control; the measured counts tell how many there were."""


def judge(probes: Sequence[Probe], control: Control, subject: Subject, evidence: Evidence) -> Finding:
    """Return the finding of one control's probes.

    In this order: a secret or changed row of another tenant is FAILING whatever else happened; an answer against its
    expectation is FAILING where its positive control succeeded; a failed or missing control, something untried, or no probe
    at all is INCONCLUSIVE; the rest is HEALTHY.
    """
    proofs = [probe for probe in probes if probe.is_proof()]
    counted = [*proofs, *(probe for probe in _counted(probes) if not probe.is_proof())]
    gaps = () if counted else _gaps(probes)
    outcome = Outcome.FAILING if counted else Outcome.INCONCLUSIVE if gaps else Outcome.HEALTHY
    return Finding(
        check=control.check,
        subject=subject,
        outcome=outcome,
        severity=control.severity,
        evidence=evidence,
        why=_why(probes, counted, gaps),
        examined=sum(1 for probe in probes if not probe.untried),
        eligible=len(probes),
        measured={
            "probes": sum(1 for probe in probes if not probe.is_control and not probe.untried),
            "positive_controls": sum(1 for probe in probes if probe.is_control),
            "violations": len(counted),
            "secrets_seen": sum(len(probe.foreign) for probe in probes),
        },
        tenants=_spread(one.tenant for probe in proofs for one in probe.foreign),
        witness=_witness(probes, counted, gaps),
        grade=_grade(probes, outcome, is_proof=bool(proofs)),
        escalation=Level.L3 if _crosses(proofs, control) else None,
    )


def _crosses(proofs: Sequence[Probe], control: Control) -> bool:
    """Whether tenants were mixed: that wakes everybody at once, a wrong role inside one tenant does not."""
    return any(probe.foreign for probe in proofs) or (bool(proofs) and control.severity is Severity.CRITICAL)


def _passed_controls(probes: Sequence[Probe]) -> frozenset[str]:
    failed = {probe.name for probe in probes if probe.is_control and (probe.violation() or probe.untried)}
    return frozenset(probe.name for probe in probes if probe.is_control) - failed


def _counted(probes: Sequence[Probe]) -> list[Probe]:
    """Violations that mean something: without its control a refusal and a broken service look alike."""
    passed = _passed_controls(probes)
    return [
        probe for probe in probes if not probe.is_control and probe.violation() and (not probe.needs or probe.needs in passed)
    ]


def _gaps(probes: Sequence[Probe]) -> tuple[str, ...]:
    if not any(not probe.is_control and not probe.untried for probe in probes):
        refused = [probe.untried for probe in probes if probe.untried]
        return tuple(refused) or tuple(_failed_controls(probes)) or ("nothing was tried",)
    controls = {probe.name for probe in probes if probe.is_control}
    needed = {probe.needs for probe in probes if probe.needs}
    # A measure that stopped says why before what is missing for it.
    return (
        *_failed_controls(probes),
        *(f"{probe.name}: {probe.untried}" for probe in probes if probe.untried and not probe.is_optional),
        *(f"the positive control {name!r} is missing" for name in sorted(needed - controls)),
    )


def _failed_controls(probes: Sequence[Probe]) -> list[str]:
    failed = [probe for probe in probes if probe.is_control and probe.violation()]
    return [f"the positive control failed, {probe.line()}" for probe in failed]


def _why(probes: Sequence[Probe], counted: Sequence[Probe], gaps: Sequence[str]) -> str:
    if counted:
        more = f" ({len(counted)} probes in all)" if len(counted) > 1 else ""
        return f"{counted[0].line()}{more}."
    if gaps:
        return f"Could not tell: {gaps[0].rstrip('.')}."
    tried = sum(1 for probe in probes if not probe.is_control and not probe.untried)
    left = [probe for probe in probes if probe.untried]
    rest = f" Not tried: {left[0].name} ({left[0].untried.rstrip('.')})." if left else ""
    return f"All {tried} probes were answered as expected.{rest}"


def _witness(probes: Sequence[Probe], counted: Sequence[Probe], gaps: Sequence[str]) -> Witness | None:
    if gaps:
        return Witness(tuple(gaps[:MOST_LINES]))
    if not counted:
        return None
    controls = {probe.name: probe.line() for probe in probes if probe.is_control}
    lines: list[str] = []
    for probe in counted[:MOST_LINES]:
        lines += [controls.pop(probe.needs)] if probe.needs in controls else []
        lines += [probe.line(), *(f"  {line}" for line in probe.story)]
    return Witness(tuple(lines))


def _grade(probes: Sequence[Probe], outcome: Outcome, *, is_proof: bool) -> Grade | None:
    if outcome is Outcome.INCONCLUSIVE:
        return None
    if is_proof:
        return Grade.PROOF
    is_partial = outcome is Outcome.HEALTHY and any(probe.untried for probe in probes)
    return Grade.WEAK if is_partial else Grade.STRONG


def _spread(tenants: Iterable[str]) -> Spread | None:
    names = sorted(set(tenants))
    if not names:
        return None
    digest = hashlib.sha256("\n".join(names).encode()).hexdigest()
    return Spread(len(names), tuple(names[:SAMPLE_OF_TENANTS]), digest)
