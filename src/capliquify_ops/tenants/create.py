"""Create a tenant: registry row, schema, first owner, first company and audit, in one transaction or not at all."""

from dataclasses import dataclass
from datetime import timedelta
from types import MappingProxyType

from capliquify_ops.database import Session, fill, load
from capliquify_ops.model import names
from capliquify_ops.model.errors import StatementFailed, TenantConflict, UsageError
from capliquify_ops.model.names import SchemaName, TenantId
from capliquify_ops.model.plan import Plan, Step
from capliquify_ops.model.roles import Roles
from capliquify_ops.tenants.audit import facts_of, write_audit
from capliquify_ops.tenants.ownership import as_owner, lock_tenant
from capliquify_ops.tenants.registry import PRODUCT_REGISTRY, Tenant, find, registry_names

TRIAL = timedelta(days=14)
"""Length of a trial: the product's default."""
_TIERS = ("starter", "professional", "enterprise")
_STATUSES = ("trial", "active")
_UNIQUE_VIOLATION, _DUPLICATE_SCHEMA = "23505", "42P06"


@dataclass(frozen=True, slots=True)
class FirstUser:
    """The member of the organisation who owns the new tenant."""

    clerk_user_id: str
    email: str
    full_name: str | None = None


@dataclass(frozen=True, slots=True)
class NewTenant:
    """What a tenant is created from. `id` is made by the caller; `schema_name` defaults to `tenant_` and the id's digits."""

    id: TenantId
    slug: str
    name: str
    organization: str
    tier: str = "starter"
    status: str = "trial"
    trial: timedelta = TRIAL
    schema_name: str = ""
    owner: FirstUser | None = None
    company: str = ""

    def __post_init__(self) -> None:
        """Refuse what the database would refuse later, or would store as something else."""
        names.slug(self.slug)
        if self.tier not in _TIERS:
            raise UsageError(f"{self.tier!r} is not a tier.", hint=f"One of: {', '.join(_TIERS)}")
        if self.status not in _STATUSES:
            raise UsageError(f"A tenant cannot start as {self.status!r}.", hint=f"One of: {', '.join(_STATUSES)}")
        if not self.name.strip() or not self.organization.strip():
            raise UsageError("A tenant needs a name and an organisation.")
        names.schema_name(self.schema)

    @property
    def schema(self) -> SchemaName:
        """The name of the schema to create."""
        return SchemaName(self.schema_name or f"tenant_{self.id.hex}")


@dataclass(frozen=True, slots=True)
class _Collision:
    kind: str
    name: str


def plan_create(session: Session, new: NewTenant) -> Plan:
    """Return what `create` would do. Raises TenantConflict for the first name that is taken."""
    with session.transaction():
        _refuse_collisions(session, new)
    return _plan(new)


def create(session: Session, roles: Roles, new: NewTenant, *, actor: str, run: str | None = None) -> Tenant:
    """Create a tenant and return its row. `run` marks a throwaway tenant that `discard` may remove again.

    Raises TenantConflict when a name is taken, also by a creation that runs at the same time.
    """
    try:
        return _create(session, roles, new, actor, run)
    except StatementFailed as fault:
        if fault.sqlstate not in {_UNIQUE_VIOLATION, _DUPLICATE_SCHEMA}:
            raise
        race = fault
    with session.transaction():
        _refuse_collisions(session, new)
    raise TenantConflict(f"Another creation took a name of {new.slug!r}: {race.what}", hint="Run the command again.")


def _create(session: Session, roles: Roles, new: NewTenant, actor: str, run: str | None) -> Tenant:
    with session.transaction():
        lock_tenant(session, new.id)
        _refuse_collisions(session, new)
        with as_owner(session, roles):
            _insert(session, new)
            session.value("SELECT public.create_tenant_schema(%(id)s)", {"id": new.id})
            _insert_first_user(session, new)
            _insert_company(session, new)
            tenant = find(session, str(new.id))
            write_audit(session, actor=actor, plan=_plan(new), tenant=tenant, after=facts_of(tenant), run=run)
        return tenant


def _plan(new: NewTenant) -> Plan:
    steps = [Step(f"insert the registry row of {new.slug}"), Step(f"create the schema {new.schema} with the tenant tables")]
    if new.owner:
        steps.append(Step(f"insert {new.owner.clerk_user_id} as owner"))
    if new.company:
        steps.append(Step("insert the first company"))
    steps.append(Step("write the audit"))
    concerns = {"tier": new.tier, "status": new.status, "organization": new.organization}
    return Plan("tenant create", new.slug, tuple(steps), MappingProxyType(concerns))


def _refuse_collisions(session: Session, new: NewTenant) -> None:
    query = fill(load("capliquify_ops.tenants", "collisions").text, registry_names(PRODUCT_REGISTRY))
    values = {"slug": new.slug, "organization": new.organization, "schema": new.schema}
    for found in session.rows(query, _Collision, values):
        raise TenantConflict(*_sentence(new, found))


def _sentence(new: NewTenant, found: _Collision) -> tuple[str]:
    match found.kind:
        case "slug":
            return (f"The slug {new.slug!r} is taken (until the purge, also by a deleted tenant).",)
        case "slug in other case":
            return (f"The slug {new.slug!r} differs from {found.name!r} in letter case only.",)
        case "organisation":
            return (f"The organisation {new.organization!r} belongs to tenant {found.name!r} already.",)
        case "schema name":
            return (f"The schema name {new.schema!r} belongs to tenant {found.name!r} already.",)
        case "schema":
            return (f"The schema {new.schema!r} exists without being registered: an orphan, or another use of the name.",)
        case _:
            return (f"The schema name {new.schema!r} differs from the existing {found.name!r} in letter case only.",)


def _insert(session: Session, new: NewTenant) -> None:
    session.execute(
        "INSERT INTO public.tenants (id, slug, name, schema_name, clerk_organization_id, subscription_tier, subscription_status,"
        " trial_ends_at, max_users, max_entities, features)"
        " SELECT %(id)s, %(slug)s, %(name)s, %(schema)s, %(organization)s, d.tier, %(status)s::public.subscription_status,"
        " CASE WHEN %(status)s = 'trial' THEN pg_catalog.now() + %(trial)s END, d.max_users, d.max_entities, d.features"
        " FROM public.tier_defaults() AS d WHERE d.tier::text = %(tier)s",
        {
            "id": new.id,
            "slug": new.slug,
            "name": new.name,
            "schema": new.schema,
            "organization": new.organization,
            "status": new.status,
            "trial": new.trial,
            "tier": new.tier,
        },
    )


def _insert_first_user(session: Session, new: NewTenant) -> None:
    if new.owner is None:
        return
    # Row security holds for the owner role too: the transaction has to say for which tenant it writes.
    session.execute("SELECT pg_catalog.set_config('app.tenant_id', %(id)s, true)", {"id": str(new.id)})
    session.execute(
        "INSERT INTO public.users (clerk_user_id, email, full_name, tenant_id, role)"
        " VALUES (%(user)s, %(email)s, %(name)s, %(id)s, 'owner')",
        {"user": new.owner.clerk_user_id, "email": new.owner.email, "name": new.owner.full_name, "id": new.id},
    )


def _insert_company(session: Session, new: NewTenant) -> None:
    if new.company:
        query = fill('INSERT INTO :"schema".companies (name) VALUES (%(name)s)', {"schema": new.schema})
        session.execute(query, {"name": new.company})
