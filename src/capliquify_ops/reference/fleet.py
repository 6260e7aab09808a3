"""Fill a loopback target with standard tenants: registered, with schema, owner and company, in batches on several connections."""

import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from capliquify_ops.database import Session, SessionLimits, load, operator
from capliquify_ops.database import fill as filled
from capliquify_ops.model.roles import Roles
from capliquify_ops.model.secret import Secret
from capliquify_ops.reference import credentials
from capliquify_ops.tenants.ownership import as_owner

CONNECTIONS = 4
"""Beyond this the catalogue's own locks decide the speed: measured on two cores."""
BATCH = 10
"""Tenants of one transaction: about 640 locks, a tenth of what a server with default settings holds for all."""
_LIMITS = SessionLimits(statement_ms=120_000, lock_ms=60_000)
_HERE = "capliquify_ops.reference"


@dataclass(frozen=True, slots=True)
class _Made:
    id: uuid.UUID
    slug: str
    schema: str


def fill(url: Secret, roles: Roles, tenants: int, *, connections: int = CONNECTIONS) -> int:
    """Add `tenants` standard tenants as the operator and return how many were added.

    Names carry a random part, so that a fleet can be added to. Raises what the database refuses; whole batches stay then.
    """
    prefix = f"fleet-{credentials.token()[:8]}"
    batches = list(_batches(tenants))
    shares = [batches[start::connections] for start in range(min(connections, len(batches)))]
    with ThreadPoolExecutor(max_workers=connections) as pool:
        return sum(pool.map(lambda share: _share(url, roles, prefix, share), shares))


def _batches(tenants: int) -> Iterator[tuple[int, int]]:
    for first in range(1, tenants + 1, BATCH):
        yield first, min(first + BATCH - 1, tenants)


def _share(url: Secret, roles: Roles, prefix: str, batches: list[tuple[int, int]]) -> int:
    done = 0
    with operator(url, "fleet", limits=_LIMITS) as session:
        for first, last in batches:
            with session.transaction(), as_owner(session, roles):
                values = {"prefix": prefix, "first": first, "last": last}
                made = session.rows(load(_HERE, "fleet_tenants"), _Made, values)
                session.value(load(_HERE, "fleet_schemas"), {"tenants": [tenant.id for tenant in made]})
                for tenant in made:
                    _furnish(session, tenant)
            done += len(made)
    return done


def _furnish(session: Session, tenant: _Made) -> None:
    # Row security holds for the owner role too: the transaction says for which tenant it writes.
    session.execute("SELECT pg_catalog.set_config('app.tenant_id', %(id)s, true)", {"id": str(tenant.id)})
    session.execute(
        "INSERT INTO public.users (clerk_user_id, email, full_name, tenant_id, role)"
        " VALUES (%(user)s, %(email)s, %(name)s, %(id)s, 'owner')",
        {"user": f"user_{tenant.slug}", "email": f"{tenant.slug}@example.test", "name": "Owner", "id": tenant.id},
    )
    company = filled('INSERT INTO :"schema".companies (name) VALUES (%(name)s)', {"schema": tenant.schema})
    session.execute(company, {"name": tenant.slug})
