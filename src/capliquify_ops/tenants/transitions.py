"""A tenant's life: which verb leads from which status to which. One table."""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from capliquify_ops.model.errors import TenantConflict
from capliquify_ops.tenants.registry import Tenant


@dataclass(frozen=True, slots=True)
class Transition:
    """From which statuses a verb may start, and to which it leads ("" where the call decides)."""

    starts: tuple[str, ...]
    leads_to: str


TRANSITIONS: Mapping[str, Transition] = MappingProxyType(
    {
        "activate": Transition(("trial", "past_due", "cancelled"), "active"),
        "past-due": Transition(("active",), "past_due"),
        "change-tier": Transition(("trial", "active", "past_due", "suspended"), ""),
        "suspend": Transition(("trial", "active", "past_due"), "suspended"),
        "resume": Transition(("suspended",), ""),
        "cancel": Transition(("trial", "active", "past_due", "suspended"), "cancelled"),
        "delete": Transition(("trial", "active", "past_due", "suspended", "cancelled"), ""),
    }
)


def require_live(tenant: Tenant) -> None:
    """Refuse a tenant that is soft-deleted."""
    if tenant.deleted_at is not None:
        raise TenantConflict(
            f"The tenant {tenant.slug!r} was deleted at {tenant.deleted_at:%Y-%m-%d %H:%M} UTC already.",
            hint=f"What comes next is the purge: capliquify-ops tenant purge {tenant.slug}",
        )


def require_allowed(verb: str, tenant: Tenant) -> None:
    """Refuse a verb that does not start from the tenant's status, naming what would apply."""
    require_live(tenant)
    status, transition = tenant.subscription_status, TRANSITIONS[verb]
    if status in transition.starts:
        return
    applies = ", ".join(f"tenant {name}" for name, each in TRANSITIONS.items() if status in each.starts)
    if status == transition.leads_to:
        raise TenantConflict(f"The tenant {tenant.slug!r} is {status} already.", hint=f"What applies: {applies}")
    raise TenantConflict(
        f"The tenant {tenant.slug!r} is {status}; {verb} starts from {' or '.join(transition.starts)}.",
        hint=f"What applies: {applies}",
    )
