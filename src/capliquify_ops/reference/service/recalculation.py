"""Work that a tenant does one at a time: an advisory lock whose key holds the tenant, so that no tenant waits for another."""

from typing import LiteralString

from starlette.responses import Response

from capliquify_ops.reference.service.access import Need
from capliquify_ops.reference.service.bodies import check_fields
from capliquify_ops.reference.service.gate import Visit, tenant_route
from capliquify_ops.reference.service.reads import found

_LOCK: LiteralString = "SELECT pg_advisory_xact_lock(hashtextextended(%(key)s, 0))"
_RECALCULATE: LiteralString = """
WITH touched AS (
  UPDATE products SET updated_at = now() WHERE id = (SELECT id FROM products ORDER BY updated_at, id LIMIT 1) RETURNING id
)
SELECT json_build_object('products', (SELECT count(*) FROM products), 'recalculated', (SELECT count(*) FROM touched))::text
"""


@tenant_route(Need("member", writes=True))
async def recalculate(visit: Visit) -> Response:
    """Recalculates the product that has waited longest; a second call of the same tenant waits for the first."""
    check_fields(visit.document(), {})
    key = f"recalculation of {visit.row.tenant_id}"
    if visit.service.switches.on("LOCK_KEY_CONSTANT"):
        key = "recalculation"
    await visit.transaction.queue(_LOCK, {"key": key})
    return found(await visit.finish(_RECALCULATE, {}), 201)
