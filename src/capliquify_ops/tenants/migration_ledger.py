"""The ledger of migrations: which file ran in which tenant. A row is written in the transaction that it tells of."""

from dataclasses import dataclass
from datetime import datetime

from capliquify_ops.database import Session
from capliquify_ops.model.errors import ConfigurationInvalid, RelationMissing, TenantConflict
from capliquify_ops.model.names import TenantId
from capliquify_ops.tenants.registry import Tenant

RUN_LOCK = 1_128_354_899
"""First key of the lock that a run over the fleet holds in its database ("CAPQ" and two; one is an installation's)."""
DONE, FAILED = "done", "failed"
_READ = (
    "SELECT m.tenant_id, m.schema_name, m.is_canary, m.state, m.finished_at, m.error FROM capliquify_ops.tenant_migration AS m"
    " WHERE m.sha256 = %(sha256)s ORDER BY m.finished_at, m.tenant_id"
)
_OTHER = (
    "SELECT pg_catalog.count(*) FROM capliquify_ops.tenant_migration AS m"
    " WHERE m.file_name = %(name)s AND m.sha256 <> %(sha256)s AND m.state = 'done'"
)
_IS_DONE = (
    "SELECT EXISTS (SELECT 1 FROM capliquify_ops.tenant_migration AS m"
    " WHERE m.sha256 = %(sha256)s AND m.tenant_id = %(tenant)s AND m.state = 'done')"
)
_WRITE = (
    "INSERT INTO capliquify_ops.tenant_migration AS m (sha256, tenant_id, file_name, schema_name, run, is_canary, state,"
    " started_at, error) VALUES (%(sha256)s, %(tenant)s, %(name)s, %(schema)s, %(run)s, %(canary)s, %(state)s,"
    " pg_catalog.now(), %(error)s) ON CONFLICT (sha256, tenant_id) DO UPDATE SET file_name = excluded.file_name,"
    " schema_name = excluded.schema_name, run = excluded.run, is_canary = excluded.is_canary, state = excluded.state,"
    " started_at = excluded.started_at, finished_at = excluded.finished_at, error = excluded.error WHERE m.state <> 'done'"
)


@dataclass(frozen=True, slots=True)
class MigrationFile:
    """A file by its name and the SHA-256 of its bytes, and the run that it is part of."""

    name: str
    sha256: str
    run: str = ""


@dataclass(frozen=True, slots=True)
class Entry:
    """What the ledger says of one tenant and one file."""

    tenant_id: TenantId
    schema_name: str
    is_canary: bool
    state: str
    finished_at: datetime
    error: str | None


def entries(session: Session, file: MigrationFile) -> list[Entry]:
    """Return what is known of a file, oldest first, within the open transaction.

    Raises ConfigurationInvalid where the ledger is missing, TenantConflict where another text of that name ran in some tenant.
    """
    try:
        found = session.rows(_READ, Entry, {"sha256": file.sha256})
        others = int(session.value(_OTHER, {"name": file.name, "sha256": file.sha256}) or 0)
    except RelationMissing:
        raise ConfigurationInvalid(
            "The ledgers of this database are missing or older than this version.",
            hint="Bring them up to date: capliquify-ops tenant install (beside another product: --ops-only)",
        ) from None
    if others:
        message = f"Another text called {file.name} ran in {others} tenants: a file that ran is not changed."
        raise TenantConflict(message, hint="Restore its text, and put the change into a file of its own.")
    return found


def is_done(session: Session, file: MigrationFile, tenant: TenantId) -> bool:
    """Whether the file ran in the tenant, within the open transaction."""
    return bool(session.value(_IS_DONE, {"sha256": file.sha256, "tenant": tenant}))


def write_entry(session: Session, file: MigrationFile, tenant: Tenant, *, is_canary: bool, error: str | None = None) -> None:
    """Write what became of a tenant, as the owner, within the open transaction. What is done is never written over."""
    values = {
        "sha256": file.sha256,
        "tenant": tenant.id,
        "name": file.name,
        "schema": tenant.schema_name,
        "run": file.run,
        "canary": is_canary,
        "state": DONE if error is None else FAILED,
        "error": error,
    }
    session.execute(_WRITE, values)


def take_run_lock(session: Session) -> None:
    """Take the lock of a run until the open transaction ends. Raises TenantConflict while another run has it."""
    query = "SELECT pg_catalog.pg_try_advisory_xact_lock(%(lock)s::int, 0)"
    if not session.value(query, {"lock": RUN_LOCK}):
        message = "Another migration of the fleet is running in this database."
        raise TenantConflict(message, hint="Wait until it has ended; then run the command again, it goes on where that stopped.")
