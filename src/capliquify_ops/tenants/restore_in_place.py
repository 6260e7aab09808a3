"""Put an archive in the place of the live tenant: loaded beside it, compared, swapped, the old schema kept."""

from datetime import datetime, timedelta

from capliquify_ops.database import Session, SessionLimits
from capliquify_ops.model.errors import TenantConflict
from capliquify_ops.model.names import SchemaName
from capliquify_ops.model.plan import Plan, Step
from capliquify_ops.model.roles import Roles
from capliquify_ops.tenants.archive.loading import load_archive
from capliquify_ops.tenants.archive.opening import Archive
from capliquify_ops.tenants.audit import facts_of, write_audit
from capliquify_ops.tenants.ownership import as_owner, lock_tenant
from capliquify_ops.tenants.quarantine import (
    Quarantined,
    Reason,
    Right,
    away_acts,
    hold_tables,
    put_away,
    quarantine_name,
    refuse_outside_dependents,
    rights_on,
)
from capliquify_ops.tenants.registry import Tenant, find
from capliquify_ops.tenants.restoring import Progress, Restored, Trust, facts, plan_restore, require_restorable
from capliquify_ops.tenants.standing import require_free

RETENTION = timedelta(days=90)
"""How long the replaced schema stays in quarantine: as long as a soft-deleted tenant's."""


def plan_in_place(session: Session, archive: Archive, key: str, unique: int) -> Plan:
    """Return what `restore_in_place` would do. Raises TenantNotFound, and TenantConflict for another tenant's archive."""
    with session.transaction():
        tenant = _own(session, archive, key)
        return _plan(archive, tenant, quarantine_name(tenant.id, unique), rights_on(session, tenant.schema_name))


def _plan(archive: Archive, tenant: Tenant, aside: SchemaName, rights: list[Right]) -> Plan:
    kept = f"keep {aside} in quarantine for {RETENTION.days} days; the shared tables stay as they are"
    steps = (
        *(act.step() for act in away_acts(tenant.schema_name, aside, rights)),
        Step(
            f"load the archive as {tenant.schema_name} and compare it; until the commit {tenant.slug} is served from the old one"
        ),
        Step("lock the old tables, so that writers who have begun end before the swap"),
        Step(kept),
    )
    return plan_restore(archive, "restore", tenant.slug, steps, destructive=True)


def restore_in_place(
    session: Session,
    roles: Roles,
    archive: Archive,
    key: str,
    trust: Trust,
    *,
    unique: int,
    now: datetime,
    progress: Progress = lambda _: None,
) -> Restored:
    """Put an archive's schema in the place of the live one, which is kept in quarantine. `unique` names that.

    Raises as `restore_whole`, and TenantConflict where something outside needs the live schema's objects.
    """
    manifest = archive.manifest
    with session.transaction():
        require_restorable(session, archive, trust)
        lock_tenant(session, _own(session, archive, key).id)
        tenant = _own(session, archive, key)
        require_free(session, tenant)
        refuse_outside_dependents(session, tenant.schema_name)
        aside = quarantine_name(tenant.id, unique)
        rights = rights_on(session, tenant.schema_name)
        kept = [(right.grantee, right.privilege, right.is_grantable) for right in rights]
        with as_owner(session, roles):
            entry = Quarantined(aside, tenant.schema_name, tenant.id, Reason.RESTORE, now, now + RETENTION, kept)
            put_away(session, entry)
            load_archive(session, archive, shared=False, progress=progress)
            # Writers that have begun end before the swap; who comes then waits, and finds the restored tables. Not for long:
            # behind somebody who does not end, everybody else of the tenant would queue.
            session.apply({"lock_timeout": f"{SessionLimits().lock_ms}ms"})
            hold_tables(session, aside)
            after = {**facts(archive, tenant), "quarantined": aside}
            plan = _plan(archive, tenant, aside, rights)
            write_audit(session, actor=trust.actor, plan=plan, tenant=tenant, before=facts_of(tenant), after=after)
    return Restored(tenant, tenant.schema_name, len(manifest.tables), manifest.rows, aside)


def _own(session: Session, archive: Archive, key: str) -> Tenant:
    tenant = find(session, key)
    if str(tenant.id) != archive.manifest.tenant.get("id"):
        whose = archive.manifest.tenant.get("slug", archive.manifest.schema)
        raise TenantConflict(f"The archive is of {whose!r}, not of {tenant.slug!r}.", hint="As another tenant: --as SLUG")
    if tenant.schema_name != archive.manifest.schema:
        message = f"The tenant's schema is {tenant.schema_name} now, the archive's {archive.manifest.schema}."
        raise TenantConflict(message, hint="Restore it beside: --as SLUG")
    return tenant
