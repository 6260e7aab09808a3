"""All sources asked at once, the database over one session: one that is silent holds nobody up and is said to be silent."""

import queue
import threading
from collections.abc import Callable, Collection, Mapping
from types import TracebackType
from typing import Any, Self

from capliquify_ops.configuration import Target
from capliquify_ops.database import Session, SessionLimits, observer
from capliquify_ops.diagnostics.inquiry import Answers, Asked, DatabaseQuestion, Inquiry, Question, Questions
from capliquify_ops.model.diagnosis import Source
from capliquify_ops.model.errors import OpsError, TargetUnreachable
from capliquify_ops.model.protocols import Clock
from capliquify_ops.observation.slots import require_slot_to_spare

PATIENCE_S = 6.0
"""No source outside is waited for longer: each has a shorter time limit of its own, this is for one that does not keep it."""
DATABASE_S = 20.0
"""All questions to the database, one after another: for 10,000 tenants they take about five seconds on two cores."""
ANSWER_S = 8.0
"""One of them: a server that has stopped is not waited for longer, since statement_timeout has stopped with it."""
GENTLE = SessionLimits(statement_ms=2_000, lock_ms=200, idle_ms=10_000)
_CLOSING_S = 1.0
_WAS_SILENT = "The database was not asked: it did not answer what it was asked before."
_Put = Callable[[str, Asked | Exception], None]
_Batch = Mapping[str, DatabaseQuestion]


def ask_all(questions: Questions, inquiry: Inquiry, *, patience_s: float = PATIENCE_S) -> Answers:
    """Ask all at once, and return what each gave in the order of the questions. Other errors than OpsError are raised."""
    with Sources(inquiry, patience_s=patience_s) as sources:
        return sources.ask(questions)


class Sources:
    """The sources of one diagnosis. The database has one session, which is kept until the end for what is asked later."""

    def __init__(self, inquiry: Inquiry, *, patience_s: float = PATIENCE_S) -> None:
        self._inquiry = inquiry
        self._patience_s = patience_s + inquiry.watch_s
        self._asked: queue.SimpleQueue[_Batch | None] = queue.SimpleQueue()
        self._answers: queue.SimpleQueue[tuple[str, Asked | Exception]] = queue.SimpleQueue()
        self._thread: threading.Thread | None = None
        self._is_silent = False

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._asked.put(None)
        if self._thread and not self._is_silent:
            self._thread.join(_CLOSING_S)

    def ask(self, questions: Questions) -> Answers:
        """Ask all at once, and return what each gave in the order of the questions. Other errors than OpsError are raised."""
        found = _unasked(questions, self._inquiry.target)
        outside = {name: each for name, each in questions.outside.items() if not isinstance(each, str)}
        inside = {name: each for name, each in questions.database.items() if name not in found}
        if inside and self._is_silent:
            found |= {name: _failed(name, TargetUnreachable(_WAS_SILENT), 0.0) for name in inside}
            inside = {}
        for name, question in outside.items():
            self._start(_outside(name, question, self._inquiry.clock))
        if inside:
            self._asked.put(inside)
            self._thread = self._thread or self._start(self._serve)
        found |= self._collected(outside, inside)
        return {name: found[name] for name in questions.names}

    def _start(self, job: Callable[[_Put], None]) -> threading.Thread:
        """Run a job in a thread that nobody waits for at the end."""

        def put(name: str, answer: Asked | Exception) -> None:
            self._answers.put((name, answer))

        def run() -> None:
            try:
                job(put)
            except Exception as error:  # noqa: BLE001 -- it is raised again where somebody hears it
                put("", error)

        thread = threading.Thread(target=run, daemon=True)
        thread.start()
        return thread

    def _serve(self, put: _Put) -> None:
        """Ask the database one question after another over one session; that it cannot be had is the answer to all."""
        clock, started = self._inquiry.clock, self._inquiry.clock.monotonic()
        batch = self._asked.get()
        try:
            # As if behind a pooler, whether or not the target says so: nothing is prepared that another session would lack.
            with observer(self._inquiry.target.observer_url(), "diagnose", pooled=True, limits=GENTLE) as session:
                require_slot_to_spare(session)
                while batch:
                    for name, question in batch.items():
                        put(name, _asked(name, _of(question, session), clock))
                    batch = self._asked.get()
        except OpsError as error:
            while batch:
                for name in batch:
                    put(name, _failed(name, error, clock.monotonic() - started))
                batch = self._asked.get()

    def _collected(self, outside: Collection[str], inside: Collection[str]) -> dict[str, Asked]:
        """Take the first answer to each name until its time is over; the database has it anew with each answer."""
        clock, found = self._inquiry.clock, dict[str, Asked]()
        started = heard = clock.monotonic()
        while open_ := {*outside, *inside} - found.keys():
            last = min(heard + ANSWER_S, started + DATABASE_S) + self._inquiry.watch_s
            end = max(last if name in inside else started + self._patience_s for name in open_)
            try:
                name, answer = self._answers.get(timeout=max(0.0, end - clock.monotonic()))
            except queue.Empty:
                break
            if isinstance(answer, Exception):
                raise answer
            # What comes too late for the questions before belongs to none of these.
            if name in {*outside, *inside}:
                found.setdefault(name, answer)
            heard = clock.monotonic() if name in inside else heard
        self._is_silent = self._is_silent or any(name not in found for name in inside)
        waited_s = round(clock.monotonic() - started, 1)
        limits_s = dict.fromkeys(outside, self._patience_s) | dict.fromkeys(inside, waited_s)
        return {name: found.get(name) or _silent(name, limit_s) for name, limit_s in limits_s.items()}


def _unasked(questions: Questions, target: Target) -> dict[str, Asked]:
    """Return what is not configured, with the setting that it lacks."""
    why = {name: each for name, each in questions.outside.items() if isinstance(each, str)}
    if target.database_url is None:
        missing = f"the target has no database URL: {target.how_to_set('database_url_env')}"
        why |= dict.fromkeys(questions.database, missing)
    return {
        name: Asked(Source(name, answered=False, says=says, elapsed_ms=0.0, is_configured=False), None)
        for name, says in why.items()
    }


def _outside(name: str, question: Question, clock: Clock) -> Callable[[_Put], None]:
    return lambda put: put(name, _asked(name, question, clock))


def _of(question: DatabaseQuestion, session: Session) -> Question:
    return lambda: question(session)


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
