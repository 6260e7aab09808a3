"""How a migration of the fleet is printed: its plan with what is refused, its trial, its result."""

from collections.abc import Sequence

from capliquify_ops.cli.confirm import proceeds
from capliquify_ops.cli.output import document, line
from capliquify_ops.evidence.canonical import Plain, plain
from capliquify_ops.model.plan import Plan
from capliquify_ops.tenants.fleet_migration import Result
from capliquify_ops.tenants.migration_job import Job
from capliquify_ops.tenants.migration_rules import Refusal
from capliquify_ops.tenants.migration_trial import Trial
from capliquify_ops.tenants.structure import Difference

_TOLD = 20


def show_plan(plan: Plan, refusals: Sequence[Refusal], *, json: bool) -> None:
    """Print what would be done, and what is refused about it."""
    if json:
        found = [{"rule": one.rule, "line": one.line, "why": one.why, "can_be_allowed": one.can_be_allowed} for one in refusals]
        document({"plan": plain(plan), "refusals": plain(found)})
        return
    proceeds(plan, plan.subject, plan_only=True, yes=False, json=False)
    for one in refusals:
        line(f"  REFUSED line {one.line}, {one.rule}: {one.why}")
    can_all = all(one.can_be_allowed for one in refusals)
    if refusals:
        rules = " ".join(f"--allow {rule}" for rule in dict.fromkeys(one.rule for one in refusals))
        line(f"nothing was changed. If you know better: {rules}" if can_all else "nothing was changed: the file is refused")
    else:
        line("nothing was changed. To try it on a clone: --dry-run; to run it: --yes")


def show_trial(trial: Trial, job: Job, *, json: bool) -> None:
    """Print what a migration did to a clone."""
    if json:
        told: dict[str, Plain] = {
            "file": job.file.name,
            "sha256": job.file.sha256,
            "tenant": trial.tenant.slug,
            "rows": trial.rows,
            "clone_s": round(trial.copied_s, 3),
            "migration_s": round(trial.seconds, 3),
            "locks": trial.locks,
            "changes": [_changed(one) for one in trial.changes],
            "error": trial.error,
        }
        document({"dry_run": told})
        return
    line(f"cloned {trial.tenant.slug} with {trial.rows} rows in {trial.copied_s:.2f} s")
    for one in trial.changes:
        line(f"  {_changed(one)}")
    if trial.error:
        line(f"FAILED after {trial.seconds:.2f} s: {trial.error}")
    else:
        count = len(trial.changes) or "no"
        line(f"{count} changes of structure in {trial.seconds:.2f} s with {trial.locks} locks; everything was rolled back")


def _changed(one: Difference) -> str:
    word = "adds" if one.baseline is None else "drops" if one.found is None else "changes"
    return f"{word} {one.kind} {one.object}"


def show_result(result: Result, job: Job, *, json: bool) -> None:
    """Print how a run ended."""
    if json:
        told: dict[str, Plain] = {
            "file": job.file.name,
            "sha256": job.file.sha256,
            "run": job.file.run,
            "canary": result.canary.slug,
            "migrated": result.done,
            "before": result.before,
            "failed": [{"slug": one.tenant.slug, "attempts": one.attempts, "why": one.why} for one in result.failed],
            "differing": [{"slugs": list(one.slugs), "differences": list(one.phrases)} for one in result.unequal],
            "without_schema": list(result.homeless),
            "created_meanwhile": list(result.created),
            "remaining": result.remaining,
            "stopped": result.stopped,
        }
        document({"migration": told})
        return
    for outcome in result.failed[:_TOLD]:
        line(f"FAILED  {outcome.tenant.slug}: {outcome.why}")
    for unequal in result.unequal[:_TOLD]:
        line(f"DIFFERS {unequal.sentence()}")
    if result.homeless:
        line(f"left out, since they have no schema: {', '.join(result.homeless[:_TOLD])}. See: capliquify-ops fleet check")
    if result.created:
        line(f"{len(result.created)} tenants were created meanwhile and lack it: run the command again.")
    if result.stopped:
        line(f"STOPPED: {result.stopped} When that is settled, run the command again: it goes on from here.")
    earlier = f", {result.before} by an earlier run" if result.before else ""
    line(f"{result.done} tenants migrated{earlier}, {len(result.failed)} failed, {result.remaining} remain (run {job.file.run})")
