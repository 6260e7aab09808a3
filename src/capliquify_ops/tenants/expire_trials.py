"""Expire trials: every trial whose end has passed becomes suspended, each with an audit row of its own."""

import uuid
from dataclasses import dataclass
from types import MappingProxyType

from capliquify_ops.database import Session
from capliquify_ops.model.names import TenantId
from capliquify_ops.model.plan import Plan
from capliquify_ops.model.roles import Roles
from capliquify_ops.tenants.acts import Act, perform
from capliquify_ops.tenants.audit import AUDIT_STEP, facts_of, write_audit
from capliquify_ops.tenants.ownership import as_owner, try_lock_tenant
from capliquify_ops.tenants.registry import Tenant, find
from capliquify_ops.tenants.standing import standing_sequence
from capliquify_ops.tenants.status import set_status

BATCH = 100
"""Tenants of one transaction: each takes one lock of the server's table."""
REASON = "trial_expired"
_EXPIRED = (
    "SELECT t.id::text FROM public.tenants AS t WHERE t.subscription_status = 'trial' AND t.trial_ends_at <= pg_catalog.now()"
    " AND t.deleted_at IS NULL AND (%(after)s::uuid IS NULL OR t.id > %(after)s::uuid) ORDER BY t.id LIMIT %(limit)s::bigint"
)


@dataclass(frozen=True, slots=True)
class ExpireResult:
    """The tenants that were suspended, and those that another verb held at the time, by slug."""

    suspended: tuple[Tenant, ...]
    busy: tuple[str, ...]


def plan_expire_trials(session: Session) -> Plan:
    """Return what `expire_trials` would do: one change and one audit row for each tenant."""
    with session.transaction():
        found = [find(session, str(each)) for each in session.rows(_EXPIRED, str, {"after": None, "limit": None})]
    steps = (*(_act(tenant).step() for tenant in found), AUDIT_STEP)
    return Plan("tenant expire-trials", "all", steps if found else (), MappingProxyType({"tenants": len(found)}))


def expire_trials(session: Session, roles: Roles, *, actor: str) -> ExpireResult:
    """Suspend every tenant whose trial is over, in the order of ids, in transactions of at most 100 tenants.

    A tenant that another verb holds is left to the next call and told in `busy`.
    """
    suspended: list[Tenant] = []
    busy: list[str] = []
    last: str | None = None
    while True:
        with session.transaction():
            ids = session.rows(_EXPIRED, str, {"after": last, "limit": BATCH})
            for one in ids:
                tenant = _expire(session, roles, TenantId(uuid.UUID(one)), actor)
                if isinstance(tenant, Tenant):
                    suspended.append(tenant)
                elif tenant:
                    busy.append(tenant)
        if len(ids) < BATCH:
            return ExpireResult(tuple(suspended), tuple(busy))
        last = ids[-1]


def _expire(session: Session, roles: Roles, number: TenantId, actor: str) -> Tenant | str:
    """Suspend one tenant and return its row; or the slug of one that is held, "" for one that is no expired trial any more."""
    is_held = not try_lock_tenant(session, number)
    tenant = find(session, str(number))
    if is_held or standing_sequence(session, tenant):
        return str(tenant.slug)
    if tenant.subscription_status != "trial" or tenant.deleted_at is not None:
        return ""
    act = _act(tenant)
    with as_owner(session, roles):
        perform(session, (act,))
        after = find(session, str(number))
        plan = Plan("tenant expire-trials", tenant.slug, (act.step(), AUDIT_STEP))
        facts = {**facts_of(after), "reason": REASON}
        write_audit(session, actor=actor, plan=plan, tenant=tenant, before=facts_of(tenant), after=facts)
    return after


def _act(tenant: Tenant) -> Act:
    return set_status(
        tenant, "suspended", f"suspend {tenant.slug}, whose trial ended at {tenant.trial_ends_at:%Y-%m-%d %H:%M} UTC"
    )
