"""Apply a plan in waves: a canary, then more schemas at a time; after each wave the checks are measured again.

A step that was taken and whose fault is still there has failed, and one that failed where there is no fault any more has been
repaired by somebody else. So an interrupted run is resumed by running again: what is repaired is in no plan any more.
"""

from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import replace

from capliquify_ops.database import Session, SessionLimits, operator
from capliquify_ops.model.errors import ConfigurationInvalid, TenantConflict
from capliquify_ops.model.protocols import Clock
from capliquify_ops.model.roles import Roles
from capliquify_ops.remedies.repair_job import Job, Outcome, Result, State
from capliquify_ops.remedies.repair_plan import UNMEASURED, Fact, Plan, Step
from capliquify_ops.remedies.repair_worker import Worker, let_go
from capliquify_ops.tenants.migration_ledger import take_run_lock
from capliquify_ops.tenants.waves import wave_size

_AUDIT = "SELECT pg_catalog.to_regclass('capliquify_ops.audit') IS NOT NULL"
_Shown = tuple[Fact, tuple[str, ...]]
_STILL = "It was done, but the check still finds it."


def repair(
    plan: Plan, measure: Callable[[], Plan], job: Job, roles: Roles, clock: Clock, *, tell: Callable[[str], None] = lambda _: None
) -> Result:
    """Apply what a plan shows, and nothing else. `measure` makes it anew; `tell` is given a line for each wave.

    Raises TenantConflict while another repair or a migration of the fleet runs, ConfigurationInvalid without our ledgers, and
    what `measure` raises. What a step could not do is its outcome.
    """
    shown = {(step.fact, step.statements) for step in plan.repairs}
    with _alone(job) as keeper, closing(Worker(job, roles, clock)) as worker:

        def measure_alone() -> Plan:
            let_go(keeper)  # a lost connection has lost the lock: it is an error, and no wave begins
            return measure()

        return _Waves(measure_alone, shown, job, worker, tell).run(plan)


class _Waves:
    def __init__(
        self, measure: Callable[[], Plan], shown: set[_Shown], job: Job, worker: Worker, tell: Callable[[str], None]
    ) -> None:
        self._findings = {fact.finding for fact, _ in shown}
        self._measure, self._shown, self._job, self._worker, self._tell = measure, shown, job, worker, tell
        self._outcomes: list[Outcome] = []
        self._sizes: list[int] = []

    def run(self, plan: Plan) -> Result:
        total, tried = len(plan.by_schema()), set[str]()
        # The plan that was shown may be old: what is done is what is at fault now.
        now = self._measure()
        while waiting := self._waiting(now, tried):
            wave = dict(list(waiting.items())[: wave_size(len(self._sizes), total, self._job.wave)])
            outcomes = self._wave(wave)
            tried |= {outcome.step.fact.schema for outcome in outcomes}
            now = self._measure()
            checked = [_judged(outcome, now) for outcome in outcomes]
            self._outcomes += checked
            self._sizes.append(len({outcome.step.fact.schema for outcome in outcomes}))
            self._tell(_line(len(self._sizes), self._sizes[-1], checked))
            if self._failures(self._outcomes) > self._job.max_failures:
                break
        is_stopped = self._failures(self._outcomes) > self._job.max_failures
        return Result(tuple(self._sizes), tuple(self._outcomes), now, is_stopped)

    def _waiting(self, now: Plan, tried: set[str]) -> dict[str, tuple[Step, ...]]:
        """Return the steps of the schemas that were not begun yet, of what was shown: a template may say otherwise by now."""
        steps = now.only(self._findings).by_schema()
        shown = {
            schema: tuple(step for step in each if (step.fact, step.statements) in self._shown) for schema, each in steps.items()
        }
        return {schema: each for schema, each in shown.items() if each and schema not in tried}

    def _wave(self, wave: Mapping[str, tuple[Step, ...]]) -> list[Outcome]:
        """Take the steps of some schemas; where too many fail, the rest of them is not begun."""
        done: list[Outcome] = []
        for steps in wave.values():
            done += self._schema(steps)
            if self._failures([*self._outcomes, *done]) > self._job.max_failures:
                break
        return done

    def _schema(self, steps: tuple[Step, ...]) -> Iterator[Outcome]:
        """Take the steps of one schema, up to the first that fails: what comes later may need it."""
        for step in steps:
            outcome = self._worker.take(step)
            yield outcome
            if outcome.state in {State.FAILED, State.LEFT}:
                break

    def _failures(self, outcomes: list[Outcome]) -> int:
        return sum(outcome.state is State.FAILED for outcome in outcomes)


def _judged(outcome: Outcome, now: Plan) -> Outcome:
    """Say what became of a step by what the check finds afterwards."""
    fact, facts = outcome.step.fact, now.facts()
    is_at_fault = fact in facts
    is_unread = fact._replace(kind="structure", object="") in facts
    if outcome.state is State.REPAIRED and is_at_fault:
        return replace(outcome, state=State.FAILED, why=_STILL)
    if outcome.state is State.FAILED and not (is_at_fault or is_unread) and fact.kind not in UNMEASURED:
        return replace(outcome, state=State.ELSEWHERE)
    return outcome


def _line(number: int, schemas: int, outcomes: list[Outcome]) -> str:
    counts = {state: sum(outcome.state is state for outcome in outcomes) for state in State}
    told = ", ".join(f"{count} {state.value}" for state, count in counts.items() if count)
    return f"wave {number}: {schemas} schema{'s' if schemas > 1 else ''}, {told}; checked again"


@contextmanager
def _alone(job: Job) -> Iterator[Session]:
    """Hold the lock of a run over the fleet, on a connection of its own, whose transaction sees and holds nothing else."""
    limits = SessionLimits(statement_ms=job.statement_ms, lock_ms=job.lock_ms, idle_ms=0)
    with operator(job.url, "fleet repair", pooled=job.pooled, limits=limits) as session, session.transaction():
        if not session.value(_AUDIT):
            raise ConfigurationInvalid(
                "The ledgers of this database are missing, and what is not audited is not done.",
                hint="Make them: capliquify-ops tenant install (beside another product: --ops-only)",
            )
        try:
            take_run_lock(session)
        except TenantConflict as fault:
            message = "A migration or another repair of the fleet is running in this database."
            raise TenantConflict(message, hint=fault.hint) from None
        yield session
