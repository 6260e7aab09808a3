"""tenant backup"""

import sys
from contextlib import AbstractContextManager
from dataclasses import replace
from pathlib import Path
from typing import Annotated, BinaryIO, cast

import typer

from capliquify_ops.cli.options import AsJson, ConfigFile, TargetName, target_of
from capliquify_ops.cli.output import document, line, note
from capliquify_ops.cli.tenant_output import Key
from capliquify_ops.configuration import Target
from capliquify_ops.configuration.system import SystemClock, this_actor, this_tool
from capliquify_ops.configuration.target import TargetClass
from capliquify_ops.database import Session, observer, operator
from capliquify_ops.model.errors import ArchiveUnwritable, UsageError
from capliquify_ops.tenants import backup as backups
from capliquify_ops.tenants import pg_dump
from capliquify_ops.tenants.archive import encryption
from capliquify_ops.tenants.archive.manifest import Manifest
from capliquify_ops.tenants.archive.naming import file_name, stamp_of
from capliquify_ops.tenants.backup_record import record_backups
from capliquify_ops.tenants.registry import Tenant, find

Output = Annotated[Path, typer.Option("--output", "-o", metavar="FILE|DIR|-", help="A new file, a folder, or - for stdout.")]
Engine = Annotated[str, typer.Option(help="own, or pg_dump for a schema that own refuses.")]
EncryptTo = Annotated[list[str] | None, typer.Option("--encrypt-to", metavar="KEY", help="An age or SSH public key; repeatable.")]


def backup(
    key: Key,
    output: Output = Path(),
    engine: Engine = "own",
    encrypt_to: EncryptTo = None,
    pg_dump_program: Annotated[
        Path | None, typer.Option("--pg-dump", metavar="PATH", help="Which pg_dump; default: found.")
    ] = None,
    config: ConfigFile = None,
    target: TargetName = None,
    json: AsJson = False,
) -> None:
    """Back one tenant up: schema and shared rows, one moment, one file that zstd and psql alone restore."""
    chosen = target_of(config, target, observing=True)
    if engine not in {"own", "pg_dump"}:
        raise UsageError(f"{engine!r} is no engine.", hint="One of: own, pg_dump")
    keys = encryption.recipients(encrypt_to or [])
    if not keys and chosen.kind is TargetClass.PRODUCTION:
        note("WARNING: the archive is not encrypted, and holds credentials and personal data. See: --encrypt-to")
    with _observer(chosen) as session:
        with session.transaction():
            tenant = find(session, key, registry=chosen.profile.registry_table)
        source = backups.Source(tenant.schema_name, tenant, chosen.profile.registry_table, chosen.profile.shared_tables)
        if engine == "own":
            write = lambda file: backups.write_archive(session, lambda: source, file, tool=_tool())  # noqa: E731
        else:
            url = chosen.observer_url()
            write = lambda file: pg_dump.dump_archive(session, url, source, file, tool=_tool(), program=pg_dump_program)  # noqa: E731
        receipt = _written(write, _place(output, tenant, encrypted=bool(keys)), keys)
    _record(chosen, tenant, receipt)
    for name in receipt.manifest.left_out:
        note(f"WARNING: not in the archive: {name}")
    if str(output) == "-":
        return
    if json:
        document({"path": receipt.path, "sha256": receipt.sha256, "bytes": receipt.bytes, "manifest": receipt.manifest})
    else:
        line(f"{receipt.path}: {receipt.manifest.rows} rows, {receipt.bytes} bytes, SHA-256 {receipt.sha256}")


def _place(output: Path, tenant: Tenant, *, encrypted: bool) -> Path | None:
    if str(output) == "-":
        return None
    if output.is_dir():
        return output / file_name(tenant, stamp_of(SystemClock().now()), encryption.SUFFIX if encrypted else "")
    return output


def _written(write: backups.Write, path: Path | None, keys: list[object]) -> backups.Receipt:
    def through(file: BinaryIO) -> tuple[str, int, Manifest]:
        if not keys:
            return write(file)
        with encryption.encrypted(file, keys) as sink:
            return write(sink)

    if path is not None:
        return backups.written(path, through)
    try:
        digest, size, manifest = through(cast("BinaryIO", sys.stdout.buffer))
        sys.stdout.buffer.flush()
    except BrokenPipeError:
        raise
    except OSError as error:
        raise ArchiveUnwritable(
            f"The standard output cannot be written: {error.strerror}.", hint="Name a file: --output FILE"
        ) from None
    return backups.Receipt("-", digest, size, manifest)


def _record(chosen: Target, tenant: Tenant, receipt: backups.Receipt) -> None:
    """Put the digest into the audit, where this target lets us."""
    if chosen.operator_url is None:
        note("The audit does not know this archive (no operator_url): restoring it will need --trust.")
        return
    with _operator(chosen) as session:
        path = receipt.path if receipt.path == "-" else str(Path(receipt.path).resolve())
        record_backups(session, chosen.roles, [(tenant, replace(receipt, path=path))], actor=this_actor())


def _tool() -> str:
    return f"capliquify-ops {this_tool().version}"


def _operator(target: Target) -> AbstractContextManager[Session]:
    return operator(target.changing_url(), "tenant", pooled=target.pooled)


def _observer(target: Target) -> AbstractContextManager[Session]:
    return observer(target.observer_url(), "tenant backup", pooled=target.pooled)
