"""Where words stand in the database: in which tables of which schemas, asked as the owner."""

from collections.abc import Collection, Iterator
from dataclasses import dataclass

from capliquify_ops.database import fill
from capliquify_ops.isolation.database import OwnerSession
from capliquify_ops.tenants.ownership import as_owner

_TABLES = (
    "SELECT c.relname::text AS name FROM pg_catalog.pg_class AS c JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace"
    " WHERE n.nspname = %(schema)s AND c.relkind IN ('r', 'p', 'm') AND NOT c.relispartition ORDER BY c.relname"
)
_HELD = (
    'SELECT w.word AS name FROM pg_catalog.unnest(%(words)s::text[]) AS w(word) WHERE EXISTS (SELECT FROM :"schema".:"table" AS r'
    " WHERE pg_catalog.strpos(pg_catalog.lower(r::text), w.word) > 0)"
)


@dataclass(frozen=True, slots=True)
class _Name:
    name: str


def places_of(
    owner: OwnerSession, schema: str, words: Collection[str], tables: Collection[str] = ()
) -> Iterator[tuple[str, str]]:
    """Yield each of some lower case words that stands in a schema, with the table; only in the named tables where there are any.

    Raises PrivilegeMissing, StatementFailed.
    """
    session = owner.session
    with session.transaction(), as_owner(session, owner.target.roles):
        for found in session.rows(_TABLES, _Name, {"schema": schema}):
            if not tables or found.name in tables:
                query = fill(_HELD, {"schema": schema, "table": found.name})
                for held in session.rows(query, _Name, {"words": list(words)}):
                    yield held.name, found.name
