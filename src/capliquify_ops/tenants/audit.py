"""The audit of verbs: written in the verb's own transaction, never changed, outside every tenant's cascade."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from capliquify_ops.database import Session
from capliquify_ops.evidence.canonical import Plain, canonical, digest
from capliquify_ops.model.names import TenantId
from capliquify_ops.model.plan import Plan, Step
from capliquify_ops.tenants.registry import Tenant

Facts = Mapping[str, Plain]

_INSERT = (
    "INSERT INTO capliquify_ops.audit (actor, verb, tenant_id, slug, schema_name, plan_digest, before, after, run) VALUES"
    " (%(actor)s, %(verb)s, %(id)s, %(slug)s, %(schema)s, %(digest)s, %(before)s::jsonb, %(after)s::jsonb, %(run)s)"
)
AUDIT_STEP = Step("write the audit row, before and after", _INSERT)
"""The last step of every plan."""


@dataclass(frozen=True, slots=True)
class AuditRow:
    """One row of the audit. `database_role` is who was logged in, `actor` who it was for people."""

    id: int
    at: datetime
    actor: str
    database_role: str
    verb: str
    tenant_id: TenantId | None
    slug: str | None
    schema_name: str | None
    plan_digest: str | None
    before: Facts | None
    after: Facts | None
    run: str | None


def plan_digest(plan: Plan) -> str:
    """Return the SHA-256 of a plan: what was shown and what was done can be compared."""
    return digest(canonical(plan))


def facts_of(tenant: Tenant) -> Facts:
    """Return what an audit keeps of a tenant's row."""
    return {
        "slug": tenant.slug,
        "name": tenant.name,
        "schema_name": tenant.schema_name,
        "clerk_organization_id": tenant.clerk_organization_id,
        "subscription_tier": tenant.subscription_tier,
        "subscription_status": tenant.subscription_status,
        "deleted_at": None if tenant.deleted_at is None else tenant.deleted_at.isoformat(),
    }


class Subject(Protocol):
    """Whom an audit row is about: a tenant, or one that an archive names."""

    @property
    def id(self) -> TenantId | None: ...
    @property
    def slug(self) -> str: ...
    @property
    def schema_name(self) -> str: ...


def write_audit(
    session: Session,
    *,
    actor: str,
    plan: Plan,
    tenant: Subject,
    before: Facts | None = None,
    after: Facts | None = None,
    run: str | None = None,
) -> None:
    """Add one row, within the verb's transaction: a verb that is not audited does not happen."""
    values = {"actor": actor, "verb": plan.verb, "digest": plan_digest(plan), "run": run}
    _insert(session, values, tenant, before, after)


def write_step_audit(
    session: Session, *, actor: str, verb: str, plan_digest: str, tenant: Tenant, before: Facts | None, after: Facts
) -> None:
    """Add one row for a step of a verb whose plan was made in an earlier transaction, within the step's transaction."""
    _insert(session, {"actor": actor, "verb": verb, "digest": plan_digest, "run": None}, tenant, before, after)


def _insert(
    session: Session, values: Mapping[str, str | None], tenant: Subject, before: Facts | None, after: Facts | None
) -> None:
    facts = {key: None if each is None else json.dumps(each) for key, each in (("before", before), ("after", after))}
    names = {"id": tenant.id, "slug": tenant.slug, "schema": tenant.schema_name}
    session.execute(_INSERT, {**values, **names, **facts})


def audit_of(session: Session, tenant: TenantId) -> list[AuditRow]:
    """Return a tenant's audit, oldest first; it survives the tenant."""
    return session.rows(
        "SELECT a.id, a.at, a.actor, a.database_role, a.verb, a.tenant_id, a.slug, a.schema_name, a.plan_digest, a.before,"
        " a.after, a.run FROM capliquify_ops.audit AS a WHERE a.tenant_id = %(tenant)s ORDER BY a.id",
        AuditRow,
        {"tenant": tenant},
    )
