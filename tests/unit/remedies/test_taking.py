"""Taking an action when something around the act goes wrong: the look afterwards, either diagnosis, the log, an interrupt."""

import pytest

from capliquify_ops.configuration import Target, TargetClass, load_limits, load_profile
from capliquify_ops.evidence.redaction import Redactor
from capliquify_ops.model.diagnosis import Cause, Diagnosis, Source
from capliquify_ops.model.errors import EvidenceDamaged, EvidenceUnwritable, TargetUnreachable
from capliquify_ops.model.plan import Plan, Step
from capliquify_ops.remedies import taking
from capliquify_ops.remedies.acting import Acted, Context, Prepared, Remedy, State, Verified
from capliquify_ops.remedies.action_log import ActionLog

from ..integrations import conftest as outside  # noqa: TID252 -- tests are no package that has a name

REMEDY = Remedy("mend", "mend it", ("service-down",), "operator URL", lambda context, options: None)
PLAN = Plan("remedy mend", "live", (Step("mend it", "MEND"),), {}, ())


def told(*names, answered=True):
    causes = tuple(Cause(name, "Why.", (), "next") for name in names)
    return (Diagnosis("service-down", "Why.", causes, (Source("database", answered, "", 1.0),)),)


@pytest.fixture
def log(tmp_path):
    return ActionLog(tmp_path / "actions.jsonl", Redactor())


@pytest.fixture
def take(tmp_path, log, monkeypatch):
    """Takes an action whose diagnoses are the given ones; one that is an exception is raised."""

    def run(*diagnoses, act=lambda: Acted({"mended": 1}), verify=lambda _: Verified(True, "it is")):
        said, left = [], list(diagnoses)

        def diagnose(inquiry, only):
            found = left.pop(0)
            if isinstance(found, BaseException):
                raise found
            return found

        monkeypatch.setattr(taking, "diagnose", diagnose)
        time, profile = outside.Time(), load_profile("capliquify", tmp_path)
        target = Target("live", TargetClass.PRODUCTION, profile)
        context = Context(target, load_limits(), time, lambda: 0.5, time.sleep, "me", lambda: "a-1", lambda s, k: "", said.append)
        return taking.take(REMEDY, Prepared(PLAN, act, verify), context, log), said

    return run


def raises(error):
    def act(*_):
        raise error

    return act


@pytest.mark.parametrize("error", [TargetUnreachable("It is gone."), RuntimeError("a mistake of ours")])
def test_a_second_diagnosis_that_fails(take, log, error):
    """What was done is done and logged; whether it helped cannot be told, which is no success."""
    report, said = take(told("down"), error)
    assert (report.state, report.before, report.after) == (State.DONE, ("service-down: down",), None)
    assert (report.helped, report.exit_code) == ("cannot be told", 17)
    assert "could not be made" in report.why
    assert "could not be made" in said[0]
    assert log.lines()[-1].content["changed"] == {"mended": 1}


def test_a_first_diagnosis_that_fails(take):
    """Nobody is kept from acting by it; that nothing was wrong before is not claimed."""
    report, _ = take(RuntimeError("a mistake of ours"), told())
    assert (report.state, report.before, report.helped, report.exit_code) == (State.DONE, None, "cannot be told", 17)


def test_it_made_something_worse(take):
    """Nothing was found before, something is afterwards: that is no success."""
    report, _ = take(told(), told("down"))
    assert (report.helped, report.exit_code) == ("not helped", 1)
    assert "New: service-down: down." in report.why


def test_nothing_was_found_since_nobody_answered(take):
    """Without answers before, nobody knows whether there was something to help with."""
    report, _ = take(told(answered=False), told())
    assert (report.helped, report.exit_code) == ("cannot be told", 17)
    assert "no answer from: database" in report.why
    report, _ = take(told(), told())
    assert (report.helped, report.exit_code) == ("cannot be told", 0)


def test_a_look_afterwards_that_fails(take, log):
    """The act was done: that it could not be looked at makes it not verified, and never a failure."""
    report, _ = take(told("down"), told(), verify=raises(TargetUnreachable("It is gone.")))
    assert (report.state, report.fault, report.verified.holds, report.exit_code) == (State.DONE, "", None, 17)
    assert report.verified.says == "it could not be looked at: It is gone."
    assert log.lines()[-1].content["state"] == "done"


def test_an_interrupt_after_the_act(take, log):
    """Whoever interrupts the second diagnosis leaves a last line with what was done."""
    with pytest.raises(KeyboardInterrupt):
        take(told("down"), KeyboardInterrupt())
    assert log.unfinished() == ()
    assert log.lines()[-1].content["changed"] == {"mended": 1}
    assert "KeyboardInterrupt" in log.lines()[-1].content["fault"]


def test_an_end_that_cannot_be_logged(take, log, monkeypatch):
    """What was done is said with the fault, also where somebody has changed the log meanwhile: never that nothing is done."""

    def act():
        log.path.write_bytes(log.path.read_bytes().replace(b'"live"', b'"dead"'))
        return Acted({"mended": 1})

    with pytest.raises(EvidenceDamaged) as caught:
        take(told("down"), told(), act=act)
    assert "The action a-1 ended as done" in str(caught.value)
    assert "nothing is done" not in str(caught.value)


def test_an_end_without_room(take, log, monkeypatch):
    """As above where the disk is full."""

    def act():
        monkeypatch.setattr("capliquify_ops.remedies.action_log.write_whole", raises(OSError(28, "No space left on device")))
        return Acted({"mended": 1})

    with pytest.raises(EvidenceUnwritable) as caught:
        take(told("down"), told(), act=act)
    assert "The action a-1 ended as done" in str(caught.value)
    assert "No space left on device" in str(caught.value)
