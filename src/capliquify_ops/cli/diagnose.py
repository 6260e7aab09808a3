"""diagnose"""

from collections.abc import Sequence
from typing import Annotated

import typer

from capliquify_ops.cli.options import AsJson, ConfigFile, TargetName, settings_of
from capliquify_ops.cli.output import document, line
from capliquify_ops.configuration.system import SystemClock, dice
from capliquify_ops.diagnostics.diagnose import ISSUES
from capliquify_ops.diagnostics.diagnose import diagnose as ask
from capliquify_ops.diagnostics.inquiry import Inquiry
from capliquify_ops.model.decision import ExitCode
from capliquify_ops.model.diagnosis import Cause, Diagnosis
from capliquify_ops.model.finding import Level
from capliquify_ops.preflight.addresses import require_loopback

_NAMED = 5
_WAKE = {Level.L1: "Slack", Level.L2: "PagerDuty", Level.L3: "phone"}


def diagnose(
    issue: Annotated[list[str] | None, typer.Argument(metavar="[ISSUE]...", help=f"Of: {', '.join(ISSUES)}.")] = None,
    config: ConfigFile = None,
    target: TargetName = None,
    json: AsJson = False,
) -> None:
    """Say what is wrong, since when, whom it concerns, why, and what to do next. Changes nothing.

    Ends with 1 when something was found, with 17 when something could not be told.
    """
    settings = settings_of(config)
    chosen = settings.target(target, observing=True)
    require_loopback(chosen)
    found = ask(Inquiry(chosen, settings.limits, SystemClock(), dice), issue or ())
    if json:
        document({"target": chosen.name, "diagnoses": found})
    else:
        for each in found:
            _show(each)
    raise typer.Exit(_code(found))


def _show(found: Diagnosis) -> None:
    state = "WRONG" if found.is_wrong else "nothing found" if found.is_certain else "UNKNOWN"
    line(f"{found.issue}: {state}")
    for number, cause in enumerate(found.causes, 1):
        _show_cause(number, cause)
    for source in found.sources:
        state = "asked" if source.answered else "NO ANSWER" if source.is_configured else "not asked"
        line(f"  {state}  {source.name} ({source.elapsed_ms:.0f} ms): {source.says}")


def _show_cause(number: int, cause: Cause) -> None:
    since = f", for {cause.since_s:.0f} s" if cause.since_s is not None else ""
    wake = f", wake {cause.level.value.upper()} ({_WAKE[cause.level]})" if cause.level else ""
    line(f"  {number}. {cause.name}{since}{wake}")
    line(f"     {cause.why}")
    for each in cause.evidence:
        line(f"       {each}")
    if cause.tenants:
        more = f" and {len(cause.tenants) - _NAMED} more" if len(cause.tenants) > _NAMED else ""
        line(f"     tenants: {', '.join(cause.tenants[:_NAMED])}{more}")
    line(f"     next: {cause.next_command}")


def _code(found: Sequence[Diagnosis]) -> ExitCode:
    if any(each.is_wrong for each in found):
        return ExitCode.FAILING
    return ExitCode.READY if all(each.is_certain for each in found) else ExitCode.INCONCLUSIVE
