"""Take one step: as the owner, under the tenant's lock, with a limit on locks, proven before it is committed, and audited."""

import re
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from types import MappingProxyType

from capliquify_ops.database import Session, SessionLimits, fill, load, operator, quoted
from capliquify_ops.database.identifiers import composed
from capliquify_ops.model import plan as model
from capliquify_ops.model.errors import OpsError, StatementFailed, StatementTimedOut, TenantConflict
from capliquify_ops.model.protocols import Clock
from capliquify_ops.model.roles import Roles
from capliquify_ops.remedies.putting_away import put_orphan_away
from capliquify_ops.remedies.relocating import settled
from capliquify_ops.remedies.repair_job import WEAK_LOCK_MS, Job, Outcome, State
from capliquify_ops.remedies.repair_plan import Fact, Manner, Stage, Step, Whose
from capliquify_ops.tenants.audit import AUDIT_STEP, Facts, write_audit
from capliquify_ops.tenants.fingerprint import definitions
from capliquify_ops.tenants.ownership import as_owner, lock_tenant
from capliquify_ops.tenants.sequence import unfinished

_QUIET = {"search_path": "pg_catalog, pg_temp"}
_AGAIN = frozenset({"40P01", "40001"})
"""Deadlock and serialization failure: the same step may well succeed next time."""
_HOLDERS = 3
_REBUILT = re.compile(r"_ccnew\d*\Z")
_VERB = "fleet repair"


class _LeftAloneError(Exception):
    """Another verb is at work on the tenant."""


class Worker:
    """Takes steps one after the other, those of one schema on one connection: nothing of it is left for the next schema."""

    def __init__(self, job: Job, roles: Roles, clock: Clock) -> None:
        self._job, self._roles, self._clock = job, roles, clock
        self._stack = ExitStack()
        self._open: tuple[str, Session | None] = ("", None)
        self._staged = 0
        self._takes: dict[Manner, Callable[[Session, Step], None]] = {
            Manner.STATEMENTS: self._statements,
            Manner.PROVISION: self._provision,
            Manner.PUT_AWAY: self._put_away,
        }

    def take(self, step: Step) -> Outcome:
        """Take a step, again while a lock is held. What goes wrong is the outcome."""
        attempt = self._staged = 0
        while True:
            attempt += 1
            started = self._clock.monotonic()
            try:
                self._takes[step.manner](self._session(step.fact.schema), step)
            except _LeftAloneError as fault:
                return Outcome(step, State.LEFT, attempt, str(fault))
            except OpsError as fault:
                self.close()
                is_lock = self._is_lock(step, fault, self._clock.monotonic() - started)
                if not is_lock or attempt > self._job.retry.times:
                    why = self._why(step, fault, is_lock=is_lock)
                    return Outcome(step, State.FAILED, attempt, f"{why}{self._taken_back(step)}")
                self._job.sleep(self._job.retry.wait_s(attempt))
            else:
                return Outcome(step, State.REPAIRED, attempt)

    def close(self) -> None:
        """Let go of the connection."""
        self._open = ("", None)
        self._stack.close()

    def _session(self, schema: str) -> Session:
        of, session = self._open
        if session is None or of != schema:
            self.close()
            session = self._stack.enter_context(self._connected())
            self._open = (schema, session)
        return session

    def _connected(self) -> AbstractContextManager[Session]:
        return operator(self._job.url, _VERB, pooled=True, limits=self._job.limits())

    def _is_lock(self, step: Step, fault: OpsError, elapsed_s: float) -> bool:
        """Whether waiting may help. The server says in its own language which limit it was: that for locks is the shorter one."""
        if isinstance(fault, StatementTimedOut):
            is_unlimited = step.manner is Manner.PUT_AWAY or any(stage.is_weak for stage in step.stages)
            return is_unlimited or elapsed_s * 1000 < self._job.statement_ms
        return getattr(fault, "sqlstate", "") in _AGAIN

    def _why(self, step: Step, fault: OpsError, *, is_lock: bool) -> str:
        about = f" It is: {step.about}." if step.about else ""
        return f"{fault}{about}{self._holders(step.fact.schema) if is_lock else ''}"

    def _holders(self, schema: str) -> str:
        """Say who holds locks in a schema; whoever held it may have gone."""
        try:
            with self._connected() as session, session.transaction():
                query = load("capliquify_ops.tenants", "lock_holders")
                found = session.rows(query, str, {"schema": schema, "at_most": _HOLDERS})
        except OpsError:
            return ""
        return f" Locks on its tables: {'; '.join(found)}." if found else ""

    def _statements(self, session: Session, step: Step) -> None:
        # An attempt begins where the last one ended: what was committed would be there already.
        for number, stage in list(enumerate(step.stages, 1))[self._staged :]:
            is_last = number == len(step.stages)
            with self._held(session, step, stage):
                if stage.is_outside:
                    self._outside(session, step, stage)
                with as_owner(session, self._roles):
                    if not stage.is_outside:
                        session.apply({"search_path": f"{quoted(step.fact.schema)}, pg_temp"})
                        for statement in stage.statements:
                            session.script(composed(statement))
                        session.apply(_QUIET)
                    if is_last:
                        _prove(session, step)
                    self._audit(session, step, {"statements": list(stage.statements)})
            self._staged = number

    def _taken_back(self, step: Step) -> str:
        """Undo what the stages before the one that failed have left; say what became of it."""
        undo = next((stage.undo for stage in step.stages[self._staged :]), ())
        if not (undo and self._staged):
            return ""
        try:
            with self._connected() as session, session.transaction():
                _hold(session, step.whose)
                with as_owner(session, self._roles):
                    for statement in undo:
                        session.script(composed(statement))
                    self._audit(session, step, {"statements": list(undo)})
        except (OpsError, _LeftAloneError) as fault:
            return f" It could not be taken back, so run this: {'; '.join(undo)} ({fault})"
        return " It was taken back."

    @contextmanager
    def _held(self, session: Session, step: Step, stage: Stage) -> Iterator[None]:
        """Open a transaction that has the tenant to itself among our verbs."""
        settings = {"statement_timeout": "0", "lock_timeout": f"{WEAK_LOCK_MS}ms"} if stage.is_weak else {}
        quiet = {"idle_in_transaction_session_timeout": "0"} if stage.is_outside else {}
        with session.transaction({**settings, **quiet}):
            _hold(session, step.whose)
            yield

    def _outside(self, session: Session, step: Step, stage: Stage) -> None:
        """Run a statement outside of any transaction, on a connection of its own; what a failed build leaves is dropped."""
        before = _invalid(session, step.fact.schema)
        let_go(session)
        with operator(self._job.url, _VERB, pooled=True, limits=SessionLimits(0, WEAK_LOCK_MS)) as own:
            own.outside_transaction(fill('SET ROLE :"owner"', {"owner": self._roles.owner}))
            own.outside_transaction(f"SET lock_timeout = {WEAK_LOCK_MS}")
            own.outside_transaction("SET statement_timeout = 0")
            own.outside_transaction(composed(f"SET search_path = {quoted(step.fact.schema)}, pg_temp"))
            try:
                for statement in stage.statements:
                    own.outside_transaction(composed(statement))
            except OpsError as fault:
                self._clean(own, step.fact, before)
                raise fault from None

    def _clean(self, own: Session, fact: Fact, before: set[str]) -> None:
        try:
            with own.transaction():
                left = _invalid(own, fact.schema) - before
            # What somebody else builds meanwhile is invalid too, until it is done.
            for name in sorted(name for name in left if f".{fact.object}".endswith(f".{_REBUILT.sub('', name)}")):
                own.outside_transaction(composed(f"DROP INDEX CONCURRENTLY IF EXISTS {quoted(fact.schema, name)}"))
        except OpsError:
            return  # the next check finds it, and the next plan drops it

    def _provision(self, session: Session, step: Step) -> None:
        with session.transaction():
            _hold(session, step.whose)
            with as_owner(session, self._roles):
                for statement in step.statements:
                    session.execute(composed(statement))
                self._audit(session, step, {"statements": list(step.statements)})

    def _put_away(self, session: Session, step: Step) -> None:
        if self._job.archiving is None:
            raise TenantConflict("There is no folder for archives.", hint="Give one: --archive-dir DIR")
        put_orphan_away(
            session, self._roles, step.fact.schema, self._job.archiving, lambda facts: self._audit(session, step, facts)
        )

    def _audit(self, session: Session, step: Step, after: Facts) -> None:
        whose = step.whose or Whose(None, "", step.fact.schema)
        before: Facts = {"check": step.fact.check, "kind": step.fact.kind, "object": step.fact.object}
        steps = (*(model.Step(step.fact.finding, statement) for statement in step.statements), AUDIT_STEP)
        plan = model.Plan(_VERB, whose.slug, steps, MappingProxyType({"schema": step.fact.schema}))
        write_audit(session, actor=self._job.actor, plan=plan, tenant=whose, before=before, after=after, run=self._job.run)


def let_go(session: Session) -> None:
    """Give the snapshot of the last statement back: with it an idle transaction would hold up every concurrent build."""
    # Without parameters it is a simple query, which leaves no portal behind.
    session.script(composed("SELECT 1"))


def _hold(session: Session, whose: Whose | None) -> None:
    """Wait for the tenant's lock, and leave a tenant alone that an unfinished verb has moved."""
    if whose is None or whose.id is None:
        return
    lock_tenant(session, whose.id)
    if sequence := unfinished(session, whose.id):
        raise _LeftAloneError(f"{sequence.sentence()} {sequence.hint()}")


def _prove(session: Session, step: Step) -> None:
    """Compare what is there now with what should be, while it can still be undone."""
    if not step.expected:
        return
    found: dict[tuple[str, str], list[str]] = {}
    for one in definitions(session, step.fact.schema):
        found.setdefault((one.kind, one.object), []).append(settled(one.definition, step.fact.schema))
    for kind, name, expected in step.expected:
        made = "; ".join(found.get((kind, name), []))
        if made != expected:
            raise StatementFailed(f"What was made is not what was expected: {kind} {name} is {made!r}, not {expected!r}.")


def _invalid(session: Session, schema: str) -> set[str]:
    return set(session.rows(load("capliquify_ops.remedies", "invalid_indexes"), str, {"schema": schema}))
