"""Load an archive's script into the open transaction, section by section, and compare what arrived with the manifest."""

import re
from collections.abc import Callable, Iterator
from typing import Protocol

from capliquify_ops.database import Session, literal
from capliquify_ops.database.identifiers import composed
from capliquify_ops.model.errors import ArchiveRefused, ServerUnsupported
from capliquify_ops.tenants.archive import script
from capliquify_ops.tenants.archive.frames import script_of
from capliquify_ops.tenants.archive.manifest import Manifest, Section
from capliquify_ops.tenants.archive.opening import Archive
from capliquify_ops.tenants.archive.rows import count, count_stream
from capliquify_ops.tenants.definitions import define


class Readable(Protocol):
    """What a script is read from."""

    def read(self, size: int, /) -> bytes: ...


_PIECE = 1 << 18
_END = b"\\.\n"
_STATEMENTS = frozenset({"before", "after", "sequences"})
_SHARED = frozenset({"context", "shared"})
_IDENTIFIER = r'(?:"(?:[^"]|"")+"|[a-z_][a-z0-9_$]*)'
_TABLE, _COLUMN = re.compile(rf"{_IDENTIFIER}\.{_IDENTIFIER}"), re.compile(_IDENTIFIER)
_LOCK = "2s"
"""How long a statement waits for a table that somebody else holds: foreign keys reach into shared tables, where others queue."""
_MEMORY = "256MB"
"""maintenance_work_mem while keys and indexes are built; the default of 64 MB spills for tables of some 100 MB."""


def load_archive(session: Session, archive: Archive, *, shared: bool, progress: Callable[[int], None] = lambda _: None) -> None:
    """Load the schema under its own name, which is free, as the role that the transaction has.

    `shared` loads the rows in the shared tables too. `progress` is told the bytes of the script that are done. Raises
    ArchiveRefused when what arrived is not what the manifest says; the transaction must not be committed then.
    """
    session.apply({**script.INPUT, "maintenance_work_mem": _MEMORY, "lock_timeout": _LOCK})
    done, is_compared, role = 0, False, session.value("SELECT current_user")
    with script_of(archive.file) as file:
        for section in archive.manifest.sections:
            if section.kind == "after":
                # Before rights and row security come back, with which the owner itself might see less.
                _compare_rows(session, archive.manifest)
                is_compared = True
            _load(session, file, section, shared=shared)
            _require_role(session, role)
            done += section.bytes
            progress(done)
    # What a trigger puts off until the commit would run there as whoever has logged in.
    session.execute("SET CONSTRAINTS ALL IMMEDIATE")
    _require_role(session, role)
    if not is_compared:
        _compare_rows(session, archive.manifest)
    _compare_definition(session, archive.manifest)


def _load(session: Session, file: Readable, section: Section, *, shared: bool) -> None:
    if section.kind in _STATEMENTS or (section.kind in _SHARED and shared):
        _run(session, _exactly(file, section.bytes).decode("utf-8"))
    elif section.kind == "rows":
        named = _named(section)
        if _exactly(file, section.head).decode("utf-8") != f"COPY {named} FROM stdin;\n":
            raise ArchiveRefused(f"The rows of {section.table} do not begin as the manifest says.")
        with session.copy_in(composed(f"COPY {named} FROM stdin")) as write:
            for piece in _pieces(file, section.bytes - section.head - len(_END)):
                write(piece)
        if _exactly(file, len(_END)) != _END:
            raise ArchiveRefused(f"The rows of {section.table} do not end where the manifest says.")
    elif section.kind in {"settings", *_SHARED}:
        for _ in _pieces(file, section.bytes):
            pass
    elif section.kind == "pg_dump":
        raise ArchiveRefused("The archive was written by pg_dump.", hint="Restore it so: zstd -dc FILE | psql -X -1 DATABASE")
    else:
        raise ArchiveRefused(f"The archive holds a section of the unknown kind {section.kind!r}.")


def _run(session: Session, text: str) -> None:
    """Run statements of the archive from inside a block, where the server refuses to end the transaction that undoes them."""
    block = f"BEGIN EXECUTE {literal(text)}; END"
    try:
        session.script(composed(f"DO {literal(block)}"))
    except ServerUnsupported as fault:
        if "transaction commands" not in fault.what:
            raise
        raise ArchiveRefused("The archive's SQL would end the transaction that it runs in: nothing was kept.") from None


def _require_role(session: Session, role: str) -> None:
    if session.value("SELECT current_user") != role:
        raise ArchiveRefused("The archive's SQL changes the role that it runs as: nothing was kept.")


def _named(section: Section) -> str:
    """Return the table and the columns of a section for COPY; names are all that may stand there."""
    if not (_TABLE.fullmatch(section.table) and all(_COLUMN.fullmatch(column) for column in section.columns)):
        raise ArchiveRefused(f"The manifest names a table that is none: {section.table[:80]!r}.")
    return section.table + (f" ({', '.join(section.columns)})" if section.columns else "")


def _compare_rows(session: Session, manifest: Manifest) -> None:
    for section in manifest.tables:
        query = composed(f"COPY {_named(section)} TO STDOUT")
        with session.copy_out(query) as lines:
            if count_stream(lines) == (section.rows, section.stream):
                continue
        # In another order they are the same rows; older archives have no hash of the stream.
        with session.copy_out(query) as lines:
            found = count(lines)
        if (found.rows, found.hash) != (section.rows, section.content):
            what = f"{found.rows} rows instead of {section.rows}" if found.rows != section.rows else "other values"
            raise ArchiveRefused(f"The restored table {section.table} holds {what}: nothing was kept.")


def _compare_definition(session: Session, manifest: Manifest) -> None:
    found = define(session, manifest.schema)
    values = [list(value) for value in script.sequence_values(session, found.sequences)]
    if values != [list(value) for value in manifest.sequences]:
        raise ArchiveRefused("The restored sequences stand elsewhere than the manifest says: nothing was kept.")
    # Another major version deparses differently.
    if session.server_major == manifest.origin.server_major and found.fingerprint != manifest.fingerprint:
        raise ArchiveRefused("The restored definitions are not those of the manifest: nothing was kept.")


def _pieces(file: Readable, size: int) -> Iterator[bytes]:
    while size > 0:
        piece = _exactly(file, min(size, _PIECE))
        size -= len(piece)
        yield piece


def _exactly(file: Readable, size: int) -> bytes:
    pieces, left = [], size
    while left > 0:
        piece = file.read(left)
        if not piece:
            raise ArchiveRefused("The archive's script ends before the manifest says.")
        pieces.append(piece)
        left -= len(piece)
    return b"".join(pieces)
