"""Try a migration on a clone of one tenant: what it changes, how long it takes, what it locks. Nothing of it stays.

The clone, the migration and the comparison are one transaction that is rolled back: whatever ends it leaves nothing.
"""

import uuid
from dataclasses import dataclass

from capliquify_ops.database import Session
from capliquify_ops.model.errors import OpsError
from capliquify_ops.model.names import SchemaName, TenantId
from capliquify_ops.model.protocols import Clock
from capliquify_ops.model.roles import Roles
from capliquify_ops.tenants.archive import script as archive_script
from capliquify_ops.tenants.archive.fitness import refuse_too_many_locks
from capliquify_ops.tenants.backup import LIMITS
from capliquify_ops.tenants.clone import copy_schema
from capliquify_ops.tenants.create import NewTenant
from capliquify_ops.tenants.definitions import define
from capliquify_ops.tenants.fingerprint import definitions
from capliquify_ops.tenants.migration_job import Job
from capliquify_ops.tenants.migration_worker import run_script
from capliquify_ops.tenants.ownership import as_owner
from capliquify_ops.tenants.registry import Tenant
from capliquify_ops.tenants.renaming import names_schema
from capliquify_ops.tenants.restoring import refuse_named
from capliquify_ops.tenants.standing import require_free
from capliquify_ops.tenants.structure import Difference, differences

_LOCKS = "SELECT pg_catalog.count(*) FROM pg_catalog.pg_locks AS l WHERE l.pid = pg_catalog.pg_backend_pid()"
_SETTINGS = "SELECT s.name, pg_catalog.current_setting(s.name) AS value FROM pg_catalog.unnest(%(names)s::text[]) AS s (name)"


@dataclass(frozen=True, slots=True)
class Trial:
    """What a migration did to a clone: `rows` were copied, `seconds` and `locks` are the migration's own.

    `error` is what the server refused, "" for a migration that ran; `changes` are told from what was there before.
    """

    tenant: Tenant
    rows: int
    copied_s: float
    seconds: float
    locks: int
    changes: tuple[Difference, ...]
    error: str = ""


class _NothingKept(Exception):
    """Rolls the trial's transaction back."""


def try_migration(session: Session, roles: Roles, job: Job, tenant: Tenant, *, unique: uuid.UUID, clock: Clock) -> Trial:
    """Run a file in a clone of a tenant, with its rows, and return what became of the clone. The tenant is served meanwhile.

    Raises DefinitionsRefused, SchemaChanged or TenantConflict for a tenant that cannot be cloned.
    """
    trials: list[Trial] = []
    try:
        with session.snapshot(LIMITS, read_only=False):
            require_free(session, tenant)
            with as_owner(session, roles):
                trials.append(_tried(session, job, tenant, unique, clock))
            raise _NothingKept  # noqa: TRY301 -- the way to roll back
    except _NothingKept:
        return trials[0]


def _tried(session: Session, job: Job, tenant: Tenant, unique: uuid.UUID, clock: Clock) -> Trial:
    scratch = f"trial_{unique.hex}"
    started = clock.monotonic()
    rows = _cloned(session, tenant, scratch, unique)
    copied_s, before, locks = clock.monotonic() - started, definitions(session, scratch), int(session.value(_LOCKS))
    limits, error = {"lock_timeout": f"{job.lock_ms}ms", "statement_timeout": f"{job.statement_ms}ms"}, ""
    started = clock.monotonic()
    try:
        with session.transaction():
            session.apply(limits)
            run_script(session, job.script, tenant, scratch, clock=clock, statement_ms=job.statement_ms)
    except OpsError as fault:
        error = str(fault)
    seconds = clock.monotonic() - started
    taken = max(0, int(session.value(_LOCKS)) - locks)
    return Trial(tenant, rows, copied_s, seconds, taken, differences(before, definitions(session, scratch)), error)


def _cloned(session: Session, tenant: Tenant, scratch: str, unique: uuid.UUID) -> int:
    """Clone the tenant's schema as a clone of a tenant is made, and return the rows; settings are as they were afterwards."""
    settings = {each["name"]: each["value"] for each in session.mappings(_SETTINGS, {"names": list(archive_script.INPUT)})}
    definition = define(session, tenant.schema_name)
    named = tuple(one.name for one in definition.routines if names_schema(one.body, tenant.schema_name))
    refuse_named(tenant.schema_name, named)
    refuse_too_many_locks(session, definition.locks)
    new = NewTenant(TenantId(unique), "trial", "trial", "trial", schema_name=SchemaName(scratch))
    rows = copy_schema(session, definition, new)
    session.apply(settings)
    return rows
