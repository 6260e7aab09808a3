"""Sources are asked at once; one that is silent, broken or refused holds nobody up, and is told."""

import contextlib
import dataclasses
import threading
import time

import pytest

from capliquify_ops.configuration import Target, TargetClass, load_limits, load_profile
from capliquify_ops.configuration.system import SystemClock
from capliquify_ops.diagnostics import sources
from capliquify_ops.diagnostics.inquiry import Inquiry, Questions
from capliquify_ops.diagnostics.sources import ask_all
from capliquify_ops.model.errors import TargetUnreachable
from capliquify_ops.model.secret import Secret


@pytest.fixture
def inquiry(tmp_path):
    target = Target("here", TargetClass.LOOPBACK, load_profile("capliquify", tmp_path))
    return Inquiry(target, load_limits(), SystemClock(), lambda: 0.5, watch_s=0.0)


def _refused():
    raise TargetUnreachable("Nobody is there.", hint="Look.")


def test_each_answers_for_itself(inquiry):
    """A value, a fault, silence and an absence are four answers, in the order of the questions, within the patience."""
    silence = threading.Event()
    questions = {"good": lambda: (1, "one"), "silent": lambda: (silence.wait(30), ""), "refused": _refused, "none": "not set"}
    started = time.monotonic()
    found = ask_all(Questions(questions), inquiry, patience_s=0.5)
    assert time.monotonic() - started < 5
    silence.set()
    assert list(found) == ["good", "silent", "refused", "none"]
    assert (found["good"].value, found["good"].source.says, found["good"].source.answered) == (1, "one", True)
    assert (found["silent"].source.answered, found["silent"].fault) == (False, None)
    assert "did not answer within 0.5 s" in found["silent"].source.says
    assert found["refused"].source.says == "Nobody is there. Look."
    assert isinstance(found["refused"].fault, TargetUnreachable)
    assert (found["none"].source.is_configured, found["none"].source.says) == (False, "not set")
    assert all(asked.source.is_configured for name, asked in found.items() if name != "none")


def test_they_are_asked_at_once(inquiry):
    """Each of three waits for the other two: one after another none would ever answer."""
    together = threading.Barrier(3)
    found = ask_all(Questions({name: lambda: (together.wait(10), "") for name in "abc"}), inquiry)
    assert all(asked.source.answered for asked in found.values())


def test_a_mistake_of_ours_is_no_answer(inquiry):
    """Whatever is no refusal is raised: a mistake in the program must not look like a source that is down."""
    with pytest.raises(ZeroDivisionError):
        ask_all(Questions({"broken": lambda: (1 // 0, "")}), inquiry)


def test_what_is_watched_has_its_time(inquiry, monkeypatch):
    """A question that watches for some seconds is given these on top of what an answer may take."""
    monkeypatch.setattr(sources, "ANSWER_S", 0.2)
    monkeypatch.setattr(sources, "DATABASE_S", 0.2)
    monkeypatch.setattr(sources, "observer", lambda *_, **__: contextlib.nullcontext())
    monkeypatch.setattr(sources, "require_slot_to_spare", lambda _: None)
    target = dataclasses.replace(inquiry.target, database_url=Secret("postgresql://u@127.0.0.1:1/x"))

    def answers(watch_s):
        found = ask_all(
            Questions(database={"watches": lambda _: (time.sleep(0.6), "seen")}),
            dataclasses.replace(inquiry, target=target, watch_s=watch_s),
        )
        return found["watches"].source.says

    assert answers(5.0) == "seen"
    assert answers(0.0).startswith("did not answer within 0.")


def test_nothing_asked(inquiry):
    """Without a question there is no answer, at once."""
    assert dict(ask_all(Questions(), inquiry)) == {}


def test_a_database_that_is_not_configured_or_not_there(inquiry, tmp_path):
    """Without a URL each question says which setting is missing; with one that leads nowhere each says that nobody is there."""
    questions = Questions(database={"one": lambda _: (1, ""), "two": lambda _: (2, "")})
    found = ask_all(questions, inquiry)
    assert [asked.source.is_configured for asked in found.values()] == [False, False]
    assert "database_url_env" in found["one"].source.says
    profile = load_profile("capliquify", tmp_path)
    away = Target("here", TargetClass.LOOPBACK, profile, Secret("postgresql://u@127.0.0.1:1/x"))
    found = ask_all(questions, Inquiry(away, inquiry.limits, inquiry.clock, inquiry.dice))
    assert [(asked.source.is_configured, asked.source.answered) for asked in found.values()] == [(True, False)] * 2
    assert isinstance(found["two"].fault, TargetUnreachable)
