"""tenant restore · clone"""

from collections.abc import Callable
from contextlib import AbstractContextManager
from datetime import timedelta
from pathlib import Path
from typing import Annotated

import typer

from capliquify_ops.cli.confirm import proceeds
from capliquify_ops.cli.options import AsJson, ConfigFile, PlanOnly, TargetName, Yes, target_of
from capliquify_ops.cli.output import document, line
from capliquify_ops.cli.progress import Steps
from capliquify_ops.cli.tenant_output import Key, show_tenant
from capliquify_ops.configuration import Target
from capliquify_ops.configuration.system import SystemClock, new_uuid, this_actor
from capliquify_ops.database import Session, operator
from capliquify_ops.model.errors import UsageError
from capliquify_ops.model.names import TenantId
from capliquify_ops.model.plan import Plan
from capliquify_ops.tenants import clone as cloning
from capliquify_ops.tenants import restore as restoration
from capliquify_ops.tenants import restore_drill, restore_in_place
from capliquify_ops.tenants.archive.opening import Archive, open_archive
from capliquify_ops.tenants.create import NewTenant
from capliquify_ops.tenants.registry import find
from capliquify_ops.tenants.restoring import Progress, Restored, Trust

IdentityFile = Annotated[Path | None, typer.Option("--identity", metavar="FILE", help="Private key of an encrypted archive.")]


def restore(
    archive: Annotated[Path, typer.Argument(metavar="FILE", help="An archive made by tenant backup.")],
    as_slug: Annotated[str | None, typer.Option("--as", metavar="SLUG", help="As a new tenant.")] = None,
    organization: Annotated[str, typer.Option(help="With --as: the new tenant's organisation id.")] = "",
    name: Annotated[str, typer.Option(help="With --as: display name.")] = "",
    in_place: Annotated[
        bool, typer.Option("--in-place", help="In place of the live tenant, which is kept in quarantine.")
    ] = False,
    drill: Annotated[bool, typer.Option("--drill", help="Load, compare, keep nothing.")] = False,
    trust: Annotated[bool, typer.Option("--trust", help="Run an archive that the audit here does not know.")] = False,
    identity: IdentityFile = None,
    config: ConfigFile = None,
    target: TargetName = None,
    json: AsJson = False,
    yes: Yes = False,
    plan: PlanOnly = False,
) -> None:
    """Restore a tenant: as it was (default), as a new one, in place of the live one, or as a drill. Never over anything."""
    if sum((as_slug is not None, in_place, drill)) > 1:
        raise UsageError("A restore goes one way: --as, --in-place or --drill.")
    chosen = target_of(config, target, observing=False)
    allowed = Trust(this_actor(), trust)
    with open_archive(archive, identity) as opened, _operator(chosen) as session:
        if as_slug is not None:
            planned, act = _as_new(session, chosen, opened, allowed, _copy(opened, as_slug, organization, name))
        elif in_place:
            planned, act = _in_place(session, chosen, opened, allowed)
        elif drill:
            planned, act = _drill(session, chosen, opened, allowed)
        else:
            planned, act = _whole(session, chosen, opened, allowed)
        if not proceeds(planned, planned.subject, plan_only=plan, yes=yes or drill, json=json):
            return
        size = sum(section.bytes for section in opened.manifest.sections)
        with Steps("restoring", size, "bytes", quiet=json) as steps:
            result = act(steps.reached)
    _tell(result, archive, json=json)


def clone(
    key: Key,
    slug: Annotated[str, typer.Argument(help="The new tenant's slug.")],
    organization: Annotated[str, typer.Option(help="The new tenant's organisation id.")],
    name: Annotated[str, typer.Option(help="Display name.")] = "",
    config: ConfigFile = None,
    target: TargetName = None,
    json: AsJson = False,
    yes: Yes = False,
    plan: PlanOnly = False,
) -> None:
    """Clone a tenant's schema and rows as a new tenant, proven equal before anything is kept."""
    chosen = target_of(config, target, observing=False)
    with _operator(chosen) as session:
        with session.transaction():
            tier = find(session, key).subscription_tier
        new = new_tenant(slug, organization, name, tier=tier)
        if not proceeds(cloning.plan_clone(session, key, new), slug, plan_only=plan, yes=yes, json=json):
            return
        made = cloning.clone(session, chosen.roles, key, new, actor=this_actor())
    show_tenant(made, json=json)


Way = tuple[Plan, Callable[[Progress], Restored]]
"""One way to restore: its plan, and what does it."""


def _whole(session: Session, chosen: Target, opened: Archive, allowed: Trust) -> Way:
    def act(progress: Progress) -> Restored:
        return restoration.restore_whole(session, chosen.roles, opened, allowed, progress=progress)

    return restoration.plan_whole(opened), act


def _as_new(session: Session, chosen: Target, opened: Archive, allowed: Trust, new: NewTenant) -> Way:
    def act(progress: Progress) -> Restored:
        return restoration.restore_as_new(session, chosen.roles, opened, new, allowed, progress=progress)

    return restoration.plan_as_new(opened, new), act


def _in_place(session: Session, chosen: Target, opened: Archive, allowed: Trust) -> Way:
    key, unique = str(opened.manifest.tenant.get("id", opened.manifest.schema)), new_uuid().int >> 96

    def act(progress: Progress) -> Restored:
        now = SystemClock().now()
        restore = restore_in_place.restore_in_place
        return restore(session, chosen.roles, opened, key, allowed, unique=unique, now=now, progress=progress)

    return restore_in_place.plan_in_place(session, opened, key, unique), act


def _drill(session: Session, chosen: Target, opened: Archive, allowed: Trust) -> Way:
    def act(progress: Progress) -> Restored:
        drill = restore_drill.restore_drill
        return drill(session, chosen.roles, opened, allowed, clock=SystemClock(), progress=progress)[0]

    return restore_drill.plan_drill(opened), act


def _copy(opened: Archive, slug: str, organization: str, name: str) -> NewTenant:
    return new_tenant(slug, organization, name, tier=str(opened.manifest.tenant.get("subscription_tier", "starter")))


def new_tenant(slug: str, organization: str, name: str, *, tier: str) -> NewTenant:
    """Return the tenant that a copy becomes."""
    if not organization:
        raise UsageError("A new tenant needs an organisation of its own.", hint="Add: --organization ID")
    return NewTenant(TenantId(new_uuid()), slug, name or slug, organization, tier, status="active", trial=timedelta(days=1))


def _tell(result: Restored, archive: Path, *, json: bool) -> None:
    if json:
        tenant = None if result.tenant is None else {"id": str(result.tenant.id), "slug": result.tenant.slug}
        told = {"schema": result.schema, "tables": result.tables, "rows": result.rows, "quarantined": result.quarantined}
        document({"archive": str(archive), "tenant": tenant, **told})
        return
    kept = f"; the schema before it is kept as {result.quarantined}" if result.quarantined else ""
    line(f"{archive}: {result.tables} tables and {result.rows} rows compared with the manifest, schema {result.schema}{kept}")


def _operator(target: Target) -> AbstractContextManager[Session]:
    return operator(target.changing_url(), "tenant", pooled=target.pooled)
