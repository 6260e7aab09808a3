"""fleet check"""

import json as json_format
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from pathlib import Path
from typing import Annotated

import typer

from capliquify_ops.cli.fleet_check_output import Form, show
from capliquify_ops.cli.options import AsJson, ConfigFile, TargetName, settings_of
from capliquify_ops.configuration import Settings, Target
from capliquify_ops.configuration.system import SystemClock
from capliquify_ops.database import Session, observer
from capliquify_ops.integrity.comparing import Sorted, changes, suppress
from capliquify_ops.integrity.fleet_check import CHECKS, DEADLINE_S, check_fleet
from capliquify_ops.integrity.structure_template import Template, read_template
from capliquify_ops.model.decision import ExitCode
from capliquify_ops.model.errors import TargetUnreachable, UsageError
from capliquify_ops.model.finding import Finding
from capliquify_ops.model.outcome import Outcome
from capliquify_ops.preflight.addresses import require_loopback


def check(
    only: Annotated[list[str] | None, typer.Argument(metavar="[CHECK]...", help=f"Of: {', '.join(CHECKS)}.")] = None,
    template: Annotated[
        str | None, typer.Option("--template", metavar="SCHEMA", help="What every tenant must equal; default: most of them.")
    ] = None,
    template_file: Annotated[
        Path | None, typer.Option("--template-file", metavar="FILE", help="The same, as fleet structure printed it.")
    ] = None,
    since: Annotated[
        Path | None, typer.Option("--since", metavar="FILE", help="An earlier run's --json: says what is new, grown and gone.")
    ] = None,
    deadline: Annotated[
        float, typer.Option("--deadline", metavar="S", min=0.1, help="Checks that would begin later are inconclusive.")
    ] = DEADLINE_S,
    form: Annotated[Form, typer.Option("--format", help="How findings are printed.")] = Form.TABLE,
    config: ConfigFile = None,
    target: TargetName = None,
    json: AsJson = False,
) -> None:
    """Check every tenant's schema in one pass. Ends with 1 when something fails, with 17 when something could not be told."""
    earlier = _read(since) if since else None
    if template and template_file:
        raise UsageError("--template and --template-file exclude each other.", hint="Give one of them.")
    yardstick = read_template(template_file) if template_file else template
    settings = settings_of(config)
    chosen = settings.target(target, observing=True)
    require_loopback(chosen)
    findings = _findings(settings, chosen, only or (), yardstick, deadline)
    found = suppress(findings, settings.suppressions, SystemClock().now().date())
    changed = changes(findings, earlier) if since else None
    show(found, changed, chosen.name, Form.JSON if json else form)
    raise typer.Exit(_code(found))


def _findings(
    settings: Settings, chosen: Target, only: Sequence[str], template: str | Template | None, deadline: float
) -> tuple[Finding, ...]:
    with _session(chosen) as session, _second(chosen, only) as second:
        return check_fleet(
            session,
            settings.limits,
            SystemClock(),
            profile=chosen.profile,
            roles=chosen.roles,
            only=only,
            template=template,
            deadline_s=deadline,
            second=second,
        )


def _session(chosen: Target) -> AbstractContextManager[Session]:
    return observer(chosen.observer_url(), "fleet check", pooled=chosen.pooled)


@contextmanager
def _second(chosen: Target, only: Sequence[str]) -> Iterator[Session | None]:
    """Give another session where there is more than one check to make, and where the server has one to spare."""
    with ExitStack() as stack:
        try:
            session = stack.enter_context(_session(chosen)) if len(only) != 1 else None
        except TargetUnreachable:
            session = None
        yield session


def _read(file: Path) -> object:
    try:
        return json_format.loads(file.read_text(encoding="utf-8"))
    except OSError as error:
        raise UsageError(f"{file} cannot be read: {error.strerror}.", hint="Keep a run with: fleet check --json > FILE") from None
    except ValueError:
        raise UsageError(f"{file} is not JSON.", hint="Keep a run with: fleet check --json > FILE") from None


def _code(found: Sorted) -> ExitCode:
    outcomes = {finding.outcome for finding in found.open}
    if Outcome.FAILING in outcomes or found.expired:
        return ExitCode.FAILING
    return ExitCode.READY if outcomes <= {Outcome.HEALTHY, Outcome.NOT_APPLICABLE} else ExitCode.INCONCLUSIVE
