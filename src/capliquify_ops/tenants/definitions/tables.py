"""Tables and views: their declaration, and what only ALTER can say of their columns."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from capliquify_ops.database import literal, quoted
from capliquify_ops.tenants.definitions.grants import grants
from capliquify_ops.tenants.definitions.parts import Part
from capliquify_ops.tenants.definitions.rows import Column, Constraint, Key, Relation

TABLE, VIEW, SETTINGS = 40, 50, 60
_KINDS = {"r": "TABLE", "p": "TABLE", "v": "VIEW", "m": "MATERIALIZED VIEW", "S": "SEQUENCE"}
_STORAGE = {"p": "PLAIN", "e": "EXTERNAL", "m": "MAIN", "x": "EXTENDED"}
_COMPRESSION = {"p": "pglz", "l": "lz4"}
_IDENTITY = {"f": "FULL", "n": "NOTHING"}
_NOT_NULL_IS_A_CONSTRAINT = 18


@dataclass(frozen=True, slots=True)
class Table:
    """A relation of the schema with all that its declaration says."""

    schema: str
    row: Relation
    columns: Sequence[Column]
    constraints: Sequence[Constraint]
    major: int

    @property
    def name(self) -> str:
        """Its qualified name, as SQL."""
        return quoted(self.schema, self.row.name)

    @property
    def target(self) -> str:
        """How COMMENT and ALTER name it."""
        return f"{_KINDS[self.row.kind]} {self.name}"

    @property
    def is_partition(self) -> bool:
        """Whether it hangs in a partitioned table."""
        return self.row.bound is not None

    def checks(self, *, late: bool) -> list[Constraint]:
        """Return its own CHECK constraints: those that hold for the data, or those that were never validated (late)."""
        found = [one for one in self.constraints if one.kind == "c" and (one.is_local or (self.is_partition and not late))]
        return [one for one in found if _is_late(one) == late]

    def not_null(self, column: Column) -> Constraint | None:
        """Return the constraint behind a column's NOT NULL, where the server keeps one."""
        named = (one for one in self.constraints if one.kind == "n" and one.first_column == column.number)
        return next(named, None)


def table_part(table: Table) -> Part:
    """Return a table with its columns, generated ones included, and the CHECK constraints that hold for its data."""
    row = table.row
    unlogged = "UNLOGGED " if row.persistence == "u" else ""
    declared = "" if row.of_type else " (\n    " + ",\n    ".join(_elements(table)) + "\n)"
    of = f" OF {row.of_type}" if row.of_type else ""
    inherits = f" INHERITS ({', '.join(row.parents)})" if row.parents and not table.is_partition else ""
    partitioned = f" PARTITION BY {row.partition_key}" if row.partition_key else ""
    statements = [f"CREATE {unlogged}TABLE {table.name}{of}{declared}{inherits}{partitioned}{_storage(row)}", *_owner(table)]
    if row.of_type:
        statements += [
            f"ALTER TABLE ONLY {table.name} ADD CONSTRAINT {quoted(one.name)} {one.definition}"
            for one in table.checks(late=False)
        ]
    statements += list(_inherited_not_null(table))
    if table.is_partition:
        statements.append(f"ALTER TABLE ONLY {row.parents[0]} ATTACH PARTITION {table.name} {row.bound}")
    return Part(
        ("pg_class", row.oid), TABLE, row.name, tuple(statements), target=table.target, makes=_made(table), grants=_grants(table)
    )


def view_part(table: Table) -> Part:
    """Return a view or materialised view; the latter without rows, they are made again after the data."""
    row, query = table.row, (table.row.query or "").rstrip().removesuffix(";")
    options = f" WITH ({_options(row.options)})" if row.options and row.kind == "v" else ""
    empty = "\n  WITH NO DATA" if row.kind == "m" else ""
    storage = _storage(row) if row.kind == "m" else ""
    create = f"CREATE {_KINDS[row.kind]} {table.name}{options}{storage} AS\n{query}{empty}"
    return Part(("pg_class", row.oid), VIEW, row.name, (create, *_owner(table)), target=table.target, grants=_grants(table))


def default_parts(table: Table, children: Iterable[Key]) -> Iterator[Part]:
    """Yield defaults; a parent's come after its children are made, which would inherit them otherwise."""
    for column in table.columns:
        if column.default_value is not None and column.default_oid is not None and not column.generated:
            set_default = f"ALTER TABLE ONLY {table.name} ALTER COLUMN {quoted(column.name)} SET DEFAULT {column.default_value}"
            if table.row.kind == "v":
                set_default = set_default.replace("ALTER TABLE ONLY", "ALTER VIEW", 1)
            name, needs = f"{table.row.name}.{column.name}", (("pg_class", table.row.oid), *children)
            yield Part(("pg_attrdef", column.default_oid), SETTINGS, name, (set_default,), needs=needs)


def settings_parts(table: Table, children: Iterable[Key]) -> Iterator[Part]:
    """Yield one part with the settings of columns that a child would inherit from a parent that has them already."""
    statements = [statement for column in table.columns for statement in _settings(table, column)]
    if statements:
        key, needs = ("settings", table.row.oid), (("pg_class", table.row.oid), *children)
        yield Part(key, SETTINGS, table.row.name, tuple(statements), needs=needs)


def late_part(table: Table) -> Iterator[Part]:
    """Yield what holds only after the data: constraints that were never validated, row security, replica identity."""
    row = table.row
    statements = [
        f"ALTER TABLE {table.name} ADD CONSTRAINT {quoted(one.name)} {one.definition}" for one in table.checks(late=True)
    ]
    statements += [
        f"ALTER TABLE ONLY {table.name} ADD CONSTRAINT {quoted(one.name)} {one.definition}"
        for one in table.constraints
        if one.kind == "n" and one.is_local and _is_late(one)
    ]
    if row.row_security:
        statements.append(f"ALTER TABLE {table.name} ENABLE ROW LEVEL SECURITY")
    if row.force_row_security:
        statements.append(f"ALTER TABLE ONLY {table.name} FORCE ROW LEVEL SECURITY")
    if row.kind in "rpm" and row.replica_identity in _IDENTITY:
        statements.append(f"ALTER TABLE ONLY {table.name} REPLICA IDENTITY {_IDENTITY[row.replica_identity]}")
    if statements:
        yield Part(("late", row.oid), SETTINGS, row.name, tuple(statements), is_late=True, needs=(("pg_class", row.oid),))


def column_text(column: Column) -> str:
    """Return a column's name, type and collation, as tables and composite types declare it."""
    collation = f" COLLATE {column.collation}" if column.collation else ""
    return f"{quoted(column.name)} {column.type}{collation}"


def with_options(options: Iterable[str] | None, prefix: str = "") -> str:
    """Return storage options as SQL: name = 'value'."""
    pairs = (option.partition("=") for option in options or ())
    return ", ".join(f"{prefix}{name}={literal(value)}" for name, _, value in pairs)


_options = with_options


def _elements(table: Table) -> list[str]:
    declared = [column for column in table.columns if column.is_local or table.is_partition]
    texts = [_declared(table, column) for column in declared]
    texts += [f"CONSTRAINT {quoted(one.name)} {one.definition}" for one in table.checks(late=False)]
    if table.major >= _NOT_NULL_IS_A_CONSTRAINT:
        # A NOT NULL of its own on a column that it inherits.
        named = ((table.not_null(column), column) for column in table.columns if column not in declared)
        texts += [
            f"CONSTRAINT {quoted(one.name)} {one.definition}" for one, _ in named if one and one.is_local and not _is_late(one)
        ]
    return texts


def _declared(table: Table, column: Column) -> str:
    text = column_text(column)
    if column.generated:
        text += f" GENERATED ALWAYS AS ({column.default_value}) {'VIRTUAL' if column.generated == 'v' else 'STORED'}"
    if not column.not_null:
        return text
    if table.major < _NOT_NULL_IS_A_CONSTRAINT:
        return f"{text} NOT NULL"
    named = table.not_null(column)
    if named is None or _is_late(named):
        return text
    return f"{text} CONSTRAINT {quoted(named.name)} NOT NULL{' NO INHERIT' if named.no_inherit else ''}"


def _inherited_not_null(table: Table) -> Iterator[str]:
    """Yield NOT NULL of inherited columns, where the server does not say whose it is: a repeated one changes nothing."""
    for column in table.columns:
        is_declared = (column.is_local or table.is_partition) and not table.row.of_type
        named = table.not_null(column)
        if not column.not_null or is_declared or (named and (_is_late(named) or not table.row.of_type)):
            continue
        if named:
            yield f"ALTER TABLE ONLY {table.name} ADD CONSTRAINT {quoted(named.name)} {named.definition}"
        else:
            yield f"ALTER TABLE ONLY {table.name} ALTER COLUMN {quoted(column.name)} SET NOT NULL"


def _is_late(one: Constraint) -> bool:
    return not one.is_validated and "NOT ENFORCED" not in one.definition


def _storage(row: Relation) -> str:
    method = f" USING {quoted(row.access_method)}" if row.access_method not in {None, "heap"} else ""
    options = ", ".join(part for part in (with_options(row.options), with_options(row.toast_options, "toast.")) if part)
    tablespace = f" TABLESPACE {quoted(row.tablespace)}" if row.tablespace else ""
    return f"{method}{f' WITH ({options})' if options else ''}{tablespace}"


def _owner(table: Table) -> Iterator[str]:
    yield f"ALTER {table.target} OWNER TO {quoted(table.row.owner)}"


def _settings(table: Table, column: Column) -> Iterator[str]:
    alter = f"ALTER TABLE ONLY {table.name} ALTER COLUMN {quoted(column.name)}"
    if table.row.kind == "m":
        alter = alter.replace("TABLE ONLY", "MATERIALIZED VIEW", 1)
    if column.storage:
        yield f"{alter} SET STORAGE {_STORAGE[column.storage]}"
    if column.compression:
        yield f"{alter} SET COMPRESSION {_COMPRESSION[column.compression]}"
    if column.statistics >= 0:
        yield f"{alter} SET STATISTICS {column.statistics}"
    if column.options:
        yield f"{alter} SET ({with_options(column.options)})"


def _made(table: Table) -> dict[Key, str | None]:
    named = {
        ("pg_constraint", one.oid): f"CONSTRAINT {quoted(one.name)} ON {table.name}"
        for one in table.constraints
        if one.kind in "cn"
    }
    generated = {("pg_attrdef", column.default_oid): None for column in table.columns if column.generated and column.default_oid}
    return {**named, **generated}


def _grants(table: Table) -> tuple[str, ...]:
    what = f"{'SEQUENCE' if table.row.kind == 'S' else 'TABLE'} {table.name}"
    found = [*grants(what, table.row.owner, table.row.acl)]
    for column in table.columns:
        found += grants(what, table.row.owner, column.acl, column.name)
    return tuple(found)
