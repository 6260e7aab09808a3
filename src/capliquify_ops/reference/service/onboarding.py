"""New tenants, for platform administrators only: the one place that uses the operator's database role."""

import asyncio
import re
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import LiteralString

from psycopg import AsyncConnection, sql
from psycopg.rows import TupleRow
from psycopg.types.json import Json
from starlette.requests import Request
from starlette.responses import Response

from capliquify_ops.reference.service import audit
from capliquify_ops.reference.service.access import TIER_FEATURES, Resolved, check_session
from capliquify_ops.reference.service.bodies import Rule, check_fields, parse_object, read_body
from capliquify_ops.reference.service.gate import record_denial, verified_session
from capliquify_ops.reference.service.notes import provision
from capliquify_ops.reference.service.refusals import Refusal, success
from capliquify_ops.reference.service.runtime import Service
from capliquify_ops.reference.service.tokens import Session

_CONCURRENT = 2
_turn = asyncio.Semaphore(_CONCURRENT)
_SLUG = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*")
_RULES: Mapping[str, Rule] = {
    "name": Rule("text", is_required=True, most=255),
    "slug": Rule("text", is_required=True, most=50),
    "clerk_organization_id": Rule("text", is_required=True, most=255),
    "subscription_tier": Rule("text", choices=tuple(TIER_FEATURES)),
    "owner_clerk_user_id": Rule("text", most=255),
    "owner_email": Rule("text", most=320),
    "owner_name": Rule("text", most=255),
}
_DEFAULTS = {"subscription_tier": "starter", "owner_clerk_user_id": None, "owner_email": "", "owner_name": ""}
_INSERT: LiteralString = """
INSERT INTO public.tenants
  (slug, name, clerk_organization_id, subscription_tier, subscription_status, trial_ends_at, max_users, max_entities, features)
SELECT %(slug)s, %(name)s, %(clerk_organization_id)s, d.tier, 'trial', now() + interval '14 days',
  d.max_users, d.max_entities, d.features
FROM public.tier_defaults() AS d WHERE d.tier = %(subscription_tier)s::public.subscription_tier
RETURNING id::text, set_config('app.tenant_id', id::text, true), json_build_object('id', id, 'slug', slug, 'name', name,
  'clerk_organization_id', clerk_organization_id, 'subscription_tier', subscription_tier,
  'subscription_status', subscription_status, 'trial_ends_at', trial_ends_at, 'created_at', created_at)::text
"""
_SUBSCRIPTION: LiteralString = "INSERT INTO public.subscriptions (tenant_id) VALUES (%(tenant_id)s::uuid)"
_OWNER: LiteralString = """
INSERT INTO public.users (clerk_user_id, email, full_name, tenant_id, role)
SELECT %(owner_clerk_user_id)s::text, %(owner_email)s::text, %(owner_name)s::text, %(tenant_id)s::uuid, 'owner'
WHERE %(owner_clerk_user_id)s::text IS NOT NULL
"""


async def create_tenant(request: Request) -> Response:
    """Makes the tenant, its schema, its subscription and, when named, its owner; 409 when slug or organisation is taken."""
    service: Service = request.app.state.service
    session = await require_administrator(service, request)
    body = await read_body(request)
    fields = _DEFAULTS | check_fields(parse_object(body), _RULES)
    if not _SLUG.fullmatch(str(fields["slug"])):
        raise Refusal(
            422, "validation_failed", "The field 'slug' must be of lower-case letters, digits and single hyphens between them."
        )
    async with as_platform(service) as connection:
        return success(await _create(connection, request, fields, session.user), 201)


async def require_administrator(service: Service, request: Request) -> Session:
    """The session of a platform administrator; Refusal 401 or 403, written down, for everybody else."""
    session = verified_session(service, request)
    if not session.is_platform_admin:
        refusal = Refusal(403, "insufficient_permissions", "This is for platform administrators; sign in as one.")
        await record_denial(service, request, refusal)
        raise refusal
    async with service.store.transaction(session.session, "", session.user) as transaction:
        if signed_out := check_session(transaction.row):
            raise signed_out
    return session


@asynccontextmanager
async def as_platform(service: Service) -> AsyncIterator[AsyncConnection[TupleRow]]:
    """A connection of the operator's that acts as the owner, in one transaction; few at a time."""
    async with _turn, await AsyncConnection.connect(service.settings.platform_database_url, connect_timeout=3) as connection:
        await connection.execute("SELECT set_config('statement_timeout', '10s', true), set_config('TimeZone', 'UTC', true)")
        await connection.execute(sql.SQL("SET LOCAL ROLE {}").format(sql.Identifier(service.settings.owner_role)))
        yield connection


async def _create(connection: AsyncConnection[TupleRow], request: Request, fields: dict[str, object], actor: str) -> str:
    made = await (await connection.execute(_INSERT, fields)).fetchone()
    if made is None:
        raise Refusal(422, "validation_failed", "The plan is not known; choose one of the plans.")
    identifier, _, data = made
    parameters = fields | {"tenant_id": identifier}
    await connection.execute(_SUBSCRIPTION, parameters)
    await connection.execute(_OWNER, parameters)
    entry = audit.entry(request, Resolved(False, tenant_id=identifier), "tenant.created", ("tenant", identifier))
    await connection.execute(audit.AUDIT, entry | {"metadata": Json({"by": actor})})
    await connection.execute("RESET ROLE")
    await provision(connection, request.app.state.service, identifier)
    return str(data)
