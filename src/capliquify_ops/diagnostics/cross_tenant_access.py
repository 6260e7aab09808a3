"""By which ways can one tenant reach another's rows? What the catalogue shows of it, over the one connection of a diagnosis.

Whether a pooler swaps sessions takes more than one to find out: that is the check session_pooling.
"""

from collections.abc import Iterable, Mapping, Sequence

from capliquify_ops.configuration import Limits, Target
from capliquify_ops.database import Session
from capliquify_ops.diagnostics.inquiry import Answers, Inquiry, Issue, Questions, sources_of
from capliquify_ops.integrity import (
    access_rights,
    cross_references,
    function_safety,
    identifier_safety,
    shadowed_objects,
)
from capliquify_ops.integrity.fleet_check import check_fleet
from capliquify_ops.model.diagnosis import Cause, Source
from capliquify_ops.model.finding import Finding, Level
from capliquify_ops.model.outcome import Outcome, Severity
from capliquify_ops.model.protocols import Clock

NAME = "cross-tenant-access"
CATALOGUE = "catalogue"
WAYS: Mapping[str, str] = {
    identifier_safety.CHECK: "Take the setting back, and end the sessions that began with it.",
    access_rights.CHECK: "Take the rights back: capliquify-ops fleet repair access_rights --plan",
    cross_references.CHECK: "Look at what was read through it, then drop it.",
    function_safety.CHECK: "Pin the path of the function: capliquify-ops fleet repair function_safety --plan",
    shadowed_objects.CHECK: "Bring the tenants up to date that read the shared object: capliquify-ops fleet repair --plan",
}
"""Checks whose findings are such ways, those that need no further step first, each with what closes it."""
_SEVERE = (Severity.CRITICAL, Severity.HIGH)
_LINES = 5


def ask(inquiry: Inquiry) -> Questions:
    """Return what can be asked: what the catalogue shows of ways from tenant to tenant."""
    target, limits, clock = inquiry.target, inquiry.limits, inquiry.clock
    return Questions(database={CATALOGUE: lambda session: (gather(session, target, limits, clock), "")})


def explain_answers(answers: Answers, inquiry: Inquiry) -> tuple[Cause, ...]:
    """Return a cause for each way that is open."""
    del inquiry  # a way is open or is not
    return explain(answers[CATALOGUE].value or ())


def tell(answers: Answers) -> tuple[Source, ...]:
    """Return what each check said, or why the catalogue could not be read."""
    asked = answers[CATALOGUE]
    return sources(asked.value) if asked.source.answered else sources_of(answers)


def gather(session: Session, target: Target, limits: Limits, clock: Clock) -> tuple[Finding, ...]:
    """Make the checks, each in transactions of its own."""
    return check_fleet(session, limits, clock, profile=target.profile, roles=target.roles, only=WAYS)


def explain(findings: Iterable[Finding]) -> tuple[Cause, ...]:
    """Return a cause for each way that is open: the critical ones first, and of these what needs no further step.

    All of it is for the highest level: whoever is on call does not decide alone whether customers' rows were seen.
    """
    places = list(WAYS)
    open_ = [each for each in findings if each.outcome is Outcome.FAILING and each.severity in _SEVERE]
    open_.sort(
        key=lambda each: (_SEVERE.index(each.severity), places.index(each.check), -(each.tenants.count if each.tenants else 0))
    )
    return tuple(_cause(each) for each in open_)


def sources(findings: Sequence[Finding]) -> tuple[Source, ...]:
    """Return what each check said, and which could not tell."""
    return tuple(_source(name, [each for each in findings if each.check == name]) for name in WAYS)


def _cause(finding: Finding) -> Cause:
    tenants = finding.tenants.sample if finding.tenants else ()
    suspend = "If rows were seen: capliquify-ops tenant suspend SLUG. " if tenants else ""
    return Cause(
        f"{finding.check}: {finding.subject.name}",
        finding.why,
        finding.witness.lines[:_LINES] if finding.witness else (),
        f"{suspend}{WAYS[finding.check]} Then: capliquify-ops diagnose {NAME}",
        tenants=tenants,
        level=Level.L3,
    )


def _source(name: str, findings: Sequence[Finding]) -> Source:
    unknown = [each.why for each in findings if each.outcome in {Outcome.INCONCLUSIVE, Outcome.ERROR}]
    failing = sum(each.outcome is Outcome.FAILING for each in findings)
    says = unknown[0] if unknown else f"{failing} at fault" if failing else findings[0].why
    return Source(name, answered=not unknown, says=says, elapsed_ms=findings[0].evidence.elapsed_ms)


ISSUE = Issue(NAME, "By which ways can one tenant reach another's rows?", ask, explain_answers, tell=tell)
