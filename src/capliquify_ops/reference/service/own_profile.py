"""What the callers may change about themselves: the name. PATCH_ME_ALL_FIELDS: whatever they send, role and tenant included."""

from typing import LiteralString

from psycopg import sql
from starlette.responses import Response

from capliquify_ops.reference.service.access import ROLES, Need
from capliquify_ops.reference.service.bodies import Rule, check_fields
from capliquify_ops.reference.service.gate import Visit, tenant_route
from capliquify_ops.reference.service.reads import found

_RULES = {"full_name": Rule("text", is_required=True, most=255)}
_ALL_RULES = {
    "full_name": Rule("text", most=255),
    "email": Rule("text", most=320),
    "role": Rule("text", choices=ROLES),
    "tenant_id": Rule("uuid"),
}
_CHANGE: LiteralString = """
UPDATE public.users SET full_name = %(full_name)s, updated_at = now() WHERE id = %(user_id)s::uuid
RETURNING json_build_object('id', id, 'clerk_user_id', clerk_user_id, 'email', email, 'full_name', full_name, 'role', role)::text
"""
_SHOW: LiteralString = """
SELECT row_to_json(one)::text FROM (
  SELECT id, clerk_user_id, email, full_name, role, tenant_id FROM public.users WHERE id = %(user_id)s::uuid) AS one
"""
# Row security lets no row change its tenant, so the row is taken out of the one and put into the other.
_LEAVE: LiteralString = "DELETE FROM public.users WHERE id = %(user_id)s::uuid RETURNING to_jsonb(users)::text"
_ENTER: LiteralString = "SELECT set_config('app.tenant_id', %(tenant_id)s, true)"
_ARRIVE: LiteralString = """
INSERT INTO public.users SELECT * FROM jsonb_populate_record(NULL::public.users,
  %(row)s::jsonb || jsonb_build_object('tenant_id', current_setting('app.tenant_id')))
"""


@tenant_route(Need("viewer", writes=True))
async def change_profile(visit: Visit) -> Response:
    """Changes the caller's own name."""
    if visit.service.switches.on("PATCH_ME_ALL_FIELDS"):
        return await _change_all(visit, check_fields(visit.document(), _ALL_RULES, is_partial=True))
    fields = check_fields(visit.document(), _RULES)
    return found(await visit.finish(_CHANGE, fields | {"user_id": visit.row.user_id}))


async def _change_all(visit: Visit, fields: dict[str, object]) -> Response:
    who: dict[str, object] = {"user_id": visit.row.user_id}
    tenant = fields.pop("tenant_id", None)
    for name, value in fields.items():
        change = sql.SQL("UPDATE public.users SET {} = %(value)s::{} WHERE id = %(user_id)s::uuid")
        kind = sql.SQL("public.user_role" if name == "role" else "text")
        await visit.transaction.queue(change.format(sql.Identifier(name), kind), {**who, "value": value})
    if tenant is not None and tenant != visit.row.tenant_id:
        row = await visit.transaction.first(_LEAVE, who)
        await visit.transaction.queue(_ENTER, {"tenant_id": tenant})
        await visit.transaction.queue(_ARRIVE, {"row": row[0] if row else "{}"})
    return found(await visit.finish(_SHOW, who))
