"""Become the owner for a few statements, and hold the lock of one tenant.

The operator's role inherits nothing: whatever changes tenants does so as the owner, visibly.
"""

from collections.abc import Iterator
from contextlib import contextmanager

from capliquify_ops.database import Session, fill
from capliquify_ops.model.errors import UsageError
from capliquify_ops.model.names import TenantId
from capliquify_ops.model.roles import Roles

TENANT_LOCKS = 1_128_354_897
"""First key of the advisory locks of single tenants ("CAPQ"); the second is a hash of the tenant's id."""
INSTALL_LOCKS = TENANT_LOCKS + 1
"""First key of the lock that an installation holds in its database."""


@contextmanager
def as_owner(session: Session, roles: Roles) -> Iterator[None]:
    """Run statements of the open transaction as the owner. Raises PrivilegeMissing for who may not become it.

    After an error the role is left to the rollback: no statement can run before it.
    """
    if session.read_only:
        raise UsageError("An observer's session changes nothing.", hint="Give the target an operator_url.")
    session.execute(fill('SET LOCAL ROLE :"owner"', {"owner": roles.owner}))
    yield
    session.execute("RESET ROLE")


def lock_tenant(session: Session, tenant: TenantId) -> None:
    """Wait for the tenant's lock until the transaction ends. Raises StatementTimedOut when another verb keeps it."""
    session.execute(
        "SELECT pg_catalog.pg_advisory_xact_lock(%(locks)s::int, pg_catalog.hashtext(%(tenant)s))",
        {"locks": TENANT_LOCKS, "tenant": str(tenant)},
    )


def try_lock_tenant(session: Session, tenant: TenantId) -> bool:
    """Take the tenant's lock until the transaction ends if nobody has it, and say whether."""
    query = "SELECT pg_catalog.pg_try_advisory_xact_lock(%(locks)s::int, pg_catalog.hashtext(%(tenant)s))"
    return bool(session.value(query, {"locks": TENANT_LOCKS, "tenant": str(tenant)}))


def lock_installation(session: Session) -> None:
    """Wait for the database's installation lock until the transaction ends."""
    session.execute("SELECT pg_catalog.pg_advisory_xact_lock(%(locks)s::int, 0)", {"locks": INSTALL_LOCKS})
