"""API keys: a key acts as the member who made it, in the tenant where it was made, as long as both are there."""

import json
import secrets
from typing import LiteralString

from starlette.responses import Response

from capliquify_ops.reference.service.access import Need
from capliquify_ops.reference.service.api_key_lookup import PREFIX, digest_of
from capliquify_ops.reference.service.bodies import Rule, check_fields, page_of, resource_id
from capliquify_ops.reference.service.gate import Visit, tenant_route
from capliquify_ops.reference.service.reads import found
from capliquify_ops.reference.service.refusals import not_found, success

_RULES = {"name": Rule("text", is_required=True, most=100)}
_LIST: LiteralString = """
SELECT coalesce(json_agg(row_to_json(page)), '[]')::text FROM (
  SELECT id, name, user_id, last_used_at, created_at FROM reference_service.api_keys WHERE revoked_at IS NULL
  ORDER BY created_at DESC, id DESC LIMIT %(limit)s OFFSET %(offset)s) AS page
"""
_CREATE: LiteralString = """
INSERT INTO reference_service.api_keys (user_id, name, digest) VALUES (%(user_id)s::uuid, %(name)s, %(digest)s)
RETURNING id::text, name
"""
_REVOKE: LiteralString = """
UPDATE reference_service.api_keys SET revoked_at = now() WHERE id = %(id)s::uuid AND revoked_at IS NULL
RETURNING json_build_object('id', id)::text
"""


@tenant_route(Need("admin"))
async def list_keys(visit: Visit) -> Response:
    """The tenant's keys, never their secrets."""
    page = page_of(visit.request)
    return success(await visit.finish(_LIST, dict(page)) or "[]", pagination=page)


@tenant_route(Need("admin", writes=True))
async def create_key(visit: Visit) -> Response:
    """Makes a key; this answer alone holds it."""
    fields = check_fields(visit.document(), _RULES)
    secret = PREFIX + secrets.token_urlsafe(32)
    made = await visit.transaction.first(_CREATE, fields | {"user_id": visit.row.user_id, "digest": digest_of(secret)})
    if made is None:
        raise not_found()
    identifier, name = made
    await visit.finish_audited("api_key.created", ("api_key", identifier))
    return success(json.dumps({"id": identifier, "name": name, "key": secret}), 201)


@tenant_route(Need("admin", writes=True))
async def revoke_key(visit: Visit) -> Response:
    """Ends a key; its next use is refused, on every worker."""
    identifier = resource_id(visit.request)
    revoked = await visit.transaction.first(_REVOKE, {"id": identifier})
    if revoked is None:
        raise not_found()
    await visit.finish_audited("api_key.revoked", ("api_key", identifier))
    return found(revoked[0])
