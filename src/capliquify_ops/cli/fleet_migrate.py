"""fleet migrate"""

import hashlib
import re
from pathlib import Path
from secrets import SystemRandom
from typing import Annotated

import typer

from capliquify_ops.cli.confirm import require_confirmation
from capliquify_ops.cli.fleet_migrate_output import show_plan, show_result, show_trial
from capliquify_ops.cli.options import AsJson, ConfigFile, TargetName, Yes, target_of
from capliquify_ops.cli.progress import Steps
from capliquify_ops.configuration import Target
from capliquify_ops.configuration.system import SystemClock, new_run, new_uuid, this_actor
from capliquify_ops.database import observer, operator
from capliquify_ops.model.decision import ExitCode
from capliquify_ops.model.errors import UsageError
from capliquify_ops.model.names import storable
from capliquify_ops.tenants.fingerprint import schemas
from capliquify_ops.tenants.fleet_migration import Result, migrate_fleet
from capliquify_ops.tenants.migration_fleet import look, plan_migration
from capliquify_ops.tenants.migration_job import Access, Job
from capliquify_ops.tenants.migration_ledger import MigrationFile
from capliquify_ops.tenants.migration_names import SHARED
from capliquify_ops.tenants.migration_rule_table import RULES
from capliquify_ops.tenants.migration_rules import Script, read_script
from capliquify_ops.tenants.migration_trial import try_migration
from capliquify_ops.tenants.registry import list_tenants
from capliquify_ops.tenants.waves import Retry

DIFFERENCE = "structure-difference"
"""Allowed like a rule: tenants that are not built as the canary is do not stop the run."""
_PREFIX = "app"
"""Of settings such as app.tenant_id: in a text it need not be a schema."""
_DURATION = re.compile(r"(\d{1,9})(ms|s|min)")
_MS = {"ms": 1, "s": 1_000, "min": 60_000}


def migrate(
    file: Annotated[Path, typer.Argument(metavar="FILE.sql", help="What to run in each tenant's schema.")],
    canary: Annotated[str | None, typer.Option("--canary", metavar="TENANT", help="Goes first; default: the youngest.")] = None,
    wave: Annotated[
        int | None, typer.Option("--wave", min=1, help="Tenants of a wave; default: 10 or 1 %, then ten times as many each.")
    ] = None,
    workers: Annotated[int, typer.Option("--workers", min=1, max=64, help="Tenants at a time, each a connection.")] = 2,
    lock_timeout: Annotated[
        str, typer.Option("--lock-timeout", metavar="TIME", help="How long a statement waits for a lock, and others after it.")
    ] = "2s",
    statement_timeout: Annotated[
        str, typer.Option("--statement-timeout", metavar="TIME", help="How long a statement may take.")
    ] = "30s",
    retries: Annotated[int, typer.Option("--retries", min=0, help="More attempts where a lock was not had, after waits.")] = 5,
    max_failures: Annotated[int, typer.Option("--max-failures", min=0, help="Failed tenants that do not stop the run.")] = 0,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Run it in a clone of the canary, and keep nothing.")] = False,
    allow: Annotated[list[str] | None, typer.Option("--allow", metavar="RULE", help="Let pass what this rule refuses.")] = None,
    config: ConfigFile = None,
    target: TargetName = None,
    json: AsJson = False,
    yes: Yes = False,
) -> None:
    """Run a file in every tenant: canary, then waves, each tenant in one transaction. Without --yes: what would be done.

    Goes on where an earlier run stopped. Ends with 1 when something is refused, fails or differs, with 17 when tenants were left
    out or came meanwhile.
    """
    text, sha256 = _read(file)
    allowed = _allowed(allow or [])
    chosen = target_of(config, target, observing=not (yes or dry_run))
    job = Job(
        MigrationFile(storable(file.name), sha256, new_run()),
        _judged(text, allowed, chosen),
        this_actor(),
        Retry(retries, SystemRandom().random),
        canary,
        wave,
        workers,
        _ms(lock_timeout, "--lock-timeout"),
        _ms(statement_timeout, "--statement-timeout"),
        max_failures,
        DIFFERENCE in allowed,
        chosen.profile.registry_table,
    )
    if dry_run and not job.script.refusals:
        raise typer.Exit(_try(chosen, job, json=json))
    with observer(chosen.observer_url(), "fleet migrate", pooled=chosen.pooled) as session:
        planned = plan_migration(session, job)
    if job.script.refusals or not yes:
        show_plan(planned, job.script.refusals, json=json)
        raise typer.Exit(ExitCode.FAILING if job.script.refusals else ExitCode.READY)
    require_confirmation(planned, file.name, yes=yes, quiet=json)
    with Steps("migrating", int(str(planned.concerns["to migrate"])), "tenants", quiet=json) as steps:
        access = Access(chosen.changing_url(), pooled=chosen.pooled)
        result = migrate_fleet(access, chosen.roles, job, SystemClock(), told=lambda _: steps.one_more())
    show_result(result, job, json=json)
    raise typer.Exit(_code(result, job))


def _read(file: Path) -> tuple[str, str]:
    """Return the file's text and the SHA-256 of its bytes."""
    try:
        content = file.read_bytes()
    except OSError as error:
        raise UsageError(f"{file} cannot be read: {error.strerror}.") from None
    # What is no UTF-8 is refused with its line.
    return content.decode("utf-8-sig", "surrogateescape"), hashlib.sha256(content).hexdigest()


def _allowed(rules: list[str]) -> frozenset[str]:
    possible = {rule for rule, about in RULES.items() if about.can_be_allowed} | {DIFFERENCE}
    for rule in rules:
        if rule not in possible:
            why = "is never let pass" if rule in RULES else "is no rule"
            raise UsageError(f"--allow {rule}: that {why}.", hint=f"Rules that can be allowed: {', '.join(sorted(possible))}.")
    return frozenset(rules)


def _judged(text: str, allowed: frozenset[str], chosen: Target) -> Script:
    """Judge the text, knowing the tenants' schemas; what is allowed is no refusal any more."""
    with observer(chosen.observer_url(), "fleet migrate", pooled=chosen.pooled) as session, session.transaction():
        tenants = list_tenants(session, deleted=None, registry=chosen.profile.registry_table)
        # Orphans, quarantines and our ledgers: the file runs with their owner's rights.
        owned = {schema.name for schema in schemas(session) if schema.owner == chosen.roles.owner}
    known = {SHARED, _PREFIX, *chosen.profile.registry.shared_schemas}
    script = read_script(text, {tenant.schema_name for tenant in tenants} | (owned - known))
    return Script(script.statements, tuple(one for one in script.refusals if one.rule not in allowed))


def _ms(text: str, option: str) -> int:
    found = _DURATION.fullmatch(text)
    if not found or not int(found[1]):
        raise UsageError(f"{option} {text}: that is no length of time.", hint="Like these: 500ms, 2s, 1min.")
    return int(found[1]) * _MS[found[2]]


def _try(chosen: Target, job: Job, *, json: bool) -> ExitCode:
    with operator(chosen.changing_url(), "fleet migrate, dry run", pooled=chosen.pooled) as session:
        with session.transaction():
            canary = look(session, job).canary
        if canary is None:
            raise UsageError("No tenant with a schema is registered, so there is nothing to clone.")
        trial = try_migration(session, chosen.roles, job, canary, unique=new_uuid(), clock=SystemClock())
    show_trial(trial, job, json=json)
    return ExitCode.FAILING if trial.error else ExitCode.READY


def _code(result: Result, job: Job) -> ExitCode:
    if result.failed or result.stopped or (result.unequal and not job.may_differ):
        return ExitCode.FAILING
    return ExitCode.INCONCLUSIVE if result.homeless or result.created or result.remaining else ExitCode.READY
