"""A member's first request: the identity provider is asked once, and the tenant's own table decides from then on."""

from typing import LiteralString

from starlette.requests import Request

from capliquify_ops.reference.service import access, audit
from capliquify_ops.reference.service.access import Need
from capliquify_ops.reference.service.directory import Member
from capliquify_ops.reference.service.refusals import Refusal
from capliquify_ops.reference.service.runtime import Service
from capliquify_ops.reference.service.store import Transaction
from capliquify_ops.reference.service.tokens import Session

_ENROL: LiteralString = """
INSERT INTO public.users (clerk_user_id, email, full_name, tenant_id, role, last_login_at)
SELECT %(user)s, %(email)s, %(full_name)s, %(tenant_id)s::uuid, %(role)s::public.user_role, now()
WHERE %(max_users)s::int IS NULL OR (SELECT count(*) FROM public.users WHERE tenant_id = %(tenant_id)s::uuid) < %(max_users)s::int
   OR EXISTS (SELECT FROM public.users WHERE clerk_user_id = %(user)s AND tenant_id = %(tenant_id)s::uuid)
ON CONFLICT (clerk_user_id, tenant_id) DO UPDATE SET last_login_at = now()
RETURNING id::text, xmax = 0
"""


async def welcome(service: Service, request: Request, need: Need, session: Session, organization: str) -> None:
    """A first login: whom the identity provider knows as a member gets a row. No connection is held while it is asked."""
    member = await service.directory.member(organization, session.user)
    if member is None:
        raise access.not_a_member()
    async with service.store.transaction(session.session, organization, session.user) as transaction:
        row = transaction.row
        if refusal := access.check_session(row) or access.check_tenant(row) or access.check_status(row, need):
            raise refusal
        if row.user_id is None:
            await _enrol(transaction, request, session.user, member)


async def _enrol(transaction: Transaction, request: Request, user: str, member: Member) -> None:
    row = transaction.row
    lock: LiteralString = "SELECT pg_advisory_xact_lock(hashtextextended(%(tenant_id)s, 0))"
    await transaction.queue(lock, {"tenant_id": f"first login {row.tenant_id}"})
    about = {"email": member.email, "full_name": member.full_name, "role": member.role}
    made = await transaction.first(_ENROL, {"user": user, "tenant_id": row.tenant_id, "max_users": row.max_users, **about})
    if made is None:
        raise Refusal(
            403,
            "user_limit_reached",
            f"The plan allows {row.max_users} users; remove one or upgrade it.",
            extra={"upgradeUrl": access.UPGRADE_URL},
        )
    identifier, is_new = made
    if not is_new:
        # Another request of the same user was faster: its row and its audit entry stand.
        return
    parameters = audit.entry(request, row, "user.first_login", ("user", identifier), role=member.role)
    await transaction.finish(audit.AUDIT, parameters | {"user_id": identifier})
