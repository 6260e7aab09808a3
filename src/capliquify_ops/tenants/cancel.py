"""Cancel: the subscription ends now, the data stays for its retention."""

from datetime import timedelta

from capliquify_ops.database import Session
from capliquify_ops.model.plan import Plan
from capliquify_ops.model.roles import Roles
from capliquify_ops.tenants.registry import Tenant
from capliquify_ops.tenants.status import Change, StatusResult, change, plan_change, set_status

RETENTION = timedelta(days=30)
"""How long a cancelled tenant's data is kept at least: the product's default."""


def plan_cancel(session: Session, key: str) -> Plan:
    """Return what `cancel` would do. Raises as it does."""
    return plan_change(session, "cancel", key, _prepare)


def cancel(session: Session, roles: Roles, key: str, *, actor: str) -> StatusResult:
    """End a tenant's subscription; `noted` says until when its data is kept. Raises TenantNotFound, TenantConflict."""
    return change(session, roles, "cancel", key, _prepare, actor=actor)


def _prepare(session: Session, tenant: Tenant) -> Change:
    until = (session.value("SELECT pg_catalog.now()") + RETENTION).isoformat(timespec="seconds")
    act = set_status(
        tenant,
        "cancelled",
        "set the status cancelled and the end of the subscription: the service refuses from then on",
        ", subscription_ends_at = pg_catalog.now()",
    )
    return Change((act,), (f"The data is kept for {RETENTION.days} days.",), {"retained_until": until})
