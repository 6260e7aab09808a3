"""The steps of a purge, each one transaction of the journalled sequence that `purge` runs."""

from collections.abc import Callable
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta

from capliquify_ops.database import Session, fill
from capliquify_ops.evidence.canonical import Plain
from capliquify_ops.model.errors import TenantConflict
from capliquify_ops.model.roles import Roles
from capliquify_ops.tenants.archiver import Archiver, ArchiveReceipt
from capliquify_ops.tenants.audit import Facts, facts_of, write_step_audit
from capliquify_ops.tenants.concerns import cascading, schema_size, speak_for
from capliquify_ops.tenants.drop import drop_chunk, lock_budget
from capliquify_ops.tenants.ownership import as_owner
from capliquify_ops.tenants.purge_plan import (
    REMOVE,
    REMOVE_ROWS,
    RETENTION,
    ROWS,
    purge_entry,
    require_deleted,
    require_owned,
    require_purgeable,
)
from capliquify_ops.tenants.quarantine import Quarantined, hold_tables, put_away, quarantined, strike_out
from capliquify_ops.tenants.registry import Tenant, find
from capliquify_ops.tenants.sequence import JournalledSequence, Turn, turn

VERB = "tenant purge"


@dataclass(frozen=True, slots=True)
class PurgeOptions:
    """How to purge. `archiver` None is without archive; `now` does not wait for the retention."""

    archiver: Archiver | None
    now: bool = False
    retention: timedelta = RETENTION

    def phrase(self, slug: str) -> str:
        """What has to be typed."""
        return slug if self.archiver else f"{slug} without archive"


@dataclass(frozen=True, slots=True)
class PurgeRun:
    """One call of `purge`: who purges whom and how."""

    session: Session
    roles: Roles
    tenant: Tenant
    options: PurgeOptions
    actor: str


def quarantine(run: PurgeRun, sequence: JournalledSequence, until: datetime) -> JournalledSequence:
    """Put the schema away: when its tables are locked, what others began there is over, and nobody begins anew."""
    session = run.session
    tables, budget = schema_size(session, run.tenant.schema_name).tables, lock_budget(session)
    if tables > budget.allowed:
        message = f"Quarantining {run.tenant.schema_name} locks its {tables} tables; {budget.allowed} locks may be taken."
        raise TenantConflict(message, hint="Raise max_locks_per_transaction, or try again when the server is calmer.")
    with turn(session, run.roles, sequence) as taken:
        with as_owner(session, run.roles):
            hold_tables(session, run.tenant.schema_name)
        # Looked at again: while the locks were waited for, something may have come to need the schema.
        require_purgeable(session, run.roles, run.tenant, archived=True)
        entry = purge_entry(session, run.tenant, until)
        with as_owner(session, run.roles):
            put_away(session, entry)
        audit(run, taken, {"step": "quarantine", "schema": entry.schema_name, "retained_until": until.isoformat()})
    return taken.after


def skip(run: PurgeRun, sequence: JournalledSequence) -> JournalledSequence:
    """Move on from a step that has nothing to do."""
    with turn(run.session, run.roles, sequence) as taken:
        pass
    return taken.after


def _retention(run: PurgeRun, sequence: JournalledSequence) -> JournalledSequence:
    with turn(run.session, run.roles, sequence) as taken:
        is_over = run.session.value(
            "SELECT pg_catalog.now() >= %(until)s::timestamptz", {"until": taken.detail["retained_until"]}
        )
        if not (is_over or run.options.now):
            taken.pause()
    return taken.after


def _archive(run: PurgeRun, sequence: JournalledSequence) -> JournalledSequence:
    """Archive one schema that has no archive yet, outside of any transaction; write the receipt down in one."""
    archiver = run.options.archiver
    with run.session.transaction():
        left = [each for each in quarantined(run.session, run.tenant.id) if each.schema_name not in _archives(sequence)]
    if not left or archiver is None:
        return skip(run, sequence)
    schema = left[0].schema_name
    receipt = archiver.archive(run.session, run.tenant, schema)
    archiver.verify(receipt)
    with turn(run.session, run.roles, sequence) as taken:
        taken.detail["archives"] = {**_archives(sequence), schema: asdict(receipt)}
        taken.again()
        audit(run, taken, {"step": "archive", "schema": schema, **asdict(receipt)})
    return taken.after


def _drop(run: PurgeRun, sequence: JournalledSequence) -> JournalledSequence:
    """Drop the next chunk. Before the first one every archive is verified once more: days may have passed."""
    if sequence.detail["can_undo"] and run.options.archiver:
        for receipt in receipts(sequence):
            run.options.archiver.verify(receipt)
    with turn(run.session, run.roles, sequence) as taken:
        require_deleted(find(run.session, str(run.tenant.id)))
        left = quarantined(run.session, run.tenant.id)
        if run.options.archiver and any(each.schema_name not in _archives(sequence) for each in left):
            _go_back_to_archive(taken)
        else:
            taken.detail["can_undo"] = False
            if left:
                _drop_from(run, left[0])
                taken.again()
    return taken.after


def _go_back_to_archive(taken: Turn) -> None:
    """An earlier call went without archive, or a schema was put away since: nothing of it is dropped before it is archived."""
    if not taken.detail["can_undo"]:
        message = (
            f"The purge of {taken.sequence.slug!r} has begun to drop without an archive; one of the rest would not be whole."
        )
        raise TenantConflict(message, hint=f"To go on: {VERB} {taken.sequence.slug} --no-archive")
    taken.next_step, taken.outcome = taken.sequence.steps.index("archive"), None


def _drop_from(run: PurgeRun, entry: Quarantined) -> None:
    require_owned(run.session, run.roles, run.tenant, entry.schema_name)
    with as_owner(run.session, run.roles):
        if drop_chunk(run.session, entry.schema_name):
            strike_out(run.session, entry)


def _remove(run: PurgeRun, sequence: JournalledSequence) -> JournalledSequence:
    """Delete the tenant's rows in the shared tables in batches, and with the last one the registry's row."""
    session, tenant = run.session, run.tenant
    with turn(session, run.roles, sequence) as taken:
        speak_for(session, tenant)
        with as_owner(session, run.roles):
            for one in cascading(session):
                values = {**one.names(), "id": str(tenant.id), "most": str(ROWS)}
                if session.execute(fill(REMOVE_ROWS, values)) == ROWS:
                    taken.again()
                    break
            else:
                _bury(run, taken)
    return taken.after


def _bury(run: PurgeRun, taken: Turn) -> None:
    if run.session.execute(REMOVE, {"id": run.tenant.id}) != 1:
        raise TenantConflict(f"The row of {run.tenant.slug!r} is gone or not deleted any more.", hint="Look into the audit.")
    _write_audit(
        run, taken, {"step": "tombstone", "purged": True, "archives": [asdict(each) for each in receipts(taken.sequence)]}
    )


STEPS: dict[str, Callable[[PurgeRun, JournalledSequence], JournalledSequence]] = {
    "quarantine": skip,
    "retention": _retention,
    "archive": _archive,
    "drop": _drop,
    "rows": _remove,
}
"""In their order. The first one is done together with the beginning, so nobody ever comes back to it."""


def until_of(sequence: JournalledSequence | None) -> datetime | None:
    return datetime.fromisoformat(str(sequence.detail["retained_until"])) if sequence else None


def _archives(sequence: JournalledSequence) -> dict[str, Plain]:
    found = sequence.detail["archives"]
    return found if isinstance(found, dict) else {}


def receipts(sequence: JournalledSequence) -> tuple[ArchiveReceipt, ...]:
    rows = [each for each in _archives(sequence).values() if isinstance(each, dict)]
    return tuple(ArchiveReceipt(str(row["path"]), str(row["sha256"]), int(str(row["bytes"]))) for row in rows)


def audit(run: PurgeRun, taken: Turn, after: Facts) -> None:
    with as_owner(run.session, run.roles):
        _write_audit(run, taken, after)


def _write_audit(run: PurgeRun, taken: Turn, after: Facts) -> None:
    digest, before = taken.sequence.plan_digest, facts_of(run.tenant)
    write_step_audit(run.session, actor=run.actor, verb=VERB, plan_digest=digest, tenant=run.tenant, before=before, after=after)
