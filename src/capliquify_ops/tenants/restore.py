"""Restore one tenant from its archive: as it was, or as a tenant of its own."""

import uuid
from dataclasses import replace

from capliquify_ops.database import Session
from capliquify_ops.model.errors import StatementFailed, TenantConflict
from capliquify_ops.model.names import TenantId
from capliquify_ops.model.plan import Plan, Step
from capliquify_ops.model.roles import Roles
from capliquify_ops.tenants import create as creation
from capliquify_ops.tenants.archive.loading import load_archive
from capliquify_ops.tenants.archive.opening import Archive
from capliquify_ops.tenants.audit import write_audit
from capliquify_ops.tenants.ownership import as_owner, lock_tenant
from capliquify_ops.tenants.registry import find
from capliquify_ops.tenants.restoring import (
    Progress,
    Restored,
    Trust,
    facts,
    load_as,
    own_schema,
    plan_restore,
    refuse_named,
    require_absent,
    require_restorable,
)

_UNIQUE_VIOLATION = "23505"


def plan_whole(archive: Archive) -> Plan:
    """Return what `restore_whole` would do."""
    manifest, tenant = archive.manifest, archive.manifest.tenant
    shared = sum(section.rows for section in manifest.sections if section.kind == "shared")
    steps = (
        Step(f"create the schema {manifest.schema} with its definitions and rows, and compare them with the manifest"),
        Step(f"insert {shared} rows into the shared tables"),
    )
    plan = plan_restore(archive, "restore", str(tenant.get("slug", manifest.schema)), steps)
    if tenant.get("deleted_at"):
        warning = "The tenant was soft-deleted when it was archived, and comes back so."
        plan = replace(plan, warnings=(*plan.warnings, warning))
    return plan


def restore_whole(
    session: Session, roles: Roles, archive: Archive, trust: Trust, *, progress: Progress = lambda _: None
) -> Restored:
    """Restore a tenant that is gone here: its schema and its rows in the shared tables, as they were.

    Raises ArchiveRefused, TenantConflict where anything of it exists, PrivilegeMissing for a superuser's session.
    """
    manifest, plan = archive.manifest, plan_whole(archive)
    identity = TenantId(uuid.UUID(str(manifest.tenant["id"]))) if manifest.tenant else None
    with session.transaction():
        require_restorable(session, archive, trust)
        if identity:
            lock_tenant(session, identity)
        require_absent(session, manifest.schema)
        with as_owner(session, roles):
            try:
                load_archive(session, archive, shared=True, progress=progress)
            except StatementFailed as fault:
                if fault.sqlstate != _UNIQUE_VIOLATION:
                    raise
                hint = "In place of the live tenant: --in-place; beside it: --as SLUG"
                raise TenantConflict(f"A row of the archive exists here already: {fault.what}", hint=hint) from None
            tenant = find(session, str(identity)) if identity else None
            if tenant:
                write_audit(session, actor=trust.actor, plan=plan, tenant=tenant, after=facts(archive, tenant))
    return Restored(tenant, manifest.schema, len(manifest.tables), manifest.rows)


def plan_as_new(archive: Archive, new: creation.NewTenant) -> Plan:
    """Return what `restore_as_new` would do."""
    shared = sum(section.rows for section in archive.manifest.sections if section.kind == "shared")
    steps = (
        creation.registration(new).step(),
        Step(f"create the schema {new.schema} with the archive's definitions and rows, and compare them with the manifest"),
        Step(f"leave the archive's {shared} rows of the shared tables out: memberships and audit belong to the original"),
    )
    return plan_restore(archive, "restore", new.slug, steps)


def restore_as_new(
    session: Session,
    roles: Roles,
    archive: Archive,
    new: creation.NewTenant,
    trust: Trust,
    *,
    progress: Progress = lambda _: None,
) -> Restored:
    """Restore an archive's schema as a tenant of its own. Raises as `restore_whole`, and for routines that name the schema."""
    manifest = archive.manifest
    refuse_named(manifest.schema, manifest.routines)
    with session.transaction():
        require_restorable(session, archive, trust)
        lock_tenant(session, new.id)
        creation.refuse_collisions(session, new)
        with as_owner(session, roles):
            tenant = creation.register(session, new)
            load_as(session, archive, new.schema, progress)
            own_schema(session, tenant)
            plan = plan_as_new(archive, new)
            write_audit(session, actor=trust.actor, plan=plan, tenant=tenant, after=facts(archive, tenant))
    return Restored(tenant, new.schema, len(manifest.tables), manifest.rows)
