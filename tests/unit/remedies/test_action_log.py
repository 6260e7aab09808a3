"""The log of actions: chained, whole or nothing, alone."""

import dataclasses
import json
import os
import resource
import signal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from capliquify_ops.evidence.canonical import canonical
from capliquify_ops.evidence.files import write_whole
from capliquify_ops.evidence.ledger import Head
from capliquify_ops.evidence.redaction import Redactor
from capliquify_ops.model.errors import EvidenceDamaged, EvidenceUnwritable, TenantConflict
from capliquify_ops.remedies.action_log import ENDED, LOST, STARTED, Action, ActionLog

ACTION = Action("a-1", "me@here", "live", "restart-service", "d" * 64)
AT = "2030-01-01T00:00:00.000Z"


@pytest.fixture
def log(tmp_path):
    return ActionLog(tmp_path / "deep" / "actions.jsonl", Redactor(["t0ken-of-this-test"]))


def test_what_began_and_has_not_ended(log):
    """A started line without an ended or lost one is unfinished; secrets are masked in what is kept."""
    assert (log.lines(), log.unfinished()) == ((), ())
    log.append(STARTED, ACTION, AT, {"plan": "with t0ken-of-this-test"})
    assert [line.action for line in log.unfinished()] == ["a-1"]
    assert "t0ken" not in log.path.read_text()
    log.append(ENDED, ACTION, AT, {"state": "done"})
    assert log.unfinished() == ()
    log.append(STARTED, Action("a-2", "me", "live", "x", ""), AT, {})
    log.append(LOST, Action("a-2", "me", "live", "x", ""), AT, {})
    assert log.unfinished() == ()
    assert [line.seq for line in log.lines()] == [1, 2, 3, 4]


def _changed(lines):
    yield "a changed word", [lines[0].replace(b"live", b"dead"), *lines[1:]]
    yield "a line taken out", [lines[0], lines[2]]
    yield "the first line taken out", lines[1:]
    yield "the tail cut off", lines[:1]
    yield "everything cut off", []
    yield "lines exchanged", [lines[1], lines[0], lines[2]]
    yield "a line twice", [*lines, lines[2]]
    yield "half a line", [*lines[:2], lines[2][:-9]]
    yield "something else", [*lines, b"{}\n"]
    yield "no JSON", [*lines, b"x\n"]


@pytest.mark.parametrize("number", range(10))
def test_a_damaged_log_is_read_by_nobody_and_written_by_nobody(log, number):
    """Whatever was changed, cut off or put in between: refused with the file's name, and nothing is added."""
    for kind in (STARTED, ENDED, STARTED):
        log.append(kind, ACTION, AT, {})
    what, lines = list(_changed(log.path.read_bytes().splitlines(keepends=True)))[number]
    log.path.write_bytes(b"".join(lines))
    before = log.path.read_bytes()
    for use in (log.lines, lambda: log.append(STARTED, ACTION, AT, {})):
        with pytest.raises(EvidenceDamaged, match=r"actions\.jsonl") as caught:
            use()
        assert "--log FILE" in str(caught.value), what
    assert log.path.read_bytes() == before


def test_a_line_that_was_sealed_anew_is_found(log):
    """Whoever takes a line out, and numbers and seals the next one and the head anew, leaves a chain that does not hold."""
    for kind in (STARTED, ENDED, STARTED):
        log.append(kind, ACTION, AT, {})
    lines = log.lines()
    forged = dataclasses.replace(lines[2], seq=2).sealed()
    log.path.write_bytes(canonical(lines[0]) + canonical(forged))
    log.path.with_name("actions.jsonl.head").write_bytes(canonical(Head(2, forged.seal)))
    with pytest.raises(EvidenceDamaged, match="broken at line 2"):
        log.lines()


def test_a_log_that_was_removed_is_missed(log):
    """The file beside it says that there were lines."""
    log.append(STARTED, ACTION, AT, {})
    log.path.unlink()
    with pytest.raises(EvidenceDamaged):
        log.lines()


@settings(max_examples=20)
@given(st.data())
def test_any_changed_byte_is_found(tmp_path_factory, data):
    """One byte of the log that is another one is always found."""
    log = ActionLog(tmp_path_factory.mktemp("log") / "actions.jsonl", Redactor())
    log.append(STARTED, ACTION, AT, {"plan": {"steps": ["é", 1, None]}})
    log.append(ENDED, ACTION, AT, {"state": "done"})
    content = bytearray(log.path.read_bytes())
    place = data.draw(st.integers(0, len(content) - 1))
    content[place] = data.draw(st.integers(0, 255).filter(lambda byte: byte != content[place]))
    log.path.write_bytes(content)
    with pytest.raises(EvidenceDamaged):
        log.lines()


def test_a_writer_that_was_ended_before_the_head(log):
    """One whole line beyond the head is its writer's, who was ended in between: it counts, and the next one follows."""
    log.append(STARTED, ACTION, AT, {})
    head = log.path.with_name("actions.jsonl.head").read_bytes()
    log.append(ENDED, ACTION, AT, {})
    log.path.with_name("actions.jsonl.head").write_bytes(head)
    assert len(log.lines()) == 2
    log.append(STARTED, ACTION, AT, {})
    assert len(log.lines()) == 3


def test_no_room_for_a_line(log):
    """The system takes half of a line and refuses the rest: that half is taken back, and it is said where to log instead."""
    log.append(STARTED, ACTION, AT, {})
    before = log.path.read_bytes()
    child = os.fork()
    if child == 0:
        resource.setrlimit(resource.RLIMIT_FSIZE, (len(before) + 99, len(before) + 99))
        try:
            log.append(ENDED, ACTION, AT, {"long": "x" * 500})
        except EvidenceUnwritable as fault:
            os._exit(7 if "--log FILE" in str(fault) and "File too large" in str(fault) else 1)
        os._exit(0)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 7
    assert log.path.read_bytes() == before
    assert len(log.lines()) == 1


def test_a_device_is_no_log(tmp_path):
    """A device keeps nothing, or never ends: it is refused."""
    (tmp_path / "actions.jsonl").symlink_to("/dev/full")
    log = ActionLog(tmp_path / "actions.jsonl", Redactor())
    for use in (log.lines, lambda: log.append(STARTED, ACTION, AT, {})):
        with pytest.raises(EvidenceUnwritable, match="it is no file"):
            use()


def test_no_space_for_the_end_of_a_line_takes_the_beginning_back(log, monkeypatch):
    """A line that could not be written whole, or whose head could not, is taken back."""
    log.append(STARTED, ACTION, AT, {})
    before = log.path.read_bytes()

    def refuses(path, content):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("capliquify_ops.remedies.action_log.write_whole", refuses)
    with pytest.raises(EvidenceUnwritable):
        log.append(ENDED, ACTION, AT, {})
    monkeypatch.undo()
    assert log.path.read_bytes() == before
    log.append(ENDED, ACTION, AT, {})
    assert len(log.lines()) == 2


def test_a_place_that_is_no_folder(tmp_path):
    """A log inside a file cannot be."""
    (tmp_path / "file").write_text("")
    log = ActionLog(tmp_path / "file" / "actions.jsonl", Redactor())
    with pytest.raises(EvidenceUnwritable), log.alone("x", "live"):
        pass
    for use in (log.lines, lambda: log.append(STARTED, ACTION, AT, {})):
        with pytest.raises(EvidenceUnwritable, match=r"Not a directory|File exists"):
            use()


def test_one_at_a_time(log):
    """The same remedy of the same target is refused meanwhile; others go on; who runs is told from who is gone."""
    line = log.append(STARTED, ACTION, AT, {})
    assert not log.is_running(line)
    with log.alone("restart-service", "live"):
        assert log.is_running(line)
        with pytest.raises(TenantConflict, match="at work on 'live' right now"), log.alone("restart-service", "live"):
            pass
        with log.alone("restart-service", "other"), log.alone("roll-back-deploy", "live"):
            pass
    assert not log.is_running(line)
    with log.alone("restart-service", "live"):
        pass


def test_the_lock_ends_with_its_program(log):
    """A program that is ended leaves no lock behind."""
    log.append(STARTED, ACTION, AT, {})
    read, write = os.pipe()
    child = os.fork()
    if child == 0:
        with log.alone("restart-service", "live"):
            os.write(write, b"x")
            signal.pause()
    os.read(read, 1)
    [line] = log.lines()
    assert log.is_running(line)
    os.kill(child, 9)
    os.waitpid(child, 0)
    assert not log.is_running(line)
    os.close(read), os.close(write)
    assert json.loads(log.path.read_text())["kind"] == STARTED


def test_a_line_that_a_crash_cut_off(log):
    """Half a line beyond the head was never confirmed to anybody: it does not count, and the next line takes its place."""
    log.append(STARTED, ACTION, AT, {})
    head = log.path.with_name("actions.jsonl.head")
    before, known = log.path.read_bytes(), head.read_bytes()
    log.append(ENDED, ACTION, AT, {"long": "x" * 99})
    whole = log.path.read_bytes()
    for size in (len(before) + 1, len(before) + 99, len(whole) - 1):
        log.path.write_bytes(whole[:size]), head.write_bytes(known)
        assert [line.kind for line in log.lines()] == [STARTED]
        assert [line.kind for line in log.unfinished()] == [STARTED]
        log.append(LOST, ACTION, AT, {})
        assert [line.kind for line in log.lines()] == [STARTED, LOST]
    log.path.write_bytes(whole[:-1])
    with pytest.raises(EvidenceDamaged):
        log.lines()


def test_the_very_first_line_was_cut_off(log):
    """As above for a log that had nothing before."""
    log.path.parent.mkdir()
    log.path.write_bytes(b'{"action":"a-1","ac')
    assert log.lines() == ()
    assert log.append(STARTED, ACTION, AT, {}).seq == 1
    assert len(log.lines()) == 1


@pytest.mark.parametrize("head", [b'{"seq":"x","seal":"y"}', b"[" * 100_000, b'{"seq":1}', b"1", b'{"seq":true,"seal":"y"}'])
def test_a_head_that_is_none(log, head):
    """Whatever stands in the file beside it, the log is damaged, and nothing else breaks."""
    log.append(STARTED, ACTION, AT, {})
    log.path.with_name("actions.jsonl.head").write_bytes(head)
    with pytest.raises(EvidenceDamaged):
        log.lines()


def test_one_log_by_two_names(log, tmp_path):
    """A link to a log is that log, with its head and its locks."""
    log.append(STARTED, ACTION, AT, {})
    (tmp_path / "link.jsonl").symlink_to(log.path)
    other = ActionLog(tmp_path / "link.jsonl", Redactor())
    other.append(ENDED, ACTION, AT, {})
    assert len(log.lines()) == len(other.lines()) == 2
    with log.alone("x", "live"), pytest.raises(TenantConflict), other.alone("x", "live"):
        pass


def test_logs_whose_names_differ_in_the_end_alone(log):
    """Each log has a head of its own, also one that is called head itself."""
    for name in ("actions.jsonl", "actions.txt", "actions.head"):
        one = ActionLog(log.path.with_name(name), Redactor())
        one.append(STARTED, ACTION, AT, {}), one.append(ENDED, ACTION, AT, {})
        assert len(one.lines()) == 2


def test_a_pipe_is_no_log(tmp_path):
    """A pipe that nobody reads or writes is refused at once, and not waited for."""
    os.mkfifo(tmp_path / "actions.jsonl")
    log = ActionLog(tmp_path / "actions.jsonl", Redactor())
    for use in (log.lines, lambda: log.append(STARTED, ACTION, AT, {})):
        with pytest.raises(EvidenceUnwritable):
            use()


def test_two_writers_in_a_row_that_were_ended_before_the_head(log, monkeypatch):
    """The head is brought up to the last line before another one follows: that one may lose its writer there too."""
    log.append(STARTED, ACTION, AT, {})
    head = log.path.with_name("actions.jsonl.head")
    known = head.read_bytes()
    log.append(ENDED, ACTION, AT, {})
    head.write_bytes(known)
    real, written = write_whole, []

    def keeping(path, content):
        real(path, content)
        written.append(path.read_bytes())

    monkeypatch.setattr("capliquify_ops.remedies.action_log.write_whole", keeping)
    log.append(STARTED, ACTION, AT, {})
    head.write_bytes(written[0])
    assert [json.loads(each)["seq"] for each in written] == [2, 3]
    assert len(log.lines()) == 3
