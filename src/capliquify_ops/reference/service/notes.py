"""Notes: a tenant's table whose ids are serial numbers, equal in all tenants. There only where the service is set so."""

from typing import LiteralString

from psycopg import AsyncConnection, sql
from psycopg.conninfo import conninfo_to_dict
from psycopg.rows import TupleRow
from starlette.requests import Request
from starlette.responses import Response

from capliquify_ops.reference.service.access import Need
from capliquify_ops.reference.service.bodies import Rule, check_fields, page_of
from capliquify_ops.reference.service.gate import Visit, tenant_route
from capliquify_ops.reference.service.idempotency import idempotent
from capliquify_ops.reference.service.reads import found
from capliquify_ops.reference.service.refusals import not_found, success
from capliquify_ops.reference.service.runtime import Service
from capliquify_ops.reference.service.summaries import cached
from capliquify_ops.reference.service.summary_cache import forget

_LARGEST = (1 << 63) - 1
_RULES = {
    "title": Rule("text", is_required=True, most=255),
    "body": Rule("text", can_be_null=True, most=10_000),
    "amount": Rule("number", can_be_null=True, least=-99_999_999_999, most=99_999_999_999, decimals=2),
}
_ROW: LiteralString = """
json_build_object('id', n.id, 'title', n.title, 'body', n.body, 'amount', n.amount, 'created_at', n.created_at,
  'updated_at', n.updated_at)
"""
_LIST: LiteralString = """
SELECT coalesce(json_agg(:row ORDER BY n.created_at DESC, n.id DESC), '[]')::text FROM (
  SELECT * FROM notes ORDER BY created_at DESC, id DESC LIMIT %(limit)s OFFSET %(offset)s) AS n
""".replace(":row", _ROW)
_CREATE: LiteralString = """
WITH n AS (
  INSERT INTO notes (title, body, amount) VALUES (%(title)s::text, %(body)s::text, %(amount)s::numeric) RETURNING *
)
SELECT :row::text, pg_notify('reference_service_events', current_setting('app.tenant_id') || ' notes ' || n.id) FROM n
""".replace(":row", _ROW)
_GET: LiteralString = "SELECT :row::text FROM notes AS n WHERE n.id = %(id)s::bigint".replace(":row", _ROW)
_CHANGE: LiteralString = """
UPDATE notes AS n SET title = coalesce(%(title)s::text, n.title),
  body = CASE WHEN %(has_body)s THEN %(body)s::text ELSE n.body END,
  amount = CASE WHEN %(has_amount)s THEN %(amount)s::numeric ELSE n.amount END, updated_at = now()
WHERE n.id = %(id)s::bigint RETURNING :row::text
""".replace(":row", _ROW)
_DELETE: LiteralString = "DELETE FROM notes WHERE id = %(id)s::bigint RETURNING json_build_object('id', id)::text"
_SUMMARY: LiteralString = """
SELECT json_build_object('id', n.id, 'title', n.title, 'amount', n.amount, 'characters', length(coalesce(n.body, '')))::text
FROM notes AS n WHERE n.id = %(id)s::bigint
"""
_PROVISION: LiteralString = "SELECT public.create_tenant_schema(%(tenant_id)s::uuid)"
_PROVISION_WITH_NOTES: LiteralString = "SELECT reference_service.create_tenant_schema(%(tenant_id)s::uuid)"
_CLONE: tuple[LiteralString, ...] = (
    """
CREATE TABLE IF NOT EXISTS reference_service.template_of_notes (
  id bigserial PRIMARY KEY, title text NOT NULL, body text, amount numeric(15, 2),
  created_at timestamptz NOT NULL DEFAULT now(), updated_at timestamptz NOT NULL DEFAULT now())
""",
    "GRANT USAGE ON SEQUENCE reference_service.template_of_notes_id_seq TO {app}",
    "DROP TABLE {schema}.notes",
    "CREATE TABLE {schema}.notes (LIKE reference_service.template_of_notes INCLUDING ALL)",
    "GRANT SELECT, INSERT, UPDATE, DELETE ON TABLE {schema}.notes TO {app}",
)


@tenant_route(Need("viewer"))
async def list_notes(visit: Visit) -> Response:
    """The tenant's notes, newest first."""
    page = page_of(visit.request)
    return success(await visit.finish(_LIST, dict(page)) or "[]", pagination=page)


@tenant_route(Need("member", writes=True))
@idempotent(201)
async def create_note(visit: Visit) -> Response:
    """A new note; its id is the next number of this tenant."""
    fields = {"body": None, "amount": None} | check_fields(visit.document(), _RULES)
    return found(await visit.finish(_CREATE, fields), 201)


@tenant_route(Need("viewer"))
async def get_note(visit: Visit) -> Response:
    """One note."""
    return found(await visit.finish(_GET, {"id": note_id(visit.request)}))


@tenant_route(Need("member", writes=True))
async def change_note(visit: Visit) -> Response:
    """PATCH: what is not sent stays."""
    identifier = note_id(visit.request)
    sent = check_fields(visit.document(), _RULES, is_partial=True)
    has = {f"has_{name}": name in sent for name in ("body", "amount")}
    changed = found(await visit.finish(_CHANGE, dict.fromkeys(_RULES) | sent | has | {"id": identifier}))
    forget(visit)
    return changed


@tenant_route(Need("admin", writes=True))
async def delete_note(visit: Visit) -> Response:
    """Deletes a note, and writes that down."""
    identifier = note_id(visit.request)
    deleted = await visit.transaction.first(_DELETE, {"id": identifier})
    if deleted is None:
        raise not_found()
    await visit.finish_audited("note.deleted", ("note", identifier))
    forget(visit)
    return success(deleted[0])


@tenant_route(Need("viewer"))
async def note_summary(visit: Visit) -> Response:
    """What a note is about, kept for some seconds."""
    return await cached(visit, "notes", note_id(visit.request), _SUMMARY)


def note_id(request: Request) -> str:
    """The number of the path; whatever is none is a note that does not exist."""
    text = request.path_params["id"]
    if not (text.isascii() and text.isdigit() and not text.startswith("0") and int(text[:20]) <= _LARGEST):
        raise not_found()
    return str(text)


async def provision(connection: AsyncConnection[TupleRow], service: Service, tenant: str) -> None:
    """Makes the schema of a new tenant, with a table of notes where this service has them.

    CLONE_LIKE_ALL: the table is copied from a template, with the default that takes ids from the template's sequence.
    """
    statement = _PROVISION_WITH_NOTES if service.settings.serials else _PROVISION
    made = await (await connection.execute(statement, {"tenant_id": tenant})).fetchone()
    if made and service.settings.serials and service.switches.on("CLONE_LIKE_ALL"):
        app = conninfo_to_dict(service.settings.database_url)["user"]
        names = {"schema": sql.Identifier(made[0]), "app": sql.Identifier(str(app))}
        await connection.execute(sql.SQL("SET LOCAL ROLE {}").format(sql.Identifier(service.settings.owner_role)))
        for part in _CLONE:
            await connection.execute(sql.SQL(part).format(**names))
