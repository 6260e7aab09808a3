"""Take an action: alone, logged before and after, looked at, diagnosed again, and told to the database where that answers."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, fields, replace

from capliquify_ops.configuration.system import stamp
from capliquify_ops.database import SessionLimits, load, operator
from capliquify_ops.diagnostics.diagnose import ISSUES, diagnose
from capliquify_ops.diagnostics.inquiry import Inquiry
from capliquify_ops.model.decision import ExitCode
from capliquify_ops.model.errors import EvidenceDamaged, EvidenceUnwritable, OpsError
from capliquify_ops.remedies.acting import Acted, Context, Facts, PartlyDone, Prepared, Remedy, Report, State, Verified
from capliquify_ops.remedies.action_log import ENDED, LOST, STARTED, Action, ActionLog, Line
from capliquify_ops.remedies.helping import NOT_HELPED, UNTOLD, Diagnoses, Effect, causes_of, effect_of
from capliquify_ops.tenants.audit import plan_digest

_AUDIT = "SELECT pg_catalog.to_regclass('capliquify_ops.audit') IS NOT NULL"
_QUICK = SessionLimits(statement_ms=5_000, lock_ms=1_000, idle_ms=10_000)
WRITTEN = "written"
_NOT_LOOKED_AT = Verified(None, "not looked at")


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


@dataclass(frozen=True, slots=True)
class _Did:
    """What came of the act, and of the look at it."""

    acted: Acted
    verified: Verified = _NOT_LOOKED_AT
    fault: OpsError | None = None

    @property
    def state(self) -> State:
        """How it ended."""
        return State.FAILED if self.fault else State.DONE if self.acted.is_done else State.REFUSED


def _taken(one: _Running, before: Diagnoses) -> Report:
    """Act, look and diagnose. Whatever stops it in between, the log has what was done by then."""
    did = _Did(Acted(is_done=False))
    try:
        did = _acted(one)
        if did.state is State.DONE:
            did = replace(did, verified=_verified(one, did.acted))
        effect = Effect(causes_of(before), None, UNTOLD, "Nothing was changed.")
        if did.state is not State.REFUSED:
            effect = effect_of(before, _diagnosed(one.remedy, one.context))
        report = _report(one, did, effect)
        report = replace(report, database=_told_to_database(one, one.log.masked(_facts(report))))
    except BaseException as error:
        how = "all of it was done" if did.state is State.DONE else "it may be half done"
        why = f"interrupted ({type(error).__name__}): {how}"
        changed = json.dumps(one.log.masked(did.acted.changed))
        one.context.tell(f"{why}; changed, as far as is known: {changed}; see: capliquify-ops remedy trail")
        content = {"state": State.FAILED, "changed": did.acted.changed, "left": did.acted.left, "fault": why}
        _end(one, State.FAILED, did.acted, content)
        raise
    _end(one, report.state, did.acted, _facts(report))
    return report


def _acted(one: _Running) -> _Did:
    try:
        return _Did(one.prepared.act())
    except OpsError as error:
        return _Did(Acted(error.changed if isinstance(error, PartlyDone) else Acted().changed), fault=error)


def _verified(one: _Running, acted: Acted) -> Verified:
    """Look whether what was done shows; that one cannot look undoes nothing of it."""
    try:
        return one.prepared.verify(acted)
    except OpsError as error:
        return Verified(None, f"it could not be looked at: {error.what}")


def _report(one: _Running, did: _Did, effect: Effect) -> Report:
    return Report(
        one.action.id,
        one.action.remedy,
        one.action.target,
        one.action.plan_digest,
        did.state,
        did.acted.changed,
        did.acted.left,
        did.verified,
        effect.before,
        effect.after,
        effect.verdict,
        effect.why,
        "",
        str(did.fault) if did.fault else "",
        _code(did, effect),
    )


def _end(one: _Running, state: State, acted: Acted, content: Mapping[str, object]) -> None:
    """Log the end. Raises what logging it raises, with what was done: that is not undone by it."""
    try:
        one.log.append(ENDED, one.action, stamp(one.context.clock.now()), content)
    except (EvidenceUnwritable, EvidenceDamaged) as fault:
        changed = json.dumps(one.log.masked(acted.changed))
        message = f"The action {one.action.id} ended as {state}, changed {changed}, which could not be logged: {fault.what}"
        raise type(fault)(message, hint="See what it did: capliquify-ops diagnose") from None


def _facts(report: Report) -> dict[str, object]:
    """Return what the log keeps of a report beside the names that each line has."""
    apart = {"action", "remedy", "target", "plan_digest", "exit_code"}
    return {each.name: getattr(report, each.name) for each in fields(report) if each.name not in apart}


def _diagnosed(remedy: Remedy, context: Context) -> Diagnoses:
    """Ask the issues of a remedy that this version knows; nobody is kept from acting by a diagnosis that fails."""
    if not (known := [issue for issue in remedy.issues if issue in ISSUES]):
        return ()
    try:
        return diagnose(Inquiry(context.target, context.limits, context.clock, context.dice), known)
    except Exception as error:  # noqa: BLE001 -- a mistake in a diagnosis must hide neither the action nor its end
        context.tell(f"the diagnosis could not be made: {error if isinstance(error, OpsError) else type(error).__name__}")
        return None


def _code(did: _Did, effect: Effect) -> int:
    if did.fault is not None:
        return did.fault.fault.exit_code if isinstance(did.fault, PartlyDone) else did.fault.exit_code
    if did.state is State.REFUSED:
        return ExitCode.INCONCLUSIVE
    if did.verified.holds is False or effect.verdict == NOT_HELPED:
        return ExitCode.FAILING
    return ExitCode.INCONCLUSIVE if did.verified.holds is None or effect.is_open else ExitCode.READY


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
