"""Archive a schema without a tenant and put it away, in one transaction that holds its tables: nothing is written in between."""

import uuid
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

from capliquify_ops.database import Session
from capliquify_ops.evidence.canonical import canonical
from capliquify_ops.model.errors import ArchiveRefused, TenantConflict
from capliquify_ops.model.names import SchemaName, TenantId
from capliquify_ops.model.roles import Roles
from capliquify_ops.remedies.repair_job import Archiving
from capliquify_ops.tenants.archive.frames import ArchiveWriter
from capliquify_ops.tenants.archive.naming import SUFFIX
from capliquify_ops.tenants.archive.opening import open_archive
from capliquify_ops.tenants.audit import Facts
from capliquify_ops.tenants.backup import READING, Source, new_file, write_script
from capliquify_ops.tenants.concerns import schema_size
from capliquify_ops.tenants.drop import lock_budget
from capliquify_ops.tenants.ownership import as_owner
from capliquify_ops.tenants.purge_plan import RETENTION
from capliquify_ops.tenants.quarantine import (
    Quarantined,
    Reason,
    hold_tables,
    put_away,
    quarantine_name,
    refuse_outside_dependents,
    rights_on,
)
from capliquify_ops.tenants.registry import list_tenants

_SAYS = (
    "SELECT pg_catalog.substr(pg_catalog.obj_description(n.oid, 'pg_namespace'), 8) FROM pg_catalog.pg_namespace AS n"
    " WHERE n.nspname::text = %(schema)s AND pg_catalog.obj_description(n.oid, 'pg_namespace') LIKE 'tenant %%'"
)
_TAKES_AS_LONG = {**READING, "statement_timeout": "0", "idle_in_transaction_session_timeout": "0"}


def put_orphan_away(session: Session, roles: Roles, schema: str, archiving: Archiving, audit: Callable[[Facts], None]) -> None:
    """Archive and quarantine a schema; `audit` is called as the owner, within the transaction.

    Raises TenantConflict for one that is a tenant's meanwhile, is needed from outside or too large to be locked, and as `backup`
    does. After an error there is no archive, and the schema is where it was.
    """
    entry_id = archiving.new_id()
    path = archiving.folder / f"orphan-{entry_id.hex[:12]}-{archiving.stamp}{SUFFIX}"
    with ExitStack() as undo:
        with session.transaction(_TAKES_AS_LONG):
            _refuse_too_large(session, schema)
            _refuse_registered(session, schema, archiving)
            with as_owner(session, roles):
                hold_tables(session, schema)
                refuse_outside_dependents(session, schema)
                sha256 = _archive(session, schema, path, archiving.tool, undo)
            # An archive takes its time.
            _refuse_registered(session, schema, archiving)
            with as_owner(session, roles):
                entry = _entry(session, schema, entry_id, archiving)
                put_away(session, entry)
                audit({"path": str(path), "sha256": sha256, "quarantined_as": entry.schema_name})
        undo.pop_all()


def _archive(session: Session, schema: str, path: Path, tool: str, undo: ExitStack) -> str:
    """Write the archive and read it again, whole; return its SHA-256."""
    with new_file(path) as file:
        archive = ArchiveWriter(file)
        manifest = write_script(session, Source(schema, None), archive, tool=tool)
        sha256 = archive.close(canonical(manifest))
    undo.callback(path.unlink, missing_ok=True)
    with open_archive(path) as written:
        if written.sha256 != sha256:
            raise ArchiveRefused(f"{path} is not the archive that was written.")
    return sha256


def _entry(session: Session, schema: str, new: TenantId, archiving: Archiving) -> Quarantined:
    """Return how the schema is put away: under the id of the tenant that it says it is of, else under one of its own."""
    says = session.value(_SAYS, {"schema": schema})
    now = archiving.now()
    name = quarantine_name(_id(says) or new, int(now.timestamp() * 1_000_000))
    rights = [(right.grantee, right.privilege, right.is_grantable) for right in rights_on(session, schema)]
    return Quarantined(name, SchemaName(schema), _id(says) or new, Reason.PURGE, now, now + RETENTION, rights)


def _id(text: str | None) -> TenantId | None:
    try:
        return TenantId(uuid.UUID(text)) if text else None
    except ValueError:
        return None


def _refuse_registered(session: Session, schema: str, archiving: Archiving) -> None:
    tenants = list_tenants(session, deleted=None, registry=archiving.registry)
    if whose := [tenant.slug for tenant in tenants if tenant.schema_name == schema]:
        message = f"The schema {schema!r} is that of the tenant {whose[0]!r} meanwhile: it was left where it is."
        raise TenantConflict(message, hint="See: capliquify-ops fleet check")


def _refuse_too_large(session: Session, schema: str) -> None:
    tables, budget = schema_size(session, schema).tables, lock_budget(session)
    if tables > budget.allowed:
        message = f"Putting {schema} away locks its {tables} tables; {budget.allowed} locks may be taken."
        raise TenantConflict(message, hint="Raise max_locks_per_transaction, or try again when the server is calmer.")
