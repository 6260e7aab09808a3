"""tenant backup · restore · clone"""

import sys
from contextlib import AbstractContextManager
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Annotated, BinaryIO, cast

import typer

from capliquify_ops.cli.confirm import require_confirmation
from capliquify_ops.cli.options import AsJson, ConfigFile, TargetName, Yes, target_of
from capliquify_ops.cli.output import document, line, note
from capliquify_ops.cli.progress import Steps
from capliquify_ops.cli.tenant_output import Key, show_tenant
from capliquify_ops.configuration import Target
from capliquify_ops.configuration.system import SystemClock, new_uuid, this_actor, this_tool
from capliquify_ops.configuration.target import TargetClass
from capliquify_ops.database import Session, observer, operator
from capliquify_ops.model.errors import UsageError
from capliquify_ops.model.names import TenantId
from capliquify_ops.tenants import backup as backups
from capliquify_ops.tenants import clone as cloning
from capliquify_ops.tenants import pg_dump, restore_drill, restore_in_place
from capliquify_ops.tenants import restore as restoration
from capliquify_ops.tenants.archive import encryption
from capliquify_ops.tenants.archive.manifest import Manifest
from capliquify_ops.tenants.archive.naming import file_name, stamp_of
from capliquify_ops.tenants.archive.opening import Archive, open_archive
from capliquify_ops.tenants.backup_record import record_backups
from capliquify_ops.tenants.create import NewTenant
from capliquify_ops.tenants.registry import Tenant, find
from capliquify_ops.tenants.restoring import Restored, Trust

Output = Annotated[Path, typer.Option("--output", "-o", metavar="FILE|DIR|-", help="A new file, a folder, or - for stdout.")]
Engine = Annotated[str, typer.Option(help="own, or pg_dump for a schema that own refuses.")]
EncryptTo = Annotated[list[str] | None, typer.Option("--encrypt-to", metavar="KEY", help="An age or SSH public key; repeatable.")]
IdentityFile = Annotated[Path | None, typer.Option("--identity", metavar="FILE", help="Private key of an encrypted archive.")]


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
            write = lambda file: backups.write_archive(session, source, file, tool=_tool())  # noqa: E731
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


def restore(
    archive: Annotated[Path, typer.Argument(metavar="FILE", help="An archive made by tenant backup.")],
    as_slug: Annotated[str | None, typer.Option("--as", metavar="SLUG", help="As a new tenant.")] = None,
    organization: Annotated[str, typer.Option(help="With --as: the new tenant's organisation id.")] = "",
    name: Annotated[str, typer.Option(help="With --as: display name.")] = "",
    in_place: Annotated[
        bool, typer.Option("--in-place", help="In place of the live tenant, which is kept in quarantine.")
    ] = False,
    drill: Annotated[bool, typer.Option("--drill", help="Load, compare, keep nothing.")] = False,
    trust: Annotated[bool, typer.Option("--trust", help="Run an archive that the audit here does not know.")] = False,
    identity: IdentityFile = None,
    config: ConfigFile = None,
    target: TargetName = None,
    json: AsJson = False,
    yes: Yes = False,
) -> None:
    """Restore a tenant: as it was (default), as a new one, in place of the live one, or as a drill. Never over anything."""
    if sum((as_slug is not None, in_place, drill)) > 1:
        raise UsageError("A restore goes one way: --as, --in-place or --drill.")
    chosen = target_of(config, target, observing=False)
    allowed = Trust(this_actor(), trust)
    with open_archive(archive, identity) as opened, _operator(chosen) as session:
        size = sum(section.bytes for section in opened.manifest.sections)
        with Steps("restoring", size, "bytes", quiet=json) as steps:
            if as_slug is not None:
                new = _new(as_slug, organization, name, tier=str(opened.manifest.tenant.get("subscription_tier", "starter")))
                require_confirmation(restoration.plan_as_new(opened, new), as_slug, yes=yes, quiet=json)
                result = restoration.restore_as_new(session, chosen.roles, opened, new, allowed, progress=steps.reached)
            elif in_place:
                result = _in_place(session, chosen, opened, allowed, steps, yes=yes, quiet=json)
            elif drill:
                result, _ = restore_drill.restore_drill(
                    session, chosen.roles, opened, allowed, clock=SystemClock(), progress=steps.reached
                )
            else:
                plan = restoration.plan_whole(opened)
                require_confirmation(plan, plan.subject, yes=yes, quiet=json)
                result = restoration.restore_whole(session, chosen.roles, opened, allowed, progress=steps.reached)
    _tell(result, archive, json=json)


def clone(
    key: Key,
    slug: Annotated[str, typer.Argument(help="The new tenant's slug.")],
    organization: Annotated[str, typer.Option(help="The new tenant's organisation id.")],
    name: Annotated[str, typer.Option(help="Display name.")] = "",
    config: ConfigFile = None,
    target: TargetName = None,
    json: AsJson = False,
    yes: Yes = False,
) -> None:
    """Clone a tenant's schema and rows as a new tenant, proven equal before anything is kept."""
    chosen = target_of(config, target, observing=False)
    with _operator(chosen) as session:
        with session.transaction():
            tier = find(session, key).subscription_tier
        new = _new(slug, organization, name, tier=tier)
        require_confirmation(cloning.plan_clone(session, key, new), slug, yes=yes, quiet=json)
        made = cloning.clone(session, chosen.roles, key, new, actor=this_actor())
    show_tenant(made, json=json)


def _in_place(
    session: Session, chosen: Target, opened: Archive, allowed: Trust, steps: Steps, *, yes: bool, quiet: bool
) -> Restored:
    key, unique = str(opened.manifest.tenant.get("id", opened.manifest.schema)), new_uuid().int >> 96
    plan = restore_in_place.plan_in_place(session, opened, key, unique)
    require_confirmation(plan, plan.subject, yes=yes, quiet=quiet)
    now = SystemClock().now()
    return restore_in_place.restore_in_place(
        session, chosen.roles, opened, key, allowed, unique=unique, now=now, progress=steps.reached
    )


def _new(slug: str, organization: str, name: str, *, tier: str) -> NewTenant:
    if not organization:
        raise UsageError("A new tenant needs an organisation of its own.", hint="Add: --organization ID")
    return NewTenant(TenantId(new_uuid()), slug, name or slug, organization, tier, status="active", trial=timedelta(days=1))


def _tell(result: Restored, archive: Path, *, json: bool) -> None:
    if json:
        tenant = None if result.tenant is None else {"id": str(result.tenant.id), "slug": result.tenant.slug}
        told = {"schema": result.schema, "tables": result.tables, "rows": result.rows, "quarantined": result.quarantined}
        document({"archive": str(archive), "tenant": tenant, **told})
        return
    kept = f"; the schema before it is kept as {result.quarantined}" if result.quarantined else ""
    line(f"{archive}: {result.tables} tables and {result.rows} rows compared with the manifest, schema {result.schema}{kept}")


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

    if path is None:
        return backups.Receipt("-", *through(cast("BinaryIO", sys.stdout.buffer)))
    return backups.written(path, through)


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
