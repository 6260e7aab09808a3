"""Comments on products: a table that all tenants share, whose parents stand in each tenant's own schema.

No foreign key can lead from a shared table into many schemas, so every statement looks the parent up in the transaction's own
schema; whose row it is, row-level security decides.

PARENT_UNCHECKED: a comment may hang on any id, and a product's comments are found by its id alone.
"""

import json
from typing import LiteralString

from starlette.responses import Response

from capliquify_ops.reference.service.access import Need
from capliquify_ops.reference.service.bodies import Rule, check_fields, page_of, resource_id
from capliquify_ops.reference.service.elsewhere import in_each_tenant
from capliquify_ops.reference.service.gate import Visit, tenant_route
from capliquify_ops.reference.service.idempotency import idempotent
from capliquify_ops.reference.service.reads import found
from capliquify_ops.reference.service.refusals import not_found, success
from capliquify_ops.reference.service.summary_cache import forget

_BODY = Rule("text", is_required=True, most=10_000)
_RULES = {"product_id": Rule("uuid", is_required=True), "body": _BODY}
_ROW: LiteralString = """
json_build_object('id', c.id, 'product_id', c.product_id, 'product', CASE WHEN p.id IS NOT NULL THEN
  json_build_object('id', p.id, 'name', p.name) END, 'body', c.body, 'created_at', c.created_at)
"""
_CREATE: LiteralString = """
WITH p AS (SELECT id, name FROM products WHERE id = %(product_id)s::uuid),
c AS (INSERT INTO reference_service.comments (product_id, body) SELECT p.id, %(body)s::text FROM p RETURNING *)
SELECT :row::text, pg_notify('reference_service_events', c.tenant_id || ' comments ' || c.id)
FROM c JOIN p ON p.id = c.product_id
""".replace(":row", _ROW)
_CREATE_UNCHECKED: LiteralString = """
WITH c AS (INSERT INTO reference_service.comments (product_id, body) VALUES (%(product_id)s::uuid, %(body)s::text) RETURNING *)
SELECT :row::text, pg_notify('reference_service_events', c.tenant_id || ' comments ' || c.id)
FROM c LEFT JOIN products AS p ON p.id = c.product_id
""".replace(":row", _ROW)
_LIST: LiteralString = """
SELECT coalesce(json_agg(:row ORDER BY c.created_at DESC, c.id DESC), '[]')::text FROM (
  SELECT * FROM reference_service.comments ORDER BY created_at DESC, id DESC LIMIT %(limit)s OFFSET %(offset)s) AS c
LEFT JOIN products AS p ON p.id = c.product_id
""".replace(":row", _ROW)
_OF_PRODUCT: LiteralString = """
SELECT (SELECT coalesce(json_agg(:row ORDER BY c.created_at DESC, c.id DESC), '[]') FROM (
  SELECT * FROM reference_service.comments WHERE product_id = p.id
  ORDER BY created_at DESC, id DESC LIMIT %(limit)s OFFSET %(offset)s) AS c)::text
FROM products AS p WHERE p.id = %(product_id)s::uuid
""".replace(":row", _ROW)
_OF_PARENT_ALONE: LiteralString = """
SELECT :row FROM reference_service.comments AS c LEFT JOIN products AS p ON p.id = c.product_id
WHERE c.product_id = %(product_id)s::uuid LIMIT %(limit)s
""".replace(":row", _ROW)


@tenant_route(Need("viewer"))
async def list_comments(visit: Visit) -> Response:
    """The tenant's comments, newest first, each with its product."""
    page = page_of(visit.request)
    return success(await visit.finish(_LIST, dict(page)) or "[]", pagination=page)


@tenant_route(Need("viewer"))
async def list_of_product(visit: Visit) -> Response:
    """The comments on one product; 404 when it is not this tenant's."""
    page, product = page_of(visit.request), resource_id(visit.request)
    if visit.service.switches.on("PARENT_UNCHECKED"):
        rows = await in_each_tenant(visit.service, _OF_PARENT_ALONE, {"product_id": product, **page})
        return success(json.dumps([row for (row,) in rows]), pagination=page)
    data = await visit.finish(_OF_PRODUCT, {"product_id": product, **page})
    if data is None:
        raise not_found()
    return success(data, pagination=page)


@tenant_route(Need("member", writes=True))
@idempotent(201)
async def create_comment(visit: Visit) -> Response:
    """A comment on the product that the body names."""
    return await _create(visit, check_fields(visit.document(), _RULES))


@tenant_route(Need("member", writes=True))
@idempotent(201)
async def create_of_product(visit: Visit) -> Response:
    """A comment on the product of the path."""
    product = resource_id(visit.request)
    return await _create(visit, check_fields(visit.document(), {"body": _BODY}) | {"product_id": product})


async def _create(visit: Visit, fields: dict[str, object]) -> Response:
    query = _CREATE_UNCHECKED if visit.service.switches.on("PARENT_UNCHECKED") else _CREATE
    made = found(await visit.finish(query, fields), 201)
    forget(visit)
    return made
