"""What only ALTER can say of tables and their columns: before the data, where children must not inherit it, or after it."""

from collections.abc import Iterable, Iterator

from capliquify_ops.database import quoted
from capliquify_ops.tenants.definitions.parts import Part
from capliquify_ops.tenants.definitions.rows import Column, Constraint, Key
from capliquify_ops.tenants.definitions.table import Table, is_late, with_options

SETTINGS = 60
_STORAGE = {"p": "PLAIN", "e": "EXTERNAL", "m": "MAIN", "x": "EXTENDED"}
_COMPRESSION = {"p": "pglz", "l": "lz4"}
_IDENTITY = {"f": "FULL", "n": "NOTHING"}


def default_parts(table: Table, children: Iterable[Key]) -> Iterator[Part]:
    """Yield defaults; a parent's come after its children are made, which would inherit them otherwise."""
    alter = f"ALTER VIEW {table.name}" if table.row.kind == "v" else f"ALTER TABLE ONLY {table.name}"
    for column in table.columns:
        if column.default_value is not None and column.default_oid is not None and not column.generated:
            statement = f"{alter} ALTER COLUMN {quoted(column.name)} SET DEFAULT {column.default_value}"
            name, needs = f"{table.row.name}.{column.name}", (("pg_class", table.row.oid), *children)
            yield Part(("pg_attrdef", column.default_oid), SETTINGS, name, (statement,), needs=needs)


def settings_parts(table: Table, children: Iterable[Key]) -> Iterator[Part]:
    """Yield one part with the settings of columns that a child would inherit from a parent that has them already."""
    statements = [statement for column in table.columns for statement in _settings(table, column)]
    if statements:
        key, needs = ("settings", table.row.oid), (("pg_class", table.row.oid), *children)
        yield Part(key, SETTINGS, table.row.name, tuple(statements), needs=needs)


def late_part(table: Table, children: Iterable[Key]) -> Iterator[Part]:
    """Yield what holds only after the data: constraints that were never validated, row security, replica identity.

    A parent's constraints reach its children, and merge with those that they have already.
    """
    row, unchecked = table.row, table.checks(late=True)
    unchecked += [one for one in table.constraints if one.kind == "n" and one.is_local and is_late(one)]
    statements = [f"ALTER TABLE {table.name} ADD CONSTRAINT {quoted(one.name)} {one.definition}" for one in unchecked]
    if row.row_security:
        statements.append(f"ALTER TABLE {table.name} ENABLE ROW LEVEL SECURITY")
    if row.force_row_security:
        statements.append(f"ALTER TABLE ONLY {table.name} FORCE ROW LEVEL SECURITY")
    if row.kind in "rpm" and row.replica_identity in _IDENTITY:
        statements.append(f"ALTER TABLE ONLY {table.name} REPLICA IDENTITY {_IDENTITY[row.replica_identity]}")
    if statements:
        needs = (("pg_class", row.oid), *(("late", oid) for _, oid in children))
        makes = {("pg_constraint", one.oid): f"CONSTRAINT {quoted(one.name)} ON {table.name}" for one in unchecked}
        yield Part(("late", row.oid), SETTINGS, row.name, tuple(statements), is_late=True, makes=makes, needs=needs)


def validated_part(table: Table, ancestors: Iterable[Table]) -> Iterator[Part]:
    """Yield the validation of inherited constraints that hold here, although they were never validated further up."""
    if table.is_partition:
        # It brings its own along.
        return
    unsure = {_what(above, one) for above in ancestors for one in above.constraints if one.kind in "cn" and is_late(one)}
    held = [one for one in table.constraints if not one.is_local and one.is_validated and _what(table, one) in unsure]
    if held:
        statements = tuple(f"ALTER TABLE {table.name} VALIDATE CONSTRAINT {quoted(one.name)}" for one in held)
        needs = (("pg_class", table.row.oid), *(("late", above.row.oid) for above in ancestors))
        yield Part(("validated", table.row.oid), SETTINGS, table.row.name, statements, is_late=True, needs=needs)


def _what(table: Table, one: Constraint) -> str:
    """Say what makes two constraints the same in a parent and its child: the name, of NOT NULL the column's."""
    if one.kind != "n":
        return f"c {one.name}"
    return "n " + next((column.name for column in table.columns if column.number == one.first_column), "")


def _settings(table: Table, column: Column) -> Iterator[str]:
    kind = "MATERIALIZED VIEW" if table.row.kind == "m" else "TABLE ONLY"
    alter = f"ALTER {kind} {table.name} ALTER COLUMN {quoted(column.name)}"
    if column.storage:
        yield f"{alter} SET STORAGE {_STORAGE[column.storage]}"
    if column.compression:
        yield f"{alter} SET COMPRESSION {_COMPRESSION[column.compression]}"
    if column.statistics >= 0:
        yield f"{alter} SET STATISTICS {column.statistics}"
    if column.options:
        yield f"{alter} SET ({with_options(column.options)})"
