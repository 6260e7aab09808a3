"""Do the ledgers of migrations tell the truth? What each tenant's says, against what the others' say and how it is built."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from types import MappingProxyType

from capliquify_ops.configuration import Limits, Profile
from capliquify_ops.database import Session
from capliquify_ops.integrity.chunks import select_grant
from capliquify_ops.integrity.faults import Fault, Faults, Question, Rule
from capliquify_ops.integrity.ledger_groups import (
    AHEAD,
    BEHIND,
    DENIED,
    FAILED,
    LYING,
    MISSING,
    OTHER,
    STRAY,
    Compared,
    LedgerRows,
    absent,
    compared,
    settled,
)
from capliquify_ops.integrity.ledger_reading import TOOLS, Ledger
from capliquify_ops.integrity.ledger_rows import GROUPS_COMPARED, read_rows
from capliquify_ops.integrity.observing import inconclusive, runner
from capliquify_ops.integrity.registry_access import require_registry
from capliquify_ops.model.finding import Evidence, Finding, Scalar, Subject, SubjectKind, Witness
from capliquify_ops.model.names import check_id
from capliquify_ops.model.outcome import Grade, Outcome, Severity
from capliquify_ops.model.roles import Roles

CHECK = check_id("migration_ledgers")
_GRACE = "provisioning_grace_s"
_TOLD = 20
RULES = MappingProxyType(
    {
        FAILED: Rule(
            Severity.HIGH,
            "{object} failed or was left unfinished in {where}, so nobody knows what is there: look, repair, and have the tool"
            " mark it as done or undone.",
        ),
        MISSING: Rule(
            Severity.HIGH, "There is no {object} in {where}: {detail}. Nothing says what was applied there, and nothing will be."
        ),
        STRAY: Rule(
            Severity.MEDIUM, "There is a ledger {object} in {where} that most tenants do not have: {detail}. Whose is it?"
        ),
        DENIED: Rule(
            Severity.HIGH,
            "By {object} {where} is as the others are, and by its structure it is not: {detail}. Something was changed by hand,"
            " or marked as done and not done: bring the structure in line.",
        ),
        BEHIND: Rule(
            Severity.MEDIUM, "By {object} {where} is behind most tenants, and so is its structure: {detail}. Migrate it."
        ),
        AHEAD: Rule(
            Severity.MEDIUM,
            "By {object} {where} is ahead of most tenants, and so is its structure: {detail}. Migrate the others.",
        ),
        OTHER: Rule(
            Severity.MEDIUM,
            "By {object} {where} is not where most tenants are, nor is its structure: {detail}. Migrate who is behind.",
        ),
        LYING: Rule(
            Severity.MEDIUM,
            "{object} of {where} differs from most tenants' while the structure does not: {detail}. Either migrations of data"
            " were left out, or the ledger is wrong and the next migration will fail: look, then run or mark them.",
            Grade.STRONG,
        ),
    }
)
_QUESTION = Question(
    CHECK, (), RULES, "What the ledgers of all {tenants} tenants say is applied is alike, and so are the structures that it made."
)


def measure(session: Session, *, profile: Profile, roles: Roles) -> LedgerRows:
    """Read ledgers and structures, within the open transaction; locks on tables are given back chunk by chunk.

    Raises PrivilegeMissing when the registry is not fully readable.
    """
    require_registry(session, profile.registry, roles.owner)
    return read_rows(session, profile.registry)


def judge(rows: LedgerRows, limits: Limits, evidence: Evidence) -> tuple[Finding, ...]:
    """Return one finding per ledger and kind of fault and one for what could not be told, or a healthy or inapplicable one."""
    tenants = {each.tenant: each.age_s for each in rows.found}
    if tenants and not any(each.tool for each in rows.found):
        return (_inapplicable(len(tenants), evidence),)
    parts = [compared(settled(each for each in rows.ledgers if each.tool == tool), rows) for tool in TOOLS]
    found = [*absent(rows.found, tenants), *(fault for part in parts for fault in part.faults)]
    # What is being signed up right now may have half a ledger, or none: it is asked again later.
    grace = limits.number(_GRACE)
    unready = {fault.schema for fault in found if tenants[fault.schema] < grace}
    eligible = tenants.keys() - unready
    faults = [*_failed(rows.ledgers), *(fault for fault in found if fault.schema in eligible)]
    measured = _measured(rows, parts, len(unready))
    findings = [
        replace(each, measured=measured) for each in _QUESTION.judge(Faults(len(eligible), tuple(faults)), limits, evidence)
    ]
    if eligible and (unknown := _unknown(rows, parts, is_alone=len(eligible) == 1)):
        findings = [finding for finding in findings if finding.outcome is not Outcome.HEALTHY]
        examined = eligible & {each.tenant for each in rows.ledgers}
        findings.append(_could_not_tell(unknown, evidence, measured, (len(examined), len(eligible))))
    return tuple(findings)


run = runner(CHECK, f"{CHECK}, {CHECK}_digest, {CHECK}_entries, fingerprint, definitions", measure, judge)


def _failed(ledgers: Iterable[Ledger]) -> list[Fault]:
    return [Fault(each.tenant, FAILED, f"{each.relation} {each.failed}", "") for each in ledgers if each.failed]


def _unknown(rows: LedgerRows, parts: Iterable[Compared], *, is_alone: bool) -> list[str]:
    """Return what keeps the check from an answer, what a grant would change first."""
    hidden = [each for each in rows.found if each.tool and each.is_filtered]
    running = [each for each in rows.ledgers if each.running]
    unlike = [tenant for part in parts for tenant in part.unknown]
    return [
        *(select_grant(rows.role, each.tenant, each.relation) for each in rows.found if each.tool and not each.may_select),
        *(f"row security hides rows of {each.tenant}.{each.relation} from {rows.role}: give it BYPASSRLS" for each in hidden),
        *rows.unread,
        *(f"{each.tenant}.{each.relation}: {each.running} may still be running, run the check again later" for each in running),
        *(f"{tenant}: not compared, it was dropped or {GROUPS_COMPARED} others differ already" for tenant in unlike),
        *(["One tenant's ledger has none to be compared with"] if is_alone else []),
    ]


def _could_not_tell(unknown: list[str], evidence: Evidence, measured: Mapping[str, Scalar], coverage: tuple[int, int]) -> Finding:
    examined, eligible = coverage
    why = f"{measured['ledgers_examined']} of {measured['ledgers']} ledgers could be compared: {unknown[0]}"
    why += f" (and {len(unknown) - 1} more)." if len(unknown) > 1 else "."
    finding = inconclusive(CHECK, evidence, why, examined=examined, eligible=eligible)
    return replace(finding, measured=measured, witness=Witness(tuple(unknown[:_TOLD])))


def _inapplicable(tenants: int, evidence: Evidence) -> Finding:
    names = ", ".join(sorted({tool.relation for tool in TOOLS.values()}))
    return Finding(
        check=CHECK,
        subject=Subject(SubjectKind.DATABASE, evidence.of),
        outcome=Outcome.NOT_APPLICABLE,
        severity=Severity.INFO,
        evidence=evidence,
        why=f"None of the {tenants} tenants keeps a ledger of migrations in its schema ({names}), so there is none to be wrong.",
        examined=tenants,
        eligible=tenants,
        measured=MappingProxyType({"ledgers": 0}),
        grade=Grade.PROOF,
    )


def _measured(rows: LedgerRows, parts: Sequence[Compared], in_progress: int) -> Mapping[str, Scalar]:
    return MappingProxyType(
        {
            "ledgers": sum(bool(each.tool) for each in rows.found),
            "ledgers_examined": len(rows.ledgers) - sum(len(part.unknown) for part in parts),
            "ledgers_running": sum(bool(each.running) for each in rows.ledgers),
            "different_ledgers": len({(each.tool, each.digest) for each in rows.ledgers}),
            "histories_differing": sum(len(part.histories) for part in parts),
            "tenants_in_progress": in_progress,
        }
    )
