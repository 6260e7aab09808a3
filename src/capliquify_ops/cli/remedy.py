"""remedy list · plan · run · trail"""

import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer

from capliquify_ops.cli.confirm import proceeds
from capliquify_ops.cli.lifecycle import verification_of
from capliquify_ops.cli.options import AsJson, ConfigFile, EvidenceDir, TargetName, Yes, settings_of
from capliquify_ops.cli.output import document, line, note, table
from capliquify_ops.configuration import Settings, Target
from capliquify_ops.configuration.given_secret import given_secret
from capliquify_ops.configuration.system import SystemClock, dice, new_id, this_actor
from capliquify_ops.database.dsn import secret_parts
from capliquify_ops.evidence.canonical import plain
from capliquify_ops.evidence.redaction import Redactor
from capliquify_ops.model.errors import ConfigurationInvalid
from capliquify_ops.model.secret import Secret
from capliquify_ops.preflight.addresses import require_loopback
from capliquify_ops.remedies.acting import Context, Options, Prepared, Remedy, Report, State
from capliquify_ops.remedies.action_log import ENDED, FILE, STARTED, ActionLog, Line
from capliquify_ops.remedies.catalogue import REMEDIES, remedy_of
from capliquify_ops.remedies.taking import take

Name = Annotated[str, typer.Argument(help="A remedy; see: remedy list.")]
Arguments = Annotated[list[str] | None, typer.Argument(metavar="[ARGUMENT]...", help="A tenant, tables, a key.")]
Over = Annotated[float | None, typer.Option("--over", min=0, metavar="SECONDS", help="Idle for longer than this.")]
Role = Annotated[str | None, typer.Option("--role", help="Sessions of this role; default: the target's app role.")]
Pid = Annotated[int | None, typer.Option("--pid", min=1, help="The session's process id.")]
Terminate = Annotated[bool, typer.Option("--terminate", help="End the session, not its statement alone.")]
Deploy = Annotated[str | None, typer.Option("--deploy", metavar="ID", help="The deploy to go back to.")]
DeployNow = Annotated[bool, typer.Option("--deploy-now", help="Deploy what is live again, with the variable.")]
ValueFile = Annotated[
    Path | None, typer.Option("--value-file", metavar="FILE", help="The value is this file's text, without its last line break.")
]
ValueEnv = Annotated[str | None, typer.Option("--value-env", metavar="VARIABLE", help="The value is in this variable.")]
Reason = Annotated[str | None, typer.Option("--reason", help="Why; the audit keeps it.")]
Within = Annotated[float | None, typer.Option("--within", min=1, metavar="SECONDS", help="How long to watch it.")]
Processes = Annotated[int | None, typer.Option("--processes", min=1, help="Processes of the service, each with a pool.")]
LogFile = Annotated[
    Path | None, typer.Option("--log", metavar="FILE", help=f"The log of actions; default: {FILE} in the evidence folder.")
]


def list_(config: ConfigFile = None, evidence_dir: EvidenceDir = None, log: LogFile = None, json: AsJson = False) -> None:
    """List the remedies, and actions that have begun and not ended."""
    actions = _log(settings_of(config, evidence_dir), log, ())
    open_ = actions.unfinished()
    if json:
        document(
            {"remedies": [_row(each) for each in REMEDIES.values()], "unfinished": [_unfinished(actions, each) for each in open_]}
        )
        return
    table(("REMEDY", "NEEDS", "TAKES"), [(each.name, each.needs, each.usage()) for each in REMEDIES.values()])
    line()
    for each in REMEDIES.values():
        line(f"{each.name}: {each.text} ({', '.join(each.issues)})")
    for said in _said_of(actions, open_):
        line(said)


def plan(
    name: Name,
    arguments: Arguments = None,
    over: Over = None,
    role: Role = None,
    pid: Pid = None,
    terminate: Terminate = False,
    deploy: Deploy = None,
    deploy_now: DeployNow = False,
    value_file: ValueFile = None,
    value_env: ValueEnv = None,
    reason: Reason = None,
    within: Within = None,
    processes: Processes = None,
    config: ConfigFile = None,
    target: TargetName = None,
    evidence_dir: EvidenceDir = None,
    log: LogFile = None,
    json: AsJson = False,
) -> None:
    """Print what a remedy would do, and change nothing."""
    value = given_secret(value_file, value_env)
    options = Options(tuple(arguments or ()), over, role, pid, terminate, deploy, deploy_now, value, reason, within, processes)
    asked = _asked(name, options, config, target, evidence_dir, log)
    prepared = asked.remedy.prepare(asked.context, asked.options)
    open_ = asked.unfinished()
    if json:
        document({"plan": prepared.plan, "unfinished": [_unfinished(asked.actions, each) for each in open_]})
        return
    proceeds(prepared.plan, prepared.plan.subject, plan_only=True, yes=False, json=False)
    if not prepared.plan.steps:
        line("nothing to do")
    for said in _said_of(asked.actions, open_):
        line(said)


def run(
    name: Name,
    arguments: Arguments = None,
    over: Over = None,
    role: Role = None,
    pid: Pid = None,
    terminate: Terminate = False,
    deploy: Deploy = None,
    deploy_now: DeployNow = False,
    value_file: ValueFile = None,
    value_env: ValueEnv = None,
    reason: Reason = None,
    within: Within = None,
    processes: Processes = None,
    config: ConfigFile = None,
    target: TargetName = None,
    evidence_dir: EvidenceDir = None,
    log: LogFile = None,
    json: AsJson = False,
    yes: Yes = False,
) -> None:
    """Do what the plan shows, look whether it is done, and diagnose again. Ends with 1 when it did not help.

    It ends with 17 when that cannot be told, or nothing of the plan fitted any more.
    """
    value = given_secret(value_file, value_env)
    options = Options(tuple(arguments or ()), over, role, pid, terminate, deploy, deploy_now, value, reason, within, processes)
    asked = _asked(name, options, config, target, evidence_dir, log)
    for said in _said_of(asked.actions, asked.unfinished()):
        note(said)
    prepared = asked.remedy.prepare(asked.context, asked.options)
    if asked.remedy.is_told_only or not prepared.plan.steps:
        proceeds(prepared.plan, prepared.plan.subject, plan_only=True, yes=False, json=json)
        note("nothing to do" if not prepared.plan.steps else "nothing is changed by this remedy")
        return
    proceeds(prepared.plan, prepared.plan.subject, plan_only=False, yes=yes, json=json)
    report = take(asked.remedy, prepared, asked.context, asked.actions)
    _show(prepared, report, json=json)
    raise typer.Exit(report.exit_code)


def trail(
    config: ConfigFile = None,
    evidence_dir: EvidenceDir = None,
    log: LogFile = None,
    most: Annotated[int, typer.Option("--last", min=1, help="So many actions, the newest last.")] = 20,
    json: AsJson = False,
) -> None:
    """Show what was done: the log of actions on this machine, its chain checked."""
    actions = _log(settings_of(config, evidence_dir), log, ())
    lines = actions.lines()
    begun = [each for each in lines if each.kind == STARTED][-most:]
    last = {each.action: each for each in lines if each.kind != STARTED}
    if json:
        found = [{"started": plain(each), "ended": plain(last.get(each.action))} for each in begun]
        document({"actions": found, "lines": len(lines)})
        return
    rows = [_trail_row(each, last.get(each.action)) for each in begun]
    table(("AT", "REMEDY", "TARGET", "BY", "ENDED", "HELPED", "DATABASE AUDIT"), rows)
    line(f"{len(lines)} lines, each sealed and chained to the one before: none was changed")
    for said in _said_of(actions, actions.unfinished()):
        line(said)


@dataclass(frozen=True, slots=True)
class _Asked:
    """What `plan` and `run` are given."""

    remedy: Remedy
    options: Options
    context: Context
    actions: ActionLog

    def unfinished(self) -> tuple[Line, ...]:
        """Return actions of this remedy on this target that have begun and not ended."""
        own = (self.remedy.name, self.context.target.name)
        return tuple(each for each in self.actions.unfinished() if (each.remedy, each.target) == own)


def _asked(
    name: str, options: Options, config: Path | None, target: str | None, evidence_dir: Path | None, log: Path | None
) -> _Asked:
    remedy, settings = remedy_of(name), settings_of(config, evidence_dir)
    chosen = settings.target(target, observing=False)
    require_loopback(chosen)
    context = Context(
        chosen,
        settings.limits,
        SystemClock(),
        dice,
        time.sleep,
        this_actor(),
        new_id,
        lambda session, key: verification_of(session, chosen, key),
        note,
    )
    secrets = [*_secrets(chosen), *([options.value.reveal()] if options.value else [])]
    return _Asked(remedy, options, context, _log(settings, log, secrets))


def _log(settings: Settings, log: Path | None, secrets: Iterable[str]) -> ActionLog:
    return ActionLog(log or settings.evidence_dir / FILE, Redactor(secrets))


def _secrets(target: Target) -> Iterator[str]:
    for url in filter(None, (target.database_url, target.operator_url)):
        yield from _parts(url)
    for each in target.integrations.values():
        for secret in each.secrets.values():
            yield secret.reveal()


def _parts(url: Secret) -> list[str]:
    try:
        return secret_parts(url)
    except ConfigurationInvalid:
        return [url.reveal()]


def _row(remedy: Remedy) -> dict[str, object]:
    shown = {"name": remedy.name, "text": remedy.text, "issues": remedy.issues, "needs": remedy.needs}
    return {**shown, "usage": remedy.usage(), "changes": not remedy.is_told_only}


def _unfinished(actions: ActionLog, one: Line) -> dict[str, object]:
    names = {"action": one.action, "remedy": one.remedy, "target": one.target, "actor": one.actor, "at": one.at}
    return {**names, "plan_digest": one.plan_digest, "is_running": actions.is_running(one)}


def _said_of(actions: ActionLog, found: Sequence[Line]) -> Iterator[str]:
    for each in found:
        how = (
            "it runs just now"
            if actions.is_running(each)
            else "its program ended in between, so what it did is not known: look, then run it again"
        )
        yield f"UNFINISHED  {each.remedy} on {each.target!r}, begun at {each.at} by {each.actor} ({each.action}): {how}"


def _show(prepared: Prepared, report: Report, *, json: bool) -> None:
    if json:
        document({"plan": prepared.plan, "report": report})
        return
    line(f"{report.remedy}: {report.state.value}")
    if report.fault:
        line(f"  FAILED: {report.fault}")
    for name, value in report.changed.items():
        line(f"  {name}: {', '.join(map(str, value)) if isinstance(value, list) else value}")
    for each in report.left:
        line(f"  left alone: {each}")
    if report.state is State.DONE:
        line(f"  {'verified' if report.verified.holds else 'NOT VERIFIED'}: {report.verified.says}")
    line(f"  {report.helped}: {report.why}")
    line(f"  audit: here, action {report.action}; database: {report.database}")


def _trail_row(begun: Line, ended: Line | None) -> tuple[str, ...]:
    content = ended.content if ended else {}
    state = str(content.get("state", "")) if ended and ended.kind == ENDED else "lost" if ended else "not yet"
    database = str(content.get("database", ""))
    return (begun.at, begun.remedy, begun.target, begun.actor, state, str(content.get("helped", "")), database.partition(":")[0])
