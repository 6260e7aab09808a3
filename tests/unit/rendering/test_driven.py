"""Beside the tick of the load box stands how much load was driven and required, in every document for people."""

import pytest

from capliquify_ops.model.decision import Box, BoxResult, Decision, ExitCode
from capliquify_ops.model.outcome import Outcome, State
from capliquify_ops.rendering.driven import REQUIRED_RATE, REQUIRED_SECONDS, driven
from capliquify_ops.rendering.markdown import summary
from capliquify_ops.rendering.table import boxes_table
from capliquify_ops.signoff.report import html

FIGURES = {"rate_per_s": 500.0, "seconds": 30.0}
REQUIRED = {REQUIRED_RATE: 500, REQUIRED_SECONDS: 30}
SENTENCE = "500 of 500 requests/s required, for 30 of 30 s"


def _box(build, measured, state=State.PASSED, check="api_load"):
    found = build.finding(check, Outcome.HEALTHY, measured=measured)
    box = Box("load", "Load tests passed (1000 RPS)", (check,))
    reasons = () if state is State.PASSED else (f"{check}: failed",)
    return BoxResult(box, state, reasons, (build.record(check, "load", "Steady load", findings=(found,)),))


def _decision(build, measured):
    return Decision(True, ExitCode.READY, (), build.target(), (_box(build, measured),), build.AT, "0.1.0")


def test_what_was_driven_is_said_of_a_passed_box_only(build):
    """With what was required where the finding says it; of an open box its reasons speak."""
    assert driven(_box(build, FIGURES | REQUIRED)) == SENTENCE
    assert driven(_box(build, FIGURES)) == "500 requests/s, for 30 s"
    assert driven(_box(build, FIGURES | REQUIRED, State.FAILED)) == ""
    assert driven(_box(build, {"p95_ms": 3.0})) == ""
    assert driven(_box(build, FIGURES | REQUIRED, check="mixed_load")) == ""


@pytest.mark.parametrize("width", [60, 80, 100, 160])
def test_a_terminal_of_any_width_shows_it_whole(build, width):
    """Beside the state where there is room, else on the line below the tick."""
    text = boxes_table(_decision(build, FIGURES | REQUIRED), width, colour=False)
    assert SENTENCE in text
    assert (SENTENCE in next(line for line in text.splitlines() if line.startswith("[x]"))) == (width > 140)


def test_summary_and_report_show_it(build):
    """In the sheet's row of the box."""
    decision = _decision(build, FIGURES | REQUIRED)
    assert f"| Passed: {SENTENCE} |" in summary(decision).decode()
    assert SENTENCE in html(decision, lambda _: None).decode()
