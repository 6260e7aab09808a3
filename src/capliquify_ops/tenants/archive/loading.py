"""Load an archive's script into the open transaction, section by section, and compare what arrived with the manifest."""

from collections.abc import Callable, Iterator
from typing import Protocol

from capliquify_ops.database import Session
from capliquify_ops.database.identifiers import composed
from capliquify_ops.model.errors import ArchiveRefused
from capliquify_ops.tenants.archive import script
from capliquify_ops.tenants.archive.frames import script_of
from capliquify_ops.tenants.archive.manifest import Manifest, Section
from capliquify_ops.tenants.archive.opening import Archive
from capliquify_ops.tenants.archive.rows import count
from capliquify_ops.tenants.definitions import define


class Readable(Protocol):
    """What a script is read from."""

    def read(self, size: int, /) -> bytes: ...


_PIECE = 1 << 18
_END = b"\\.\n"
_STATEMENTS = frozenset({"before", "after", "sequences"})
_SHARED = frozenset({"context", "shared"})
_MEMORY = "256MB"
"""maintenance_work_mem while keys and indexes are built; the default of 64 MB spills for tables of some 100 MB."""


def load_archive(session: Session, archive: Archive, *, shared: bool, progress: Callable[[int], None] = lambda _: None) -> None:
    """Load the schema under its own name, which is free, as the role that the transaction has.

    `shared` loads the rows in the shared tables too. `progress` is told the bytes of the script that are done. Raises
    ArchiveRefused when what arrived is not what the manifest says; the transaction must not be committed then.
    """
    script.apply(session, {**script.INPUT, "maintenance_work_mem": _MEMORY})
    done, is_compared = 0, False
    with script_of(archive.file) as file:
        for section in archive.manifest.sections:
            if section.kind == "after":
                # Before rights and row security come back, with which the owner itself might see less.
                _compare_rows(session, archive.manifest)
                is_compared = True
            _load(session, file, section, shared=shared)
            done += section.bytes
            progress(done)
    if not is_compared:
        _compare_rows(session, archive.manifest)
    _compare_definition(session, archive.manifest)


def _load(session: Session, file: Readable, section: Section, *, shared: bool) -> None:
    if section.kind in _STATEMENTS or (section.kind in _SHARED and shared):
        session.script(composed(_exactly(file, section.bytes).decode("utf-8")))
    elif section.kind == "rows":
        head = _exactly(file, section.head).decode("utf-8").rstrip("\n;")
        with session.copy_in(composed(head)) as write:
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


def _compare_rows(session: Session, manifest: Manifest) -> None:
    for section in manifest.tables:
        columns = f" ({', '.join(section.columns)})" if section.columns else ""
        found = count(session.copy_out(composed(f"COPY {section.table}{columns} TO STDOUT")))
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
