"""Migrate a fleet: the canary alone, then waves; after each the structure must be the canary's, and failures stop the run.

What is kept is each tenant's own transaction, so a run that ends anyhow, anywhere, is gone on with by running it again.
"""

import queue
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Self

from capliquify_ops.database import Session, SessionLimits, operator
from capliquify_ops.model.errors import UsageError
from capliquify_ops.model.protocols import Clock
from capliquify_ops.model.roles import Roles
from capliquify_ops.tenants.migration_fleet import Fleet, Unequal, look, unequal
from capliquify_ops.tenants.migration_job import Access, Job, Outcome, State
from capliquify_ops.tenants.migration_ledger import take_run_lock
from capliquify_ops.tenants.migration_worker import Worker
from capliquify_ops.tenants.registry import Tenant
from capliquify_ops.tenants.waves import wave_sizes

Told = Callable[[Outcome], None]
_HELD = SessionLimits(idle_ms=0)
_GATE = SessionLimits(statement_ms=120_000)
_KEPT = (State.DONE, State.ALREADY)


@dataclass(slots=True)
class Result:
    """How a run ended. `before` had the migration when it began; `created` were registered meanwhile and lack it.

    `stopped` is empty for a run that went over every tenant.
    """

    canary: Tenant
    before: int
    homeless: tuple[str, ...]
    outcomes: list[Outcome] = field(default_factory=list)
    unequal: list[Unequal] = field(default_factory=list)
    created: tuple[str, ...] = ()
    remaining: int = 0
    stopped: str = ""

    @property
    def done(self) -> int:
        """How many tenants this run migrated."""
        return sum(outcome.state is State.DONE for outcome in self.outcomes)

    @property
    def failed(self) -> list[Outcome]:
        """The tenants that could not be migrated."""
        return [outcome for outcome in self.outcomes if outcome.state is State.FAILED]


def migrate_fleet(access: Access, roles: Roles, job: Job, clock: Clock, told: Told = lambda _: None) -> Result:
    """Run a file in every live tenant that has not had it. `told` hears of each tenant as it ends.

    Raises TenantConflict while another run is on its way or where another text of that name ran, UsageError where something is
    refused about the file or nobody is there.
    """
    if job.script.refusals or not job.script.statements:
        raise UsageError(
            "The file is refused by the rules, so nothing was run.", hint="See why: capliquify-ops fleet migrate FILE"
        )
    with operator(access.url, "fleet migrate, run", pooled=access.pooled, limits=_HELD) as keeper, keeper.transaction():
        take_run_lock(keeper)
        # A query without parameters lets go of the snapshot: what only holds a lock must not hold vacuum back.
        keeper.value("SELECT 1")
        with _gate(access) as session:
            fleet = look(session, job)
        if fleet.canary is None:
            raise UsageError("No tenant with a schema is registered, so there is nothing to migrate.")
        result = Result(fleet.canary, len(fleet.have), tuple(tenant.slug for tenant in fleet.homeless))
        with _Crew(access, roles, job, clock, told=told, result=result) as crew:
            result.stopped = _run(access, job, fleet, crew, lambda: keeper.value("SELECT 1"))
        _look_back(access, job, fleet, result)
    return result


def _run(access: Access, job: Job, fleet: Fleet, crew: "_Crew", still_held: Callable[[], object]) -> str:
    """Go over the fleet and return why it was left before its end, "" when it was not."""
    canary = crew.result.canary
    if not fleet.is_begun:
        outcome = crew.canary(canary)
        if outcome.state not in _KEPT:
            return f"The canary {canary.slug} was not migrated."
    waves = [tenant for tenant in fleet.have if tenant != canary], *_waves(fleet.others, job.wave)
    for number, wave in enumerate(waves):
        # Who lost the lock of the run stops here: another run may have taken it.
        still_held()
        kept = list(wave) if number == 0 else crew.wave(wave)
        if len(crew.result.failed) > job.max_failures:
            return f"Failed by the end of wave {number}: {len(crew.result.failed)}, of at most {job.max_failures}."
        if kept:
            with _gate(access) as session:
                crew.result.unequal += unequal(session, canary, kept)
        if crew.result.unequal and not job.may_differ:
            where = f"after wave {number}" if number else "from earlier runs"
            return f"Tenants {where} are not built as the canary {canary.slug} is."
    return ""


def _waves(tenants: Sequence[Tenant], wave: int | None) -> Iterator[Sequence[Tenant]]:
    start = 0
    for size in wave_sizes(len(tenants), wave):
        yield tenants[start : start + size]
        start += size


def _look_back(access: Access, job: Job, fleet: Fleet, result: Result) -> None:
    """Count who lacks it still: tenants that came meanwhile were in no wave."""
    with _gate(access) as session:
        lack = look(session, replace(job, canary=None)).lack
    known = {tenant.id for tenant in (*fleet.have, *fleet.lack, *fleet.homeless)}
    result.created = tuple(tenant.slug for tenant in lack if tenant.id not in known)
    result.remaining = len(lack) - len(result.created)


@contextmanager
def _gate(access: Access) -> Iterator[Session]:
    """Open a session for one look, of its own: what it reads it locks, and remembers, until it ends."""
    with operator(access.url, "fleet migrate, gate", pooled=access.pooled, limits=_GATE) as session, session.transaction():
        yield session


class _Crew:
    """The workers of a run, and what they bring home."""

    def __init__(self, access: Access, roles: Roles, job: Job, clock: Clock, *, told: Told, result: Result) -> None:
        self.result, self._told, self._most = result, told, job.max_failures
        self._stop, self._counting, self._failures = threading.Event(), threading.Lock(), 0
        self._workers = [Worker(access, roles, job, clock, self._stop) for _ in range(job.workers)]

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for worker in self._workers:
            worker.close()

    def canary(self, tenant: Tenant) -> Outcome:
        """Migrate the canary."""
        return self._ended(self._outcome(self._workers[0], tenant, is_canary=True))

    def wave(self, tenants: Sequence[Tenant]) -> list[Tenant]:
        """Migrate a wave and return the tenants that have the migration now. After too many failures no other one is begun."""
        waiting: queue.SimpleQueue[Tenant] = queue.SimpleQueue()
        ended: queue.SimpleQueue[Outcome | None] = queue.SimpleQueue()
        for tenant in tenants:
            waiting.put(tenant)
        threads = [threading.Thread(target=self._work, args=(each, waiting, ended), name="migrate") for each in self._workers]
        kept = []
        for thread in threads:
            thread.start()
        try:
            for _ in threads:
                # Each thread ends its reports with None.
                while outcome := ended.get():
                    kept += [outcome.tenant] if self._ended(outcome).state in _KEPT else []
        except BaseException:
            self._stop.set()
            raise
        finally:
            for thread in threads:
                thread.join()
        return kept

    def _work(self, worker: Worker, waiting: "queue.SimpleQueue[Tenant]", ended: "queue.SimpleQueue[Outcome | None]") -> None:
        while not self._stop.is_set():
            try:
                tenant = waiting.get_nowait()
            except queue.Empty:
                break
            ended.put(self._outcome(worker, tenant))
        ended.put(None)

    def _outcome(self, worker: Worker, tenant: Tenant, *, is_canary: bool = False) -> Outcome:
        """Migrate one tenant, whatever happens: who waits for it must hear of it. One failure too many, and no other is begun."""
        try:
            outcome = worker.migrate(tenant, is_canary=is_canary)
        except Exception as fault:  # noqa: BLE001 -- as said
            outcome = Outcome(tenant, State.FAILED, 1, f"The migration failed: {type(fault).__name__}.")
        with self._counting:
            self._failures += outcome.state is State.FAILED
            if self._failures > self._most:
                self._stop.set()
        return outcome

    def _ended(self, outcome: Outcome) -> Outcome:
        self.result.outcomes.append(outcome)
        self._told(outcome)
        return outcome
