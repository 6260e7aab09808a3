"""Purge a soft-deleted tenant: put its schema away, wait, archive, drop in chunks, remove its rows, leave a tombstone.

A journalled sequence: whatever ends it half-way, the same call goes on. Until the first chunk is dropped it can be undone.
"""

from dataclasses import dataclass
from datetime import datetime
from types import MappingProxyType

from capliquify_ops.database import Session
from capliquify_ops.evidence.canonical import Plain
from capliquify_ops.model.errors import TenantConflict, UsageError
from capliquify_ops.model.plan import Plan
from capliquify_ops.model.roles import Roles
from capliquify_ops.tenants.archiver import ArchiveReceipt
from capliquify_ops.tenants.audit import AUDIT_STEP
from capliquify_ops.tenants.concerns import concerns_of
from capliquify_ops.tenants.ownership import as_owner, lock_tenant
from capliquify_ops.tenants.purge_plan import plan_of_purge, require_deleted, require_purgeable
from capliquify_ops.tenants.purge_steps import STEPS, VERB, PurgeOptions, PurgeRun, audit, quarantine, receipts, skip, until_of
from capliquify_ops.tenants.quarantine import Quarantined, Reason, back_acts, bring_back, hold_tables, quarantined
from capliquify_ops.tenants.registry import Tenant, find
from capliquify_ops.tenants.sequence import JournalledSequence, begin, turn
from capliquify_ops.tenants.standing import standing_sequence

__all__ = ["PurgeOptions", "PurgeResult", "plan_purge", "plan_undo", "purge", "undo_purge"]


@dataclass(frozen=True, slots=True)
class PurgeResult:
    """The tenant as it was. Until `retained_until` it waits, quarantined; `is_purged` when it is gone, with its archives."""

    tenant: Tenant
    is_purged: bool
    retained_until: datetime
    archives: tuple[ArchiveReceipt, ...]


def plan_purge(session: Session, roles: Roles, key: str, options: PurgeOptions) -> Plan:
    """Return what `purge` would do from here. Raises as it does."""
    with session.transaction():
        tenant = find(session, key)
        standing = _own_sequence(session, tenant)
        archived = options.archiver is not None
        has_schema = standing is None and require_purgeable(session, roles, tenant, archived=archived)
        until = until_of(standing) or _retained_until(tenant, options)
        return plan_of_purge(session, tenant, until, has_schema=has_schema, archived=archived, now=options.now)


def purge(session: Session, roles: Roles, key: str, options: PurgeOptions, *, confirm: str, actor: str) -> PurgeResult:
    """Purge a tenant, or go on with a purge that waits or was interrupted. `confirm` is what `options.phrase` says.

    Raises UsageError, TenantNotFound, and TenantConflict for a tenant that is not deleted or is needed from outside.
    """
    with session.transaction():
        tenant = find(session, key)
    if confirm != options.phrase(tenant.slug):
        message = f"Nothing was purged: the confirmation is not {options.phrase(tenant.slug)!r}."
        raise UsageError(message, hint="Type it as the plan shows it.")
    run = PurgeRun(session, roles, tenant, options, actor)
    sequence = _started(run)
    while (step := sequence.step) is not None:
        sequence = STEPS[step](run, sequence)
        if sequence.owner_pid is None and sequence.outcome is None:
            break
    until = until_of(sequence) or _retained_until(tenant, options)
    return PurgeResult(tenant, sequence.outcome == "finished", until, receipts(sequence))


def plan_undo(session: Session, key: str) -> Plan:
    """Return what `undo_purge` would do. Raises TenantConflict when there is nothing to undo or dropping has begun."""
    with session.transaction():
        tenant = find(session, key)
        _undoable(tenant, _own_sequence(session, tenant))
        acts = [act for entry in _of_purge(session, tenant) for act in back_acts(entry)]
        concerns = MappingProxyType(concerns_of(session, tenant))
        return Plan("tenant purge --undo", tenant.slug, (*(act.step() for act in acts), AUDIT_STEP), concerns)


def undo_purge(session: Session, roles: Roles, key: str, *, actor: str) -> Tenant:
    """Bring a quarantined tenant's schema back, name and rights; it stays soft-deleted.

    Raises TenantConflict when there is nothing to undo or dropping has begun.
    """
    with session.transaction():
        tenant = find(session, key)
        sequence = _undoable(tenant, _own_sequence(session, tenant))
    with turn(session, roles, sequence) as taken:
        _undoable(tenant, taken.sequence)
        with as_owner(session, roles):
            for entry in _of_purge(session, tenant):
                hold_tables(session, entry.schema_name)
                bring_back(session, entry)
        taken.undo()
        audit(PurgeRun(session, roles, tenant, PurgeOptions(None), actor), taken, {"step": "undo", "schema": tenant.schema_name})
    return tenant


def _undoable(tenant: Tenant, sequence: JournalledSequence | None) -> JournalledSequence:
    if sequence is None:
        raise TenantConflict(f"No purge of {tenant.slug!r} is under way.", hint=f"See: capliquify-ops tenant show {tenant.slug}")
    if not sequence.detail["can_undo"]:
        raise TenantConflict(f"The purge of {tenant.slug!r} has begun to drop: it cannot be undone.", hint=sequence.hint())
    return sequence


def _started(run: PurgeRun) -> JournalledSequence:
    """Return the sequence to go on with; a new one begins together with its first step, or not at all."""
    session, tenant = run.session, run.tenant
    with session.transaction():
        lock_tenant(session, tenant.id)
        standing = _own_sequence(session, tenant)
        if standing:
            return _claimed(run, standing)
        archived = run.options.archiver is not None
        has_schema = require_purgeable(session, run.roles, find(session, str(tenant.id)), archived=archived)
        until = _retained_until(tenant, run.options)
        plan = plan_of_purge(session, tenant, until, has_schema=has_schema, archived=archived, now=run.options.now)
        detail: dict[str, Plain] = {"can_undo": True, "retained_until": until.isoformat(), "archives": {}}
        sequence = begin(session, run.roles, tenant=tenant, actor=run.actor, plan=plan, steps=tuple(STEPS), detail=detail)
        return quarantine(run, sequence, until) if has_schema else skip(run, sequence)


def _claimed(run: PurgeRun, standing: JournalledSequence) -> JournalledSequence:
    """Own a sequence that an earlier call began, before anything is done for it."""
    with turn(run.session, run.roles, standing) as taken:
        taken.again()
    return taken.after


def _own_sequence(session: Session, tenant: Tenant) -> JournalledSequence | None:
    standing = standing_sequence(session, tenant)
    if standing and standing.verb != VERB:
        raise TenantConflict(standing.sentence(), hint=standing.hint())
    return standing


def _of_purge(session: Session, tenant: Tenant) -> list[Quarantined]:
    return [entry for entry in quarantined(session, tenant.id) if entry.reason == Reason.PURGE]


def _retained_until(tenant: Tenant, options: PurgeOptions) -> datetime:
    return require_deleted(tenant) + options.retention
