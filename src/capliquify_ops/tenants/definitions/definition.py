"""The definition of one schema as statements in order: before the data, after it, and the rights at the end."""

import hashlib
from collections import defaultdict
from collections.abc import Container, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from capliquify_ops.database import Session, literal, quoted
from capliquify_ops.model.errors import DefinitionsRefused
from capliquify_ops.tenants.definitions import attached, objects, settings, tables
from capliquify_ops.tenants.definitions.grants import default_grants, grantees, grants
from capliquify_ops.tenants.definitions.inheritance import is_stepwise
from capliquify_ops.tenants.definitions.parts import CircleError, Part, ordered, safe_in_psql
from capliquify_ops.tenants.definitions.reading import Read, comments, read
from capliquify_ops.tenants.definitions.rows import Constraint, Key, Relation, Routine
from capliquify_ops.tenants.definitions.table import Table

_UNCARRIED = {"f": "foreign table"}


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


def define(session: Session, schema: str) -> Definition:
    """Read a schema's definition within the open transaction.

    Raises TenantConflict when it does not exist, DefinitionsRefused when it holds what a script cannot carry.
    """
    found = read(session, schema)
    _refuse(found)
    declared, parts, (before, after) = _in_order(session, found)
    _refuse_late_tables(after)
    targets = _targets(parts, declared)
    said = [*_comments(session, found, declared, targets)]
    given = [*grants(f"SCHEMA {quoted(schema)}", found.schema.owner, found.schema.acl)]
    given += [grant for part in [*before, *after] for grant in part.grants]
    given += default_grants(schema, found.schema.default_acls)
    create = (f"CREATE SCHEMA {quoted(schema)}", f"ALTER SCHEMA {quoted(schema)} OWNER TO {quoted(found.schema.owner)}")
    refresh = [f"REFRESH MATERIALIZED VIEW {declared[oid].name}" for oid in _populated(found, [*before, *after])]
    late = [*_statements(after), *refresh, *said, *given]
    return Definition(
        oid=found.schema.oid,
        schema=schema,
        before=tuple(safe_in_psql(text) for text in [*create, *_statements(before)]),
        after=tuple(safe_in_psql(text) for text in late),
        tables=tuple(_data(declared[oid]) for oid in _with_rows(before, found.relations)),
        sequences=tuple(sorted(declared[oid].name for oid in found.sequences)),
        routines=tuple(found.routines),
        roles=_roles(found),
        outside=tuple(found.outside),
        features=_features(found),
        left_out=tuple(sorted(f"invalid index {one.name}" for one in found.indexes if not one.is_valid)),
    )


_Ordered = tuple[list[Part], list[Part]]


def _in_order(session: Session, found: Read) -> tuple[Mapping[int, Table], list[Part], _Ordered]:
    """Return tables, parts, and the parts in order. Where they need each other, CHECK constraints are added by themselves."""
    apart: frozenset[int] = frozenset()
    while True:
        declared = {oid: _table(session, found, row, apart) for oid, row in found.relations.items()}
        parts = list(_parts(found, declared, apart))
        try:
            return declared, parts, ordered(parts, found.edges)
        except CircleError as circle:
            made = {key for part in circle.parts for key in part.makes}
            checks = {one.oid for one in found.constraints if one.kind == "c" and ("pg_constraint", one.oid) in made} - apart
            if not checks:
                names = ", ".join(part.name for part in circle.parts[:10])
                raise DefinitionsRefused.because([f"definitions that need each other: {names}"]) from None
            apart |= checks


def _parts(found: Read, declared: Mapping[int, Table], apart: Container[int]) -> Iterator[Part]:
    schema = found.schema.name
    by_domain: dict[int, list[Constraint]] = defaultdict(list)
    for one in found.constraints:
        by_domain[one.domain].append(one)
    for collation in found.collations:
        yield objects.collation_part(schema, collation)
    for type_ in found.types:
        own = by_domain[type_.oid]
        later = [one for one in own if not one.is_validated or one.oid in apart]
        yield objects.type_part(schema, type_, found.columns[type_.relation], [one for one in own if one not in later])
        yield from (objects.domain_constraint_part(schema, type_, one) for one in later)
    for routine in found.routines:
        yield objects.routine_part(schema, routine)
    for oid, row in found.sequences.items():
        owner = next((one for one in found.columns[row.table_oid or 0] if one.name == row.column), None)
        yield objects.sequence_part(schema, found.relations[oid], row, owner)
    for statistics in found.statistics:
        yield objects.statistics_part(schema, statistics)
    for table in declared.values():
        if table.row.kind != "S":
            yield from _of_table(table, _children(table, declared))
            yield from settings.validated_part(table, _ancestors(table, declared))
    yield from _attached(found, declared)


def _of_table(table: Table, children: Sequence[Key]) -> Iterator[Part]:
    yield tables.view_part(table) if table.row.kind in "vm" else tables.table_part(table)
    yield from settings.default_parts(table, children)
    yield from settings.settings_parts(table, children)
    yield from settings.late_part(table, children)


def _attached(found: Read, declared: Mapping[int, Table]) -> Iterator[Part]:
    keys = {one.index: one for one in found.constraints if one.kind in "pux"}
    for index in found.indexes:
        if index.is_valid:
            yield attached.index_part(declared[index.relation], index, keys.get(index.oid))
    for one in found.constraints:
        if one.kind == "f" and not one.parent and one.relation in declared:
            yield attached.foreign_key_part(declared[one.relation], one)
    for each in found.attached:
        yield attached.attached_part(declared[each.relation], each)


def _table(session: Session, found: Read, row: Relation, apart: frozenset[int]) -> Table:
    constraints = [one for one in found.constraints if one.relation == row.oid]
    columns = found.columns.get(row.oid, [])
    is_odd = is_stepwise(row, columns, found.columns, session.server_major)
    return Table(found.schema.name, row, columns, constraints, session.server_major, is_odd, apart)


def _children(table: Table, declared: Mapping[int, Table]) -> list[Key]:
    return [("pg_class", oid) for oid, other in declared.items() if table.row.oid in other.row.parent_oids]


def _ancestors(table: Table, declared: Mapping[int, Table]) -> list[Table]:
    parents = [declared[oid] for oid in table.row.parent_oids if oid in declared]
    return [*parents, *(above for parent in parents for above in _ancestors(parent, declared))]


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


def _targets(parts: Iterable[Part], declared: Mapping[int, Table]) -> dict[Key, str]:
    named: dict[Key, str] = {}
    for table in declared.values():
        named.update(attached.constraint_names(table))
    for part in parts:
        named |= {key: target for key, target in part.makes.items() if target}
        if part.target:
            named[part.key] = part.target
    return named


def _comments(session: Session, found: Read, declared: Mapping[int, Table], targets: Mapping[Key, str]) -> Iterator[str]:
    schema = ("pg_namespace", found.schema.oid)
    columns = {(one.relation, one.number): one.name for each in found.columns.values() for one in each}
    for row in comments(session, [schema, *targets]):
        target = targets.get((row.class_, row.object), f"SCHEMA {quoted(found.schema.name)}")
        if row.part:
            relation = target.split(" ", 1)[1] if row.object not in declared else declared[row.object].name
            target = f"COLUMN {relation}.{quoted(columns[row.object, row.part])}"
        yield f"COMMENT ON {target} IS {literal(row.text)}"


class _Owned(Protocol):
    @property
    def owner(self) -> str: ...


class _Granted(_Owned, Protocol):
    @property
    def acl(self) -> Sequence[str] | None: ...


def _roles(found: Read) -> tuple[str, ...]:
    granted: list[_Granted] = [found.schema, *found.relations.values(), *found.types, *found.routines]
    owned: list[_Owned] = [*granted, *found.collations, *found.statistics]
    named = {row.owner for row in owned}
    named = named.union(*(grantees(row.acl) for row in granted))
    return tuple(sorted(named.union(*(grantees(one.acl) for each in found.columns.values() for one in each))))


def _features(found: Read) -> tuple[str, ...]:
    columns = [one for each in found.columns.values() for one in each]
    named = {"icu" for one in found.collations if one.provider == "i"} | {"lz4" for one in columns if one.compression == "l"}
    return tuple(sorted(named))


def _refuse(found: Read) -> None:
    names = list(found.refused)
    names += [f"{_UNCARRIED[row.kind]} {row.name}" for row in found.relations.values() if row.kind in _UNCARRIED]
    names += [f"aggregate {row.name}({row.arguments})" for row in found.routines if row.kind == "a"]
    names += [f"base type {row.name}" for row in found.types if row.kind not in "cder"]
    names += [f"range type {row.name} with a canonical function" for row in found.types if row.has_canonical]
    names += [f"column {one.name} of a pseudo-type" for each in found.columns.values() for one in each if one.is_pseudo]
    if names:
        raise DefinitionsRefused.because(names)


def _refuse_late_tables(after: Iterable[Part]) -> None:
    late = [f"table {part.name}, which needs what can only be made after the data" for part in after if part.rank == tables.TABLE]
    if late:
        raise DefinitionsRefused.because(late)
