"""All sources asked at once, the database over one session: one that is silent holds nobody up and is said to be silent."""

import queue
import threading
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from capliquify_ops.configuration import Target
from capliquify_ops.database import Session, SessionLimits, observer
from capliquify_ops.diagnostics.inquiry import Answers, Asked, DatabaseQuestion, Inquiry, Question, Questions
from capliquify_ops.model.diagnosis import Source
from capliquify_ops.model.errors import OpsError
from capliquify_ops.model.protocols import Clock
from capliquify_ops.observation.slots import require_slot_to_spare

PATIENCE_S = 6.0
"""No source outside is waited for longer: each has a shorter time limit of its own, this is for one that does not keep it."""
DATABASE_S = 20.0
"""All questions to the database, one after another: for 10,000 tenants they take about five seconds on two cores."""
GENTLE = SessionLimits(statement_ms=2_000, lock_ms=200, idle_ms=10_000)
_Put = Callable[[str, Asked | Exception], None]


def ask_all(questions: Questions, inquiry: Inquiry, *, patience_s: float = PATIENCE_S) -> Answers:
    """Ask all at once, and return what each gave in the order of the questions. Other errors than OpsError are raised."""
    unasked = {name: why for name, why in questions.outside.items() if isinstance(why, str)}
    asked = {name: each for name, each in questions.outside.items() if not isinstance(each, str)}
    inside = questions.database
    if inside and inquiry.target.database_url is None:
        unasked |= dict.fromkeys(inside, f"the target has no database URL: {inquiry.target.how_to_set('database_url_env')}")
        inside = {}
    limits_s = dict.fromkeys(asked, patience_s + inquiry.watch_s) | dict.fromkeys(inside, DATABASE_S)
    jobs = [_outside(name, question, inquiry.clock) for name, question in asked.items()]
    jobs += [_inside(inside, inquiry.target, inquiry.clock)] if inside else []
    found = _collected(jobs, limits_s, inquiry.clock)
    found |= {
        name: Asked(Source(name, answered=False, says=why, elapsed_ms=0.0, is_configured=False), None)
        for name, why in unasked.items()
    }
    return {name: found[name] for name in questions.names}


def _outside(name: str, question: Question, clock: Clock) -> Callable[[_Put], None]:
    return lambda put: put(name, _asked(name, question, clock))


def _inside(questions: Mapping[str, DatabaseQuestion], target: Target, clock: Clock) -> Callable[[_Put], None]:
    """Ask the database one question after another over one session; that it cannot be had is the answer to all."""

    def ask(put: _Put) -> None:
        started = clock.monotonic()
        try:
            # As if behind a pooler, whether or not the target says so: nothing is prepared that another session would lack.
            with observer(target.observer_url(), "diagnose", pooled=True, limits=GENTLE) as session:
                require_slot_to_spare(session)
                for name, question in questions.items():
                    put(name, _asked(name, _of(question, session), clock))
        except OpsError as error:
            for name in questions:
                put(name, _failed(name, error, clock.monotonic() - started))

    return ask


def _of(question: DatabaseQuestion, session: Session) -> Question:
    return lambda: question(session)


def _collected(jobs: Iterable[Callable[[_Put], None]], limits_s: Mapping[str, float], clock: Clock) -> dict[str, Asked]:
    """Run each job in a thread, and take the first answer to each name until its time is over."""
    answers: queue.SimpleQueue[tuple[str, Asked | Exception]] = queue.SimpleQueue()

    def put(name: str, answer: Asked | Exception) -> None:
        answers.put((name, answer))

    def run(job: Callable[[_Put], None]) -> None:
        try:
            job(put)
        except Exception as error:  # noqa: BLE001 -- it is raised again where somebody hears it
            put("", error)

    for job in jobs:
        threading.Thread(target=run, args=(job,), daemon=True).start()
    found: dict[str, Asked] = {}
    started = clock.monotonic()
    while open_ := [limit for name, limit in limits_s.items() if name not in found]:
        try:
            name, answer = answers.get(timeout=max(0.0, started + max(open_) - clock.monotonic()))
        except queue.Empty:
            break
        if isinstance(answer, Exception):
            raise answer
        found.setdefault(name, answer)
    return {name: found.get(name) or _silent(name, limit) for name, limit in limits_s.items()}


def _silent(name: str, limit_s: float) -> Asked:
    return Asked(Source(name, answered=False, says=f"did not answer within {limit_s:g} s", elapsed_ms=limit_s * 1000), None)


def _failed(name: str, fault: OpsError, elapsed_s: float) -> Asked:
    return Asked(Source(name, answered=False, says=str(fault), elapsed_ms=round(elapsed_s * 1000, 1)), None, fault)


def _asked(name: str, question: Question, clock: Clock) -> Asked:
    started = clock.monotonic()
    try:
        value: Any
        value, says = question()
    except OpsError as error:
        return _failed(name, error, clock.monotonic() - started)
    elapsed_ms = round((clock.monotonic() - started) * 1000, 1)
    return Asked(Source(name, answered=True, says=says, elapsed_ms=elapsed_ms), value)
