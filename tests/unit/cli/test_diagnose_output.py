"""The screen of a diagnosis: the worst first and whole, what is fine in a line, and nothing that was not asked left out."""

import dataclasses

from capliquify_ops.cli.diagnose_output import show
from capliquify_ops.model.diagnosis import Cause, Diagnosis, Source
from capliquify_ops.model.finding import Level

ANSWERED = Source("database", answered=True, says="5 of 97 connections", elapsed_ms=12.0)
SILENT = Source("Render", answered=False, says="did not answer within 6 s", elapsed_ms=6000.0)
ABSENT = Source("Sentry", answered=False, says="the target has none", elapsed_ms=0.0, is_configured=False)
LEAK = Cause("leaked transactions", "They idle.", ("pid 7",), "End it.", tuple("abcdefg"), 3900.0, Level.L2)
SLOW = Cause("slow health", "It is slow.", (), "Look.", level=Level.L1)


def screen(capsys, *found):
    show(found)
    return capsys.readouterr().out.splitlines()


def test_the_worst_comes_first_and_whole(capsys):
    """Of three issues the one that wakes the highest is on top, each cause with its age, tenants and next command."""
    quiet = Diagnosis("service-down", "", (), (ANSWERED, ABSENT))
    low = Diagnosis("service-down", "", (SLOW,), (ANSWERED,))
    high = Diagnosis("connection-exhaustion", "", (LEAK, SLOW), (ANSWERED, SILENT))
    lines = screen(capsys, quiet, low, high)
    assert lines[0] == "WRONG    connection-exhaustion: wake L2 (PagerDuty)"
    assert lines[1] == "  1. leaked transactions, for 65 min"
    assert "     tenants: a, b, c, d, e and 2 more" in lines
    assert "     next: End it." in lines
    assert "  2. slow health, L1 (Slack)" in lines
    assert lines.index("WRONG    service-down: wake L1 (Slack)") > lines.index("     next: End it.")
    assert not any(line.startswith("  asked") for line in lines)
    assert "  asked database (12 ms): 5 of 97 connections" in screen(capsys, high)
    assert lines[-3:] == [
        "fine     service-down: 5 of 97 connections",
        "NO ANSWER from Render (6000 ms): did not answer within 6 s",
        "not asked: Sentry: the target has none",
    ]


def test_what_could_not_be_told_is_not_fine(capsys):
    """A source that is silent leaves an issue open; one that was not asked is named once, whatever issues want it."""
    open_ = Diagnosis("memory", "", (), (SILENT, ABSENT))
    lines = screen(capsys, open_, Diagnosis("failed-deployment", "", (), (ANSWERED, ABSENT)))
    assert lines[0].startswith("UNKNOWN  memory")
    assert lines[0] == "UNKNOWN  memory: nothing was found, without an answer from Render"
    assert "did not answer" in lines[2]
    assert sum("Sentry" in each for each in lines) == 1
    [unknown, _] = screen(capsys, Diagnosis("memory", "", (), (ABSENT,)))
    assert unknown == "UNKNOWN  memory: nothing that could tell it is configured"


def test_one_fault_of_many_sources_is_one_line(capsys):
    """A database that is away is asked by six issues: all of it stays on one screen, and each source is named."""
    away = [dataclasses.replace(SILENT, name=name, elapsed_ms=5.0 + len(name)) for name in ("a", "bb", "ccc", "a")]
    absent = [dataclasses.replace(ABSENT, name=name) for name in ("d", "e", "d")]
    issues = [Diagnosis(f"issue-{at}", "", (SLOW,) if at else (), (silent, *absent)) for at, silent in enumerate(away)]
    lines = screen(capsys, *issues)
    assert [line for line in lines if line.startswith("NO ANSWER")] == [
        "NO ANSWER from a, bb, ccc (8 ms): did not answer within 6 s"
    ]
    assert [line for line in lines if line.startswith("not asked")] == ["not asked: d, e: the target has none"]
