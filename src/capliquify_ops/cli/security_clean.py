"""security clean"""

from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Annotated

import typer

from capliquify_ops.cli.confirm import proceeds
from capliquify_ops.cli.options import AsJson, ConfigFile, PlanOnly, TargetName, Yes, target_of
from capliquify_ops.cli.output import document, line
from capliquify_ops.configuration import Target
from capliquify_ops.configuration.system import SystemClock
from capliquify_ops.database import operator
from capliquify_ops.identity_providers import token_source
from capliquify_ops.isolation.given_tenants import given_world
from capliquify_ops.isolation.run_removal import Removal, remove_rows
from capliquify_ops.isolation.run_rows import Search, find_rows
from capliquify_ops.isolation.world import World, remove_run
from capliquify_ops.model.decision import ExitCode
from capliquify_ops.model.errors import UsageError
from capliquify_ops.model.plan import Plan, Step
from capliquify_ops.model.protocols import TokenSource
from capliquify_ops.tenants.discard import made_by_run

Run = Annotated[str, typer.Option("--run", metavar="ID", help="The audit's run, as its output and its records name it.")]
Given = Annotated[str | None, typer.Option(metavar="SLUG", help="A tenant that was given to the audit by the same option.")]


def clean(
    run: Run,
    config: ConfigFile = None,
    target: TargetName = None,
    tenant_a: Given = None,
    tenant_b: Given = None,
    json: AsJson = False,
    yes: Yes = False,
    plan: PlanOnly = False,
) -> None:
    """Remove what an audit made and could not remove itself, such as one that was killed: tenants, rows of given ones, users."""
    if (tenant_a is None) is not (tenant_b is None):
        raise UsageError("An audit is given two tenants.", hint="Name both: --tenant-a SLUG --tenant-b SLUG.")
    chosen = target_of(config, target, observing=False)
    tokens = token_source(chosen.identity, SystemClock())
    with ExitStack() as opened:
        world = None
        if tenant_a and tenant_b:
            given = {"a": tenant_a, "b": tenant_b}
            world = opened.enter_context(given_world(chosen, tokens, run, SystemClock(), given))
        found = _found(chosen, run, world)
        if proceeds(_plan(run, found), run, plan_only=plan, yes=yes, json=json):
            _conclude(run, found, *_remove(chosen, tokens, run, world, found), json=json)


@dataclass(frozen=True, slots=True)
class _Found:
    """The throwaway tenants of a run, and its rows in given ones, each with its tenant's slug."""

    slugs: list[str]
    search: Search
    tenants: dict[str, str]


def _found(target: Target, run: str, world: World | None) -> _Found:
    slugs: list[str] = []
    if target.operator_url is not None:
        with operator(target.changing_url(), "audit clean", pooled=target.pooled) as session, session.transaction():
            slugs = [str(tenant.slug) for tenant in made_by_run(session, run)]
    if world is None:
        told = ["rows in tenants that were given to the audit: --tenant-a and --tenant-b name them"]
        return _Found(slugs, Search(unseen=told if target.operator_url is None else []), {})
    return _Found(slugs, find_rows(world), {key: tenant.slug for key, tenant in world.tenants.items()})


def _plan(run: str, found: _Found) -> Plan:
    steps = [Step(f"remove the throwaway tenant {slug} with its schema, rows and users") for slug in found.slugs]
    counted = Counter((row.tenant, row.route, bool(row.path)) for row in found.search.rows)
    rows = {is_deleted: list(_counted(counted, found, is_deleted=is_deleted)) for is_deleted in (True, False)}
    steps += [Step(f"delete {what}") for what in rows[True]]
    steps.append(Step(f"tell the identity provider to forget the users of the run {run}"))
    stays = [f"{what} stay, unless they go with those: no route deletes them" for what in rows[False]]
    unseen = [f"not looked for: {what}" for what in found.search.unseen]
    failed = [f"cannot be removed: {what}" for what in found.search.failed]
    return Plan("security clean", run, tuple(steps), {}, warnings=(*stays, *failed, *unseen), destructive=True)


def _counted(counted: Counter[tuple[str, str, bool]], found: _Found, *, is_deleted: bool) -> Iterator[str]:
    for (key, route, has_path), number in sorted(counted.items()):
        if has_path is is_deleted:
            yield f"rows of {route} in tenant {found.tenants[key]} ({number})"


def _remove(target: Target, tokens: TokenSource, run: str, world: World | None, found: _Found) -> tuple[Removal, list[str]]:
    """Remove rows before users are forgotten: their tokens are needed for it."""
    removal = remove_rows(world) if world is not None else Removal(0, (), tuple(found.search.unseen))
    return removal, [*removal.leftovers, *remove_run(target, tokens, run)]


def _conclude(run: str, found: _Found, removal: Removal, leftovers: list[str], *, json: bool) -> None:
    if json:
        about = {"run": run, "tenants": found.slugs, "rows": removal.removed, "leftovers": leftovers}
        document(about | {"unseen": list(removal.unseen)})
    else:
        for left in leftovers:
            line(f"not removed: {left}")
        for what in removal.unseen:
            line(f"not looked for: {what}")
        line(
            f"{len(found.slugs)} tenants and {removal.removed} rows of the run {run} were removed;"
            f" {len(leftovers)} things could not be removed"
        )
    if leftovers:
        raise typer.Exit(ExitCode.FAILING)
