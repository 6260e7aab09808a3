"""Invitations: bound to the organisation, to one e-mail address, good once and for a week."""

import json
import secrets
from typing import LiteralString

from starlette.requests import Request
from starlette.responses import Response

from capliquify_ops.reference.service.access import ROLES, Need, check_role_change
from capliquify_ops.reference.service.api_key_lookup import digest_of
from capliquify_ops.reference.service.bodies import Rule, check_fields, page_of, parse_object, read_body, resource_id
from capliquify_ops.reference.service.elsewhere import in_each_tenant
from capliquify_ops.reference.service.gate import Visit, tenant_route, verified_session
from capliquify_ops.reference.service.reads import found
from capliquify_ops.reference.service.refusals import not_found, success
from capliquify_ops.reference.service.runtime import Service

_PREFIX = "inv_"
_RULES = {"email": Rule("text", is_required=True, most=320), "role": Rule("text", is_required=True, choices=ROLES)}
_TOKEN_RULES = {"token": Rule("text", is_required=True, most=200)}
_LIST: LiteralString = """
SELECT coalesce(json_agg(row_to_json(page)), '[]')::text FROM (
  SELECT id, email, role, expires_at, accepted_at, created_at FROM reference_service.invitations WHERE revoked_at IS NULL
  ORDER BY created_at DESC, id DESC LIMIT %(limit)s OFFSET %(offset)s) AS page
"""
_CREATE: LiteralString = """
INSERT INTO reference_service.invitations (email, role, digest) VALUES (%(email)s, %(role)s::public.user_role, %(digest)s)
RETURNING id::text
"""
_REVOKE: LiteralString = """
UPDATE reference_service.invitations SET revoked_at = now()
WHERE id = %(id)s::uuid AND revoked_at IS NULL AND accepted_at IS NULL RETURNING json_build_object('id', id)::text
"""
_ACCEPT: LiteralString = """
UPDATE reference_service.invitations AS i SET accepted_at = now() FROM public.users AS u
WHERE i.digest = %(digest)s AND i.accepted_at IS NULL AND i.revoked_at IS NULL AND i.expires_at > now()
  AND u.id = %(user_id)s::uuid AND u.tenant_id = i.tenant_id AND lower(u.email) = lower(i.email)
RETURNING i.id::text, i.role::text
"""
# An invitation never takes a right away: who has a higher role keeps it.
_RAISE: LiteralString = """
UPDATE public.users SET role = %(role)s::public.user_role, updated_at = now()
WHERE id = %(user_id)s::uuid AND array_position(%(roles)s::text[], role::text) < array_position(%(roles)s::text[], %(role)s::text)
"""
_ANY: LiteralString = """
SELECT i.id::text, i.role::text, t.id::text, t.clerk_organization_id
FROM reference_service.invitations AS i JOIN public.tenants AS t ON t.id = i.tenant_id WHERE i.digest = %(digest)s
"""
_JOIN: LiteralString = """
INSERT INTO public.users (clerk_user_id, email, tenant_id, role)
VALUES (%(user)s::text, %(user)s::text || '@invited.invalid', %(tenant_id)s::uuid, %(role)s::public.user_role)
ON CONFLICT (clerk_user_id, tenant_id) DO UPDATE SET role = excluded.role RETURNING 'true'
"""


@tenant_route(Need("admin"))
async def list_invitations(visit: Visit) -> Response:
    """The tenant's invitations, never their tokens."""
    page = page_of(visit.request)
    return success(await visit.finish(_LIST, dict(page)) or "[]", pagination=page)


@tenant_route(Need("admin", writes=True))
async def create_invitation(visit: Visit) -> Response:
    """Invites an e-mail address as a role that the caller may give; this answer alone holds the token."""
    fields = check_fields(visit.document(), _RULES)
    if refusal := check_role_change(visit.row.role or "", ROLES[0], str(fields["role"])):
        raise refusal
    token = _PREFIX + secrets.token_urlsafe(32)
    made = await visit.transaction.first(_CREATE, fields | {"digest": digest_of(token)})
    if made is None:
        raise not_found()
    await visit.finish_audited("invitation.created", ("invitation", made[0]), role=str(fields["role"]))
    return success(json.dumps({"id": made[0], "email": fields["email"], "role": fields["role"], "token": token}), 201)


@tenant_route(Need("admin", writes=True))
async def revoke_invitation(visit: Visit) -> Response:
    """Ends an invitation that nobody has taken."""
    identifier = resource_id(visit.request)
    revoked = await visit.transaction.first(_REVOKE, {"id": identifier})
    if revoked is None:
        raise not_found()
    await visit.finish_audited("invitation.revoked", ("invitation", identifier))
    return found(revoked[0])


@tenant_route(Need("viewer", writes=True))
async def _accept(visit: Visit) -> Response:
    token = str(check_fields(visit.document(), _TOKEN_RULES)["token"])
    accepted = await visit.transaction.first(_ACCEPT, {"digest": digest_of(token), "user_id": visit.row.user_id})
    if accepted is None:
        raise not_found()
    identifier, role = accepted
    await visit.transaction.queue(_RAISE, {"role": role, "user_id": visit.row.user_id, "roles": list(ROLES)})
    await visit.finish_audited("invitation.accepted", ("invitation", identifier), role=role)
    return success(json.dumps({"id": identifier, "role": role}))


async def accept_invitation(request: Request) -> Response:
    """Takes the role of an invitation to the session's own organisation and the caller's own address; 404 for any other."""
    service: Service = request.app.state.service
    if service.switches.has("INVITE_ANY_ORG"):
        return await _accept_any(service, request)
    return await _accept(request)


async def _accept_any(service: Service, request: Request) -> Response:
    """INVITE_ANY_ORG: a member of any tenant gets the role there, a stranger in the tenant of the invitation."""
    session = verified_session(service, request)
    token = str(check_fields(parse_object(await read_body(request)), _TOKEN_RULES)["token"])
    rows = await in_each_tenant(service, _ANY, {"digest": digest_of(token)})
    if not rows:
        raise not_found()
    identifier, role, tenant, organization = rows[0]
    async with service.store.transaction(session.session, session.organization or "", session.user) as transaction:
        if transaction.row.user_id is not None:
            tenant, organization = transaction.row.tenant_id, session.organization
    service.switches.on("INVITE_ANY_ORG")
    async with service.store.transaction(session.session, organization, session.user) as transaction:
        await transaction.finish(_JOIN, {"user": session.user, "tenant_id": tenant, "role": role})
    return success(json.dumps({"id": identifier, "role": role}))
