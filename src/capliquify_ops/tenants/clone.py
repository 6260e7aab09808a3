"""Clone one tenant as another within the database: definitions, rows, sequences, proven equal before anything is kept."""

from types import MappingProxyType

from capliquify_ops.database import Session, fill, quoted
from capliquify_ops.database.identifiers import composed
from capliquify_ops.model.errors import SchemaChanged, TenantConflict
from capliquify_ops.model.plan import Plan, Step
from capliquify_ops.model.roles import Roles
from capliquify_ops.tenants import create as creation
from capliquify_ops.tenants.archive import script
from capliquify_ops.tenants.archive.fitness import refuse_too_many_locks
from capliquify_ops.tenants.archive.rows import Content, count
from capliquify_ops.tenants.audit import AUDIT_STEP, facts_of, write_audit
from capliquify_ops.tenants.backup import LIMITS
from capliquify_ops.tenants.concerns import concerns_of
from capliquify_ops.tenants.definitions import Definition, define
from capliquify_ops.tenants.ownership import as_owner, lock_tenant
from capliquify_ops.tenants.registry import Tenant, find
from capliquify_ops.tenants.renaming import names_schema, rename_schema
from capliquify_ops.tenants.restoring import own_schema, refuse_named
from capliquify_ops.tenants.standing import require_free


def plan_clone(session: Session, key: str, new: creation.NewTenant) -> Plan:
    """Return what `clone` would do. Raises TenantNotFound, and TenantConflict for a name that is taken."""
    with session.transaction():
        source = find(session, key)
        creation.refuse_collisions(session, new)
        concerns = concerns_of(session, source)
    return _plan(source, new, concerns)


def clone(session: Session, roles: Roles, key: str, new: creation.NewTenant, *, actor: str) -> Tenant:
    """Clone a tenant's schema with its rows of one moment; memberships, subscription and audit stay with the source.

    Raises as `plan_clone`, and DefinitionsRefused or TenantConflict (routines that name the source's schema) before anything is
    written. The source is served meanwhile.
    """
    with session.snapshot(LIMITS, read_only=False):
        source = find(session, key)
        lock_tenant(session, new.id)
        require_free(session, source)
        creation.refuse_collisions(session, new)
        with as_owner(session, roles):
            definition = define(session, source.schema_name)
            refuse_named(
                source.schema_name, tuple(one.name for one in definition.routines if names_schema(one.body, source.schema_name))
            )
            refuse_too_many_locks(session, definition.locks)
            plan = _plan(source, new, {"rows_copied": copy_schema(session, definition, new)})
            tenant = creation.register(session, new)
            own_schema(session, tenant)
            write_audit(session, actor=actor, plan=plan, tenant=tenant, before=facts_of(source), after=facts_of(tenant))
    return tenant


_REWRITTEN = (
    "SELECT c.relname::text FROM pg_catalog.pg_class AS c WHERE c.oid = ANY (%(tables)s::oid[]) AND c.relfilenode <> 0"
    " AND c.relfilenode IS DISTINCT FROM pg_catalog.pg_relation_filenode(c.oid) ORDER BY 1 LIMIT 1"
)
"""The row is of the snapshot, the function answers for now. A rewritten or truncated table looks empty to older snapshots."""


def _plan(source: Tenant, new: creation.NewTenant, concerns: object) -> Plan:
    steps = (
        Step(f"create the schema {new.schema} with the definitions and rows of {source.schema_name}, and compare both"),
        creation.registration(new).step(),
        AUDIT_STEP,
    )
    facts = {"source": source.slug, "schema": new.schema}
    if isinstance(concerns, dict):
        facts |= concerns
    return Plan("tenant clone", new.slug, steps, MappingProxyType(facts))


def copy_schema(session: Session, definition: Definition, new: creation.NewTenant) -> int:
    """Make the copy under the source's name, while the source has stepped aside in this transaction; return the rows."""
    aside = f"cloning_{new.id.hex}"
    session.execute(fill('ALTER SCHEMA :"old" RENAME TO :"new"', {"old": definition.schema, "new": aside}))
    session.apply(script.INPUT)
    _run(session, definition.before)
    rows = sum(_copy_rows(session, definition, table.name, table.columns, aside) for table in definition.tables)
    if name := session.value(_REWRITTEN, {"tables": [table.oid for table in definition.tables]}):
        message = f"The table {definition.schema}.{name} was truncated or rewritten while it was copied: nothing was kept."
        raise SchemaChanged(message, hint="Run the clone again.")
    here = f"{quoted(definition.schema)}."
    there = [f"{quoted(aside)}.{name.removeprefix(here)}" for name in definition.sequences]
    values = script.sequence_values(session, there)
    _run(
        session,
        [script.setval(name, value[1], called=value[2]) for name, value in zip(definition.sequences, values, strict=True)],
    )
    _run(session, definition.after)
    if define(session, definition.schema).fingerprint != definition.fingerprint:
        raise TenantConflict("The copy's definitions are not those of the source: nothing was kept.")
    rename_schema(session, definition.schema, new.schema)
    session.execute(fill('ALTER SCHEMA :"old" RENAME TO :"new"', {"old": aside, "new": definition.schema}))
    return rows


def _copy_rows(session: Session, definition: Definition, table: str, columns: tuple[str, ...], aside: str) -> int:
    source = f"{quoted(aside)}.{table.removeprefix(f'{quoted(definition.schema)}.')}"
    listed = ", ".join(columns)
    into = f" ({listed}) OVERRIDING SYSTEM VALUE" if columns else ""
    session.execute(composed(f"INSERT INTO {table}{into} SELECT {listed} FROM ONLY {source}"))
    of = f" ({listed})" if columns else ""
    one, other = (_content(session, f"COPY {name}{of} TO STDOUT") for name in (source, table))
    if (one.rows, one.hash) != (other.rows, other.hash):
        raise TenantConflict(f"The copy of {table} does not hold the rows of the source: nothing was kept.")
    return one.rows


def _run(session: Session, statements: list[str] | tuple[str, ...]) -> None:
    if statements:
        session.script(composed("".join(f"{statement};\n" for statement in statements)))


def _content(session: Session, copy: str) -> Content:
    with session.copy_out(composed(copy)) as lines:
        return count(lines)
