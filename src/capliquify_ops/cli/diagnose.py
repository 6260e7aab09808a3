"""diagnose"""

from collections.abc import Sequence
from typing import Annotated

import typer

from capliquify_ops.cli.diagnose_output import show
from capliquify_ops.cli.options import AsJson, ConfigFile, TargetName, settings_of
from capliquify_ops.cli.output import document
from capliquify_ops.configuration.system import SystemClock, dice
from capliquify_ops.diagnostics.diagnose import ISSUES
from capliquify_ops.diagnostics.diagnose import diagnose as ask
from capliquify_ops.diagnostics.inquiry import Inquiry
from capliquify_ops.model.decision import ExitCode
from capliquify_ops.model.diagnosis import Diagnosis
from capliquify_ops.preflight.addresses import require_loopback


def diagnose(
    issue: Annotated[list[str] | None, typer.Argument(metavar="[ISSUE]...", help=f"Of: {', '.join(ISSUES)}.")] = None,
    analyze: Annotated[
        bool, typer.Option("--analyze", help="Run slow statements again for their plans: read-only, two seconds at most.")
    ] = False,
    watch: Annotated[
        float,
        typer.Option(
            "--watch", metavar="SECONDS", min=0.5, max=600, help="How long to watch what shows only with time: a leak needs 60."
        ),
    ] = 2.0,
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
    found = ask(Inquiry(chosen, settings.limits, SystemClock(), dice, may_analyze=analyze, watch_s=watch), issue or ())
    if json:
        document({"target": chosen.name, "diagnoses": found})
    else:
        show(found)
    raise typer.Exit(_code(found))


def _code(found: Sequence[Diagnosis]) -> ExitCode:
    if any(each.is_wrong for each in found):
        return ExitCode.FAILING
    return ExitCode.READY if all(each.is_certain for each in found) else ExitCode.INCONCLUSIVE
