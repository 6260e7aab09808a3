"""Take an action: alone, logged before and after, looked at, diagnosed again, and told to the database where that answers."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace

from capliquify_ops.configuration.system import stamp
from capliquify_ops.database import SessionLimits, load, operator
from capliquify_ops.diagnostics.diagnose import ISSUES, diagnose
from capliquify_ops.diagnostics.inquiry import Inquiry
from capliquify_ops.model.decision import ExitCode
from capliquify_ops.model.diagnosis import Diagnosis
from capliquify_ops.model.errors import EvidenceUnwritable, OpsError
from capliquify_ops.remedies.acting import Acted, Context, Facts, PartlyDone, Prepared, Remedy, Report, State, Verified
from capliquify_ops.remedies.action_log import ENDED, LOST, STARTED, Action, ActionLog, Line
from capliquify_ops.remedies.helping import NOT_HELPED, UNTOLD, Effect, causes_of, effect_of
from capliquify_ops.tenants.audit import plan_digest

_AUDIT = "SELECT pg_catalog.to_regclass('capliquify_ops.audit') IS NOT NULL"
_QUICK = SessionLimits(statement_ms=5_000, lock_ms=1_000, idle_ms=10_000)
WRITTEN = "written"


def take(remedy: Remedy, prepared: Prepared, context: Context, log: ActionLog) -> Report:
    """Do what a plan shows. What goes wrong meanwhile is the report's; what goes wrong before is raised, and nothing is done.

    Raises TenantConflict while the same remedy is at work on the target, EvidenceDamaged and EvidenceUnwritable for the log.
    """
    target, digest = context.target.name, plan_digest(prepared.plan)
    with log.alone(remedy.name, target):
        for line in lost(log, remedy.name, target):
            log.append(LOST, _action_of(line), stamp(context.clock.now()), {"found_by": context.actor})
        before = _diagnosed(remedy, context)
        action = Action(context.new_id(), context.actor, target, remedy.name, digest)
        log.append(STARTED, action, stamp(context.clock.now()), {"plan": prepared.plan, "causes": causes_of(before)})
        return _taken(_Running(action, remedy, prepared, context, log), before)


def lost(log: ActionLog, remedy: str, target: str) -> tuple[Line, ...]:
    """Return what began and did not end, to whom holds the remedy alone: its program is gone."""
    return tuple(line for line in log.unfinished() if (line.remedy, line.target) == (remedy, target))


@dataclass(frozen=True, slots=True)
class _Running:
    """One action on its way."""

    action: Action
    remedy: Remedy
    prepared: Prepared
    context: Context
    log: ActionLog


def _taken(one: _Running, before: Sequence[Diagnosis]) -> Report:
    fault: OpsError | None = None
    acted, verified = Acted(is_done=False), Verified(None, "not looked at")
    try:
        acted = one.prepared.act()
        verified = one.prepared.verify(acted) if acted.is_done else verified
    except OpsError as error:
        fault, acted = error, Acted(error.changed if isinstance(error, PartlyDone) else acted.changed, acted.left)
    except BaseException as error:
        why = f"interrupted ({type(error).__name__}): it may be half done"
        _end(one, {"state": State.FAILED, "changed": acted.changed, "fault": why})
        raise
    state = State.FAILED if fault else State.DONE if acted.is_done else State.REFUSED
    effect = Effect(causes_of(before), None, UNTOLD, "Nothing was changed.")
    if state is not State.REFUSED:
        effect = effect_of(before, _diagnosed(one.remedy, one.context))
    report = Report(
        one.action.id,
        one.action.remedy,
        one.action.target,
        one.action.plan_digest,
        state,
        acted.changed,
        acted.left,
        verified,
        effect.before,
        effect.after,
        effect.verdict,
        effect.why,
        "",
        str(fault) if fault else "",
        _code(state, verified, effect, fault),
    )
    report = replace(report, database=_told_to_database(one, one.log.masked(_facts(report))))
    _end(one, _facts(report))
    return report


def _end(one: _Running, content: Mapping[str, object]) -> None:
    try:
        one.log.append(ENDED, one.action, stamp(one.context.clock.now()), content)
    except EvidenceUnwritable as fault:
        message = f"The action {one.action.id} was taken, and its end could not be logged: {fault.what}"
        raise EvidenceUnwritable(message, hint="See what it did: capliquify-ops diagnose") from None


def _facts(report: Report) -> dict[str, object]:
    """Return what the log keeps of a report beside the names that each line has."""
    apart = {"action", "remedy", "target", "plan_digest", "exit_code"}
    return {each.name: getattr(report, each.name) for each in fields(report) if each.name not in apart}


def _diagnosed(remedy: Remedy, context: Context) -> tuple[Diagnosis, ...]:
    """Ask the issues of a remedy that this version knows; nobody is kept from acting by a diagnosis that fails."""
    if not (known := [issue for issue in remedy.issues if issue in ISSUES]):
        return ()
    try:
        return diagnose(Inquiry(context.target, context.limits, context.clock, context.dice), known)
    except OpsError as error:
        context.tell(f"the diagnosis could not be made: {error}")
        return ()


def _code(state: State, verified: Verified, effect: Effect, fault: OpsError | None) -> int:
    if fault is not None:
        return fault.fault.exit_code if isinstance(fault, PartlyDone) else fault.exit_code
    if state is State.REFUSED:
        return ExitCode.INCONCLUSIVE
    if verified.holds is False or effect.verdict == NOT_HELPED:
        return ExitCode.FAILING
    is_open = effect.verdict == UNTOLD and bool(effect.before)
    return ExitCode.INCONCLUSIVE if verified.holds is None or is_open else ExitCode.READY


def _told_to_database(one: _Running, facts: Facts) -> str:
    """Write the audit's row, or say why there is none: what was done is done, and the log on this machine has it."""
    target = one.context.target
    if target.operator_url is None:
        return f"not written: the target has no operator URL. {target.how_to_set('operator_url_env')}"
    try:
        with operator(target.operator_url, "remedy", pooled=target.pooled, limits=_QUICK) as session, session.transaction():
            if not session.value(_AUDIT):
                return "not written: the ledgers are not installed there. Make them: capliquify-ops tenant install --ops-only"
            session.execute(load("capliquify_ops.remedies", "action_audit"), _row(one, facts))
    except OpsError as error:
        return f"not written: {error.what}"
    return WRITTEN


def _row(one: _Running, facts: Facts) -> dict[str, object]:
    action, tenant = one.action, one.prepared.tenant
    return {
        "actor": action.actor,
        "verb": f"remedy {action.remedy}",
        "tenant": tenant.id if tenant else None,
        "slug": tenant.slug if tenant else None,
        "schema": tenant.schema_name if tenant else None,
        "digest": action.plan_digest,
        "before": json.dumps({"causes": facts["before"], "target": action.target}),
        "after": json.dumps({name: each for name, each in facts.items() if name not in {"before", "database"}}),
        "action": action.id,
    }


def _action_of(line: Line) -> Action:
    return Action(line.action, line.actor, line.target, line.remedy, line.plan_digest)
