"""A schema put away under another name, with nobody's rights on it, and brought back with all of them.

Rights are taken from the schema itself: without USAGE no name in it resolves, and the server forgets plans made before.
Grants by somebody other than the schema's owner come back as the owner's.
"""

import json
import uuid
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from capliquify_ops.database import Session, fill, load
from capliquify_ops.model.errors import TenantConflict
from capliquify_ops.model.names import SchemaName, TenantId
from capliquify_ops.tenants.acts import Act, perform

PREFIX = "quarantine_"
_TOLD = 20
_READ = (
    "SELECT q.schema_name, q.original_name, q.tenant_id, q.reason, q.since, q.retained_until, q.rights"
    " FROM capliquify_ops.quarantine AS q WHERE q.tenant_id = %(tenant)s ORDER BY q.since, q.schema_name"
)
_READABLE = (
    "SELECT EXISTS (SELECT 1 FROM pg_catalog.pg_class AS c JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace"
    " WHERE n.nspname = 'capliquify_ops' AND c.relname = 'quarantine' AND pg_catalog.has_schema_privilege(n.oid, 'USAGE')"
    " AND pg_catalog.has_table_privilege(c.oid, 'SELECT'))"
)
_RIGHTS = (
    "SELECT coalesce(r.rolname::text, ''), a.privilege_type::text, a.is_grantable FROM pg_catalog.pg_namespace AS n"
    " CROSS JOIN LATERAL pg_catalog.aclexplode(n.nspacl) AS a LEFT JOIN pg_catalog.pg_roles AS r ON r.oid = a.grantee"
    " WHERE n.nspname = %(schema)s AND a.grantee <> n.nspowner ORDER BY 1, 2, 3"
)
_TABLES = (
    "SELECT c.relname::text FROM pg_catalog.pg_namespace AS n JOIN pg_catalog.pg_depend AS d"
    " ON d.refclassid = 'pg_catalog.pg_namespace'::pg_catalog.regclass AND d.refobjid = n.oid"
    " AND d.classid = 'pg_catalog.pg_class'::pg_catalog.regclass"
    " JOIN pg_catalog.pg_class AS c ON c.oid = d.objid AND c.relkind IN ('r', 'p') WHERE n.nspname = %(schema)s ORDER BY c.oid"
)


class Reason(StrEnum):
    """Why a schema was put away."""

    PURGE = "purge"
    RESTORE = "restore"


@dataclass(frozen=True, slots=True)
class Right:
    """One privilege on a schema; `grantee` "" is everybody."""

    grantee: str
    privilege: str
    is_grantable: bool


@dataclass(frozen=True, slots=True)
class Quarantined:
    """One schema that was put away: its name now and before, whose it is, and until when it is kept."""

    schema_name: SchemaName
    original_name: SchemaName
    tenant_id: TenantId
    reason: str
    since: datetime
    retained_until: datetime | None
    kept: list[tuple[str, str, bool]]

    @property
    def rights(self) -> list[Right]:
        """Who had which rights on it."""
        return [Right(*each) for each in self.kept]


def quarantine_name(tenant: TenantId, unique: int) -> SchemaName:
    """Return a name of at most 63 bytes that says whose the schema is; `unique` is not negative and below 2**64."""
    return SchemaName(f"{PREFIX}{tenant.hex}_{unique:x}")


def quarantined(session: Session, tenant: TenantId) -> list[Quarantined]:
    """Return the tenant's schemas that were put away, oldest first, within the open transaction."""
    return session.rows(_READ, Quarantined, {"tenant": tenant})


def quarantined_names(session: Session) -> list[str]:
    """Return every schema that was put away, within the open transaction; [] where this role sees no ledgers of ours."""
    if not session.value(_READABLE):
        return []
    return session.rows("SELECT q.schema_name FROM capliquify_ops.quarantine AS q ORDER BY 1", str)


def quarantined_tenants(session: Session) -> set[TenantId]:
    """Return the tenants with a schema that was put away, within the open transaction."""
    if not session.value(_READABLE):
        return set()
    return {TenantId(uuid.UUID(one)) for one in session.rows("SELECT q.tenant_id::text FROM capliquify_ops.quarantine AS q", str)}


def rights_on(session: Session, schema: str) -> list[Right]:
    """Return what others than its owner may do with a schema, within the open transaction."""
    return session.rows(_RIGHTS, Right, {"schema": schema})


def outside_dependents(session: Session, schema: str) -> list[str]:
    """Return what outside a schema needs it: at most 21 descriptions, within the open transaction."""
    return session.rows(load("capliquify_ops.tenants", "outside_dependents"), str, {"schema": schema})


def refuse_outside_dependents(session: Session, schema: str) -> None:
    """Refuse a schema that something outside needs, by name."""
    if found := outside_dependents(session, schema):
        more = "; and more" if len(found) > _TOLD else ""
        raise TenantConflict(
            f"The schema {schema} is needed from outside: {'; '.join(found[:_TOLD])}{more}.", hint="Drop or move these first."
        )


def hold_tables(session: Session, schema: str) -> None:
    """Lock every table of a schema until the transaction ends: what others began there is over, and nobody begins anew."""
    for table in session.rows(_TABLES, str, {"schema": schema}):
        session.execute(fill('LOCK TABLE :"schema".:"relation" IN ACCESS EXCLUSIVE MODE', {"schema": schema, "relation": table}))


def away_acts(schema: str, name: str, rights: list[Right]) -> tuple[Act, ...]:
    """Return the statements that take everybody's rights on a schema and rename it."""
    grantees = sorted({right.grantee for right in rights})
    rename = Act(f"rename the schema to {name}", 'ALTER SCHEMA :"schema" RENAME TO :"name"', {"schema": schema, "name": name})
    return (*(_revoked(schema, grantee) for grantee in grantees), rename)


def back_acts(entry: Quarantined) -> tuple[Act, ...]:
    """Return the statements that give a schema its name again, and everybody their rights on it."""
    names = {"schema": entry.schema_name, "name": entry.original_name}
    rename = Act(f"rename the schema back to {entry.original_name}", 'ALTER SCHEMA :"schema" RENAME TO :"name"', names)
    return (rename, *(_granted(entry.original_name, right) for right in entry.rights))


def put_away(session: Session, entry: Quarantined) -> None:
    """Take the rights, rename and write it down, as the owner, within the open transaction that holds the tenant's lock."""
    perform(session, away_acts(entry.original_name, entry.schema_name, entry.rights))
    session.execute(
        "INSERT INTO capliquify_ops.quarantine (schema_name, original_name, tenant_id, reason, since, retained_until, rights)"
        " VALUES (%(schema)s, %(original)s, %(tenant)s, %(reason)s, %(since)s, %(until)s, %(rights)s::jsonb)",
        {
            "schema": entry.schema_name,
            "original": entry.original_name,
            "tenant": entry.tenant_id,
            "reason": entry.reason,
            "since": entry.since,
            "until": entry.retained_until,
            "rights": json.dumps(entry.kept),
        },
    )


def bring_back(session: Session, entry: Quarantined) -> None:
    """Rename back, give the rights again and strike it out, as the owner, within the open transaction."""
    perform(session, back_acts(entry))
    strike_out(session, entry)


def strike_out(session: Session, entry: Quarantined) -> None:
    """Forget a schema that is back or gone, as the owner, within the open transaction."""
    query = "DELETE FROM capliquify_ops.quarantine AS q WHERE q.schema_name = %(schema)s"
    session.execute(query, {"schema": entry.schema_name})


def _revoked(schema: str, grantee: str) -> Act:
    action, names = f"take all rights of {grantee or 'everybody'}", {"schema": schema, "grantee": grantee}
    return Act(action, f'REVOKE ALL ON SCHEMA :"schema" FROM {_to(grantee)} CASCADE', names)


def _granted(schema: str, right: Right) -> Act:
    action, names = (
        f"give {right.privilege} to {right.grantee or 'everybody'} again",
        {"schema": schema, "grantee": right.grantee},
    )
    option = " WITH GRANT OPTION" if right.is_grantable else ""
    return Act(action, f'GRANT {right.privilege} ON SCHEMA :"schema" TO {_to(right.grantee)}{option}', names)


def _to(grantee: str) -> str:
    return ':"grantee"' if grantee else "PUBLIC"
