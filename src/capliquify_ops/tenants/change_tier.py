"""Change the tier: limits and features follow from it, as public.tier_defaults() says."""

from capliquify_ops.database import Session
from capliquify_ops.model.errors import TenantConflict
from capliquify_ops.model.plan import Plan
from capliquify_ops.model.roles import Roles
from capliquify_ops.tenants.acts import Act
from capliquify_ops.tenants.concerns import shared_rows
from capliquify_ops.tenants.create import require_tier
from capliquify_ops.tenants.registry import Tenant
from capliquify_ops.tenants.status import Change, Prepare, StatusResult, change, plan_change

_CHANGE = (
    "UPDATE public.tenants AS t SET subscription_tier = d.tier, max_users = d.max_users, max_entities = d.max_entities,"
    " features = d.features FROM public.tier_defaults() AS d WHERE d.tier::text = :'tier' AND t.id = :'id'"
    " AND t.subscription_tier::text = :'was' AND t.deleted_at IS NULL"
)
_USERS = "SELECT d.max_users FROM public.tier_defaults() AS d WHERE d.tier::text = %(tier)s"


def plan_change_tier(session: Session, key: str, tier: str) -> Plan:
    """Return what `change_tier` would do. Raises as it does."""
    return plan_change(session, "change-tier", key, _to(tier))


def change_tier(session: Session, roles: Roles, key: str, tier: str, *, actor: str) -> StatusResult:
    """Give a tenant another tier with its limits and features. Raises UsageError, TenantNotFound, TenantConflict."""
    return change(session, roles, "change-tier", key, _to(tier), actor=actor)


def _to(tier: str) -> Prepare:
    require_tier(tier)

    def prepare(session: Session, tenant: Tenant) -> Change:
        if tenant.subscription_tier == tier:
            raise TenantConflict(f"The tenant {tenant.slug!r} has the tier {tier} already.", hint="Nothing is to be done.")
        names = {"tier": tier, "id": str(tenant.id), "was": tenant.subscription_tier}
        act = Act(f"set the tier {tier} with its limits and features", _CHANGE, names, rows=1)
        return Change((act,), _warnings(session, tenant, tier))

    return prepare


def _warnings(session: Session, tenant: Tenant, tier: str) -> tuple[str, ...]:
    most, users = session.value(_USERS, {"tier": tier}), shared_rows(session, tenant).get("public.users", 0)
    return (f"The tenant has {users} users; {tier} allows {most}.",) if most is not None and users > most else ()
