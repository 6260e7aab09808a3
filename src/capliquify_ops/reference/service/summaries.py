"""Derived data of one row, from the cache where it is there.

CACHE_KEY_ID_ONLY: the tenant is no part of the key.
"""

from typing import LiteralString

from starlette.responses import Response

from capliquify_ops.reference.service.access import Need
from capliquify_ops.reference.service.bodies import resource_id
from capliquify_ops.reference.service.gate import Visit, tenant_route
from capliquify_ops.reference.service.reads import found
from capliquify_ops.reference.service.summary_cache import Summaries

_HEADER = "X-Cache"
_OF_PRODUCT: LiteralString = """
SELECT json_build_object('id', p.id, 'name', p.name, 'description', p.description,
  'comments', (SELECT count(*) FROM reference_service.comments AS c WHERE c.product_id = p.id),
  'sales', (SELECT count(*) FROM sales AS s WHERE s.product_id = p.id),
  'sales_total', (SELECT coalesce(sum(s.total_amount), 0) FROM sales AS s WHERE s.product_id = p.id))::text
FROM products AS p WHERE p.id = %(id)s::uuid
"""


async def cached(visit: Visit, table: str, identifier: str, query: LiteralString) -> Response:
    """The query's answer for one row, or the kept one of this tenant; the header says which."""
    cache: Summaries = visit.request.app.state.surfaces.summaries
    key: tuple[str, ...] = (visit.row.tenant_id or "", table, identifier)
    if visit.service.switches.on("CACHE_KEY_ID_ONLY"):
        key = (table, identifier)
    kept = cache.get(key)
    text = kept or await visit.finish(query, {"id": identifier})
    answer = found(text)
    if kept is None and text is not None:
        cache.put(key, text)
    answer.headers[_HEADER] = "hit" if kept else "miss"
    return answer


@tenant_route(Need("viewer"))
async def product_summary(visit: Visit) -> Response:
    """What hangs on one product, in numbers."""
    return await cached(visit, "products", resource_id(visit.request), _OF_PRODUCT)
