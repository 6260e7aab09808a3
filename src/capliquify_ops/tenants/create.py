"""Create a tenant: registry row, schema, first owner, first company and audit, in one transaction or not at all."""

from dataclasses import dataclass
from datetime import timedelta
from types import MappingProxyType

from capliquify_ops.database import Session, fill, load
from capliquify_ops.model import names
from capliquify_ops.model.errors import StatementFailed, TenantConflict, UsageError
from capliquify_ops.model.names import SchemaName, TenantId
from capliquify_ops.model.plan import Plan
from capliquify_ops.model.roles import Roles
from capliquify_ops.tenants.acts import Act, perform
from capliquify_ops.tenants.audit import AUDIT_STEP, facts_of, write_audit
from capliquify_ops.tenants.ownership import as_owner, lock_tenant
from capliquify_ops.tenants.registry import PRODUCT_REGISTRY, Tenant, find, registry_names

TRIAL = timedelta(days=14)
"""Length of a trial: the product's default."""
_TIERS = ("starter", "professional", "enterprise")
_STATUSES = ("trial", "active")
_UNIQUE_VIOLATION, _DUPLICATE_SCHEMA = "23505", "42P06"
_INSERT = (
    "INSERT INTO public.tenants (id, slug, name, schema_name, clerk_organization_id, subscription_tier, subscription_status,"
    " trial_ends_at, max_users, max_entities, features)"
    " SELECT :'id'::uuid, :'slug', :'name', :'schema', :'organization', d.tier, :'status'::public.subscription_status,"
    " CASE WHEN :'status' = 'trial' THEN pg_catalog.now() + :'trial'::interval END, d.max_users, d.max_entities, d.features"
    " FROM public.tier_defaults() AS d WHERE d.tier::text = :'tier'"
)
_PROVISION = """SELECT :"provision_schema".:"provision_function"(:'id')"""
_SPEAK = "SELECT pg_catalog.set_config('app.tenant_id', :'id', true)"
_INSERT_OWNER = (
    "INSERT INTO public.users (clerk_user_id, email, full_name, tenant_id, role)"
    " VALUES (:'user', :'email', nullif(:'name', ''), :'id', 'owner')"
)
_INSERT_COMPANY = """INSERT INTO :"schema".companies (name) VALUES (:'name')"""


@dataclass(frozen=True, slots=True)
class FirstUser:
    """The member of the organisation who owns the new tenant."""

    clerk_user_id: str
    email: str
    full_name: str | None = None


@dataclass(frozen=True, slots=True)
class NewTenant:
    """What a tenant is created from. `id` is made by the caller; `schema_name` defaults to `tenant_` and the id's digits.

    `provision` is the function that makes the schema, from the tenant's id.
    """

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
    provision: tuple[str, str] = ("public", "create_tenant_schema")

    def __post_init__(self) -> None:
        """Refuse what the database would refuse later, or would store as something else."""
        names.slug(self.slug)
        require_tier(self.tier)
        if self.status not in _STATUSES:
            raise UsageError(f"A tenant cannot start as {self.status!r}.", hint=f"One of: {', '.join(_STATUSES)}")
        if not self.name.strip() or not self.organization.strip():
            raise UsageError("A tenant needs a name and an organisation.", hint="Neither may be blank.")
        if self.trial <= timedelta(0):
            raise UsageError("A trial lasts longer than nothing.", hint="To start without one: --status active")
        for text in (self.name, self.organization, self.company, *self._owner_texts()):
            names.storable(text)
        names.schema_name(self.schema)

    def _owner_texts(self) -> tuple[str, ...]:
        return (self.owner.clerk_user_id, self.owner.email, self.owner.full_name or "") if self.owner else ()

    @property
    def schema(self) -> SchemaName:
        """The name of the schema to create."""
        return SchemaName(self.schema_name or f"tenant_{self.id.hex}")


def provision_of(setting: str) -> tuple[str, str]:
    """Return schema and name of the function that a profile provisions with, the product's where it names none."""
    schema, _, function = setting.removeprefix("function:").rpartition(".")
    return (schema or "public", function) if setting.startswith("function:") else ("public", "create_tenant_schema")


def require_tier(tier: str) -> None:
    """Refuse what is not a tier."""
    if tier not in _TIERS:
        raise UsageError(f"{tier!r} is not a tier.", hint=f"One of: {', '.join(_TIERS)}")


@dataclass(frozen=True, slots=True)
class _Collision:
    kind: str
    name: str


def plan_create(session: Session, new: NewTenant) -> Plan:
    """Return what `create` would do. Raises TenantConflict for the first name that is taken."""
    with session.transaction():
        refuse_collisions(session, new)
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
        refuse_collisions(session, new)
    raise TenantConflict(f"Another creation took a name of {new.slug!r}: {race.what}", hint="Run the command again.")


def _create(session: Session, roles: Roles, new: NewTenant, actor: str, run: str | None) -> Tenant:
    with session.transaction():
        lock_tenant(session, new.id)
        refuse_collisions(session, new)
        with as_owner(session, roles):
            perform(session, _acts(new))
            tenant = find(session, str(new.id))
            write_audit(session, actor=actor, plan=_plan(new), tenant=tenant, after=facts_of(tenant), run=run)
        return tenant


def _plan(new: NewTenant) -> Plan:
    steps = (*(act.step() for act in _acts(new)), AUDIT_STEP)
    concerns = {"tier": new.tier, "status": new.status, "organization": new.organization, "schema": new.schema}
    return Plan("tenant create", new.slug, steps, MappingProxyType(concerns))


def _acts(new: NewTenant) -> tuple[Act, ...]:
    one = {"id": str(new.id), "schema": new.schema}
    acts = [
        registration(new),
        Act(f"create the schema {new.schema} with the tenant tables", _PROVISION, one | _provision(new)),
    ]
    if new.owner:
        user = {"user": new.owner.clerk_user_id, "email": new.owner.email, "name": new.owner.full_name or ""}
        acts.append(Act("say whose rows come next, for row security", _SPEAK, one))
        acts.append(Act(f"insert {new.owner.clerk_user_id} as owner", _INSERT_OWNER, {**one, **user}, rows=1))
    if new.company:
        acts.append(Act(f"insert the first company {new.company}", _INSERT_COMPANY, {**one, "name": new.company}, rows=1))
    return tuple(acts)


def _provision(new: NewTenant) -> dict[str, str]:
    return dict(zip(("provision_schema", "provision_function"), new.provision, strict=True))


def registration(new: NewTenant) -> Act:
    """Return the statement that registers a tenant."""
    names = {"id": str(new.id), "schema": new.schema, **_values(new)}
    return Act(f"insert the registry row of {new.slug}", _INSERT, names, rows=1)


def _values(new: NewTenant) -> dict[str, str]:
    return {
        "slug": new.slug,
        "name": new.name,
        "organization": new.organization,
        "status": new.status,
        "trial": f"{new.trial.total_seconds():.0f} seconds",
        "tier": new.tier,
    }


def register(session: Session, new: NewTenant) -> Tenant:
    """Insert the registry row alone, as the owner, within the open transaction: the schema comes from elsewhere."""
    perform(session, [registration(new)])
    return find(session, str(new.id))


def refuse_collisions(session: Session, new: NewTenant) -> None:
    """Raise TenantConflict for the first name of a new tenant that is taken, within the open transaction."""
    query = fill(load("capliquify_ops.tenants", "collisions").text, registry_names(PRODUCT_REGISTRY))
    values = {"slug": new.slug, "organization": new.organization, "schema": new.schema}
    for found in session.rows(query, _Collision, values):
        raise TenantConflict(_sentence(new, found), hint="Choose another name. To see who has it: capliquify-ops tenant list")


def _sentence(new: NewTenant, found: _Collision) -> str:
    match found.kind:
        case "slug":
            return f"The slug {new.slug!r} is taken (until the purge, also by a deleted tenant)."
        case "slug in other case":
            return f"The slug {new.slug!r} differs from {found.name!r} in letter case only."
        case "organisation":
            return f"The organisation {new.organization!r} belongs to tenant {found.name!r} already."
        case "schema name":
            return f"The schema name {new.schema!r} belongs to tenant {found.name!r} already."
        case "schema":
            return f"The schema {new.schema!r} exists without being registered: an orphan, or another use of the name."
        case _:
            return f"The schema name {new.schema!r} differs from the existing {found.name!r} in letter case only."
