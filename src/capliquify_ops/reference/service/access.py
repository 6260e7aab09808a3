"""Who may do what: the pure decision over the resolved tenant row and what the route needs. No I/O, no clock."""

from collections.abc import Mapping
from dataclasses import dataclass

from capliquify_ops.reference.service.refusals import Refusal

ROLES = ("viewer", "member", "admin", "owner")
"""Lowest first; a role may do whatever the roles before it may."""

_STARTER = frozenset({"basic_forecasting"})
_PROFESSIONAL = _STARTER | {"ai_forecasting", "what_if_analysis", "priority_support"}
_ENTERPRISE = _PROFESSIONAL | {"multi_entity", "api_access", "white_label", "advanced_reports", "custom_integrations"}
TIER_FEATURES: Mapping[str, frozenset[str]] = {"starter": _STARTER, "professional": _PROFESSIONAL, "enterprise": _ENTERPRISE}
"""The only source of paid features: the tenant's own column can take one away, never add one."""

UPGRADE_URL = "/settings/billing/upgrade"


@dataclass(frozen=True, slots=True)
class Need:
    """What a route asks of its caller: the lowest role, whether it changes anything, and a feature of the tier.

    `trusts_path` asks nothing, and means something to the defects of `session_path` only.
    """

    role: str = "viewer"
    writes: bool = False
    feature: str | None = None
    trusts_path: bool = False


@dataclass(frozen=True, slots=True)
class Resolved:
    """What one statement says about a request: session, tenant and membership, as of this moment."""

    signed_out: bool
    tenant_id: str | None = None
    slug: str = ""
    name: str = ""
    status: str = ""
    tier: str = ""
    is_trial_expired: bool = False
    is_deleted: bool = False
    max_users: int | None = None
    features: object = None
    user_id: str | None = None
    role: str | None = None


def decide(row: Resolved, need: Need) -> Refusal | None:
    """The first reason to refuse, in the contract's order, or None when the request may go on."""
    return (
        check_session(row) or check_tenant(row) or check_membership(row) or check_status(row, need) or check_role(row, need)
        or check_feature(row, need)
    )  # fmt: skip


def check_session(row: Resolved) -> Refusal | None:
    """A signed-out session is refused before anything about the tenant is said."""
    if row.signed_out:
        return Refusal(401, "session_verification_failed", "The session was signed out; sign in again.")
    return None


def check_tenant(row: Resolved) -> Refusal | None:
    """A soft-deleted tenant and one that never existed are the same answer."""
    if row.tenant_id is None or row.is_deleted:
        return Refusal(
            404, "tenant_not_found", "No tenant belongs to this organisation; create one or choose another organisation."
        )
    return None


def check_membership(row: Resolved) -> Refusal | None:
    """Only members get further; whether a newcomer is one was asked of the identity provider before."""
    if row.user_id is None or row.role not in ROLES:
        return not_a_member()
    return None


def check_status(row: Resolved, need: Need) -> Refusal | None:
    """The subscription's state; an unknown state is refused like a suspended one."""
    if row.status == "active" or (row.status == "trial" and not row.is_trial_expired):
        return None
    if row.status == "trial":
        return Refusal(403, "subscription_suspended", "The trial has ended; choose a plan to go on.", hint="trial_expired")
    if row.status == "cancelled":
        return Refusal(403, "subscription_cancelled", "The subscription was cancelled; subscribe again to go on.")
    if row.status != "past_due":
        return Refusal(403, "subscription_suspended", "The subscription is suspended; contact support to have it resumed.")
    if need.writes:
        return Refusal(
            402,
            "payment_required",
            "The payment is overdue, so data can be read but not changed; settle the invoice.",
            hint="read_only",
        )
    return None


def check_role(row: Resolved, need: Need) -> Refusal | None:
    """The role of this membership row, never one that a token claims."""
    if row.role in ROLES and ROLES.index(row.role) >= ROLES.index(need.role):
        return None
    return too_low(need.role)


def check_feature(row: Resolved, need: Need) -> Refusal | None:
    """The tier's features decide; the tenant's column can only switch one off."""
    if need.feature is None or need.feature in features_of(row):
        return None
    message = f"The plan of this organisation does not include '{need.feature}'; upgrade it to use this."
    return Refusal(403, "feature_not_available", message, extra={"upgradeUrl": UPGRADE_URL, "feature": need.feature})


def features_of(row: Resolved) -> frozenset[str]:
    """The features this tenant may use now; an unknown tier has none."""
    paid = TIER_FEATURES.get(row.tier, frozenset())
    if not isinstance(row.features, Mapping):
        return paid
    return paid - {name for name, value in row.features.items() if value is False}


def check_role_change(actor: str, current: str, wanted: str) -> Refusal | None:
    """Admins move people between roles up to admin; only an owner makes or changes an owner."""
    if actor == "owner" or (actor == "admin" and "owner" not in (current, wanted)):
        return None
    return too_low("owner" if actor == "admin" else "admin")


def not_a_member() -> Refusal:
    """The answer to whoever is no member, whatever the reason."""
    return Refusal(
        403, "not_organization_member", "You are not a member of this organisation; ask one of its admins for an invitation."
    )


def too_low(role: str) -> Refusal:
    """The answer to a member whose role does not reach."""
    return Refusal(403, "insufficient_permissions", f"This needs the role '{role}' or higher; ask an admin of your organisation.")
