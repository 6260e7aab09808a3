"""Delete a tenant softly: it is marked and cancelled, nothing of its data goes. The purge comes after retention."""

from capliquify_ops.database import Session
from capliquify_ops.model.errors import UsageError
from capliquify_ops.model.plan import Plan
from capliquify_ops.model.roles import Roles
from capliquify_ops.tenants.acts import Act
from capliquify_ops.tenants.cancel import RETENTION
from capliquify_ops.tenants.quarantine import outside_dependents
from capliquify_ops.tenants.registry import Tenant
from capliquify_ops.tenants.status import Change, StatusResult, change, plan_change

DeleteResult = StatusResult
_KEPT_UNTIL = (
    "SELECT t.subscription_ends_at + %(retention)s FROM public.tenants AS t WHERE t.id = %(id)s"
    " AND t.subscription_status = 'cancelled' AND t.subscription_ends_at + %(retention)s > pg_catalog.now()"
)


def plan_delete(session: Session, key: str) -> Plan:
    """Return what `delete` would do. Raises TenantNotFound, and TenantConflict for a tenant that is deleted already."""
    return plan_change(session, "delete", key, _prepare)


def delete(session: Session, roles: Roles, key: str, *, confirm: str, actor: str, run: str | None = None) -> DeleteResult:
    """Delete softly. `confirm` is the tenant's slug, typed by whoever asks.

    Raises UsageError for another word, TenantNotFound, and TenantConflict for a tenant that is deleted already.
    """

    def prepare(session: Session, tenant: Tenant) -> Change:
        require_confirmed(tenant, confirm)
        return _prepare(session, tenant)

    return change(session, roles, "delete", key, prepare, actor=actor, run=run)


def require_confirmed(tenant: Tenant, confirm: str) -> None:
    """Refuse another word than the tenant's slug."""
    if confirm != tenant.slug:
        raise UsageError(f"Nothing was deleted: the confirmation is not {tenant.slug!r}.", hint="Type the tenant's slug.")


def mark_deleted(tenant: Tenant) -> Act:
    """Return the statement that marks a live tenant."""
    return Act(
        "set deleted_at and the status cancelled: the service answers tenant_not_found from then on",
        "UPDATE public.tenants SET deleted_at = pg_catalog.now(), subscription_status = 'cancelled'"
        " WHERE id = :'id' AND deleted_at IS NULL",
        {"id": str(tenant.id)},
        rows=1,
    )


def _prepare(session: Session, tenant: Tenant) -> Change:
    kept = f"The schema {tenant.schema_name} and all rows stay until the purge; slug and schema name stay taken."
    needed = outside_dependents(session, tenant.schema_name)
    early = session.value(_KEPT_UNTIL, {"id": tenant.id, "retention": RETENTION})
    cancelled = (f"It was cancelled, and its data is promised until {early:%Y-%m-%d %H:%M} UTC.",) if early else ()
    outside = (f"Needed from outside, so the purge will refuse: {'; '.join(needed)}.",) if needed else ()
    return Change((mark_deleted(tenant),), (kept, *cancelled, *outside), destructive=True)
