"""One relation of a schema, and the words that its declaration is made of."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from capliquify_ops.database import literal, quoted
from capliquify_ops.tenants.definitions.grants import grants
from capliquify_ops.tenants.definitions.rows import Column, Constraint, Key, Relation

_KINDS = {"r": "TABLE", "p": "TABLE", "v": "VIEW", "m": "MATERIALIZED VIEW", "S": "SEQUENCE"}
NOT_NULL_IS_A_CONSTRAINT = 18
"""The first server that keeps a constraint behind NOT NULL, with a name."""


@dataclass(frozen=True, slots=True)
class Table:
    """A relation of the schema with all that its declaration says.

    `is_stepwise`: CREATE TABLE ... INHERITS cannot say it; see inheritance.py. `apart` are CHECK constraints that
    need the table themselves, through a function: they are added after the data, as pg_dump does.
    """

    schema: str
    row: Relation
    columns: Sequence[Column]
    constraints: Sequence[Constraint]
    major: int
    is_stepwise: bool = False
    apart: frozenset[int] = frozenset()

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

    @property
    def owner(self) -> str:
        """The statement that gives it to its owner."""
        return f"ALTER {self.target} OWNER TO {quoted(self.row.owner)}"

    @property
    def keeps_not_null(self) -> bool:
        """Whether the server keeps a constraint behind NOT NULL."""
        return self.major >= NOT_NULL_IS_A_CONSTRAINT

    @property
    def may_loosen(self) -> bool:
        """Whether it may take NULL where its parents do not: up to 17 a child's NOT NULL could be dropped."""
        return bool(self.row.parents) and not self.is_partition and not self.keeps_not_null

    def checks(self, *, late: bool) -> list[Constraint]:
        """Return its own CHECK constraints: those that hold for the data, or those that were never validated (late)."""
        found = [one for one in self.constraints if one.kind == "c" and (one.is_local or (self.is_partition and not late))]
        return [one for one in found if self.is_late(one) == late]

    def is_late(self, one: Constraint) -> bool:
        """Whether a constraint is added after the data."""
        return is_late(one) or one.oid in self.apart

    def not_null(self, column: Column) -> Constraint | None:
        """Return the constraint behind a column's NOT NULL, where the server keeps one."""
        named = (one for one in self.constraints if one.kind == "n" and one.first_column == column.number)
        return next(named, None)

    def add(self, one: Constraint) -> str:
        """Return the statement that adds a constraint to this table alone."""
        return f"ALTER TABLE ONLY {self.name} ADD CONSTRAINT {quoted(one.name)} {one.definition}"


def is_late(one: Constraint) -> bool:
    """Whether a constraint was never validated, so that the data may break it."""
    return not one.is_validated and "NOT ENFORCED" not in one.definition


def column_text(column: Column) -> str:
    """Return a column's name, type and collation, as tables and composite types declare it."""
    collation = f" COLLATE {column.collation}" if column.collation else ""
    return f"{quoted(column.name)} {column.type}{collation}"


def column_declared(table: Table, column: Column) -> str:
    """Return a column as CREATE TABLE and ADD COLUMN take it, with NOT NULL and what generates it, without its default."""
    text = column_text(column)
    if column.generated:
        text += f" GENERATED ALWAYS AS ({column.default_value}) {'VIRTUAL' if column.generated == 'v' else 'STORED'}"
    return text + not_null_text(table, column)


def not_null_text(table: Table, column: Column) -> str:
    """Return the NOT NULL of a column, by name where it has one; nothing where the data may break it."""
    if not column.not_null:
        return ""
    if not table.keeps_not_null:
        return " NOT NULL"
    named = table.not_null(column)
    if named is None or is_late(named):
        return ""
    return f" CONSTRAINT {quoted(named.name)} NOT NULL{' NO INHERIT' if named.no_inherit else ''}"


def with_options(options: Iterable[str] | None, prefix: str = "") -> str:
    """Return storage options as SQL: name = 'value'."""
    pairs = (option.partition("=") for option in options or ())
    return ", ".join(f"{prefix}{name}={literal(value)}" for name, _, value in pairs)


def storage_text(row: Relation) -> str:
    """Return how and where a relation is stored, as CREATE takes it."""
    method = f" USING {quoted(row.access_method)}" if row.access_method not in {None, "heap"} else ""
    options = ", ".join(part for part in (with_options(row.options), with_options(row.toast_options, "toast.")) if part)
    tablespace = f" TABLESPACE {quoted(row.tablespace)}" if row.tablespace else ""
    return f"{method}{f' WITH ({options})' if options else ''}{tablespace}"


def table_grants(table: Table) -> tuple[str, ...]:
    """Return the rights on a table and its columns."""
    what = f"TABLE {table.name}"
    return (*grants(what, table.row.owner, table.row.acl), *_on_columns(table, what))


def made_by(table: Table) -> dict[Key, str | None]:
    """Return the other objects that declaring a table makes."""
    named = {
        ("pg_constraint", one.oid): f"CONSTRAINT {quoted(one.name)} ON {table.name}"
        for one in table.constraints
        if one.kind in "cn" and not (table.is_late(one) and (one.is_local or one.oid in table.apart))
    }
    generated = {("pg_attrdef", column.default_oid): None for column in table.columns if column.generated and column.default_oid}
    return {**named, **generated}


def _on_columns(table: Table, what: str) -> Iterator[str]:
    for column in table.columns:
        if column.acl is not None:
            yield from grants(what, table.row.owner, column.acl, column.name)
