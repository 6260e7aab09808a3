"""Migrate one tenant: one transaction that holds the file's statements and its ledger row, tried again while a lock is held."""

import threading
from contextlib import ExitStack
from types import MappingProxyType

from capliquify_ops.database import Session, load, operator, quoted
from capliquify_ops.database.identifiers import composed
from capliquify_ops.model.errors import OpsError, StatementFailed, StatementTimedOut, TenantConflict, TenantNotFound
from capliquify_ops.model.plan import Plan, Step
from capliquify_ops.model.protocols import Clock
from capliquify_ops.model.roles import Roles
from capliquify_ops.tenants.audit import AUDIT_STEP, write_audit
from capliquify_ops.tenants.migration_job import Access, Job, Outcome, State
from capliquify_ops.tenants.migration_ledger import is_done, write_entry
from capliquify_ops.tenants.migration_rules import Script, Statement
from capliquify_ops.tenants.ownership import as_owner, lock_tenant
from capliquify_ops.tenants.registry import Tenant, find
from capliquify_ops.tenants.standing import require_free

_DEADLOCK = "40P01"
_HOLDERS = 3
_ERROR_LENGTH = 500
_QUIET = {"search_path": "pg_catalog, pg_temp"}
_STANDING = "SELECT current_user::text || ' ' || pg_catalog.current_setting('search_path')"
_SHADOWED = (
    "SELECT pg_catalog.min(t.relname::text) FROM pg_catalog.pg_class AS t"
    " JOIN pg_catalog.pg_class AS o ON o.relname = t.relname AND o.relkind = ANY ('{r,p,v,m,f}')"
    " JOIN pg_catalog.pg_namespace AS n ON n.oid = o.relnamespace AND n.nspname::text = %(schema)s"
    " WHERE t.relnamespace = pg_catalog.pg_my_temp_schema() AND t.relkind = 'r'"
)
_EXISTS = "SELECT EXISTS (SELECT 1 FROM pg_catalog.pg_namespace AS n WHERE n.nspname::text = %(schema)s)"


class _Busy(OpsError):
    """A lock was not had in time."""


def run_script(session: Session, script: Script, tenant: Tenant, schema: str, *, clock: Clock, statement_ms: int) -> None:
    """Run a file's statements in a schema, for a tenant, as the owner, within the open transaction; the path does not stay.

    Raises what the server refuses, with the line, and TenantConflict where a statement changed the session's role or search_path
    or made a temporary table of a live one's name.
    """
    settings = {
        "search_path": f"{quoted(schema)}, pg_temp",
        # As the parser read the file: it knows no other way to read a backslash.
        "standard_conforming_strings": "on",
        # Without it the shared tables look empty: row security holds for the owner too.
        "app.tenant_id": str(tenant.id),
    }
    session.apply(settings)
    before = session.value(_STANDING)
    for statement in script.statements:
        _run(session, statement, clock, statement_ms)
    # Here and not at the commit, which a trial never reaches, and where role and path are others.
    session.script(composed("SET CONSTRAINTS ALL IMMEDIATE"))
    if session.value(_STANDING) != before:
        raise TenantConflict(
            "The file changed the session's role or search_path: nothing was kept.", hint="Leave that to the run."
        )
    # The path finds the tenant's own table first: what was meant for the other one was done to it.
    if shadowed := session.value(_SHADOWED, {"schema": schema}):
        raise TenantConflict(
            f"The temporary table {shadowed!r} has the name of a table of the tenant: nothing was kept.", hint="Rename it."
        )
    session.apply(_QUIET)


def _run(session: Session, statement: Statement, clock: Clock, statement_ms: int) -> None:
    started = clock.monotonic()
    try:
        session.script(composed(statement.text))
    except StatementTimedOut as fault:
        # The server says in its own language which limit it was. Only a wait for a lock ends before the statement's own limit.
        is_lock = clock.monotonic() - started < statement_ms / 1000 and "user request" not in fault.what
        raise (_Busy if is_lock else StatementTimedOut)(f"Line {statement.line}: {fault.what}") from None
    except OpsError as fault:
        if getattr(fault, "sqlstate", "") == _DEADLOCK:
            raise _Busy(f"Line {statement.line}: {fault.what}") from None
        raise StatementFailed(f"Line {statement.line}: {fault.what}", sqlstate=getattr(fault, "sqlstate", "")) from None


class Worker:
    """Migrates tenants one after the other, over connections that do not grow old."""

    def __init__(self, access: Access, roles: Roles, job: Job, clock: Clock, stop: threading.Event) -> None:
        self._access, self._roles, self._job, self._clock, self._stop = access, roles, job, clock, stop
        self._stack = ExitStack()
        self._session: Session | None = None
        self._left = 0

    def migrate(self, tenant: Tenant, *, is_canary: bool = False) -> Outcome:
        """Migrate one tenant. What goes wrong is the outcome, and in the ledger; a lock that is held is waited for again."""
        attempt = 0
        while True:
            attempt += 1
            try:
                return Outcome(tenant, self._once(tenant, is_canary=is_canary), attempt)
            except _Busy as fault:
                why = f"{fault.what} {self._holders(tenant)}".rstrip()
                is_last = attempt > self._job.retry.times or self._stop.wait(self._job.retry.wait_s(attempt))
                if is_last:
                    return self._failed(tenant, why, attempt, is_canary=is_canary)
            except OpsError as fault:
                return self._failed(tenant, str(fault), attempt, is_canary=is_canary)

    def close(self) -> None:
        """Let go of the connection."""
        self._session, self._left = None, 0
        self._stack.close()

    def _once(self, tenant: Tenant, *, is_canary: bool) -> State:
        session, job = self._connected(), self._job
        with session.transaction():
            _lock(session, tenant)
            try:
                current = find(session, str(tenant.id), registry=job.registry)
            except TenantNotFound:
                return State.GONE
            if current.deleted_at is not None:
                return State.GONE
            if is_done(session, job.file, tenant.id):
                return State.ALREADY
            require_free(session, current)
            if not session.value(_EXISTS, {"schema": current.schema_name}):
                raise TenantConflict(
                    f"The schema {current.schema_name!r} does not exist.", hint="See: capliquify-ops fleet check"
                )
            with as_owner(session, self._roles):
                run_script(session, job.script, current, current.schema_name, clock=self._clock, statement_ms=job.statement_ms)
                write_entry(session, job.file, current, is_canary=is_canary)
                write_audit(
                    session, actor=job.actor, plan=_plan(job, current), tenant=current, after=_facts(job), run=job.file.run
                )
        return State.DONE

    def _failed(self, tenant: Tenant, why: str, attempts: int, *, is_canary: bool) -> Outcome:
        """Note a failure in the ledger, for whoever looks there; the connection may be lost, so another one does it."""
        self.close()
        error = " ".join(why.split())[:_ERROR_LENGTH]
        try:
            session = self._connected()
            with session.transaction():
                # A connection that is lost while it commits may have committed.
                if is_done(session, self._job.file, tenant.id):
                    return Outcome(tenant, State.ALREADY, attempts)
                with as_owner(session, self._roles):
                    write_entry(session, self._job.file, tenant, is_canary=is_canary, error=error)
        except OpsError as fault:
            error = f"{error} It could not be noted in the ledger: {fault.what}"
        return Outcome(tenant, State.FAILED, attempts, error)

    def _holders(self, tenant: Tenant) -> str:
        """Say who holds locks on the tenant's tables; whoever held it may have gone."""
        try:
            session = self._connected()
            with session.transaction():
                query = load("capliquify_ops.tenants", "lock_holders")
                found = session.rows(query, str, {"schema": tenant.schema_name, "at_most": _HOLDERS})
        except OpsError:
            return ""
        return f"Locks on its tables: {'; '.join(found)}." if found else ""

    def _connected(self) -> Session:
        if self._session is None or not self._left:
            self.close()
            # Nothing is prepared: the same text means another table in each tenant.
            opened = operator(self._access.url, "fleet migrate", pooled=True, limits=self._job.limits())
            self._session, self._left = self._stack.enter_context(opened), self._job.tenants_per_connection
        self._left -= 1
        return self._session


def _lock(session: Session, tenant: Tenant) -> None:
    try:
        lock_tenant(session, tenant.id)
    except StatementTimedOut:
        raise _Busy("Another command holds the tenant.") from None


def _plan(job: Job, tenant: Tenant) -> Plan:
    steps = (Step(f"run {job.file.name} in {tenant.schema_name}"), AUDIT_STEP)
    return Plan("fleet migrate", tenant.slug, steps, MappingProxyType({"sha256": job.file.sha256}))


def _facts(job: Job) -> dict[str, str]:
    return {"file": job.file.name, "sha256": job.file.sha256}
