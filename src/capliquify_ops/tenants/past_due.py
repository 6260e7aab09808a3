"""Past due: a payment failed; the service goes on reading and refuses to write."""

from capliquify_ops.database import Session
from capliquify_ops.model.plan import Plan
from capliquify_ops.model.roles import Roles
from capliquify_ops.tenants.registry import Tenant
from capliquify_ops.tenants.status import Change, StatusResult, change, plan_change, set_status


def plan_past_due(session: Session, key: str) -> Plan:
    """Return what `past_due` would do. Raises as it does."""
    return plan_change(session, "past-due", key, _prepare)


def past_due(session: Session, roles: Roles, key: str, *, actor: str) -> StatusResult:
    """Mark an active tenant as past due. Raises TenantNotFound, TenantConflict."""
    return change(session, roles, "past-due", key, _prepare, actor=actor)


def _prepare(_session: Session, tenant: Tenant) -> Change:
    return Change((set_status(tenant, "past_due", "set the status past_due: the service refuses to write from then on"),))
