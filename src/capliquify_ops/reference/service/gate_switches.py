"""What the gate does under its switches; nothing without one.

TRUST_ORG_HEADER lets a caller act in the tenant of the header, with the role of the tenant of the token. GLOBAL_TENANT keeps the
tenant in a variable of the module, across every wait: for the connection, for the database, for a slow body.
FORBIDDEN_IF_EXISTS tells an id of another tenant from one that nobody has; UNIFORM_403 answers both alike, and is right.
"""

from dataclasses import replace
from typing import LiteralString

from starlette.requests import Request

from capliquify_ops.reference.service.access import Resolved
from capliquify_ops.reference.service.bodies import resource_id
from capliquify_ops.reference.service.elsewhere import in_each_tenant
from capliquify_ops.reference.service.refusals import Refusal
from capliquify_ops.reference.service.runtime import Service
from capliquify_ops.reference.service.store import Transaction
from capliquify_ops.reference.service.tokens import Session

_ENTER: LiteralString = """
SELECT set_config('search_path', quote_ident(t.schema_name) || ', pg_temp', true)
FROM public.resolve_tenant(%(organization)s, '') AS t
"""
_PRODUCT: LiteralString = "SELECT FROM products WHERE id = %(id)s::uuid"
_current = {"organization": ""}


def remember(service: Service, organization: str) -> None:
    """GLOBAL_TENANT: whoever came in last is the current one."""
    if service.switches.has("GLOBAL_TENANT"):
        _current["organization"] = organization


async def enter_current(service: Service, transaction: Transaction) -> None:
    """GLOBAL_TENANT: the transaction goes to the current one's schema, which need not be that of whoever is served."""
    if service.switches.on("GLOBAL_TENANT"):
        await transaction.queue(_ENTER, _current)


async def role_at_home(service: Service, session: Session, organization: str) -> Resolved | None:
    """TRUST_ORG_HEADER: who the caller is in the token's organisation, when the header's is another."""
    if organization == session.organization or session.organization is None:
        return None
    async with service.store.transaction(session.session, session.organization, session.user) as transaction:
        return transaction.row


def as_at_home(row: Resolved, home: Resolved | None) -> Resolved:
    """TRUST_ORG_HEADER: the tenant of the one row, the caller of the other."""
    return row if home is None else replace(row, user_id=home.user_id, role=home.role)


async def not_yours(service: Service, request: Request) -> None:
    """Refusal 403 in place of 404. FORBIDDEN_IF_EXISTS: for the id of a product of any tenant. UNIFORM_403: always."""
    if service.switches.on("UNIFORM_403"):
        raise Refusal(403, "forbidden", "This does not exist, or belongs to another organisation.")
    if "id" in request.path_params and service.switches.on("FORBIDDEN_IF_EXISTS"):
        found = await in_each_tenant(service, _PRODUCT, {"id": resource_id(request)})
        if found:
            raise Refusal(403, "forbidden", "This belongs to another organisation.")
