"""Products: the resource with every operation, and the pieces that the other resources share."""

from typing import LiteralString

from starlette.responses import Response

from capliquify_ops.reference.service import resources
from capliquify_ops.reference.service.access import Need
from capliquify_ops.reference.service.bodies import check_fields, resource_id
from capliquify_ops.reference.service.gate import Endpoint, Visit, tenant_route
from capliquify_ops.reference.service.idempotency import idempotent
from capliquify_ops.reference.service.reads import by_id, found, page_route, row_route
from capliquify_ops.reference.service.refusals import not_found, success
from capliquify_ops.reference.service.resources import PRODUCTS, Resource
from capliquify_ops.reference.service.summary_cache import forget

# They stand in a table that all tenants share, where no foreign key could remove them.
_DELETE_COMMENTS: LiteralString = "DELETE FROM reference_service.comments WHERE product_id = %(id)s::uuid"


def list_route(resource: Resource, feature: str | None = None) -> Endpoint:
    """GET of one page of a resource."""
    return page_route(Need("viewer", feature=feature), resources.list_query(resource))


def create_route(resource: Resource, feature: str | None = None) -> Endpoint:
    """POST of one new row of a resource."""

    @tenant_route(Need("member", writes=True, feature=feature))
    @idempotent(201)
    async def create(visit: Visit) -> Response:
        fields = check_fields(visit.document(), resource.rules)
        query = resources.insert_query(resource, fields)
        made = found(await visit.finish(query, fields | {resources.COMPANY_PARAMETER: visit.row.name}), 201)
        forget(visit)
        return made

    return create


list_products = list_route(PRODUCTS)
create_product = create_route(PRODUCTS)
get_product = row_route(Need("viewer"), resources.get_query(PRODUCTS), by_id)


@tenant_route(Need("member", writes=True))
async def replace_product(visit: Visit) -> Response:
    """PUT: what is not sent goes back to its default."""
    return await _update(visit, is_whole=True)


@tenant_route(Need("member", writes=True))
async def change_product(visit: Visit) -> Response:
    """PATCH: what is not sent stays."""
    return await _update(visit, is_whole=False)


@tenant_route(Need("admin", writes=True))
async def delete_product(visit: Visit) -> Response:
    """Deletes a product with what hangs off it, and writes that down."""
    identifier = resource_id(visit.request)
    deleted = await visit.transaction.first(resources.delete_query(PRODUCTS), {"id": identifier})
    if deleted is None:
        raise not_found()
    await visit.transaction.queue(_DELETE_COMMENTS, {"id": identifier})
    await visit.finish_audited("product.deleted", ("product", identifier))
    forget(visit)
    return success(deleted[0])


async def _update(visit: Visit, *, is_whole: bool) -> Response:
    identifier = resource_id(visit.request)
    fields = check_fields(visit.document(), PRODUCTS.rules, is_partial=not is_whole)
    query = resources.update_query(PRODUCTS, fields, is_whole=is_whole)
    changed = found(await visit.finish(query, fields | {"id": identifier}))
    forget(visit)
    return changed
