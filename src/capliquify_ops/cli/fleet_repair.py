"""fleet repair"""

import random
import re
import time
from dataclasses import asdict, replace
from pathlib import Path
from typing import Annotated

import typer

from capliquify_ops.cli.confirm import proceeds
from capliquify_ops.cli.options import AsJson, ConfigFile, PlanOnly, TargetName, Yes, settings_of
from capliquify_ops.cli.output import document, line, note
from capliquify_ops.configuration import Settings, Target
from capliquify_ops.configuration.system import SystemClock, new_run, new_uuid, this_actor, this_tool
from capliquify_ops.database import observer
from capliquify_ops.model.decision import ExitCode
from capliquify_ops.model.errors import UsageError
from capliquify_ops.model.names import TenantId
from capliquify_ops.preflight.addresses import require_loopback
from capliquify_ops.remedies.access_rights import strangers
from capliquify_ops.remedies.measuring import ALL, Scope, measured
from capliquify_ops.remedies.repair import repair as apply
from capliquify_ops.remedies.repair_job import Archiving, Job, Outcome, Result, State
from capliquify_ops.remedies.repair_plan import Plan
from capliquify_ops.tenants.archive.naming import stamp_of
from capliquify_ops.tenants.waves import Retry

_DURATION = re.compile(r"(\d+(?:\.\d+)?)(ms|s|min)")
_MILLISECONDS = {"ms": 1, "s": 1_000, "min": 60_000}


def repair(
    only: Annotated[list[str] | None, typer.Argument(metavar="[CHECK]...", help=f"Of: {', '.join(ALL)}.")] = None,
    template: Annotated[
        str | None, typer.Option("--template", metavar="SCHEMA", help="What every tenant must equal; default: most of them.")
    ] = None,
    wave: Annotated[
        int | None, typer.Option("--wave", min=1, help="Schemas in each wave after the first one; default: ten times as many.")
    ] = None,
    lock_timeout: Annotated[str, typer.Option("--lock-timeout", metavar="2s", help="How long to wait for a lock.")] = "2s",
    retries: Annotated[int, typer.Option("--retries", min=0, help="How often to wait for it again.")] = 5,
    max_failures: Annotated[int, typer.Option("--max-failures", min=0, help="Steps that may fail before it stops.")] = 0,
    archive_dir: Annotated[
        Path | None, typer.Option("--archive-dir", metavar="DIR", help="Where schemas without a tenant are archived.")
    ] = None,
    config: ConfigFile = None,
    target: TargetName = None,
    json: AsJson = False,
    yes: Yes = False,
    plan: PlanOnly = False,
) -> None:
    """Repair what fleet check finds, in waves, checking again after each. Ends with 1 when anything is left, for people too."""
    settings = settings_of(config)
    chosen = settings.target(target, observing=True)
    require_loopback(chosen)
    lock_ms = _duration(lock_timeout)
    archiving = _archiving(archive_dir, chosen.profile.registry_table)
    scope = Scope(
        chosen.profile,
        chosen.roles,
        settings.limits,
        SystemClock(),
        tuple(only or ()),
        template,
        pooled=chosen.pooled,
        archived=archiving is not None,
    )
    found = _measured(settings, chosen, scope)
    if not plan and not found.repairs:
        raise typer.Exit(_show(Result((), (), found), json=json))
    if not proceeds(found.shown(chosen.name), chosen.name, plan_only=plan, yes=yes, json=json):
        raise typer.Exit(ExitCode.FAILING if found.steps else ExitCode.READY)
    job = Job(
        chosen.changing_url(),
        this_actor(),
        new_run(),
        Retry(retries, random.SystemRandom().random),
        time.sleep,
        chosen.pooled,
        wave,
        lock_ms,
        max_failures=max_failures,
        archiving=archiving,
    )
    again = replace(scope, strangers=strangers(found))
    done = apply(found, lambda: _measured(settings, chosen, again), job, chosen.roles, SystemClock(), tell=note)
    raise typer.Exit(_show(done, json=json))


def _measured(settings: Settings, chosen: Target, scope: Scope) -> Plan:
    today = SystemClock().now().date()
    accepted = {each.id for each in settings.suppressions if today <= each.expires}
    with observer(chosen.observer_url(), "fleet repair", pooled=chosen.pooled) as session:
        return measured(session, scope).without(accepted)


def _archiving(folder: Path | None, registry: str) -> Archiving | None:
    if folder is None:
        return None
    if not folder.is_dir():
        raise UsageError(f"{folder} is not a folder.", hint="Make it first: archives hold credentials, so mind who may read it.")
    clock, tool = SystemClock(), f"capliquify-ops {this_tool().version}"
    return Archiving(folder.resolve(), stamp_of(clock.now()), tool, lambda: TenantId(new_uuid()), clock.now, registry)


def _duration(text: str) -> int:
    found = _DURATION.fullmatch(text)
    if found is None or not float(found[1]):
        raise UsageError(f"{text!r} is not a duration.", hint="Such as 500ms, 2s or 1min; a lock is never waited for endlessly.")
    return max(1, round(float(found[1]) * _MILLISECONDS[found[2]]))


def _show(result: Result, *, json: bool) -> ExitCode:
    """Print what became of the steps and what is left; return what the command ends with."""
    now = result.now
    code = ExitCode.FAILING if now.steps or result.of(State.FAILED) else ExitCode.READY
    if json:
        document(_document(result))
        return code
    for outcome in result.of(State.FAILED, State.LEFT):
        line(f"{outcome.state.value.upper()}  {outcome.step.fact.finding}, in {outcome.step.fact.schema!r}: {outcome.why}")
    for warning in now.shown("").warnings:
        line(warning)
    left = len(now.repairs)
    counts = f"{len(result.of(State.REPAIRED, State.ELSEWHERE))} repaired, {len(result.of(State.FAILED))} failed"
    line(f"{counts}, {left} to be done by another run, {len(now.for_people)} need a person")
    if result.is_stopped:
        line("stopped: more steps failed than --max-failures allows; what was not begun is as it was")
    return code


def _document(result: Result) -> dict[str, object]:
    return {
        "waves": result.waves,
        "stopped": result.is_stopped,
        "steps": [_row(outcome) for outcome in result.outcomes],
        "left": [{**step.fact._asdict(), "statements": step.statements} for step in result.now.repairs],
        "for_people": [
            {**step.fact._asdict(), "why": step.needs_person, "advice": step.advice} for step in result.now.for_people
        ],
    }


def _row(outcome: Outcome) -> dict[str, object]:
    told = asdict(outcome)
    return {
        **outcome.step.fact._asdict(),
        "statements": outcome.step.statements,
        **{key: told[key] for key in ("state", "attempts", "why")},
    }
