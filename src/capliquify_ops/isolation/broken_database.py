"""Faults of the database that an audit causes in throwaway tenants, and the names that no answer may hold."""

from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass

from capliquify_ops.configuration import Target
from capliquify_ops.database import fill
from capliquify_ops.isolation.canary import Canary
from capliquify_ops.isolation.database import OwnerSession, blocked_table, owner_session, registry_of
from capliquify_ops.isolation.disclosures import wanted
from capliquify_ops.isolation.exchange import Call, Exchange
from capliquify_ops.isolation.probe import CannotTell
from capliquify_ops.isolation.service_role import become, require_role
from capliquify_ops.isolation.world_model import World
from capliquify_ops.tenants.ownership import as_owner

STALLED_S = 3.0
"""How long a held lock may take to stall a request before a cancelled statement counts as not reached."""
_NAMES = (
    "SELECT DISTINCT k.name FROM (SELECT c.conname::text AS name, c.connamespace AS space FROM pg_catalog.pg_constraint AS c"
    " UNION ALL SELECT r.relname::text, r.relnamespace FROM pg_catalog.pg_class AS r WHERE r.relkind IN ('i', 'I')) AS k"
    " JOIN pg_catalog.pg_namespace AS n ON n.oid = k.space WHERE n.nspname = ANY (%(schemas)s::text[])"
    " AND NOT EXISTS (SELECT FROM pg_catalog.pg_attribute AS a WHERE a.attname = k.name)"
)
_CANCEL = (
    "SELECT pg_catalog.count(*) FILTER (WHERE pg_catalog.pg_cancel_backend(w.pid)) FROM (SELECT DISTINCT l.pid FROM"
    " pg_catalog.pg_locks AS l JOIN pg_catalog.pg_class AS c ON c.oid = l.relation JOIN pg_catalog.pg_namespace AS n"
    " ON n.oid = c.relnamespace WHERE NOT l.granted AND n.nspname = %(schema)s AND c.relname = %(table)s) AS w"
)


@dataclass(frozen=True, slots=True)
class _Name:
    name: str


def names_of_tenants(world: World, but: str) -> tuple[Canary, ...]:
    """Return what an answer to one tenant must not name: every schema, and the other tenants' slugs and organisations."""
    found = {f"schema of tenant {key}": tenant.schema_name for key, tenant in world.tenants.items()}
    for key, tenant in world.tenants.items():
        if key != but:
            found |= {f"slug of tenant {key}": tenant.slug, f"organisation of tenant {key}": tenant.organization_id}
    return wanted(found)


def names_of_constraints(world: World) -> tuple[Canary, ...]:
    """Return the names of constraints and indexes of the tenants and the registry. Raises CannotTell without an operator URL.

    A name that is a column's as well, or a field's, is one that an answer may hold.
    """
    fields = {name for route in world.profile.routes.values() for name in (*route.fields, route.name)}
    with owner_session(world.target, "audit names") as owner, owner.session.transaction():
        schemas = [*(tenant.schema_name for tenant in world.tenants.values()), registry_of(owner)["registry_schema"]]
        rows = owner.session.rows(_NAMES, _Name, {"schemas": schemas})
    return wanted({f"constraint or index {row.name}": row.name for row in rows if row.name not in fields})


@contextmanager
def hidden_table(target: Target, schema: str, table: str) -> Iterator[None]:
    """Take a table of a throwaway tenant away, and put it back when the block ends. Raises PrivilegeMissing, StatementFailed."""
    names = {"schema": schema, "table": table, "hidden": f"{table[:40]}_hidden"}
    with owner_session(target, "audit table") as owner:
        _change(owner, 'ALTER TABLE :"schema".:"table" RENAME TO :"hidden"', names)
        try:
            yield
        finally:
            _change(owner, 'ALTER TABLE :"schema".:"hidden" RENAME TO :"table"', names)


@contextmanager
def hidden_schema(target: Target, schema: str) -> Iterator[None]:
    """Take a throwaway tenant's whole schema away, and put it back when the block ends."""
    names = {"schema": schema, "hidden": f"{schema[:50]}_hidden"}
    with owner_session(target, "audit schema") as owner:
        _change(owner, 'ALTER SCHEMA :"schema" RENAME TO :"hidden"', names)
        try:
            yield
        finally:
            _change(owner, 'ALTER SCHEMA :"hidden" RENAME TO :"schema"', names)


def cancelled(world: World, call: Call, schema: str, table: str) -> Exchange:
    """Return what a request is answered whose statement the server cancels, as it does when a time-out is over.

    Raises CannotTell where no statement was there to be cancelled, or the operator may not act as the service's role.
    """
    target = world.target
    with owner_session(target, "audit cancel") as owner, ThreadPoolExecutor(1) as pool:
        require_role(owner.session, target.roles.app)
        with blocked_table(target, schema, table) as lock:
            asked = pool.submit(world.send, call)
            if not lock.await_waiter(STALLED_S, world.clock):
                raise CannotTell(f"{call.line()} does not wait for {schema}.{table}, so no statement of it was cancelled.")
            _cancel(world, owner, asked, {"schema": schema, "table": table})
        return asked.result()


def _cancel(world: World, owner: OwnerSession, asked: Future[Exchange], names: dict[str, str]) -> None:
    """Again until the request is answered: a service may send a cancelled statement once more."""
    end = world.clock.monotonic() + STALLED_S
    while not asked.done() and world.clock.monotonic() < end:
        with owner.session.transaction():
            become(owner.session, owner.target.roles.app)
            owner.session.value(_CANCEL, names)
            owner.session.execute("RESET ROLE")
        world.caller.pause(0.01)


def _change(owner: OwnerSession, statement: str, names: dict[str, str]) -> None:
    with owner.session.transaction(), as_owner(owner.session, owner.target.roles):
        owner.session.execute(fill(statement, names))
