"""Who belongs to a tenant: somebody to ask the service as."""

from dataclasses import dataclass

from capliquify_ops.database import Session
from capliquify_ops.tenants.concerns import speak_for
from capliquify_ops.tenants.registry import Tenant

_MEMBERS = (
    "SELECT u.clerk_user_id, u.email, u.role::text FROM public.users AS u WHERE u.tenant_id = %(id)s"
    " ORDER BY pg_catalog.array_position(ARRAY['owner', 'admin', 'member', 'viewer'], u.role::text), u.created_at, u.id LIMIT 5"
)


@dataclass(frozen=True, slots=True)
class Member:
    """One user of a tenant."""

    user_id: str
    email: str
    role: str


def members(session: Session, tenant: Tenant) -> list[Member]:
    """Return at most five members, those with the most rights first, within the open transaction."""
    speak_for(session, tenant)
    return session.rows(_MEMBERS, Member, {"id": tenant.id})
