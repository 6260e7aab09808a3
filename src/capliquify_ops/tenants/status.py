"""What all verbs of one row share: look, lock, look again, change exactly that row, audit; one transaction."""

from collections.abc import Callable
from dataclasses import dataclass, field
from types import MappingProxyType

from capliquify_ops.database import Session
from capliquify_ops.model.plan import Plan
from capliquify_ops.model.roles import Roles
from capliquify_ops.tenants.acts import Act, perform
from capliquify_ops.tenants.audit import AUDIT_STEP, Facts, facts_of, write_audit
from capliquify_ops.tenants.concerns import concerns_of
from capliquify_ops.tenants.ownership import as_owner, lock_tenant
from capliquify_ops.tenants.registry import Tenant, find
from capliquify_ops.tenants.standing import require_free
from capliquify_ops.tenants.transitions import require_allowed

_NOTHING: Facts = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class Change:
    """What a verb does to a tenant, made from rows read. `noted` is kept in the audit beside the row."""

    acts: tuple[Act, ...]
    warnings: tuple[str, ...] = ()
    noted: Facts = field(default_factory=lambda: _NOTHING)
    destructive: bool = False


@dataclass(frozen=True, slots=True)
class StatusResult:
    """The tenant's row before and after, and what the audit kept beside it."""

    before: Tenant
    after: Tenant
    noted: Facts


Prepare = Callable[[Session, Tenant], Change]
"""Says what a verb does to a tenant that is in the right status; reads within the open transaction, changes nothing."""


def plan_change(session: Session, verb: str, key: str, prepare: Prepare) -> Plan:
    """Return what the verb would do. Raises as the verb does."""
    with session.transaction():
        tenant = find(session, key)
        return _plan(session, verb, tenant, _prepared(session, verb, tenant, prepare))


def change(
    session: Session, roles: Roles, verb: str, key: str, prepare: Prepare, *, actor: str, run: str | None = None
) -> StatusResult:
    """Run the verb. Raises TenantNotFound, TenantConflict, and StatementTimedOut while another verb holds the tenant."""
    with session.transaction():
        lock_tenant(session, find(session, key).id)
        before = find(session, key)
        wanted = _prepared(session, verb, before, prepare)
        plan = _plan(session, verb, before, wanted)
        with as_owner(session, roles):
            perform(session, wanted.acts)
            after = find(session, str(before.id))
            facts = {**facts_of(after), **wanted.noted}
            write_audit(session, actor=actor, plan=plan, tenant=before, before=facts_of(before), after=facts, run=run)
        return StatusResult(before, after, wanted.noted)


def set_status(tenant: Tenant, status: str, action: str, also: str = "") -> Act:
    """Return the change of one row's status: of that tenant, and only from the status that was read. `also` sets more columns."""
    template = (
        f"UPDATE public.tenants SET subscription_status = :'status'{also}"  # noqa: S608 -- `also` is a constant of a verb
        " WHERE id = :'id' AND subscription_status = :'was' AND deleted_at IS NULL"
    )
    return Act(action, template, {"status": status, "id": str(tenant.id), "was": tenant.subscription_status}, rows=1)


def _prepared(session: Session, verb: str, tenant: Tenant, prepare: Prepare) -> Change:
    require_free(session, tenant)
    require_allowed(verb, tenant)
    return prepare(session, tenant)


def _plan(session: Session, verb: str, tenant: Tenant, wanted: Change) -> Plan:
    steps = (*(act.step() for act in wanted.acts), AUDIT_STEP)
    concerns = MappingProxyType(concerns_of(session, tenant))
    return Plan(f"tenant {verb}", tenant.slug, steps, concerns, wanted.warnings, wanted.destructive)
