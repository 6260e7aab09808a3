"""Delete a tenant softly: it is marked and cancelled, nothing of its data goes. The purge comes after retention."""

from dataclasses import dataclass
from types import MappingProxyType

from capliquify_ops.database import Session
from capliquify_ops.model.errors import TenantConflict, TenantNotFound, UsageError
from capliquify_ops.model.names import TenantId
from capliquify_ops.model.plan import Plan, Step
from capliquify_ops.model.roles import Roles
from capliquify_ops.tenants.audit import facts_of, write_audit
from capliquify_ops.tenants.ownership import as_owner, lock_tenant
from capliquify_ops.tenants.registry import Tenant, find


@dataclass(frozen=True, slots=True)
class DeleteResult:
    """The tenant's row before and after."""

    before: Tenant
    after: Tenant


def plan_delete(session: Session, key: str) -> Plan:
    """Return what `delete` would do. Raises TenantNotFound, and TenantConflict for a tenant that is deleted already."""
    with session.transaction():
        return _plan(_live(find(session, key)))


def delete(session: Session, roles: Roles, key: str, *, confirm: str, actor: str, run: str | None = None) -> DeleteResult:
    """Delete softly. `confirm` is the tenant's slug, typed by whoever asks.

    Raises UsageError for another word, TenantNotFound, and TenantConflict for a tenant that is deleted already.
    """
    with session.transaction():
        before = find(session, key)
        if confirm != before.slug:
            raise UsageError(f"Nothing was deleted: the confirmation is not {before.slug!r}.", hint="Type the tenant's slug.")
        lock_tenant(session, before.id)
        before = _live(find(session, str(before.id)))
        with as_owner(session, roles):
            mark_deleted(session, before.id)
            after = find(session, str(before.id))
            write_audit(
                session, actor=actor, plan=_plan(before), tenant=before, before=facts_of(before), after=facts_of(after), run=run
            )
        return DeleteResult(before, after)


def mark_deleted(session: Session, tenant: TenantId) -> None:
    """Set the mark, as the owner, within the open transaction. Raises TenantNotFound when no row was changed."""
    changed = session.execute(
        "UPDATE public.tenants SET deleted_at = pg_catalog.now(), subscription_status = 'cancelled'"
        " WHERE id = %(id)s AND deleted_at IS NULL",
        {"id": tenant},
    )
    if changed != 1:
        raise TenantNotFound(f"No live tenant has the id {tenant}: nothing was deleted.", hint="See: capliquify-ops tenant list")


def _live(tenant: Tenant) -> Tenant:
    if tenant.deleted_at is not None:
        when = tenant.deleted_at.strftime("%Y-%m-%d %H:%M")
        raise TenantConflict(f"The tenant {tenant.slug!r} was deleted at {when} UTC already.", hint="It waits for the purge.")
    return tenant


def _plan(tenant: Tenant) -> Plan:
    steps = (
        Step("set deleted_at and the status cancelled: the service answers tenant_not_found from then on"),
        Step("write the audit"),
    )
    warnings = (f"The schema {tenant.schema_name} and all rows stay until the purge; slug and schema name stay taken.",)
    concerns = MappingProxyType({"status": tenant.subscription_status, "schema": tenant.schema_name})
    return Plan("tenant delete", tenant.slug, steps, concerns, warnings, destructive=True)
