"""tenant install · create · list · show · verify · delete"""

from contextlib import AbstractContextManager
from datetime import timedelta
from typing import Annotated

import typer

from capliquify_ops.cli.confirm import proceeds
from capliquify_ops.cli.options import AsJson, ConfigFile, PlanOnly, TargetName, Yes, target_of
from capliquify_ops.cli.output import document, line, table
from capliquify_ops.cli.tenant_output import Key, show_tenant, tenant_row
from capliquify_ops.configuration import Target
from capliquify_ops.configuration.system import new_uuid, this_actor
from capliquify_ops.database import Session, observer, operator
from capliquify_ops.model.decision import ExitCode
from capliquify_ops.model.errors import UsageError
from capliquify_ops.model.names import TenantId
from capliquify_ops.tenants import create as creation
from capliquify_ops.tenants import delete as deletion
from capliquify_ops.tenants import install as installation
from capliquify_ops.tenants import registry
from capliquify_ops.tenants import verify as verification
from capliquify_ops.tenants.quarantine import quarantined_tenants

STATUSES = ("trial", "active", "past_due", "cancelled", "suspended")


def install(
    config: ConfigFile = None,
    target: TargetName = None,
    ops_only: Annotated[bool, typer.Option("--ops-only", help="Only our own ledgers, in schema capliquify_ops.")] = False,
    create_roles: Annotated[bool, typer.Option("--roles", help="Create missing roles too, where this role may.")] = False,
    json: AsJson = False,
    yes: Yes = False,
    plan: PlanOnly = False,
) -> None:
    """Install or upgrade our schemas. Idempotent, one transaction."""
    chosen = target_of(config, target, observing=False)
    with _operator(chosen) as session:
        planned = installation.plan_install(session, chosen.roles, ops_only=ops_only)
        if (plan or planned.steps) and not proceeds(planned, chosen.name, plan_only=plan, yes=yes, json=json):
            return
        result = installation.install(session, chosen.roles, ops_only=ops_only, create_roles=create_roles)
    if json:
        document({"applied": result.applied, "roles_created": result.roles_created, "refused": result.refused})
        return
    line("\n".join(f"applied {title}" for title in result.applied) or "already installed: nothing to do")
    for refused in result.refused:
        line(f"not allowed here, for an administrator: {refused}")


def create(
    slug: Annotated[str, typer.Argument(help="Lower case letters, digits, dashes.")],
    organization: Annotated[str, typer.Option(help="The identity provider's organisation id.")],
    name: Annotated[str, typer.Option(help="Display name.")] = "",
    tier: Annotated[str, typer.Option(help="starter, professional or enterprise.")] = "starter",
    status: Annotated[str, typer.Option(help="trial or active.")] = "trial",
    trial_days: Annotated[int, typer.Option(min=1, max=3650, help="Length of the trial.")] = creation.TRIAL.days,
    schema_name: Annotated[str, typer.Option(help="Default: tenant_ and the digits of the id.")] = "",
    owner_id: Annotated[str, typer.Option(help="The identity provider's id of the first user, who becomes owner.")] = "",
    owner_email: Annotated[str, typer.Option(help="With --owner-id.")] = "",
    owner_name: Annotated[str, typer.Option(help="With --owner-id.")] = "",
    company: Annotated[str, typer.Option(help="Name of the first company.")] = "",
    config: ConfigFile = None,
    target: TargetName = None,
    json: AsJson = False,
    yes: Yes = False,
    plan: PlanOnly = False,
) -> None:
    """Create a tenant: registry row, schema, first owner, first company and audit together, or nothing."""
    if bool(owner_id) != bool(owner_email) or (owner_name and not owner_id):
        raise UsageError("A first user needs both an id and an e-mail address.", hint="Add: --owner-id ID --owner-email ADDRESS")
    chosen = target_of(config, target, observing=False)
    new = creation.NewTenant(
        TenantId(new_uuid()),
        slug,
        name or slug,
        organization,
        tier,
        status,
        timedelta(days=trial_days),
        schema_name,
        creation.FirstUser(owner_id, owner_email, owner_name or None) if owner_id else None,
        company,
        creation.provision_of(chosen.profile.provision),
    )
    with _operator(chosen) as session:
        if proceeds(creation.plan_create(session, new), slug, plan_only=plan, yes=yes, json=json):
            show_tenant(creation.create(session, chosen.roles, new, actor=this_actor()), json=json)


def list_(
    config: ConfigFile = None,
    target: TargetName = None,
    status: Annotated[str | None, typer.Option(help="Only this subscription status.")] = None,
    tier: Annotated[str | None, typer.Option(help="Only this tier.")] = None,
    expiring: Annotated[
        int | None, typer.Option("--expiring-within", min=0, metavar="DAYS", help="Trials that end by then, or are over.")
    ] = None,
    deleted: Annotated[bool, typer.Option("--deleted", help="Soft-deleted ones instead.")] = False,
    quarantined: Annotated[
        bool, typer.Option("--quarantined", help="Those with a schema in quarantine, deleted or not.")
    ] = False,
    json: AsJson = False,
) -> None:
    """List tenants as the registry has them."""
    if status is not None and status not in STATUSES:
        raise UsageError(f"There is no subscription status {status!r}.", hint=f"Known: {', '.join(STATUSES)}.")
    if tier is not None:
        creation.require_tier(tier)
    chosen = target_of(config, target, observing=True)
    within = None if expiring is None else timedelta(days=expiring)
    wanted = registry.Wanted(status, tier, True if deleted else None if quarantined else False, within)
    with _observer(chosen) as session, session.transaction():
        found = registry.list_tenants(session, wanted, registry=chosen.profile.registry_table)
        if quarantined:
            away = quarantined_tenants(session)
            found = [tenant for tenant in found if tenant.id in away]
    if json:
        document({"tenants": [tenant_row(tenant) for tenant in found]})
        return
    rows = [(each.slug, str(each.id), each.schema_name, each.subscription_tier, each.subscription_status) for each in found]
    table(("SLUG", "ID", "SCHEMA", "TIER", "STATUS"), rows)


def show(key: Key, config: ConfigFile = None, target: TargetName = None, json: AsJson = False) -> None:
    """Show one tenant."""
    chosen = target_of(config, target, observing=True)
    with _observer(chosen) as session, session.transaction():
        show_tenant(registry.find(session, key, registry=chosen.profile.registry_table), json=json)


def verify(key: Key, config: ConfigFile = None, target: TargetName = None, json: AsJson = False) -> None:
    """Verify one tenant: registry row, schema, owner, structure. Ends with 1 when something does not hold, 17 when unknown."""
    chosen = target_of(config, target, observing=True)
    with _observer(chosen) as session:
        found = verification.verify(session, chosen.roles, key, registry=chosen.profile.registry_table)
    if json:
        document({"tenant": tenant_row(found.tenant), "answers": found.answers, "differences": found.differences})
    else:
        for answer in found.answers:
            word = {True: "ok  ", False: "NO  ", None: "?   "}[answer.holds]
            line(f"{word}{answer.question}: {answer.detail}")
    states = {answer.holds for answer in found.answers if answer.question not in verification.BESIDE}
    raise typer.Exit(ExitCode.FAILING if False in states else ExitCode.INCONCLUSIVE if None in states else ExitCode.READY)


def delete(
    key: Key, config: ConfigFile = None, target: TargetName = None, json: AsJson = False, yes: Yes = False, plan: PlanOnly = False
) -> None:
    """Soft-delete a tenant: the service stops serving it, its data stays."""
    chosen = target_of(config, target, observing=False)
    with _operator(chosen) as session:
        planned = deletion.plan_delete(session, key)
        if not proceeds(planned, planned.subject, plan_only=plan, yes=yes, json=json):
            return
        result = deletion.delete(session, chosen.roles, key, confirm=planned.subject, actor=this_actor())
    show_tenant(result.after, json=json)


def _operator(target: Target) -> AbstractContextManager[Session]:
    return operator(target.changing_url(), "tenant", pooled=target.pooled)


def _observer(target: Target) -> AbstractContextManager[Session]:
    return observer(target.observer_url(), "tenant", pooled=target.pooled)
