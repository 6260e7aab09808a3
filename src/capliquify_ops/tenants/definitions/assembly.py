"""Make parts of what was read, and put them in order."""

from collections import defaultdict
from collections.abc import Container, Iterator, Mapping, Sequence

from capliquify_ops.model.errors import DefinitionsRefused
from capliquify_ops.tenants.definitions import attached, computing, objects, settings, tables
from capliquify_ops.tenants.definitions.inheritance import is_stepwise
from capliquify_ops.tenants.definitions.parts import CircleError, Part, ordered
from capliquify_ops.tenants.definitions.reading import Read
from capliquify_ops.tenants.definitions.rows import Constraint, Key, Relation
from capliquify_ops.tenants.definitions.table import Table

Declared = Mapping[int, Table]


def assemble(found: Read, major: int) -> tuple[Declared, list[Part], list[Part]]:
    """Return the tables, the parts to make before the data, and those after it.

    Where parts need each other, CHECK constraints are added by themselves. Raises DefinitionsRefused when that does not help.
    """
    apart: frozenset[int] = frozenset()
    while True:
        declared = _tables(found, major, apart)
        try:
            before, after = ordered(list(_parts(found, declared, apart)), found.edges)
        except CircleError as circle:
            apart |= _checks(found, circle, apart)
        else:
            _refuse_late_tables(after)
            return declared, before, after


def _checks(found: Read, circle: CircleError, apart: Container[int]) -> set[int]:
    """Return the CHECK constraints that are part of a circle."""
    made = {key for part in circle.parts for key in part.makes}
    checks = {
        one.oid for one in found.constraints if one.kind == "c" and one.oid not in apart and ("pg_constraint", one.oid) in made
    }
    if not checks:
        names = ", ".join(part.name for part in circle.parts[:10])
        raise DefinitionsRefused.because([f"definitions that need each other: {names}"]) from None
    return checks


def _refuse_late_tables(after: Sequence[Part]) -> None:
    late = [f"table {part.name}, which needs what can only be made after the data" for part in after if part.rank == tables.TABLE]
    if late:
        raise DefinitionsRefused.because(late)


def _tables(found: Read, major: int, apart: frozenset[int]) -> Declared:
    constraints: dict[int, list[Constraint]] = defaultdict(list)
    for one in found.constraints:
        constraints[one.relation].append(one)

    def table(row: Relation) -> Table:
        columns = found.columns.get(row.oid, [])
        is_odd = is_stepwise(row, columns, found.columns, major)
        return Table(found.schema.name, row, columns, constraints[row.oid], major, is_odd, apart)

    return {oid: table(row) for oid, row in found.relations.items()}


def _parts(found: Read, declared: Declared, apart: Container[int]) -> Iterator[Part]:
    yield from _types(found, apart)
    yield from _routines(found)
    schema = found.schema.name
    for oid, row in found.sequences.items():
        owner = next((one for one in found.columns.get(row.table_oid or 0, []) if one.name == row.column), None)
        yield objects.sequence_part(declared[oid], row, declared.get(row.table_oid or 0), owner)
    for statistics in found.statistics:
        yield objects.statistics_part(schema, statistics)
    children = _children(found)
    for table in declared.values():
        if table.row.kind != "S":
            yield from _of_table(table, children[table.row.oid])
            yield from settings.validated_part(table, _ancestors(table, declared))
    yield from _attached(found, declared)


def _types(found: Read, apart: Container[int]) -> Iterator[Part]:
    schema = found.schema.name
    by_domain: dict[int, list[Constraint]] = defaultdict(list)
    for one in found.constraints:
        by_domain[one.domain].append(one)
    for collation in found.collations:
        yield objects.collation_part(schema, collation)
    for type_ in found.types:
        own = by_domain[type_.oid]
        later = [one for one in own if not one.is_validated or one.oid in apart]
        at_once = [one for one in own if one not in later]
        yield objects.type_part(schema, type_, found.columns.get(type_.relation, []), at_once)
        yield from (objects.domain_constraint_part(schema, type_, one) for one in later)


def _routines(found: Read) -> Iterator[Part]:
    schema = found.schema.name
    for row in found.routines:
        aggregate = found.aggregates.get(row.oid)
        yield computing.aggregate_part(schema, row, aggregate) if aggregate else objects.routine_part(schema, row)
    yield from (computing.operator_part(schema, row) for row in found.operators)
    yield from (computing.dictionary_part(schema, row) for row in found.dictionaries)
    yield from (computing.configuration_part(schema, row) for row in found.configurations)


def _of_table(table: Table, children: Sequence[Key]) -> Iterator[Part]:
    yield tables.view_part(table) if table.row.kind in "vm" else tables.table_part(table)
    yield from settings.default_parts(table, children)
    yield from settings.settings_parts(table, children)
    yield from settings.late_part(table, children)


def _attached(found: Read, declared: Declared) -> Iterator[Part]:
    keys = {one.index_oid: one for one in found.constraints if one.kind in "pux"}
    for index in found.indexes:
        if index.is_valid:
            yield attached.index_part(declared[index.relation], index, keys.get(index.oid))
    for one in found.constraints:
        if one.kind == "f" and not one.parent and one.relation in declared:
            yield attached.foreign_key_part(declared[one.relation], one)
    for each in found.attached:
        if each.class_ != "pg_constraint":
            yield attached.attached_part(declared[each.relation], each)


def _children(found: Read) -> Mapping[int, list[Key]]:
    children: dict[int, list[Key]] = defaultdict(list)
    for oid, row in found.relations.items():
        for parent in row.parent_oids:
            children[parent].append(("pg_class", oid))
    return children


def _ancestors(table: Table, declared: Declared) -> list[Table]:
    parents = [declared[oid] for oid in table.row.parent_oids if oid in declared]
    return [*parents, *(above for parent in parents for above in _ancestors(parent, declared))]
