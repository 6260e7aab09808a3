"""Sources are asked at once; one that is silent, broken or refused holds nobody up, and is told."""

import threading
import time

import pytest

from capliquify_ops.configuration.system import SystemClock
from capliquify_ops.diagnostics.sources import ask_together
from capliquify_ops.model.errors import TargetUnreachable


def _refused():
    raise TargetUnreachable("Nobody is there.", hint="Look.")


def test_each_answers_for_itself():
    """A value, a fault and silence are three answers, in the order of the questions, and the whole takes no longer than the patience."""
    silence = threading.Event()
    questions = {"good": lambda: (1, "one"), "silent": lambda: (silence.wait(30), ""), "refused": _refused}
    started = time.monotonic()
    found = ask_together(questions, SystemClock(), patience_s=0.5)
    assert time.monotonic() - started < 5
    silence.set()
    assert list(found) == ["good", "silent", "refused"]
    assert (found["good"].value, found["good"].source.says, found["good"].source.answered) == (1, "one", True)
    assert (found["silent"].source.answered, found["silent"].fault) == (False, None)
    assert "did not answer within 0.5 s" in found["silent"].source.says
    assert found["refused"].source.says == "Nobody is there. Look."
    assert isinstance(found["refused"].fault, TargetUnreachable)


def test_they_are_asked_at_once():
    """Each of three waits for the other two: one after another none would ever answer."""
    together = threading.Barrier(3)
    found = ask_together({name: lambda: (together.wait(10), "") for name in "abc"}, SystemClock())
    assert all(asked.source.answered for asked in found.values())


def test_a_mistake_of_ours_is_no_answer():
    """Whatever is no refusal is raised: a mistake in the program must not look like a source that is down."""
    with pytest.raises(ZeroDivisionError):
        ask_together({"broken": lambda: (1 // 0, "")}, SystemClock())


def test_nothing_asked():
    """Without a question there is no answer, at once."""
    assert dict(ask_together({}, SystemClock())) == {}
