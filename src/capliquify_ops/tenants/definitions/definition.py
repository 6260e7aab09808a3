"""The definition of one schema as statements in order: before the data, after it, and the rights at the end."""

import hashlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from capliquify_ops.database import Session, quoted
from capliquify_ops.tenants.definitions import words
from capliquify_ops.tenants.definitions.assembly import assemble
from capliquify_ops.tenants.definitions.grants import default_grants, grants
from capliquify_ops.tenants.definitions.parts import Part, all_safe_in_psql
from capliquify_ops.tenants.definitions.reading import Read, read
from capliquify_ops.tenants.definitions.refusals import left_out, refuse
from capliquify_ops.tenants.definitions.rows import Relation, Routine
from capliquify_ops.tenants.definitions.table import Table


@dataclass(frozen=True, slots=True)
class DataTable:
    """A table that holds rows of its own, and the columns to copy, as SQL."""

    oid: int
    name: str
    columns: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Definition:
    """A schema's definition.

    `before` and `after` are statements without their semicolon, in an order that works; `tables` and `sequences` say what
    data goes between. `roles` are all roles that it names, `outside` what it uses elsewhere (as pg_get_object_address takes it,
    in JSON), `features` what the server has to be built with (icu, lz4). `left_out` names what is not part of it.
    """

    oid: int
    schema: str
    before: tuple[str, ...]
    after: tuple[str, ...]
    tables: tuple[DataTable, ...]
    sequences: tuple[str, ...]
    routines: tuple[Routine, ...]
    roles: tuple[str, ...]
    outside: tuple[str, ...]
    features: tuple[str, ...]
    left_out: tuple[str, ...]

    @property
    def fingerprint(self) -> str:
        """SHA-256 over all statements, whatever their order."""
        text = "\0".join(sorted([*self.before, *self.after]))
        return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()

    @property
    def locks(self) -> int:
        """How many locks making it takes at most: a table has a TOAST table with an index beside it."""
        made = [text for text in [*self.before, *self.after] if text.startswith("CREATE ") or " ADD CONSTRAINT " in text]
        return len(made) + 2 * len(self.tables)


def define(session: Session, schema: str) -> Definition:
    """Read a schema's definition within the open transaction.

    Raises TenantConflict when it does not exist, DefinitionsRefused when it holds what a script cannot carry.
    """
    found = read(session, schema)
    refuse(found, session.server_major)
    declared, before, after = assemble(found, session.server_major)
    parts = [*before, *after]
    named = words.targets(found, parts, declared)
    comments, unsaid = words.spoken(session, found, declared, named)
    create = (f"CREATE SCHEMA {quoted(schema)}", f"ALTER SCHEMA {quoted(schema)} OWNER TO {quoted(found.schema.owner)}")
    refresh = [f"REFRESH MATERIALIZED VIEW {declared[oid].name}" for oid in _populated(found, parts)]
    late = [*_statements(after), *comments, *words.extension_dependencies(found, named), *_rights(found, parts), *refresh]
    return Definition(
        oid=found.schema.oid,
        schema=schema,
        before=all_safe_in_psql([*create, *_statements(before)]),
        after=all_safe_in_psql(late),
        tables=tuple(_data(declared[oid]) for oid in _with_rows(before, found.relations)),
        sequences=tuple(sorted(declared[oid].name for oid in found.sequences)),
        routines=tuple(found.routines),
        roles=words.roles(found),
        outside=words.outside(found),
        features=words.features(found),
        left_out=tuple(sorted([*left_out(found), *unsaid])),
    )


def _rights(found: Read, parts: Iterable[Part]) -> Iterator[str]:
    yield from grants(f"SCHEMA {quoted(found.schema.name)}", found.schema.owner, found.schema.acl)
    yield from (grant for part in parts for grant in part.grants)
    yield from default_grants(found.schema.name, found.schema.default_acls)


def _statements(parts: Iterable[Part]) -> Iterator[str]:
    return (statement for part in parts for statement in part.statements)


def _with_rows(parts: Iterable[Part], relations: Mapping[int, Relation]) -> Iterator[int]:
    return (part.key[1] for part in parts if part.key[0] == "pg_class" and relations[part.key[1]].kind == "r")


def _populated(found: Read, parts: Iterable[Part]) -> Iterator[int]:
    """Yield materialised views that hold rows, each after those that it reads."""
    for part in parts:
        row = found.relations.get(part.key[1]) if part.key[0] == "pg_class" else None
        if row is not None and row.kind == "m" and row.is_populated:
            yield row.oid


def _data(table: Table) -> DataTable:
    return DataTable(table.row.oid, table.name, tuple(quoted(column.name) for column in table.columns if not column.generated))
