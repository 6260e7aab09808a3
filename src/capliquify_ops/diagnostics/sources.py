"""Several things asked at once, each with a time of its own: one that is silent holds nobody up and is said to be silent."""

import queue
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from capliquify_ops.model.diagnosis import Source
from capliquify_ops.model.errors import OpsError
from capliquify_ops.model.protocols import Clock

PATIENCE_S = 6.0
"""No source is waited for longer: each has a shorter time limit of its own, this is for one that does not keep it."""
Question = Callable[[], tuple[Any, str]]
"""Gives what it found and one line that says it. Raises OpsError."""


@dataclass(frozen=True, slots=True)
class Asked:
    """What one source gave: a value, or the fault of why there is none (None where it stayed silent)."""

    source: Source
    value: Any
    fault: OpsError | None


def ask_together(questions: Mapping[str, Question], clock: Clock, *, patience_s: float = PATIENCE_S) -> Mapping[str, Asked]:
    """Ask all at once, and return what each gave in the order of the questions. Other errors than OpsError are raised."""
    answers: queue.SimpleQueue[tuple[str, Asked | Exception]] = queue.SimpleQueue()

    def ask(name: str, question: Question) -> None:
        try:
            answers.put((name, _asked(name, question, clock)))
        except Exception as error:  # noqa: BLE001 -- it is raised again where somebody hears it
            answers.put((name, error))

    for name, question in questions.items():
        threading.Thread(target=ask, args=(name, question), daemon=True).start()
    found: dict[str, Asked] = {}
    end = clock.monotonic() + patience_s
    while len(found) < len(questions):
        try:
            name, answer = answers.get(timeout=max(0.0, end - clock.monotonic()))
        except queue.Empty:
            break
        if isinstance(answer, Exception):
            raise answer
        found[name] = answer
    silent = f"did not answer within {patience_s:g} s"
    return {
        name: found.get(name) or Asked(Source(name, answered=False, says=silent, elapsed_ms=patience_s * 1000), None, None)
        for name in questions
    }


def _asked(name: str, question: Question, clock: Clock) -> Asked:
    started = clock.monotonic()
    try:
        value, says = question()
        fault = None
    except OpsError as error:
        value, says, fault = None, str(error), error
    elapsed = round((clock.monotonic() - started) * 1000, 1)
    return Asked(Source(name, answered=fault is None, says=says, elapsed_ms=elapsed), value, fault)
