"""fleet backup · restore-drill"""

import random
from contextlib import AbstractContextManager
from datetime import timedelta
from pathlib import Path
from typing import Annotated

import typer

from capliquify_ops.cli.options import AsJson, ConfigFile, TargetName, target_of
from capliquify_ops.cli.output import document, line, note
from capliquify_ops.cli.progress import Steps
from capliquify_ops.configuration import Target
from capliquify_ops.configuration.system import SystemClock, this_actor, this_tool
from capliquify_ops.configuration.target import TargetClass
from capliquify_ops.database import Session, observer, operator
from capliquify_ops.evidence.canonical import Plain, plain
from capliquify_ops.model.decision import ExitCode
from capliquify_ops.model.errors import ArchiveUnwritable, OpsError, UsageError
from capliquify_ops.tenants.archive.naming import Filed, Kept, filed, free_moment, stamp_of, superseded
from capliquify_ops.tenants.archive.opening import open_archive
from capliquify_ops.tenants.backup_job import Access, Job, Outcome
from capliquify_ops.tenants.backup_record import record_backups
from capliquify_ops.tenants.fleet_backup import Progress, fleet_backup, owners
from capliquify_ops.tenants.registry import Tenant, find, list_tenants
from capliquify_ops.tenants.restore_drill import restore_drill
from capliquify_ops.tenants.restoring import Trust

Folder = Annotated[Path, typer.Option("--output", "-o", metavar="DIR", help="Folder of the archives.")]
_PER_AUDIT = 50
_GOES_ON = timedelta(hours=12)
"""How long an unfinished run is gone on with: the next night's run wants rows of the next night."""


def backup(
    output: Folder,
    only: Annotated[
        list[str] | None, typer.Argument(metavar="[TENANT]...", help="Only these; default: all that are not deleted.")
    ] = None,
    workers: Annotated[int, typer.Option(min=1, max=64, help="Tenants at a time.")] = 2,
    keep: Annotated[
        int | None,
        typer.Option(min=1, help="Newest archives of a tenant that stay."),
    ] = None,
    keep_days: Annotated[int | None, typer.Option(min=1, help="Days that an archive stays at least.")] = None,
    config: ConfigFile = None,
    target: TargetName = None,
    json: AsJson = False,
) -> None:
    """Back all tenants up, some at a time. Goes on where an unfinished run in the folder stopped; ends with 1 when one failed."""
    chosen = target_of(config, target, observing=True)
    if chosen.kind is TargetClass.PRODUCTION:
        note("WARNING: the archives are not encrypted, and hold credentials and personal data.")
    _require_folder(output)
    with _observer(chosen) as session, session.transaction():
        registry = chosen.profile.registry_table
        tenants = [find(session, key, registry=registry) for key in only] if only else list_tenants(session, registry=registry)
    now, chosen_ids = SystemClock().now(), [str(tenant.id) for tenant in tenants] if only else []
    progress = Progress.unfinished(output, now - _GOES_ON, chosen_ids) or Progress(
        output, stamp_of(free_moment(output, now)), chosen_ids
    )
    with progress.running():
        done = progress.done()
        tenants = [tenant for tenant in tenants if str(tenant.id) not in done]
        tool = f"capliquify-ops {this_tool().version}"
        job = Job(output, stamp_of(free_moment(output, now)), tool, workers, registry, chosen.profile.shared_tables)
        outcomes = _run(chosen, tenants, job, progress, quiet=json)
        failed = [outcome for outcome in outcomes if outcome.receipt is None]
        progress.finish(len(failed))
        kept = Kept(keep, None if keep_days is None else timedelta(days=keep_days))
        removed = superseded(output, kept, now, owners(output))
        for path in removed:
            path.unlink(missing_ok=True)
    _tell(outcomes, len(done), len(removed), progress, json=json)
    raise typer.Exit(ExitCode.FAILING if failed else ExitCode.READY)


def restore_drill_(
    folder: Folder,
    sample: Annotated[int, typer.Option(min=1, help="How many tenants, chosen by the seed.")] = 5,
    seed: Annotated[int | None, typer.Option(help="Of the choice; default: another one each day.")] = None,
    trust: Annotated[bool, typer.Option("--trust", help="Run archives that the audit here does not know.")] = False,
    identity: Annotated[
        Path | None, typer.Option("--identity", metavar="FILE", help="Private key of encrypted archives.")
    ] = None,
    config: ConfigFile = None,
    target: TargetName = None,
    json: AsJson = False,
) -> None:
    """Restore a sample of the newest archives, keep nothing but the audit of it. Ends with 1 when one failed."""
    chosen = target_of(config, target, observing=False)
    _require_folder(folder)
    newest: dict[str, Filed] = {}
    for one in filed(folder):
        newest.setdefault(one.tenant, one)
    if not newest:
        raise UsageError(f"{folder} holds no archive of a tenant.", hint="Make some: capliquify-ops fleet backup")
    day = SystemClock().now().toordinal() if seed is None else seed
    names = random.Random(day).sample(sorted(newest), min(sample, len(newest)))  # noqa: S311 -- a sample, not a secret
    results: list[dict[str, Plain]] = []
    with _operator(chosen) as session, Steps("restoring", len(names), "tenants", quiet=json) as steps:
        for name in names:
            results.append(_drilled(session, chosen, newest[name], Trust(this_actor(), trust), identity))
            steps.one_more()
    failed = [result for result in results if result["why"]]
    if json:
        document({"seed": day, "archives": len(newest), "drills": results})
    else:
        for result in results:
            line(f"{'FAILED' if result['why'] else 'ok'}  {result['path']}: {result['why'] or str(result['rows']) + ' rows'}")
        restored = f"{len(results) - len(failed)} of {len(results)} restored and compared"
        line(f"{restored}; {len(newest)} tenants have an archive (seed {day})")
    raise typer.Exit(ExitCode.FAILING if failed else ExitCode.READY)


def _run(chosen: Target, tenants: list[Tenant], job: Job, progress: Progress, *, quiet: bool) -> list[Outcome]:
    outcomes: list[Outcome] = []
    waiting: list[Outcome] = []
    with Steps("backing up", len(tenants), "tenants", quiet=quiet) as steps:
        try:
            for outcome in fleet_backup(Access(chosen.observer_url(), chosen.pooled), tenants, job):
                waiting.append(outcome)
                if len(waiting) >= _PER_AUDIT:
                    _file(chosen, waiting, progress)
                outcomes.append(outcome)
                steps.one_more()
        finally:
            # Also after an interruption: what is done is done, and the next run goes on from there.
            _file(chosen, waiting, progress)
    return outcomes


def _file(chosen: Target, waiting: list[Outcome], progress: Progress) -> None:
    """Put digests into the audit first, then into the journal: what the journal has, the audit knows."""
    done = [(outcome.tenant, outcome.receipt) for outcome in waiting if outcome.receipt]
    if done and chosen.operator_url is not None:
        with _operator(chosen) as session:
            record_backups(session, chosen.roles, done, actor=this_actor(), verb="fleet backup")
    for outcome in waiting:
        progress.add(outcome)
    waiting.clear()


def _drilled(session: Session, chosen: Target, one: Filed, trust: Trust, identity: Path | None) -> dict[str, Plain]:
    told: dict[str, Plain] = {"path": str(one.path), "rows": 0, "tables": 0, "seconds": 0.0, "why": ""}
    try:
        with open_archive(one.path, identity) as archive:
            result, seconds = restore_drill(session, chosen.roles, archive, trust, clock=SystemClock())
            told |= {"rows": result.rows, "tables": result.tables, "seconds": round(seconds, 3), "sha256": archive.sha256}
    except OpsError as fault:
        told["why"] = str(fault)
    return told


def _tell(outcomes: list[Outcome], before: int, removed: int, progress: Progress, *, json: bool) -> None:
    failed = [outcome for outcome in outcomes if outcome.receipt is None]
    size = sum(outcome.receipt.bytes for outcome in outcomes if outcome.receipt)
    if json:
        told = {"backed_up": len(outcomes) - len(failed), "before": before, "bytes": size, "removed": removed}
        document(
            {
                **told,
                "journal": str(progress.path),
                "failed": [{"slug": one.tenant.slug, "why": plain(one.why)} for one in failed],
            }
        )
        return
    for one in failed:
        line(f"FAILED  {one.tenant.slug}: {one.why}")
    earlier = f", {before} by an earlier run" if before else ""
    line(f"{len(outcomes) - len(failed)} tenants backed up{earlier}, {len(failed)} failed, {size} bytes")
    line(f"{removed} old archives removed; journal: {progress.path}")


def _require_folder(folder: Path) -> None:
    if not folder.is_dir():
        raise ArchiveUnwritable(f"{folder} is not a folder.", hint=f"Make it first: mkdir -m 700 {folder}")


def _operator(target: Target) -> AbstractContextManager[Session]:
    return operator(target.changing_url(), "fleet", pooled=target.pooled)


def _observer(target: Target) -> AbstractContextManager[Session]:
    return observer(target.observer_url(), "fleet backup", pooled=target.pooled)
