"""Back one tenant up: its schema and its rows in the shared tables, as one consistent snapshot in one file."""

import os
from collections.abc import Callable, Container, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from capliquify_ops.database import Session, SessionLimits, load
from capliquify_ops.evidence.canonical import Plain, canonical
from capliquify_ops.evidence.files import sync_folder
from capliquify_ops.model.errors import ArchiveUnwritable, DefinitionsRefused, SchemaChanged
from capliquify_ops.tenants.archive import script
from capliquify_ops.tenants.archive.frames import ArchiveWriter
from capliquify_ops.tenants.archive.manifest import FORMAT, Manifest, Needs, Origin
from capliquify_ops.tenants.archive.shared import shared_tables
from capliquify_ops.tenants.audit import facts_of
from capliquify_ops.tenants.definitions import Definition, define
from capliquify_ops.tenants.registry import PRODUCT_REGISTRY, Tenant, find, registry_names
from capliquify_ops.tenants.renaming import names_schema

SHARED = ("tenants", "users", "subscriptions", "audit_logs")
"""The product's shared tables, each after those that it references."""
LIMITS = SessionLimits(statement_ms=0, lock_ms=10_000, idle_ms=300_000)
"""A large table takes as long as it takes; a lock that somebody else holds does not."""
_PLANNING = {"plan_cache_mode": "force_generic_plan", "jit": "off"}
"""Statements that are prepared are planned once: all tenants are alike to them, and planning costs as much as running."""
READING = {**_PLANNING, **script.OUTPUT, "row_security": "off"}
"""Settings of a transaction that reads. Rows that a policy hides have to be an error: off means so. Shared tables are checked."""
_ATTEMPTS = 3
_PACKAGE = "capliquify_ops.tenants.archive"
Write = Callable[[BinaryIO], tuple[str, int, Manifest]]
"""Writes an archive to a file and returns its SHA-256, its size and its manifest."""


@dataclass(frozen=True, slots=True)
class Receipt:
    """What a backup wrote. `sha256` is of the whole file; the audit keeps it too, out of reach of who holds the file."""

    path: str
    sha256: str
    bytes: int
    manifest: Manifest


@dataclass(frozen=True, slots=True)
class Source:
    """What to back up: a registered tenant, or a schema alone (`tenant` None)."""

    schema: str
    tenant: Tenant | None
    registry: str = PRODUCT_REGISTRY
    shared: Sequence[str] = SHARED


def backup(
    session: Session, key: str, output: Path, *, tool: str, registry: str = PRODUCT_REGISTRY, shared: Sequence[str] = SHARED
) -> Receipt:
    """Back a tenant up into a new file and return its receipt. Nothing of ours is needed to restore it.

    Raises TenantNotFound, TenantConflict (no schema), DefinitionsRefused, PrivilegeMissing, SchemaChanged (changed while it was
    read, three times), ArchiveUnwritable (the file exists, the disk is full). After an error there is no file.
    """

    def source() -> Source:
        tenant = find(session, key, registry=registry)
        return Source(tenant.schema_name, tenant, registry, shared)

    return written(output, lambda file: write_archive(session, source, file, tool=tool))


def backup_source(session: Session, source: Source, output: Path, *, tool: str) -> Receipt:
    """Back a schema up into a new file. As `backup`."""
    return written(output, lambda file: write_archive(session, lambda: source, file, tool=tool))


def written(output: Path, write: Write) -> Receipt:
    """Write a new file through `write`, again when the schema was changed meanwhile. Raises as `backup`."""
    for attempt in range(_ATTEMPTS):
        try:
            with new_file(output) as file:
                digest, size, manifest = write(file)
        except SchemaChanged:
            if attempt == _ATTEMPTS - 1:
                raise
        else:
            return Receipt(str(output), digest, size, manifest)
    raise AssertionError


def write_archive(session: Session, choose: Callable[[], Source], file: BinaryIO, *, tool: str) -> tuple[str, int, Manifest]:
    """Write one archive to an open file and return its SHA-256, its size and its manifest. Raises as `backup`.

    What is backed up is chosen within the snapshot.
    """
    archive = ArchiveWriter(file)
    with session.snapshot(LIMITS, settings={**READING, "row_security": "on"}):
        # The registry may have a policy for this role, which the rows of tenants must not.
        source = choose()
        session.apply({"row_security": "off"})
        before = session.value(load(_PACKAGE, "changes"), {"schema": source.schema})
        manifest = write_script(session, source, archive, tool=tool)
    with session.transaction(_PLANNING):
        if session.value(load(_PACKAGE, "changes"), {"schema": source.schema}) != before:
            raise SchemaChanged(f"The schema {source.schema} was changed while it was read.", hint="Run the backup again.")
    return archive.close(canonical(manifest)), archive.bytes, manifest


def write_script(session: Session, source: Source, archive: ArchiveWriter, *, tool: str) -> Manifest:
    """Write the script within a transaction with READING and return the manifest. Raises as `backup`."""
    definition = define(session, source.schema)
    filled = script.filled_tables(session, definition)
    writer = script.ScriptWriter(archive)
    sequences = _write(session, source, definition, filled, writer)
    return described(session, source, writer, tool=tool, definition=definition, sequences=sequences)


@contextmanager
def new_file(path: Path) -> Iterator[BinaryIO]:
    """Open a file that appears whole under its name, readable by its owner alone, or not at all. Raises ArchiveUnwritable."""
    partial = path.with_name(f".{path.name}.{os.getpid()}.partial")
    if path.exists():
        raise ArchiveUnwritable(f"{path} exists: a backup never replaces a file.", hint="Choose another name, or a folder.")
    try:
        with os.fdopen(
            os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600), "wb", buffering=1 << 18
        ) as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        os.link(partial, path)
        partial.unlink()
        sync_folder(path.parent)
    except OSError as error:
        with suppress(OSError):
            partial.unlink()
        raise ArchiveUnwritable(
            f"{path} cannot be written: {error.strerror}.", hint="Choose another place with --output."
        ) from None
    except BaseException:
        partial.unlink(missing_ok=True)
        raise


def _write(
    session: Session, source: Source, definition: Definition, filled: Container[int], writer: script.ScriptWriter
) -> list[script.Value]:
    writer.settings()
    writer.statements("before", definition.before)
    write_shared(session, source, writer)
    for own in definition.tables:
        writer.rows(session if own.oid in filled else None, own)
    sequences = script.sequence_values(session, definition.sequences)
    writer.statements("sequences", [script.setval(name, value, called=called) for name, value, called in sequences])
    writer.statements("after", definition.after)
    return sequences


def write_shared(session: Session, source: Source, writer: script.ScriptWriter) -> None:
    """Write the tenant's rows of the shared tables within a transaction with READING; nothing for a schema without a tenant."""
    if source.tenant is None:
        return
    names = registry_names(source.registry)
    schema = names["registry_schema"]
    # Its own policies give a tenant's rows to whoever says whose they are.
    session.apply({"row_security": "on", "app.tenant_id": str(source.tenant.id)})
    for table in shared_tables(session, (schema, names["registry_table"]), source.shared):
        writer.shared(session, schema, table, source.tenant)
    session.apply({"row_security": "off"})


def described(
    session: Session,
    source: Source,
    writer: script.ScriptWriter,
    *,
    tool: str,
    definition: Definition | None = None,
    sequences: Sequence[script.Value] = (),
) -> Manifest:
    """Return the manifest of what was written within the open transaction."""
    row = session.mappings(load(_PACKAGE, "origin"))[0]
    if row["encoding"] == "SQL_ASCII":
        raise DefinitionsRefused.because(["a database without an encoding (SQL_ASCII)"])
    row["taken_at"] = row["taken_at"].isoformat()
    tenant: Mapping[str, Plain] = {} if source.tenant is None else {"id": str(source.tenant.id), **facts_of(source.tenant)}
    routines = [one for one in definition.routines if names_schema(one.body, source.schema)] if definition else []
    return Manifest(
        format=FORMAT,
        schema=source.schema,
        tenant=tenant,
        fingerprint=definition.fingerprint if definition else "",
        origin=Origin(server_major=session.server_major, tool=tool, **row),
        needs=Needs(definition.roles, definition.outside, definition.features, definition.locks) if definition else Needs(),
        sections=tuple(writer.sections),
        sequences=tuple(sequences),
        routines=tuple(f"{one.name}({one.arguments})" for one in routines),
        left_out=definition.left_out if definition else (),
    )
