"""SHARED_REFERENCE: one table for all tenants, which everybody reads and only the platform writes; nothing is wrong with it."""

from typing import LiteralString

from starlette.responses import Response

from capliquify_ops.reference.service.access import Need
from capliquify_ops.reference.service.gate import Endpoint, Visit, tenant_route
from capliquify_ops.reference.service.refusals import success

_LIST: LiteralString = """
SELECT coalesce(json_agg(row_to_json(one) ORDER BY one.code), '[]')::text FROM reference_service.currencies AS one
"""


@tenant_route(Need("viewer"))
async def list_currencies(visit: Visit) -> Response:
    """The currencies, the same for every tenant."""
    visit.service.switches.on("SHARED_REFERENCE")
    return success(await visit.finish(_LIST, {}) or "[]")


ROUTES: tuple[tuple[str, dict[str, Endpoint]], ...] = (("/api/currencies", {"GET": list_currencies}),)
