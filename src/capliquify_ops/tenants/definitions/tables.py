"""Tables and views: their declaration."""

from collections.abc import Iterator

from capliquify_ops.database import quoted
from capliquify_ops.tenants.definitions.inheritance import HELPER, stepwise
from capliquify_ops.tenants.definitions.parts import Part
from capliquify_ops.tenants.definitions.rows import Column
from capliquify_ops.tenants.definitions.table import (
    Table,
    column_declared,
    is_late,
    made_by,
    not_null_text,
    storage_text,
    table_grants,
    with_options,
)

TABLE, VIEW = 40, 50
_LONG = {"text", "bytea", "json", "jsonb", "xml", "character varying", "tsvector"}
"""Some types whose values may be long enough to be stored out of line."""


def table_part(table: Table) -> Part:
    """Return a table with its columns, generated ones included, and the CHECK constraints that hold for its data."""
    row = table.row
    statements = [*(stepwise(table) if table.is_stepwise else _at_once(table)), *_inherited_not_null(table), *_toast(table)]
    if table.is_partition:
        statements.append(f"ALTER TABLE ONLY {row.parents[0]} ATTACH PARTITION {table.name} {row.bound}")
    grants = table_grants(table)
    return Part(
        ("pg_class", row.oid), TABLE, row.name, tuple(statements), target=table.target, makes=made_by(table), grants=grants
    )


def view_part(table: Table) -> Part:
    """Return a view or materialised view; the latter without rows, they are made again after the data."""
    row, query = table.row, (table.row.query or "").rstrip().removesuffix(";")
    options = f" WITH ({with_options(row.options)})" if row.options and row.kind == "v" else ""
    empty = "\n  WITH NO DATA" if row.kind == "m" else ""
    storage = storage_text(row) if row.kind == "m" else ""
    create = f"CREATE {table.target}{options}{storage} AS\n{query}{empty}"
    return Part(("pg_class", row.oid), VIEW, row.name, (create, table.owner), target=table.target, grants=table_grants(table))


def _at_once(table: Table) -> Iterator[str]:
    row = table.row
    unlogged = "UNLOGGED " if row.persistence == "u" else ""
    declared = "" if row.of_type else " (\n    " + ",\n    ".join(_elements(table)) + "\n)"
    of = f" OF {row.of_type}" if row.of_type else ""
    inherits = f" INHERITS ({', '.join(row.parents)})" if row.parents and not table.is_partition else ""
    partitioned = f" PARTITION BY {row.partition_key}" if row.partition_key else ""
    yield f"CREATE {unlogged}TABLE {table.name}{of}{declared}{inherits}{partitioned}{storage_text(row)}"
    yield table.owner
    if row.of_type:
        yield from (table.add(one) for one in table.checks(late=False))


def _elements(table: Table) -> list[str]:
    declared = [column for column in table.columns if column.is_local or table.is_partition]
    texts = [_element(table, column) for column in declared]
    texts += [f"CONSTRAINT {quoted(one.name)} {one.definition}" for one in table.checks(late=False)]
    if table.keeps_not_null:
        # A NOT NULL of its own on a column that it inherits.
        named = ((table.not_null(column), column) for column in table.columns if column not in declared)
        texts += [
            f"CONSTRAINT {quoted(one.name)} {one.definition}" for one, _ in named if one and one.is_local and not is_late(one)
        ]
    return texts


def _toast(table: Table) -> Iterator[str]:
    """Yield what keeps options of out-of-line storage where a table has that only for columns that it once had."""
    is_sure = any(column.type in _LONG or column.type.endswith("[]") for column in table.columns)
    if table.row.toast_options and table.row.kind == "r" and not is_sure and not table.row.of_type:
        helper = quoted(HELPER)
        yield f"ALTER TABLE ONLY {table.name} ADD COLUMN {helper} text"
        yield f"ALTER TABLE ONLY {table.name} DROP COLUMN {helper}"
        yield f"ALTER TABLE {table.name} SET ({with_options(table.row.toast_options, 'toast.')})"


def _element(table: Table, column: Column) -> str:
    """Return a column; a NOT NULL that only its parents have comes from them."""
    text, named = column_declared(table, column), table.not_null(column)
    if named is None or named.is_local or table.is_partition:
        return text
    return text.removesuffix(not_null_text(table, column))


def _inherited_not_null(table: Table) -> Iterator[str]:
    """Yield NOT NULL of inherited columns, where the server does not say whose it is: a repeated one changes nothing."""
    for column in table.columns:
        is_declared = (column.is_local or table.is_partition) and not table.row.of_type
        if not column.not_null and table.may_loosen:
            yield f"ALTER TABLE ONLY {table.name} ALTER COLUMN {quoted(column.name)} DROP NOT NULL"
        if not column.not_null or is_declared:
            continue
        named = table.not_null(column)
        if named is None:
            yield f"ALTER TABLE ONLY {table.name} ALTER COLUMN {quoted(column.name)} SET NOT NULL"
        elif table.row.of_type and not is_late(named):
            yield table.add(named)
