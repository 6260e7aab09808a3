"""Tenants as the platform's administrators change them: suspended, resumed, marked as deleted. Each change is audited."""

from typing import LiteralString

from psycopg.types.json import Json
from starlette.requests import Request
from starlette.responses import Response

from capliquify_ops.reference.service import audit
from capliquify_ops.reference.service.access import Resolved
from capliquify_ops.reference.service.bodies import resource_id
from capliquify_ops.reference.service.gate import Endpoint
from capliquify_ops.reference.service.onboarding import as_platform, require_administrator
from capliquify_ops.reference.service.refusals import Refusal, not_found, success
from capliquify_ops.reference.service.runtime import Service

_CHANGE: LiteralString = """
UPDATE public.tenants SET subscription_status = %(status)s::public.subscription_status, updated_at = now()
WHERE id = %(id)s::uuid AND deleted_at IS NULL
RETURNING set_config('app.tenant_id', id::text, true),
  json_build_object('id', id, 'subscription_status', subscription_status)::text
"""
_DELETE: LiteralString = """
UPDATE public.tenants SET deleted_at = now(), updated_at = now() WHERE id = %(id)s::uuid AND deleted_at IS NULL
RETURNING set_config('app.tenant_id', id::text, true), json_build_object('id', id, 'deleted_at', deleted_at)::text
"""
_STATUS_BEFORE: LiteralString = """
SELECT subscription_status::text FROM public.tenants WHERE id = %(id)s::uuid AND deleted_at IS NULL FOR UPDATE
"""
_RESUMABLE = frozenset({"suspended", "active"})


async def suspend_tenant(request: Request) -> Response:
    """Nobody of the tenant gets in any more, from the next request on; its data stays as it is."""
    return await _change(request, "tenant.suspended", _CHANGE, "suspended")


async def resume_tenant(request: Request) -> Response:
    """Takes a suspension back; Refusal 409 for a tenant that is kept out for another reason."""
    return await _change(request, "tenant.resumed", _CHANGE, "active")


async def delete_tenant(request: Request) -> Response:
    """Marks the tenant as deleted: it is gone for everybody, and its data is kept until it is purged."""
    return await _change(request, "tenant.deleted", _DELETE, "")


async def _change(request: Request, action: str, query: LiteralString, status: str) -> Response:
    service: Service = request.app.state.service
    session = await require_administrator(service, request)
    identifier = resource_id(request)
    async with as_platform(service) as connection:
        before = await (await connection.execute(_STATUS_BEFORE, {"id": identifier})).fetchone()
        if before is None:
            raise not_found()
        if status == "active" and before[0] not in _RESUMABLE:
            raise Refusal(409, "not_suspended", "This tenant is not suspended; its subscription decides.")
        made = await (await connection.execute(query, {"id": identifier, "status": status})).fetchone()
        entry = audit.entry(request, Resolved(False, tenant_id=identifier), action, ("tenant", identifier))
        await connection.execute(audit.AUDIT, entry | {"metadata": Json({"by": session.user})})
    return success(made[1] if made else "null")


PLATFORM_ROUTES: tuple[tuple[str, dict[str, Endpoint]], ...] = (
    ("/api/admin/tenants/{id}", {"DELETE": delete_tenant}),
    ("/api/admin/tenants/{id}/suspend", {"POST": suspend_tenant}),
    ("/api/admin/tenants/{id}/resume", {"POST": resume_tenant}),
)
