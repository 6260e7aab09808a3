"""doctor"""

from collections.abc import Sequence

import typer

from capliquify_ops.cli.options import AsJson, ConfigFile, TargetName, settings_of
from capliquify_ops.cli.output import document, line
from capliquify_ops.configuration import EMBEDDED
from capliquify_ops.configuration.system import SystemClock
from capliquify_ops.model.decision import ExitCode
from capliquify_ops.model.errors import UsageError
from capliquify_ops.preflight.addresses import require_loopback
from capliquify_ops.preflight.doctor import Answer, examine


def doctor(config: ConfigFile = None, target: TargetName = None, json: AsJson = False) -> None:
    """Say what can be checked here with these privileges, and the exact grant or setting for what cannot.

    Ends with 69 when the target cannot be reached or is something else, 78 when its configuration is wrong, else with 17
    when something cannot be checked.
    """
    settings = settings_of(config)
    chosen = settings.target(target, observing=True)
    require_loopback(chosen)
    if chosen.name == EMBEDDED:
        raise UsageError(
            "No target is configured, and the embedded one runs only while it is measured.",
            hint="Set DATABASE_URL, or write capliquify-ops.toml; see docs/how-to/point-at-a-deployment.md",
        )
    answers = examine(chosen, settings.limits, SystemClock())
    if json:
        document({"target": chosen.name, "answers": answers})
    else:
        for answer in answers:
            line(f"{'ok  ' if answer.good else 'NO  '} {answer.subject}: {answer.says}")
            if answer.advice:
                line(f"       {answer.advice}")
    raise typer.Exit(_code(answers))


def _code(answers: Sequence[Answer]) -> int:
    """A target that is not there or wrongly configured is no question of privileges."""
    codes = {answer.code for answer in answers}
    broken = [code for code in (ExitCode.CONFIGURATION, ExitCode.UNREACHABLE, ExitCode.USAGE) if code in codes]
    return broken[0] if broken else 0 if all(answer.good for answer in answers) else ExitCode.INCONCLUSIVE
