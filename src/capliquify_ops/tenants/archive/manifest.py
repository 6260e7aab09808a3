"""What an archive says of itself."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

from capliquify_ops.evidence.canonical import Plain
from capliquify_ops.model.errors import ArchiveRefused

FORMAT = 1


@dataclass(frozen=True, slots=True)
class Section:
    """A stretch of the script: `kind` is settings, before, shared, rows, sequences or after; `bytes` before compression.

    Of a table (rows, shared): its name and columns as SQL, its rows, and the two hashes of archive/rows.py (of rows alone).
    `head` is the length of the statement's first line.
    """

    kind: str
    bytes: int
    table: str = ""
    columns: tuple[str, ...] = ()
    rows: int = 0
    content: str = ""
    head: int = 0
    stream: str = ""


@dataclass(frozen=True, slots=True)
class Origin:
    """Where and when the snapshot was taken. `lsn` is the write-ahead log's position, "" where it cannot be read."""

    server_version: str
    server_major: int
    encoding: str
    database: str
    system_identifier: str
    lsn: str
    taken_at: str
    tool: str


@dataclass(frozen=True, slots=True)
class Needs:
    """What a server must have before anything is restored into it.

    `outside` as definitions.Definition has it; `locks` is how many the transaction will hold at most.
    """

    roles: tuple[str, ...] = ()
    outside: tuple[str, ...] = ()
    features: tuple[str, ...] = ()
    locks: int = 0


@dataclass(frozen=True, slots=True)
class Manifest:
    """The whole manifest.

    `tenant` is the registry's row, empty for a schema without one; values of `sequences` are [name, last_value, is_called].
    `fingerprint` is that of the definitions, `routines` those whose text holds the schema's name.
    """

    format: int
    schema: str
    tenant: Mapping[str, Plain]
    fingerprint: str
    origin: Origin
    needs: Needs
    sections: tuple[Section, ...]
    sequences: tuple[tuple[str, int, bool], ...]
    routines: tuple[str, ...]
    left_out: tuple[str, ...]

    @property
    def tables(self) -> tuple[Section, ...]:
        """The sections that hold rows of the tenant's own tables."""
        return tuple(section for section in self.sections if section.kind == "rows")

    @property
    def rows(self) -> int:
        """Rows of all the tenant's own tables."""
        return sum(section.rows for section in self.tables)


def parse(content: bytes, where: str) -> Manifest:
    """Parse a manifest. Raises ArchiveRefused for a newer format and for anything else."""
    try:
        table = json.loads(content)
        if int(table["format"]) > FORMAT:
            message = f"{where} has the format {int(table['format'])}; this version reads up to {FORMAT}."
            raise ArchiveRefused(message, hint="Restore it with a newer capliquify-ops, or with zstd and psql alone.")
        return _manifest(table)
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise ArchiveRefused(f"{where} has a manifest that cannot be read ({type(error).__name__}).") from None


def _manifest(table: dict[str, Any]) -> Manifest:
    row = {field.name: table[field.name] for field in fields(Manifest)}
    row["origin"] = Origin(**row["origin"])
    needs = row["needs"]
    row["needs"] = Needs(tuple(needs["roles"]), tuple(needs["outside"]), tuple(needs["features"]), int(needs["locks"]))
    row["sections"] = tuple(_section(each) for each in row["sections"])
    row["sequences"] = tuple((str(name), int(value), bool(called)) for name, value, called in row["sequences"])
    row["routines"], row["left_out"] = tuple(row["routines"]), tuple(row["left_out"])
    return Manifest(**row)


def _section(table: dict[str, Any]) -> Section:
    """Return a section; what a later version of the same format says besides is left out."""
    row = {field.name: table[field.name] for field in fields(Section) if field.name in table}
    return Section(**{**row, "columns": tuple(row["columns"])})
