"""Prove that an archive can be restored: load it, compare everything with the manifest, and leave nothing."""

import uuid
from dataclasses import dataclass

from capliquify_ops.database import Session
from capliquify_ops.model.names import SchemaName, TenantId
from capliquify_ops.model.plan import Plan, Step
from capliquify_ops.model.protocols import Clock
from capliquify_ops.model.roles import Roles
from capliquify_ops.tenants.archive.loading import load_archive
from capliquify_ops.tenants.archive.opening import Archive
from capliquify_ops.tenants.audit import Facts, write_audit
from capliquify_ops.tenants.ownership import as_owner
from capliquify_ops.tenants.restoring import Progress, Restored, Trust, plan_restore, require_restorable, step_aside


class _NothingKept(Exception):
    """Rolls a drill's transaction back."""


@dataclass(frozen=True, slots=True)
class _Subject:
    """Whose archive a drill restored; the tenant need not exist here."""

    id: TenantId | None
    slug: str
    schema_name: SchemaName


def plan_drill(archive: Archive) -> Plan:
    """Return what `restore_drill` would do."""
    slug = str(archive.manifest.tenant.get("slug", archive.manifest.schema))
    steps = (
        Step("load the archive within a transaction and compare it with the manifest"),
        Step("roll the transaction back: nothing stays"),
    )
    return plan_restore(archive, "restore-drill", slug, steps)


def restore_drill(
    session: Session, roles: Roles, archive: Archive, trust: Trust, *, clock: Clock, progress: Progress = lambda _: None
) -> tuple[Restored, float]:
    """Restore into a transaction that is rolled back; return what was compared and the seconds that it took.

    A live tenant of the same name is served meanwhile. Raises as `restore_whole`; the audit keeps the drill.
    """
    manifest, started = archive.manifest, clock.monotonic()
    try:
        with session.transaction():
            require_restorable(session, archive, trust)
            with as_owner(session, roles):
                step_aside(session, archive)
                load_archive(session, archive, shared=False, progress=progress)
            raise _NothingKept  # noqa: TRY301 -- the way to roll back
    except _NothingKept:
        seconds = clock.monotonic() - started
    tenant = manifest.tenant
    subject = _Subject(
        TenantId(uuid.UUID(str(tenant["id"]))) if tenant else None, str(tenant.get("slug", "")), SchemaName(manifest.schema)
    )
    after: Facts = {
        "sha256": archive.sha256,
        "path": str(archive.path),
        "rows": manifest.rows,
        "milliseconds": round(seconds * 1000),
    }
    with session.transaction(), as_owner(session, roles):
        write_audit(session, actor=trust.actor, plan=plan_drill(archive), tenant=subject, after=after)
    return Restored(None, manifest.schema, len(manifest.tables), manifest.rows), seconds
