"""Write the script of one schema: settings, definitions, shared rows, rows, sequence values, keys and rights."""

from collections.abc import Iterable, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from typing import NamedTuple

from capliquify_ops.database import Session, literal, load
from capliquify_ops.database.identifiers import composed
from capliquify_ops.model.errors import DefinitionsRefused, StatementFailed
from capliquify_ops.tenants.archive.frames import ArchiveWriter
from capliquify_ops.tenants.archive.manifest import Section
from capliquify_ops.tenants.archive.rows import Content, no_rows, write_rows
from capliquify_ops.tenants.archive.shared import ROWS_PER_STATEMENT, SharedTable, insert_head, rows_of
from capliquify_ops.tenants.definitions import DataTable, Definition
from capliquify_ops.tenants.registry import Tenant

_PACKAGE = "capliquify_ops.tenants.archive"
Value = tuple[str, int, bool]
"""A sequence: its name as SQL, its last value, whether that was given out."""
OUTPUT: dict[str, str] = {
    "client_encoding": "UTF8",
    "datestyle": "ISO, MDY",
    "intervalstyle": "postgres",
    "timezone": "UTC",
    "extra_float_digits": "1",
    "bytea_output": "hex",
    "lc_monetary": "C",
    "xmloption": "content",
}
"""What values look like in the script; set before they are written and before they are read."""
INPUT = {
    **OUTPUT,
    "standard_conforming_strings": "on",
    "check_function_bodies": "off",
    "search_path": "pg_catalog, pg_temp",
    "default_tablespace": "",
    "default_table_access_method": "heap",
    "client_min_messages": "warning",
    "statement_timeout": "0",
    "lock_timeout": "0",
    "idle_in_transaction_session_timeout": "0",
}
LINE_LIMIT = (1 << 30) - 1
"""MaxAllocSize: the longest line that the server can send or take."""
_WORTH_MEASURING = 1 << 20
"""Bytes out of line below which no row can come near the limit: lz4 packs a value into no less than 1/255."""
_TOO_LONG = frozenset({"54000", "XX000"})


class _Size(NamedTuple):
    """A table; `length` is SQL for how long a row's line is at least, where it is worth measuring."""

    oid: int
    has_pages: bool
    length: str | None


@dataclass(slots=True)
class ScriptWriter:
    """Writes sections of a script and keeps what the manifest says of them."""

    archive: ArchiveWriter
    sections: list[Section] = field(default_factory=list)

    def statements(self, kind: str, statements: Iterable[str]) -> None:
        """Write statements as one section."""
        text = "".join(f"{statement};\n" for statement in statements).encode("utf-8")
        if text:
            self.archive.write(text)
            self.sections.append(Section(kind, len(text)))

    def settings(self) -> None:
        """Write what psql has to be told first."""
        # A function, since a setting that a later server no longer knows must not stop the rest.
        self.statements("settings", [f"SET {name} = {_setting(value)}" for name, value in INPUT.items()])

    def rows(self, session: Session | None, table: DataTable) -> None:
        """Write a table's rows as one COPY. Without a session there are none."""
        columns = f" ({', '.join(table.columns)})" if table.columns else ""
        head = f"COPY {table.name}{columns} FROM stdin;\n".encode()
        start = self.archive.script_bytes
        self.archive.write(head)
        content = self._copied(session, table, f"COPY {table.name}{columns} TO STDOUT") if session else no_rows()
        self.archive.write(b"\\.\n")
        size = self.archive.script_bytes - start
        hashes = {"content": content.hash, "stream": content.stream}
        self.sections.append(Section("rows", size, table.name, table.columns, content.rows, head=len(head), **hashes))

    def _copied(self, session: Session, table: DataTable, query: str) -> Content:
        try:
            with session.copy_out(composed(query)) as lines:
                return write_rows(lines, self.archive.write)
        except StatementFailed as fault:
            raise (_too_long(table) if fault.sqlstate in _TOO_LONG else fault) from None

    def shared(self, session: Session, schema: str, table: SharedTable, tenant: Tenant) -> None:
        """Write the tenant's rows of a shared table, some hundred a statement."""
        head, content = insert_head(schema, table), Content()
        batch: list[str] = []
        # What row security asks for; a superuser is not asked.
        context = f"SELECT pg_catalog.set_config('app.tenant_id', {literal(str(tenant.id))}, true);\n"

        def write() -> None:
            text = (head + ",\n".join(batch) + ";\n").encode()
            self.archive.write(text)
            self.sections.append(
                Section("shared", len(text), f"{schema}.{table.name}", tuple(table.columns), len(batch), "", len(head))
            )
            batch.clear()

        with closing(rows_of(session, schema, table, tenant.id, content)) as rows:
            for row in rows:
                if not any(one.kind == "context" for one in self.sections):
                    self.archive.write(context.encode())
                    self.sections.append(Section("context", len(context.encode())))
                batch.append(row)
                if len(batch) == ROWS_PER_STATEMENT:
                    write()
        if batch:
            write()


def filled_tables(session: Session, definition: Definition) -> set[int]:
    """Return the tables that may hold rows.

    Raises DefinitionsRefused for one with a row that COPY cannot carry, before anything is written.
    """
    names = {table.oid: table for table in definition.tables}
    if not names:
        return set()
    found = session.rows(load(_PACKAGE, "sizes"), _Size, {"tables": sorted(names), "at_least": _WORTH_MEASURING})
    for oid, length in ((size.oid, size.length) for size in found if size.length):
        query = composed(f"SELECT EXISTS (SELECT 1 FROM {names[oid].name} WHERE {length} > {LINE_LIMIT})")
        if session.value(query):
            raise _too_long(names[oid])
    return {size.oid for size in found if size.has_pages}


def sequence_values(session: Session, names: Sequence[str]) -> list[Value]:
    """Return each sequence's last value and whether it was given out."""
    if not names:
        return []
    each = (f"SELECT {literal(name)}, s.last_value, s.is_called FROM {name} AS s" for name in names)
    return [tuple(row.values()) for row in session.mappings(composed(" UNION ALL ".join(f"({one})" for one in each)))]


def setval(name: str, value: int, *, called: bool) -> str:
    """Return the statement that sets a sequence."""
    return f"SELECT pg_catalog.setval({literal(name)}, {value}, {'true' if called else 'false'})"


def _setting(value: str) -> str:
    return ", ".join(literal(part.strip()) for part in value.split(","))


def _too_long(table: DataTable) -> DefinitionsRefused:
    message = f"The table {table.name} has a row whose COPY line would pass the server's limit of 1 GB: nothing was written."
    return DefinitionsRefused(message, hint="pg_dump cannot carry it either: shorten or split the value.")
