"""What a purge would do, and whether it may: read from the catalogue and the registry, changing nothing."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from types import MappingProxyType

from capliquify_ops.database import Session, fill
from capliquify_ops.model.errors import PrivilegeMissing, TenantConflict
from capliquify_ops.model.names import SchemaName
from capliquify_ops.model.plan import Plan, Step
from capliquify_ops.model.roles import Roles
from capliquify_ops.tenants.audit import AUDIT_STEP
from capliquify_ops.tenants.concerns import Cascading, cascading, concerns_of
from capliquify_ops.tenants.drop import droppable
from capliquify_ops.tenants.quarantine import (
    Quarantined,
    Reason,
    away_acts,
    quarantine_name,
    quarantined,
    refuse_outside_dependents,
    rights_on,
)
from capliquify_ops.tenants.registry import Tenant

RETENTION = timedelta(days=90)
"""How long a soft-deleted tenant is kept before it is archived and dropped: the product's default."""
ROWS = 5_000
"""Rows of a shared table that one transaction deletes."""
REMOVE = "DELETE FROM public.tenants WHERE id = %(id)s AND deleted_at IS NOT NULL"
REMOVE_ROWS = (
    'DELETE FROM :"home".:"relation" WHERE ctid = ANY (ARRAY('
    """SELECT r.ctid FROM :"home".:"relation" AS r WHERE r.:"attribute" = :'id' LIMIT :'most'::bigint))"""
)
_SCHEMA = (
    "SELECT pg_catalog.pg_get_userbyid(n.nspowner)::text,"
    " coalesce(pg_catalog.obj_description(n.oid, 'pg_namespace') = 'tenant ' || %(id)s::text, false),"
    " EXISTS (SELECT 1 FROM capliquify_ops.migration AS m WHERE m.set = 'product')"
    " FROM pg_catalog.pg_namespace AS n WHERE n.nspname = %(schema)s"
)


@dataclass(frozen=True, slots=True)
class _Ownership:
    owner: str
    says_so: bool
    is_product: bool


def purge_entry(session: Session, tenant: Tenant, until: datetime) -> Quarantined:
    """Return how the tenant's schema would be put away, within the open transaction: its name follows from id and deletion."""
    deleted = require_deleted(tenant)
    return Quarantined(
        quarantine_name(tenant.id, int(deleted.timestamp() * 1_000_000)),
        tenant.schema_name,
        tenant.id,
        Reason.PURGE,
        session.value("SELECT pg_catalog.now()"),
        until,
        [(right.grantee, right.privilege, right.is_grantable) for right in rights_on(session, tenant.schema_name)],
    )


def require_deleted(tenant: Tenant) -> datetime:
    """Refuse a tenant that is not soft-deleted; return since when it is."""
    if tenant.deleted_at is None:
        raise TenantConflict(
            f"The tenant {tenant.slug!r} is not deleted, so it is not purged.",
            hint=f"First: capliquify-ops tenant delete {tenant.slug}",
        )
    return tenant.deleted_at


def require_purgeable(session: Session, roles: Roles, tenant: Tenant, *, archived: bool) -> bool:
    """Refuse a tenant whose schema may not go, within the open transaction; return whether there is a schema at all."""
    require_deleted(tenant)
    if not _owned(session, roles, tenant, tenant.schema_name):
        if archived:
            raise TenantConflict(
                f"The registry names the schema {tenant.schema_name!r}, which does not exist: there is nothing to archive.",
                hint=f"To remove its rows all the same: capliquify-ops tenant purge {tenant.slug} --no-archive",
            )
        return False
    refuse_outside_dependents(session, tenant.schema_name)
    return True


def require_owned(session: Session, roles: Roles, tenant: Tenant, schema: SchemaName) -> None:
    """Refuse to touch a schema that is gone, is somebody else's, or was not made for the tenant."""
    if not _owned(session, roles, tenant, schema):
        raise TenantConflict(f"The schema {schema} is gone: something else removed it.", hint="Look into the audit.")


def _owned(session: Session, roles: Roles, tenant: Tenant, schema: SchemaName) -> bool:
    found = session.rows(_SCHEMA, _Ownership, {"schema": schema, "id": str(tenant.id)})
    for each in found:
        if each.owner != roles.owner:
            raise PrivilegeMissing(
                f"The schema {schema!r} is owned by {each.owner!r}, not by {roles.owner!r}.",
                hint=f'As an administrator: ALTER SCHEMA "{schema}" OWNER TO "{roles.owner}"',
            )
        if each.is_product and not each.says_so:
            raise TenantConflict(
                f"The schema {schema!r} was not made for the tenant {tenant.slug!r}: its comment does not say so.",
                hint="Find out whose it is before anything is dropped.",
            )
    return bool(found)


def plan_of_purge(session: Session, tenant: Tenant, until: datetime, *, has_schema: bool, archived: bool, now: bool) -> Plan:
    """Return the plan, within the open transaction. `has_schema`: the tenant's schema still bears its own name."""
    steps = _quarantine_steps(session, tenant, until) if has_schema else []
    steps.append(Step("go on at once" if now else f"stop until {until:%Y-%m-%d %H:%M} UTC; a later call goes on"))
    steps.append(Step("archive every schema and verify the archive" if archived else "NO ARCHIVE is made"))
    put_away = [each.schema_name for each in quarantined(session, tenant.id)]
    for schema in (*put_away, tenant.schema_name) if has_schema else put_away:
        steps += _drop_steps(session, schema)
    steps += [Step(f"delete the rows of {one.schema}.{one.relation}", _printed_rows(one, tenant)) for one in cascading(session)]
    steps.append(Step("delete the registry row: slug and schema name are free again", REMOVE.replace("%(id)s", f"'{tenant.id}'")))
    warnings = () if archived else ("What is dropped cannot be brought back: there will be no archive.",)
    concerns = MappingProxyType(concerns_of(session, tenant))
    return Plan("tenant purge", tenant.slug, (*steps, AUDIT_STEP), concerns, warnings, destructive=True)


def _quarantine_steps(session: Session, tenant: Tenant, until: datetime) -> list[Step]:
    entry = purge_entry(session, tenant, until)
    return [act.step() for act in away_acts(entry.original_name, entry.schema_name, entry.rights)]


def _drop_steps(session: Session, schema: str) -> list[Step]:
    """The names are those of now: the schema bears another one by then."""
    steps = [Step(f"drop {thing.what}", thing.statement) for thing in droppable(session, schema)]
    return [*steps, Step(f"drop the empty schema {schema}", _printed('DROP SCHEMA :"schema" RESTRICT', {"schema": schema}))]


def _printed(template: str, names: dict[str, str]) -> str:
    return fill(template, names).as_string(None)


def _printed_rows(one: Cascading, tenant: Tenant) -> str:
    return _printed(REMOVE_ROWS, {**one.names(), "id": str(tenant.id), "most": str(ROWS)})
