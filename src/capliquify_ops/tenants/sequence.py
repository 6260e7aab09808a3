"""Journalled sequences: verbs of several transactions that whoever comes next can finish, whenever the first run died.

A step is one transaction: it takes the tenant's lock, reads its journal row again FOR UPDATE, refuses what another live
session owns and what has moved on, does its work, and moves the pointer. So a step has happened whole or not at all.
"""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime

from capliquify_ops.database import Session
from capliquify_ops.evidence.canonical import Plain, plain
from capliquify_ops.model.errors import TenantConflict
from capliquify_ops.model.names import SchemaName, Slug, TenantId
from capliquify_ops.model.plan import Plan
from capliquify_ops.model.roles import Roles
from capliquify_ops.tenants.audit import plan_digest
from capliquify_ops.tenants.ownership import as_owner, lock_tenant
from capliquify_ops.tenants.registry import Tenant

_READ = (
    "SELECT s.id, s.verb, s.tenant_id, s.slug, s.schema_name, s.actor, s.plan_digest, s.detail, s.steps, s.next_step,"
    " s.owner_pid, s.owner_start, s.created_at, s.outcome FROM capliquify_ops.sequence AS s"
    " WHERE s.id = %(id)s::bigint OR (s.tenant_id = %(tenant)s::uuid AND s.finished_at IS NULL)"
)
_HOLD = "SELECT s.id FROM capliquify_ops.sequence AS s WHERE s.id = %(id)s FOR UPDATE"
_BEGIN = (
    "INSERT INTO capliquify_ops.sequence AS s (verb, tenant_id, slug, schema_name, actor, plan_digest, plan, detail, steps,"
    " owner_pid, owner_start) VALUES (%(verb)s, %(tenant)s, %(slug)s, %(schema)s, %(actor)s, %(digest)s, %(plan)s::jsonb,"
    " %(detail)s::jsonb, %(steps)s, %(pid)s, %(start)s) RETURNING s.id"
)
_KEEP = (
    "UPDATE capliquify_ops.sequence AS s SET next_step = %(next)s, detail = %(detail)s::jsonb, owner_pid = %(pid)s,"
    " owner_start = %(start)s, updated_at = pg_catalog.clock_timestamp(), outcome = %(outcome)s,"
    " finished_at = CASE WHEN %(outcome)s::text IS NOT NULL THEN pg_catalog.clock_timestamp() END WHERE s.id = %(id)s"
)
_STARTED = "SELECT a.pid, a.backend_start FROM pg_catalog.pg_stat_get_activity(%(pid)s) AS a"


@dataclass(frozen=True, slots=True)
class JournalledSequence:
    """One row of the journal: the verb, its steps, how many are done, and the session that runs it (None: nobody)."""

    id: int
    verb: str
    tenant_id: TenantId
    slug: Slug
    schema_name: SchemaName
    actor: str
    plan_digest: str
    detail: dict[str, Plain]
    steps: list[str]
    next_step: int
    owner_pid: int | None
    owner_start: datetime | None
    created_at: datetime
    outcome: str | None

    @property
    def step(self) -> str | None:
        """The step that comes next, None when the sequence has ended."""
        return self.steps[self.next_step] if self.outcome is None else None

    def sentence(self) -> str:
        """Say what stands unfinished."""
        return (
            f"A {self.verb!r} of {self.slug!r} is unfinished: {self.next_step} of {len(self.steps)} steps done, next {self.step}."
        )

    def hint(self) -> str:
        """Name the command that finishes it, and the one that goes back where it still can."""
        command = f"capliquify-ops {self.verb} {self.slug}"
        return f"Finish it: {command}" + (f" (or go back: {command} --undo)" if self.detail.get("can_undo") else "")


@dataclass(frozen=True, slots=True)
class _Backend:
    pid: int
    start: datetime | None


class Turn:
    """One step in progress: what it leaves in `detail` is kept with the pointer. `after` is the row once the step has ended."""

    def __init__(self, sequence: JournalledSequence) -> None:
        self.sequence = sequence
        self.after = sequence
        self.detail = dict(sequence.detail)
        self.next_step = sequence.next_step + 1
        self.outcome = "finished" if self.next_step == len(sequence.steps) else None
        self.is_released = False

    def again(self) -> None:
        """Leave the pointer where it is: there is more of this step to do."""
        self.next_step, self.outcome = self.sequence.next_step, None

    def pause(self) -> None:
        """Leave the pointer where it is and the sequence to whoever comes next."""
        self.again()
        self.is_released = True

    def undo(self) -> None:
        """End the sequence as undone."""
        self.next_step, self.outcome = self.sequence.next_step, "undone"


def unfinished(session: Session, tenant: TenantId) -> JournalledSequence | None:
    """Return the tenant's unfinished sequence, within the open transaction; there is at most one."""
    return next(iter(session.rows(_READ, JournalledSequence, {"id": None, "tenant": tenant})), None)


def begin(
    session: Session, roles: Roles, *, tenant: Tenant, actor: str, plan: Plan, steps: tuple[str, ...], detail: dict[str, Plain]
) -> JournalledSequence:
    """Write a sequence down as begun and owned by this session, within the open transaction that holds the tenant's lock."""
    me = _backend(session, session.backend_pid)
    values = {
        "verb": plan.verb,
        "tenant": tenant.id,
        "slug": tenant.slug,
        "schema": tenant.schema_name,
        "actor": actor,
        "digest": plan_digest(plan),
        "plan": json.dumps(plain(plan)),
        "detail": json.dumps(detail),
        "steps": list(steps),
        "pid": session.backend_pid,
        "start": me.start if me else None,
    }
    with as_owner(session, roles):
        return _read(session, session.value(_BEGIN, values))


@contextmanager
def turn(session: Session, roles: Roles, seen: JournalledSequence) -> Iterator[Turn]:
    """Take the next step of a sequence, as it was seen, in one transaction.

    Raises TenantConflict when another live session owns it or it has moved on, StatementTimedOut while the tenant is locked.
    """
    with session.transaction():
        lock_tenant(session, seen.tenant_id)
        with as_owner(session, roles):
            session.execute(_HOLD, {"id": seen.id})
            current = _read(session, seen.id)
        _refuse_foreign(session, current)
        if (current.next_step, current.outcome) != (seen.next_step, seen.outcome):
            raise TenantConflict(f"Another run of {current.verb!r} has moved on meanwhile.", hint="Run the command again.")
        taken = Turn(current)
        yield taken
        taken.after = _keep(session, roles, taken)


def _keep(session: Session, roles: Roles, taken: Turn) -> JournalledSequence:
    has_owner = not taken.is_released and taken.outcome is None
    me = _backend(session, session.backend_pid) if has_owner else None
    values = {
        "id": taken.sequence.id,
        "next": taken.next_step,
        "detail": json.dumps(taken.detail),
        "outcome": taken.outcome,
        "pid": me.pid if me else None,
        "start": me.start if me else None,
    }
    with as_owner(session, roles):
        session.execute(_KEEP, values)
        return _read(session, taken.sequence.id)


def _read(session: Session, number: int) -> JournalledSequence:
    return session.rows(_READ, JournalledSequence, {"id": number, "tenant": None})[0]


def _refuse_foreign(session: Session, current: JournalledSequence) -> None:
    """Asked as the session's own role, never as the owner: only that one sees when its own other sessions began."""
    if current.owner_pid is None or current.owner_pid == session.backend_pid:
        return
    found = _backend(session, current.owner_pid)
    if found and (found.start is None or found.start == current.owner_start):
        raise TenantConflict(
            f"The session {current.owner_pid} is running {current.verb!r} of {current.slug!r} right now.",
            hint="Wait until it has ended, then run the command again. Through a pooler: use a direct connection.",
        )


def _backend(session: Session, pid: int) -> _Backend | None:
    """Return who has that process id, None when nobody has; `start` is None where this role may not see it."""
    return next(iter(session.rows(_STARTED, _Backend, {"pid": pid})), None)
