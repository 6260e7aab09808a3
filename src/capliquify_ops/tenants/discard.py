"""Remove a throwaway tenant for good: only one that an audit run made, and only for that run."""

from types import MappingProxyType

from capliquify_ops.database import Session
from capliquify_ops.model.errors import TenantConflict, UsageError
from capliquify_ops.model.plan import Plan, Step
from capliquify_ops.model.roles import Roles
from capliquify_ops.tenants.acts import perform
from capliquify_ops.tenants.audit import facts_of, write_audit
from capliquify_ops.tenants.delete import mark_deleted
from capliquify_ops.tenants.ownership import as_owner, lock_tenant
from capliquify_ops.tenants.registry import Tenant, find

_RUN_SLUG = "audit-{run}-"
"""How the slugs of an audit's tenants start, also of those that it has the service make: a run's id is random."""
_MADE_BY_RUN = (
    "SELECT EXISTS (SELECT 1 FROM capliquify_ops.audit AS a"
    " WHERE a.tenant_id = %(id)s AND a.verb = 'tenant create' AND a.run = %(run)s)"
)
_SCHEMA_EXISTS = "SELECT EXISTS (SELECT 1 FROM pg_catalog.pg_namespace AS n WHERE n.nspname::text = %(schema)s)"


def discard(session: Session, roles: Roles, key: str, *, run: str, actor: str) -> Tenant:
    """Remove a tenant's schema, row and everything that hangs off it, and return what it was; the audit stays.

    Raises TenantNotFound, and TenantConflict for a tenant that the run did not create.
    """
    if not run:
        raise UsageError("A tenant is discarded for the run that made it: give the run's id.")
    with session.transaction():
        lock_tenant(session, find(session, key).id)
        tenant = find(session, key)
        with as_owner(session, roles):
            if not _is_of_run(session, tenant, run):
                message = f"The tenant {tenant.slug!r} was not created by the run {run[:80]!r}."
                raise TenantConflict(message, hint="To delete a tenant: capliquify-ops tenant delete")
            if tenant.deleted_at is None:
                perform(session, (mark_deleted(tenant),))
            if session.value(_SCHEMA_EXISTS, {"schema": tenant.schema_name}):
                session.value("SELECT public.delete_tenant_schema(%(id)s)", {"id": tenant.id})
            session.execute("DELETE FROM public.tenants WHERE id = %(id)s", {"id": tenant.id})
            write_audit(session, actor=actor, plan=_plan(tenant), tenant=tenant, before=facts_of(tenant), run=run)
        return tenant


def made_by_run(session: Session, run: str) -> list[Tenant]:
    """Return the tenants that a run created and that are still there, within the open transaction."""
    ids = session.rows(
        "SELECT a.tenant_id::text FROM capliquify_ops.audit AS a JOIN public.tenants AS t ON t.id = a.tenant_id"
        " WHERE a.verb = 'tenant create' AND a.run = %(run)s"
        " UNION SELECT t.id::text FROM public.tenants AS t WHERE pg_catalog.starts_with(t.slug, %(slug)s) ORDER BY 1",
        str,
        {"run": run, "slug": _RUN_SLUG.format(run=run)},
    )
    return [find(session, tenant) for tenant in ids]


def _is_of_run(session: Session, tenant: Tenant, run: str) -> bool:
    made = bool(session.value(_MADE_BY_RUN, {"id": tenant.id, "run": run}))
    return made or tenant.slug.startswith(_RUN_SLUG.format(run=run))


def _plan(tenant: Tenant) -> Plan:
    steps = (Step(f"drop the schema {tenant.schema_name}"), Step("delete the registry row and what hangs off it"))
    return Plan("tenant discard", tenant.slug, steps, MappingProxyType({"schema": tenant.schema_name}), destructive=True)
