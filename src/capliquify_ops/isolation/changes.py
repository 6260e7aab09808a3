"""What an audit changes in the shared tables, as somebody with database access would: no cache of the service is told."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from capliquify_ops.configuration import Target
from capliquify_ops.database import fill
from capliquify_ops.isolation.database import OwnerSession, change_one, owner_session, registry_of
from capliquify_ops.tenants.ownership import as_owner

_SET_STATUS = 'UPDATE :"registry_schema".:"registry_table" SET subscription_status = %(status)s WHERE id = %(id)s'
_SET_STATE = (
    'UPDATE :"registry_schema".:"registry_table" SET subscription_status = %(status)s, deleted_at ='
    " CASE WHEN %(is_deleted)s THEN pg_catalog.now() END,"
    " trial_ends_at = pg_catalog.now() + pg_catalog.make_interval(secs => %(trial_s)s::float8) WHERE id = %(id)s"
)
_ROLE_OF = 'SELECT u.role::text FROM :"registry_schema".users AS u WHERE u.tenant_id = %(id)s AND u.clerk_user_id = %(user)s'
_SET_ROLE = 'UPDATE :"registry_schema".users SET role = %(role)s WHERE tenant_id = %(id)s AND clerk_user_id = %(user)s'
_AS_TENANT = "SELECT pg_catalog.set_config('app.tenant_id', %(id)s, true)"


_ADD_METRIC = (
    'INSERT INTO :"schema".working_capital_metrics (company_id, measured_on, cash)'
    ' SELECT c.id, current_date, %(cash)s::int8 FROM :"schema".companies AS c ORDER BY c.created_at, c.id LIMIT 1'
    " RETURNING id::text"
)


@dataclass(frozen=True, slots=True)
class State:
    """What a registry row says about a tenant's life; `trial_s` is the seconds until the trial's end, negative after it."""

    status: str
    trial_s: float | None = None
    is_deleted: bool = False


def set_status(target: Target, tenant: str, status: str) -> None:
    """Set a tenant's subscription status, and nothing else."""
    with owner_session(target, "audit status") as owner:
        change_one(owner, fill(_SET_STATUS, registry_of(owner)), {"id": tenant, "status": status})


def set_state(target: Target, tenant: str, state: State) -> None:
    """Put a throwaway tenant into any state of its life: status, end of the trial and soft deletion are overwritten."""
    with owner_session(target, "audit state") as owner:
        values: dict[str, object] = {
            "id": tenant,
            "status": state.status,
            "trial_s": state.trial_s,
            "is_deleted": state.is_deleted,
        }
        change_one(owner, fill(_SET_STATE, registry_of(owner)), values)


@contextmanager
def role_changed(target: Target, tenant: str, user: str, role: str) -> Iterator[None]:
    """Give somebody another role in a tenant, and the old one back when the block ends."""
    with owner_session(target, "audit role") as owner:
        about: dict[str, object] = {"id": tenant, "user": user}
        with owner.session.transaction(), as_owner(owner.session, target.roles):
            owner.session.value(_AS_TENANT, {"id": tenant})
            before: str | None = owner.session.value(fill(_ROLE_OF, registry_of(owner)), about)
        _set_role(owner, about | {"role": role})
        try:
            yield
        finally:
            _set_role(owner, about | {"role": before})


def give_role(target: Target, tenant: str, user: str, role: str) -> None:
    """Give somebody a role in a throwaway tenant for good. Raises CannotTell where the tenant has no such user."""
    with owner_session(target, "audit role") as owner:
        _set_role(owner, {"id": tenant, "user": user, "role": role})


def add_metric(target: Target, schema: str, cash: int) -> str:
    """Give a throwaway tenant a row of working-capital figures, which no route makes, and return its id."""
    with owner_session(target, "audit figures") as owner, owner.session.transaction(), as_owner(owner.session, target.roles):
        return str(owner.session.value(fill(_ADD_METRIC, {"schema": schema}), {"cash": cash}))


def _set_role(owner: OwnerSession, values: dict[str, object]) -> None:
    """Forced row-level security hides the row from its owner too, unless the tenant is named."""
    change_one(owner, fill(_SET_ROLE, registry_of(owner)), values, first=_AS_TENANT)
