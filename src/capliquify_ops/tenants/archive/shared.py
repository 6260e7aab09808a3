"""A tenant's rows in the shared tables, as INSERT statements: COPY refuses tables with row security, and they are few."""

from collections.abc import Generator, Sequence
from dataclasses import dataclass

from capliquify_ops.database import Session, fill, literal, load, quoted
from capliquify_ops.model.errors import PrivilegeMissing
from capliquify_ops.model.names import TenantId
from capliquify_ops.tenants.archive.rows import Content, counted

_ESCAPES = {"b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t", "v": "\v"}
ROWS_PER_STATEMENT = 500


@dataclass(frozen=True, slots=True)
class SharedTable:
    """A shared table; `tenant_column` None where nothing says whose a row is."""

    name: str
    tenant_column: str | None
    columns: list[str]
    is_readable: bool


def shared_tables(session: Session, registry: tuple[str, str], names: Sequence[str]) -> list[SharedTable]:
    """Return the shared tables that hold rows of tenants, in the order of their names given.

    Raises PrivilegeMissing where row security could hide rows from this role.
    """
    values = {"registry_schema": registry[0], "registry_table": registry[1], "names": list(names)}
    found = [
        table
        for table in session.rows(load("capliquify_ops.tenants.archive", "shared"), SharedTable, values)
        if table.tenant_column
    ]
    for table in found:
        if not table.is_readable:
            message = f"Row security of {registry[0]}.{table.name} may hide rows of the tenant from this role."
            raise PrivilegeMissing(message, hint="Back up with a role that has BYPASSRLS.")
    return found


def insert_head(schema: str, table: SharedTable) -> str:
    """Return the first line of the statement that inserts rows of a shared table."""
    columns = ", ".join(quoted(column) for column in table.columns)
    return f"INSERT INTO {quoted(schema, table.name)} ({columns}) OVERRIDING SYSTEM VALUE VALUES\n"


def rows_of(session: Session, schema: str, table: SharedTable, tenant: TenantId, into: Content) -> Generator[str, None, None]:
    """Yield the tenant's rows of a shared table as lists of literals."""
    columns = ", ".join(f"{quoted(column)}" for column in table.columns)
    order = quoted(table.columns[0])
    query = fill(
        f'COPY (SELECT {columns} FROM :"schema".:"table" WHERE :"column" = :\'tenant\' ORDER BY {order}) TO STDOUT',
        {"schema": schema, "table": table.name, "column": table.tenant_column or "", "tenant": str(tenant)},
    )
    with session.copy_out(query) as lines:
        for piece in counted(lines, into):
            for line in piece.decode().split("\n")[:-1]:
                yield f"({', '.join(_literal(field) for field in line.split(chr(9)))})"


def _literal(field: str) -> str:
    return "NULL" if field == r"\N" else literal(_unescaped(field))


def _unescaped(field: str) -> str:
    if "\\" not in field:
        return field
    done, position = [], 0
    while (found := field.find("\\", position)) >= 0:
        done.append(field[position:found])
        letter = field[found + 1]
        done.append(_ESCAPES.get(letter, letter))
        position = found + 2
    return "".join([*done, field[position:]])
