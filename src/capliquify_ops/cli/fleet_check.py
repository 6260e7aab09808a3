"""fleet check"""

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Annotated

import typer

from capliquify_ops.cli.options import AsJson, ConfigFile, TargetName, target_of
from capliquify_ops.cli.output import document, line
from capliquify_ops.configuration import Target, load_limits
from capliquify_ops.configuration.system import SystemClock
from capliquify_ops.database import Session, observer
from capliquify_ops.integrity import cross_references, registry_catalogue, structure_equality
from capliquify_ops.model.decision import ExitCode
from capliquify_ops.model.errors import UsageError
from capliquify_ops.model.finding import Finding
from capliquify_ops.model.outcome import Outcome

_CHECKS: Mapping[str, Callable[..., tuple[Finding, ...]]] = MappingProxyType(
    {module.CHECK: module.run for module in (registry_catalogue, structure_equality, cross_references)}
)
_NAMED = 5
"""Tenants that a line names; the JSON has 20 and the digest of all."""


def check(
    only: Annotated[list[str] | None, typer.Argument(metavar="[CHECK]...", help=f"Of: {', '.join(_CHECKS)}.")] = None,
    template: Annotated[
        str | None, typer.Option("--template", metavar="SCHEMA", help="What every tenant must equal; default: most of them.")
    ] = None,
    config: ConfigFile = None,
    target: TargetName = None,
    json: AsJson = False,
) -> None:
    """Check every tenant's schema in one pass. Ends with 1 when something fails, with 17 when something could not be told."""
    chosen = target_of(config, target, observing=True)
    if unknown := set(only or ()) - set(_CHECKS):
        raise UsageError(f"There is no check {min(unknown)!r}.", hint=f"One of: {', '.join(_CHECKS)}")
    with observer(chosen.observer_url(), "fleet check", pooled=chosen.pooled) as session:
        findings = [finding for name in only or _CHECKS for finding in _run(session, chosen, name, template)]
    if json:
        document({"target": chosen.name, "findings": findings})
    else:
        for finding in findings:
            _show(finding)
    raise typer.Exit(_code(findings))


def _run(session: Session, chosen: Target, name: str, template: str | None) -> tuple[Finding, ...]:
    given = {"template": template} if name == structure_equality.CHECK else {}
    return _CHECKS[name](session, load_limits(), SystemClock(), profile=chosen.profile, roles=chosen.roles, **given)


def _show(finding: Finding) -> None:
    is_bad = finding.outcome is Outcome.FAILING
    state = f"{finding.outcome.value.upper()} ({finding.severity.value})" if is_bad else finding.outcome.value
    line(f"{state}  {finding.check}: {finding.why}")
    if not is_bad:
        return
    if finding.tenants:
        more = f" and {finding.tenants.count - _NAMED} more" if finding.tenants.count > _NAMED else ""
        line(f"    {finding.subject.name}, in {', '.join(finding.tenants.sample[:_NAMED])}{more}")
    for each in finding.witness.lines[:_NAMED] if finding.witness else ():
        line(f"    {each}")


def _code(findings: list[Finding]) -> ExitCode:
    outcomes = {finding.outcome for finding in findings}
    if Outcome.FAILING in outcomes:
        return ExitCode.FAILING
    return ExitCode.READY if outcomes == {Outcome.HEALTHY} else ExitCode.INCONCLUSIVE
