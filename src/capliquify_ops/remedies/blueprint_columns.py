"""How one object of a sound schema is made, and how a column is added to a table that lacks it."""

from dataclasses import dataclass

from capliquify_ops.database import quoted
from capliquify_ops.tenants.definitions.grants import grants
from capliquify_ops.tenants.definitions.rows import Column
from capliquify_ops.tenants.definitions.table import Table, column_declared


@dataclass(frozen=True, slots=True)
class Made:
    """How an object is made: `plain` where nothing is in use yet, else `build` outside a transaction, `then`, `validate`.

    Where `validate` fails, `undo`. Of one position a `late` one comes second: a generated column, a key that takes an index over.
    `only_empty`: rows that are there already rule it out. `relation` and `column` are whose it is; `why_not` is for a person.
    """

    kind: str
    object: str
    position: int
    plain: tuple[str, ...]
    relation: str = ""
    column: str = ""
    build: str = ""
    then: tuple[str, ...] = ()
    validate: tuple[str, ...] = ()
    undo: tuple[str, ...] = ()
    only_empty: bool = False
    locks: str = ""
    why_not: str = ""
    late: int = 0


def column_made(table: Table, column: Column, position: int, of_sequences: tuple[str, ...]) -> Made:
    """Return how a column is added. Rows that are there get its default; without one they rule NOT NULL out."""
    row, alter = table.row, f"ALTER TABLE {table.name}"
    is_counted = bool(of_sequences)
    default = f"{alter} ALTER COLUMN {quoted(column.name)} SET DEFAULT {column.default_value}"
    has_default = column.default_value is not None and not column.generated
    inline = f" DEFAULT {column.default_value}" if has_default and not is_counted else ""
    statements = [f"{alter} ADD COLUMN {column_declared(table, column)}{inline}", *of_sequences]
    if has_default and is_counted:
        statements.append(default)
    if column.acl is not None:
        statements += grants(f"TABLE {table.name}", row.owner, column.acl, column.name)
    why_not = "Its table is a partition or inherits from another one." if row.parents or row.of_type else ""
    is_rewritten = bool(column.generated == "s" or is_counted or "(" in inline)
    return Made(
        "column",
        f"{row.name}.{column.name}",
        position,
        (),
        relation=row.name,
        column=column.name,
        then=tuple(statements),
        only_empty=is_counted or (column.not_null and not has_default and not column.generated),
        locks=f"{row.name} (ACCESS EXCLUSIVE{', and may rewrite it' if is_rewritten else ''})",
        why_not=why_not,
        late=1 if column.generated else 0,
    )
