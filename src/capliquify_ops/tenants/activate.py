"""Activate: the trial is over or the bill is paid; a cancelled customer comes back within retention."""

from capliquify_ops.database import Session
from capliquify_ops.model.plan import Plan
from capliquify_ops.model.roles import Roles
from capliquify_ops.tenants.registry import Tenant
from capliquify_ops.tenants.status import Change, StatusResult, change, plan_change, set_status

_ALSO = ", subscription_starts_at = coalesce(subscription_starts_at, pg_catalog.now()), subscription_ends_at = NULL"


def plan_activate(session: Session, key: str) -> Plan:
    """Return what `activate` would do. Raises as it does."""
    return plan_change(session, "activate", key, _prepare)


def activate(session: Session, roles: Roles, key: str, *, actor: str) -> StatusResult:
    """Make a trial, past due or cancelled tenant active. Raises TenantNotFound, TenantConflict."""
    return change(session, roles, "activate", key, _prepare, actor=actor)


def _prepare(_session: Session, tenant: Tenant) -> Change:
    action = "set the status active, the start of the subscription where there is none, and no end"
    return Change((set_status(tenant, "active", action, _ALSO),))
