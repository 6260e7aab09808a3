"""A run tells its watchdog that it is done only where it has removed everything that it made."""

import subprocess
import sys
from contextlib import contextmanager
from types import SimpleNamespace

import pytest

from capliquify_ops.model.errors import StatementFailed
from capliquify_ops.pytest_plugin import gate as module
from capliquify_ops.pytest_plugin.gate import Audit, Gate
from capliquify_ops.pytest_plugin.watchdog import DONE, Watchdog

ECHO = "import sys; sys.stdout.write('done' if sys.stdin.buffer.read() == b'done\\n' else 'removes')"


class Told:
    """A watchdog that remembers what it was told."""

    def __init__(self):
        self.words = []

    def dismiss(self):
        self.words.append("dismiss")

    def release(self):
        self.words.append("release")


@pytest.fixture
def gate(monkeypatch):
    """A gate of a target that outlives the run, with no database behind it."""
    found = Gate(None, None, Audit(None, None, "full", 1), lambda _: None)
    found.target = found.ref = None
    found._watchdog = Told()
    monkeypatch.setattr(found, "_require_tenants", lambda **_: None)
    monkeypatch.setattr(found, "require_load", lambda: None)
    monkeypatch.setattr(found, "_tokens", lambda: None)
    return found


def ended(gate):
    gate.close()
    return gate._watchdog.words


@contextmanager
def removal_fails(*_):
    yield SimpleNamespace(leftovers=())
    raise StatementFailed("DROP SCHEMA was refused.")


@contextmanager
def removal_succeeds(*_):
    yield SimpleNamespace(leftovers=())


@contextmanager
def leaves_one(*_, **__):
    yield SimpleNamespace(leftovers=("tenant audit-1",))


def test_a_run_that_removed_everything_dismisses_its_watchdog(gate, monkeypatch):
    """Also one that made nothing."""
    monkeypatch.setattr(module, "make_traffic", removal_succeeds)
    with gate.traffic():
        pass
    assert ended(gate) == ["dismiss"]


def test_a_removal_that_fails_leaves_it_to_the_watchdog(gate, monkeypatch):
    """Of the loads' tenants, and of the audit's, which are noted as leftovers."""
    monkeypatch.setattr(module, "make_traffic", removal_fails)
    with pytest.raises(StatementFailed), gate.traffic():
        pass
    assert ended(gate) == ["release"]


def test_an_audit_that_left_something_leaves_it_to_the_watchdog(gate, monkeypatch):
    """It raises nothing: it names what stayed."""
    monkeypatch.setattr(module, "build_world", leaves_one)
    gate.clock = None
    with gate.world():
        pass
    assert ended(gate) == ["release"]


def phase(gate, when, error=None):
    item = SimpleNamespace(fixturenames=("storm_run", "storm"))
    gate._take_note_of_removal(item, SimpleNamespace(excinfo=error and SimpleNamespace(value=error)), SimpleNamespace(when=when))


@pytest.mark.parametrize(
    ("phases", "word"),
    [
        ([("setup", None), ("call", None), ("teardown", None)], "dismiss"),
        ([("setup", None), ("call", AssertionError("too slow")), ("teardown", None)], "dismiss"),
        ([("setup", StatementFailed("DROP SCHEMA was refused.")), ("teardown", None)], "release"),
        ([], "release"),
    ],
    ids=["removed", "failed and removed", "not removed", "interrupted"],
)
def test_a_storm_removes_within_its_test(gate, phases, word):
    """What it did not come to the end of may have left tenants."""
    gate.load_tokens()
    for when, error in phases:
        phase(gate, when, error)
    assert ended(gate) == [word]


@pytest.mark.parametrize(("how", "said"), [(Watchdog.dismiss, b"done"), (Watchdog.release, b"removes")])
def test_a_released_watchdog_hears_no_word_and_is_waited_for(how, said):
    """The pipe closes as if the run had been killed."""
    process = subprocess.Popen([sys.executable, "-c", ECHO], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    heard = []
    kept = SimpleNamespace(communicate=lambda *words, **limits: heard.append(process.communicate(*words, **limits)[0]))
    how(Watchdog(kept))
    assert (heard, process.returncode, DONE) == ([said], 0, b"done\n")
