"""The registry: which tenants there are, by whatever name a person has at hand."""

import re
import uuid
from dataclasses import dataclass
from datetime import datetime, timedelta

from capliquify_ops.database import Session, fill, load
from capliquify_ops.model.errors import ConfigurationInvalid, TenantConflict, TenantNotFound
from capliquify_ops.model.names import SchemaName, Slug, TenantId

PRODUCT_REGISTRY = "public.tenants"
_ALMOST_UUID = re.compile(r"[0-9A-Fa-f]{7,9}-[0-9A-Za-z-]{20,30}|[0-9a-f]{31}|[0-9a-f]{33}")
_HAS_SCHEMA = "SELECT EXISTS (SELECT 1 FROM pg_catalog.pg_namespace AS n WHERE n.nspname::text = %(name)s)"


@dataclass(frozen=True, slots=True)
class Tenant:
    """One row of the registry. Times are aware UTC; None in max_users and max_entities is unlimited."""

    id: TenantId
    slug: Slug
    name: str
    schema_name: SchemaName
    clerk_organization_id: str
    subscription_tier: str
    subscription_status: str
    trial_ends_at: datetime | None
    max_users: int | None
    max_entities: int | None
    created_at: datetime
    deleted_at: datetime | None


def registry_names(registry: str) -> dict[str, str]:
    """Return the variables of a statement about the registry, for `fill`. `registry` is schema.table, as in a profile."""
    schema, dot, table = registry.partition(".")
    if not (schema and dot and table):
        raise ConfigurationInvalid(f"{registry!r} is not the registry's schema and table.", hint="Expected: public.tenants")
    return {"registry_schema": schema, "registry_table": table}


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which tenants to list. None is any; `deleted` False leaves soft-deleted ones out, True gives only those.

    `expiring_within`: trials that end within so long, and those that are over and not suspended yet.
    """

    status: str | None = None
    tier: str | None = None
    deleted: bool | None = False
    expiring_within: timedelta | None = None


EVERYBODY = Wanted(deleted=None)


def list_tenants(
    session: Session,
    wanted: Wanted | None = None,
    *,
    status: str | None = None,
    deleted: bool | None = False,
    registry: str = PRODUCT_REGISTRY,
) -> list[Tenant]:
    """Return tenants by creation, within the open transaction: those wanted, or by status and deletion alone."""
    return _rows(session, registry, None, wanted or Wanted(status=status, deleted=deleted))


def find(session: Session, key: str, *, registry: str = PRODUCT_REGISTRY) -> Tenant:
    """Return the tenant that a key names: id, slug, schema name or organisation; soft-deleted ones too.

    Raises TenantNotFound, and TenantConflict for a key that names several tenants.
    """
    found = _rows(session, registry, key, EVERYBODY)
    if len(found) > 1:
        named = ", ".join(f"{_what(tenant, key)} of {tenant.slug!r} ({tenant.id})" for tenant in found)
        raise TenantConflict(f"{key!r} names {len(found)} tenants: {named}.", hint="Give the id instead.")
    if not found:
        raise _unknown(session, key)
    return found[0]


def _unknown(session: Session, key: str) -> TenantNotFound:
    """Say why a key names nobody, as far as it can be told."""
    hint = "List them with: capliquify-ops tenant list"
    shown = key[:80]
    if _ALMOST_UUID.fullmatch(key) and _uuid(key) is None:
        return TenantNotFound(f"{shown!r} looks like a tenant's id and is not one: a UUID has 32 hexadecimal digits.", hint=hint)
    if session.value(_HAS_SCHEMA, {"name": _sendable(key)}):
        message = f"The schema {shown!r} exists, but no tenant is registered for it."
        return TenantNotFound(message, hint="See what it is: readiness, check registry_catalogue. Or: capliquify-ops tenant list")
    return TenantNotFound(f"No tenant has {shown!r} as its id, slug, schema name or organisation.", hint=hint)


def _rows(session: Session, registry: str, key: str | None, wanted: Wanted) -> list[Tenant]:
    query = fill(load("capliquify_ops.tenants", "registry").text, registry_names(registry))
    named = {"key": None if key is None else _sendable(key), "id": _uuid(key)}
    filters = {"status": wanted.status, "tier": wanted.tier, "deleted": wanted.deleted, "within": wanted.expiring_within}
    return session.rows(query, Tenant, {**named, **filters})


def _sendable(key: str) -> str:
    """Replace what cannot be sent as text; no name holds it."""
    return key.encode("utf-8", "replace").decode().replace("\0", "")


def _uuid(key: str | None) -> uuid.UUID | None:
    try:
        return None if key is None else uuid.UUID(key)
    except ValueError:
        return None


def _what(tenant: Tenant, key: str) -> str:
    roles = {"slug": tenant.slug, "schema name": tenant.schema_name, "organisation": tenant.clerk_organization_id}
    return next((role for role, value in roles.items() if value == key), "id")
