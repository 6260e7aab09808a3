"""Resume: back to the status that the suspension recorded."""

from capliquify_ops.database import Session
from capliquify_ops.model.errors import TenantConflict, UsageError
from capliquify_ops.model.plan import Plan
from capliquify_ops.model.roles import Roles
from capliquify_ops.tenants.registry import Tenant
from capliquify_ops.tenants.status import Change, Prepare, StatusResult, change, plan_change, set_status
from capliquify_ops.tenants.transitions import TRANSITIONS

_RECORDED = (
    "SELECT CASE WHEN a.after ->> 'subscription_status' = 'suspended' THEN a.before ->> 'subscription_status' END"
    " FROM capliquify_ops.audit AS a WHERE a.tenant_id = %(id)s"
    " AND a.before ->> 'subscription_status' IS DISTINCT FROM a.after ->> 'subscription_status' ORDER BY a.id DESC LIMIT 1"
)
_IS_OVER = "SELECT t.trial_ends_at <= pg_catalog.now() FROM public.tenants AS t WHERE t.id = %(id)s"


def plan_resume(session: Session, key: str, *, status: str | None = None) -> Plan:
    """Return what `resume` would do. Raises as it does."""
    return plan_change(session, "resume", key, _to(status))


def resume(session: Session, roles: Roles, key: str, *, actor: str, status: str | None = None) -> StatusResult:
    """End a suspension. `status` is for a suspension that recorded none, or for another status than the recorded one.

    Raises UsageError, TenantNotFound, and TenantConflict where no status is known or the trial would be over.
    """
    return change(session, roles, "resume", key, _to(status), actor=actor)


def _to(status: str | None) -> Prepare:
    allowed = TRANSITIONS["suspend"].starts
    if status is not None and status not in allowed:
        raise UsageError(f"A tenant is not resumed as {status!r}.", hint=f"One of: {', '.join(allowed)}")

    def prepare(session: Session, tenant: Tenant) -> Change:
        wanted = status or _recorded(session, tenant)
        if wanted == "trial" and session.value(_IS_OVER, {"id": tenant.id}):
            raise TenantConflict(
                f"The trial of {tenant.slug!r} is over: as a trial the service would go on refusing it.",
                hint=f"Say what it is now: capliquify-ops tenant resume {tenant.slug} --status active",
            )
        return Change((set_status(tenant, wanted, f"set the status {wanted}"),))

    return prepare


def _recorded(session: Session, tenant: Tenant) -> str:
    found = session.value(_RECORDED, {"id": tenant.id})
    if found is None:
        raise TenantConflict(
            f"The suspension of {tenant.slug!r} was not made here, so nobody knows its status before.",
            hint=f"Name it: capliquify-ops tenant resume {tenant.slug} --status active",
        )
    return str(found)
