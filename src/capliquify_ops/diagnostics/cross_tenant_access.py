"""By which ways can one tenant reach another's rows? What the catalogue shows of it, over the one connection of a diagnosis.

Whether a pooler swaps sessions takes more than one to find out: that is the check session_pooling.
"""

from collections.abc import Iterable, Mapping, Sequence

from capliquify_ops.configuration import Limits, Target
from capliquify_ops.database import Session
from capliquify_ops.diagnostics import cross_tenant_access_log as log
from capliquify_ops.diagnostics.inquiry import Answers, Inquiry, Issue, Questions, sources_of, value_of
from capliquify_ops.diagnostics.outside import ask_clerk
from capliquify_ops.diagnostics.wording import age
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
CATALOGUE, AUDIT_LOG, MEMBERS, CHANGES, PROVIDER = "catalogue", "audit log", "members", "changes of rights", "Clerk"
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
    """Return what can be asked: what the catalogue shows of ways from tenant to tenant, and what the service recorded itself."""
    target, limits, clock = inquiry.target, inquiry.limits, inquiry.clock
    return Questions(
        database={
            AUDIT_LOG: lambda session: log.read_alarms(session, target),
            MEMBERS: lambda session: log.read_members(session, target, ()),
            CHANGES: log.read_changes,
            CATALOGUE: lambda session: (gather(session, target, limits, clock), ""),
        }
    )


def look_closer(answers: Answers, inquiry: Inquiry) -> Questions:
    """Ask the identity provider about new members, and about those of whom the audit log speaks."""
    members: Sequence[log.Member] = value_of(answers, MEMBERS) or ()
    return Questions({PROVIDER: ask_clerk(inquiry, lambda clerk: log.strangers(clerk, members))}) if members else Questions()


def explain_answers(answers: Answers, inquiry: Inquiry) -> tuple[Cause, ...]:
    """Return a cause for what was recorded as seen, for members who are none, and for each way that is open."""
    del inquiry  # it happened or it did not, a way is open or is not
    changes = value_of(answers, CHANGES) or ()
    recorded = _recorded(value_of(answers, AUDIT_LOG) or (), changes)
    unknown = _unknown_members(value_of(answers, PROVIDER) or ())
    return (*recorded, *unknown, *explain(value_of(answers, CATALOGUE) or ()))


def tell(answers: Answers) -> tuple[Source, ...]:
    """Return what each check said, or why the catalogue could not be read, and the other sources."""
    others = {name: each for name, each in answers.items() if name != CATALOGUE}
    asked = answers[CATALOGUE]
    return (*(sources(asked.value) if asked.source.answered else (asked.source,)), *sources_of(others))


def _recorded(alarms: Sequence[log.Alarm], changes: Sequence[log.Change]) -> tuple[Cause, ...]:
    """Return what the service recorded, with what was changed of rights about then."""
    if not alarms:
        return ()
    tenants = log.by_tenant(alarms)
    many, first = sum(each.many for each in alarms), max(each.first_s for each in alarms)
    lines = [
        f"{each.action} of {each.schema or 'no known tenant'} by user {each.user_id or 'unknown'}: {each.many} times,"
        f" first {age(each.first_s)} and last {age(each.last_s)} ago"
        for each in alarms[:_LINES]
    ]
    lines += [f"{age(each.ago_s)} ago: {each.what}" for each in changes[:_LINES]]
    why = f"The service recorded {many} times that users of {len(tenants)} tenants reached for what is not theirs."
    suspend = "Find out whether rows were seen; if so, for each tenant below: capliquify-ops tenant suspend SLUG."
    return (
        Cause(
            "unauthorized access in the audit log",
            why,
            tuple(lines),
            f"{suspend} Then: capliquify-ops diagnose {NAME}",
            tenants=tuple(name for name in tenants if name),
            since_s=first,
            level=Level.L3,
        ),
    )


def _unknown_members(members: Sequence[log.Member]) -> tuple[Cause, ...]:
    if not members:
        return ()
    lines = [f"user {each.user_id} in {each.schema}, let in {age(each.created_s)} ago" for each in members[:_LINES]]
    many = "1 user is" if len(members) == 1 else f"{len(members)} users are"
    why = f"{many} let into a tenant of whose organisation the identity provider says that they are no member."
    undo = "Leave the rows as evidence, and find out who added them; if data was seen: capliquify-ops tenant suspend SLUG"
    return (
        Cause(
            "members of no such organisation",
            why,
            tuple(lines),
            f"{undo}. Then: capliquify-ops diagnose {NAME}",
            tenants=tuple(sorted({each.schema for each in members})),
            since_s=max(each.created_s for each in members),
            level=Level.L3,
        ),
    )


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


ISSUE = Issue(NAME, "By which ways can one tenant reach another's rows?", ask, explain_answers, look_closer, tell)
