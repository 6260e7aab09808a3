"""The tenant's people: own profile, members, roles, the audit log, and the end of a session.

Switches: READ_USER_NO_TENANT, AUDIT_LIST_ALL.
"""

import json
from typing import LiteralString

from starlette.requests import Request
from starlette.responses import Response

from capliquify_ops.reference.service import audit
from capliquify_ops.reference.service.access import ROLES, Need, check_role_change, check_session, features_of
from capliquify_ops.reference.service.bodies import Rule, check_fields, page_of, resource_id
from capliquify_ops.reference.service.elsewhere import in_each_tenant
from capliquify_ops.reference.service.gate import Visit, record_denial, spend, tenant_route, verified_session
from capliquify_ops.reference.service.reads import found
from capliquify_ops.reference.service.refusals import Refusal, not_found, success
from capliquify_ops.reference.service.row_security import of_tenant
from capliquify_ops.reference.service.runtime import Service

_ROLE_RULES = {"role": Rule("text", is_required=True, choices=ROLES)}
_PROFILE: LiteralString = """
SELECT row_to_json(one)::text FROM (
  SELECT id, clerk_user_id, email, full_name, role, last_login_at, created_at, %(tenant)s::json AS tenant
  FROM public.users WHERE id = %(user_id)s::uuid) AS one
"""
_USERS: LiteralString = """
SELECT coalesce(json_agg(row_to_json(page)), '[]')::text FROM (
  SELECT id, clerk_user_id, email, full_name, role, last_login_at, created_at
  FROM public.users ORDER BY created_at, id LIMIT %(limit)s OFFSET %(offset)s) AS page
"""
_USER: LiteralString = """
SELECT row_to_json(one)::text FROM (
  SELECT id, clerk_user_id, email, full_name, role, last_login_at, created_at FROM public.users WHERE id = %(id)s::uuid) AS one
"""
# All owners are locked, in one order: two owners who step down at once must not leave the tenant without one.
_LOCK_OWNERS: LiteralString = """
SELECT count(*) FROM (SELECT id FROM public.users WHERE role = 'owner' ORDER BY id FOR UPDATE) AS owners
"""
_ROLE_OF: LiteralString = "SELECT role::text FROM public.users WHERE id = %(id)s::uuid FOR UPDATE"
_CHANGE_ROLE: LiteralString = """
UPDATE public.users SET role = %(role)s::public.user_role, updated_at = now() WHERE id = %(id)s::uuid
RETURNING json_build_object('id', id, 'clerk_user_id', clerk_user_id, 'email', email, 'full_name', full_name, 'role', role)::text
"""
_SIGN_OUT: LiteralString = """
INSERT INTO reference_service.signed_out_sessions (sid, expires_at)
VALUES (%(session)s, to_timestamp(%(expires_at)s) + interval '30 days')
ON CONFLICT (sid) DO NOTHING
"""
"""Kept beyond this token's end: other tokens of the same session may expire later."""
_PURGE: LiteralString = "DELETE FROM reference_service.signed_out_sessions WHERE expires_at < now()"
_DONE: LiteralString = "SELECT 'true'"


@tenant_route(Need("viewer"))
async def profile(visit: Visit) -> Response:
    """Who the caller is in this tenant, and what the tenant may use."""
    row = visit.row
    tenant = {
        "id": row.tenant_id, "slug": row.slug, "name": row.name, "subscription_status": row.status, "subscription_tier": row.tier,
        "features": sorted(features_of(row)),
    }  # fmt: skip
    return found(await visit.finish(_PROFILE, {"user_id": row.user_id, "tenant": json.dumps(tenant)}))


@tenant_route(Need("admin"))
async def list_users(visit: Visit) -> Response:
    """The members of this tenant."""
    page = page_of(visit.request)
    return success(await visit.finish(of_tenant(visit.service.switches, _USERS), dict(page)) or "[]", pagination=page)


@tenant_route(Need("admin"))
async def get_user(visit: Visit) -> Response:
    """One member of this tenant. READ_USER_NO_TENANT: of any tenant."""
    parameters: dict[str, object] = {"id": resource_id(visit.request)}
    if visit.service.switches.on("READ_USER_NO_TENANT"):
        rows = await in_each_tenant(visit.service, _USER, parameters)
        return found(rows[0][0] if rows else None)
    return found(await visit.finish(of_tenant(visit.service.switches, _USER), parameters))


@tenant_route(Need("admin", writes=True))
async def change_role(visit: Visit) -> Response:
    """Gives a member another role; nobody hands out more than their own, and an owner always remains."""
    identifier = resource_id(visit.request)
    wanted = str(check_fields(visit.document(), _ROLE_RULES)["role"])
    switches = visit.service.switches
    owners = await visit.transaction.first(of_tenant(switches, _LOCK_OWNERS), {})
    current = await visit.transaction.first(of_tenant(switches, _ROLE_OF), {"id": identifier})
    if current is None:
        raise not_found()
    if refusal := check_role_change(visit.row.role or "", current[0], wanted):
        raise refusal
    if current[0] == "owner" != wanted and owners == (1,):
        raise Refusal(409, "last_owner", "This is the only owner; make another member an owner first.")
    changed = await visit.transaction.first(_CHANGE_ROLE, {"id": identifier, "role": wanted})
    await visit.finish_audited("user.role_changed", ("user", identifier), old=current[0], new=wanted)
    return found(changed[0] if changed else None)


@tenant_route(Need("admin"))
async def list_audit_logs(visit: Visit) -> Response:
    """The audit log of this tenant, newest first. AUDIT_LIST_ALL: of all tenants."""
    page = page_of(visit.request)
    if visit.service.switches.on("AUDIT_LIST_ALL"):
        return success(await _of_all_tenants(visit.service, page), pagination=page)
    return success(await visit.finish(of_tenant(visit.service.switches, audit.LIST), dict(page)) or "[]", pagination=page)


async def _of_all_tenants(service: Service, page: dict[str, int]) -> str:
    first, last = page["offset"], page["offset"] + page["limit"]
    lists = await in_each_tenant(service, audit.LIST, {"limit": last, "offset": 0})
    entries = [entry for (text,) in lists for entry in json.loads(text)]
    return json.dumps(sorted(entries, key=lambda entry: str(entry["created_at"]), reverse=True)[first:last])


async def sign_out(request: Request) -> Response:
    """Ends the session of the token, whatever the state of the tenant; every later use of it is refused."""
    service: Service = request.app.state.service
    try:
        session = verified_session(service, request)
        organization = session.organization or ""
        if organization:
            spend(service, organization)
        async with service.store.transaction(session.session, organization, session.user) as transaction:
            if refusal := check_session(transaction.row):
                raise refusal
            await transaction.queue(_PURGE, {})
            await transaction.queue(_SIGN_OUT, {"session": session.session, "expires_at": session.expires_at})
            if transaction.row.tenant_id is not None:
                await transaction.queue(audit.AUDIT, audit.entry(request, transaction.row, "session.signed_out"))
            await transaction.finish(_DONE, {})
    except Refusal as refusal:
        if refusal.code in audit.AUDITED_REFUSALS:
            await record_denial(service, request, refusal)
        raise
    return success('{"signed_out": true}')
