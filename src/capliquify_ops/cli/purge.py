"""tenant purge"""

from datetime import timedelta
from pathlib import Path
from typing import Annotated

import typer

from capliquify_ops.cli.confirm import proceeds
from capliquify_ops.cli.options import AsJson, ConfigFile, PlanOnly, TargetName, Yes, target_of
from capliquify_ops.cli.output import document, line
from capliquify_ops.cli.tenant_output import Key, show_tenant, tenant_row
from capliquify_ops.configuration import Target
from capliquify_ops.configuration.system import SystemClock, stamp, this_actor, this_tool
from capliquify_ops.database import Session, operator
from capliquify_ops.model.errors import UsageError
from capliquify_ops.tenants.archive.naming import stamp_of
from capliquify_ops.tenants.purge import PurgeOptions, PurgeResult, plan_purge, plan_undo, undo_purge
from capliquify_ops.tenants.purge import purge as purge_tenant
from capliquify_ops.tenants.purge_archive import FolderArchiver
from capliquify_ops.tenants.purge_plan import RETENTION

ArchiveDir = Annotated[
    Path | None, typer.Option("--archive-dir", metavar="DIR", help="Folder of the archive; default: this one.")
]
Retention = Annotated[int, typer.Option("--retention-days", min=0, help="How long after the deletion the data is kept.")]
Now = Annotated[bool, typer.Option("--now", help="Do not wait for the retention: an erasure request.")]
NoArchive = Annotated[bool, typer.Option("--no-archive", help="Make no archive. What is dropped is gone.")]
Undo = Annotated[bool, typer.Option("--undo", help="Bring the schema back out of the quarantine.")]


def purge(
    key: Key,
    archive_dir: ArchiveDir = None,
    retention_days: Retention = RETENTION.days,
    now: Now = False,
    no_archive: NoArchive = False,
    undo: Undo = False,
    config: ConfigFile = None,
    target: TargetName = None,
    json: AsJson = False,
    yes: Yes = False,
    plan: PlanOnly = False,
) -> None:
    """Purge a soft-deleted tenant: quarantine, retention, verified archive, drop in chunks, rows. Goes on where it stopped."""
    chosen = target_of(config, target, observing=False)
    with operator(chosen.changing_url(), "tenant purge", pooled=chosen.pooled) as session:
        if undo:
            _undo(session, chosen, key, plan=plan, json=json, yes=yes)
            return
        if no_archive and archive_dir:
            raise UsageError("Either an archive in a folder or none: --archive-dir and --no-archive exclude each other.")
        options = PurgeOptions(
            None if no_archive else _archiver(chosen, archive_dir or Path()), now, timedelta(days=retention_days)
        )
        planned = plan_purge(session, chosen.roles, key, options)
        phrase = options.phrase(planned.subject)
        if proceeds(planned, phrase, plan_only=plan, yes=yes, json=json):
            _tell(purge_tenant(session, chosen.roles, key, options, confirm=phrase, actor=this_actor()), json=json)


def _archiver(chosen: Target, folder: Path) -> FolderArchiver:
    if not folder.is_dir():
        raise UsageError(f"{folder} is not a folder.", hint="Make it first: archives hold credentials, so mind who may read it.")
    tool = f"capliquify-ops {this_tool().version}"
    clock = SystemClock()
    return FolderArchiver(chosen.roles, folder.resolve(), stamp_of(clock.now()), tool, this_actor(), clock)


def _undo(session: Session, chosen: Target, key: str, *, plan: bool, json: bool, yes: bool) -> None:
    planned = plan_undo(session, key)
    if proceeds(planned, planned.subject, plan_only=plan, yes=yes, json=json):
        show_tenant(undo_purge(session, chosen.roles, key, actor=this_actor()), json=json)


def _tell(result: PurgeResult, *, json: bool) -> None:
    tenant = result.tenant
    if json:
        until = None if result.is_purged else stamp(result.retained_until)
        document({"tenant": tenant_row(tenant), "purged": result.is_purged, "retained_until": until, "archives": result.archives})
        return
    for archive in result.archives:
        line(f"archive {archive.path}: {archive.bytes} bytes, SHA-256 {archive.sha256}")
    if result.is_purged:
        line(f"purged {tenant.slug}: schema and rows are gone, slug and schema name are free; the audit stays")
    else:
        line(f"quarantined {tenant.slug}: kept until {result.retained_until:%Y-%m-%d %H:%M} UTC. The same command goes on then.")
