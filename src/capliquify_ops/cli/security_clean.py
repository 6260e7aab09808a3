"""security clean"""

from typing import Annotated

import typer

from capliquify_ops.cli.confirm import proceeds
from capliquify_ops.cli.options import AsJson, ConfigFile, PlanOnly, TargetName, Yes, target_of
from capliquify_ops.cli.output import document, line
from capliquify_ops.configuration import Target
from capliquify_ops.configuration.system import SystemClock
from capliquify_ops.database import operator
from capliquify_ops.identity_providers import token_source
from capliquify_ops.isolation.world import remove_run
from capliquify_ops.model.decision import ExitCode
from capliquify_ops.model.plan import Plan, Step
from capliquify_ops.tenants.discard import made_by_run

Run = Annotated[str, typer.Option("--run", metavar="ID", help="The audit's run, as its output and its records name it.")]


def clean(
    run: Run,
    config: ConfigFile = None,
    target: TargetName = None,
    json: AsJson = False,
    yes: Yes = False,
    plan: PlanOnly = False,
) -> None:
    """Remove the tenants and users that an audit made and could not remove itself, such as one that was killed."""
    chosen = target_of(config, target, observing=False)
    planned, slugs = _plan(chosen, run)
    if not proceeds(planned, run, plan_only=plan, yes=yes, json=json):
        return
    leftovers = remove_run(chosen, token_source(chosen.identity, SystemClock()), run)
    if json:
        document({"run": run, "tenants": slugs, "leftovers": list(leftovers)})
    else:
        for left in leftovers:
            line(f"not removed: {left}")
        line(f"{len(slugs)} tenants of the run {run} were found; {len(leftovers)} things could not be removed")
    if leftovers:
        raise typer.Exit(ExitCode.FAILING)


def _plan(target: Target, run: str) -> tuple[Plan, list[str]]:
    with operator(target.changing_url(), "audit clean", pooled=target.pooled) as session, session.transaction():
        slugs = [str(tenant.slug) for tenant in made_by_run(session, run)]
    steps = [Step(f"remove the throwaway tenant {slug} with its schema, rows and users") for slug in slugs]
    steps.append(Step(f"tell the identity provider to forget the users of the run {run}"))
    return Plan("security clean", run, tuple(steps), {}, destructive=True), slugs
