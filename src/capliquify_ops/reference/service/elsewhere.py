"""Every tenant's rows at once, over the platform's connection: for defects only.

Row security is forced and each tenant has a schema, so this service has to make an effort to be wrong; other services only lack
a condition. READ_USER_NO_TENANT, AUDIT_LIST_ALL and FORBIDDEN_IF_EXISTS look here.
"""

from typing import LiteralString

from psycopg import AsyncConnection, sql
from psycopg.rows import TupleRow

from capliquify_ops.reference.service.runtime import Service
from capliquify_ops.reference.service.store import Parameters, Query

_TENANTS: LiteralString = """
SELECT id::text, schema_name FROM public.tenants WHERE to_regnamespace(quote_ident(schema_name)) IS NOT NULL ORDER BY created_at
"""
_ENTER: LiteralString = """
SELECT set_config('app.tenant_id', %(id)s, true), set_config('search_path', quote_ident(%(schema)s) || ', pg_temp', true)
"""


async def in_each_tenant(service: Service, query: Query, parameters: Parameters) -> list[TupleRow]:
    """The rows of a query asked in each tenant."""
    found: list[TupleRow] = []
    settings = service.settings
    async with await AsyncConnection.connect(settings.platform_database_url, connect_timeout=3) as connection:
        await connection.execute(sql.SQL("SET LOCAL ROLE {}").format(sql.Identifier(settings.owner_role)))
        for identifier, schema in await (await connection.execute(_TENANTS)).fetchall():
            await connection.execute(_ENTER, {"id": identifier, "schema": schema})
            found += await (await connection.execute(query, parameters)).fetchall()
    return found
