"""The verdict: no box is ticked but by records that passed."""

import dataclasses

import pytest
from hypothesis import given
from hypothesis import strategies as st

from capliquify_ops.model.decision import GATE_PRECEDENCE, Box, ExitCode
from capliquify_ops.model.names import check_id
from capliquify_ops.model.outcome import State, worst
from capliquify_ops.model.record import TargetRef
from capliquify_ops.signoff.boxes import box_of, load_boxes
from capliquify_ops.signoff.verdict import (
    counted,
    decide,
    effective_state,
    measured_boxes_passed,
    nothing_measured_failed,
    target_named,
)

NOW = "2026-01-03T00:00:00.000Z"
BOXES = (Box("one", "One", (check_id("a"), check_id("b"))), Box("two", "Two", (check_id("c"),)))
TARGET = TargetRef("staging", "staging", "f" * 16)


@pytest.fixture
def of(record):
    def make(check, state=State.PASSED, **changes):
        return record(id=f"{check}-{changes.get('started_at', '')}", check=check_id(check), state=state, **changes)

    return make


def _decide(records, boxes=BOXES):
    return decide(boxes, records, TARGET, NOW, "0.1.0")


def test_all_passed_is_ready(of):
    """With a passed record for each planned check the verdict is ready, exit 0, without a reason."""
    decision = _decide([of("a"), of("b"), of("c")])
    assert (decision.ready, decision.exit_code, decision.reasons) == (True, ExitCode.READY, ())
    assert measured_boxes_passed(decision)


def test_nothing_is_not_ready():
    """No records at all: every box is not run, exit 11."""
    decision = _decide([])
    assert (decision.ready, decision.exit_code) == (False, ExitCode.NOT_RUN)
    assert {result.state for result in decision.boxes} == {State.NOT_RUN}


def test_no_boxes_is_not_ready(of):
    """A sheet without boxes is never ready."""
    assert not _decide([of("a")], boxes=()).ready


@pytest.mark.parametrize(
    ("state", "code"),
    [
        (State.ERROR, ExitCode.ERROR),
        (State.FAILED, ExitCode.FAIL),
        (State.NOT_RUN, ExitCode.NOT_RUN),
        (State.INCONCLUSIVE, ExitCode.INCONCLUSIVE),
        (State.STALE, ExitCode.STALE),
        (State.NOT_APPLICABLE, ExitCode.NOT_RUN),
    ],
)
def test_one_bad_record_opens_its_box_alone(of, state, code):
    """One record that did not pass opens its box with its cause, and leaves the other one ticked."""
    decision = _decide([of("a"), of("b"), of("c", state, reason="because")])
    assert [result.state for result in decision.boxes] == [State.PASSED, state]
    assert decision.exit_code is code
    assert "because" in decision.reasons[0].text
    assert not decision.ready


def test_a_started_record_is_not_run(of):
    """A record whose run died counts as not run, whatever its state says."""
    died = of("c", State.PASSED, finished_at=None)
    assert effective_state(died) is State.NOT_RUN
    assert _decide([of("a"), of("b"), died]).exit_code is ExitCode.NOT_RUN


def test_the_latest_started_record_counts(of):
    """A later failure beats an earlier pass, and a later pass an earlier failure: later in the ledger, whatever the clock said."""
    for old, new in (("2026-01-01T00:00:00.000Z", NOW), (NOW, "2026-01-01T00:00:00.000Z")):
        worse = [of("c", started_at=old), of("c", State.FAILED, started_at=new)]
        better = [of("c", State.FAILED, started_at=old), of("c", started_at=new)]
        for records, expected in ((worse, State.FAILED), (better, State.PASSED)):
            assert _decide([of("a"), of("b"), *records]).boxes[1].state is expected


def test_a_later_crash_unticks(of):
    """A re-run that died after an earlier pass leaves the box open."""
    records = [of("a"), of("b"), of("c", started_at="2026-01-01T00:00:00.000Z"), of("c", started_at=NOW, finished_at=None)]
    assert _decide(records).boxes[1].state is State.NOT_RUN


def test_records_of_another_system_do_not_count(of):
    """A record of another target, or of another database under the same name, ticks nothing."""
    for other in (TargetRef("production", "production", "f" * 16), TargetRef("staging", "staging", "0" * 16)):
        records = [of("a"), of("b"), of("c", target=other)]
        assert _decide(records).boxes[1].state is State.NOT_RUN


def test_a_target_is_the_one_measured_last(of):
    """Of two databases under one name the one measured last is meant."""
    moved = dataclasses.replace(TARGET, fingerprint="0" * 16)
    records = [of("a", started_at="2026-01-01T00:00:00.000Z"), of("b", started_at="2026-01-02T00:00:00.000Z", target=moved)]
    assert target_named(records, "staging") == moved
    assert target_named(records, "elsewhere") is None


def test_people_approve(of):
    """A box that is not measured stays open and names the four roles; it alone gives exit 13 and does not stop `pytest readiness`."""
    boxes = (*BOXES, Box("approvals", "Approval", (), measured=False))
    decision = _decide([of("a"), of("b"), of("c")], boxes)
    assert (decision.ready, decision.exit_code) == (False, ExitCode.APPROVAL)
    assert len(decision.boxes[2].reasons) == 4
    assert measured_boxes_passed(decision)


def test_not_applicable_passes_beside_a_pass_only(of):
    """Not applicable is no pass of its own: beside a passed check it does not block, alone it does."""
    beside = _decide([of("a"), of("b", State.NOT_APPLICABLE), of("c")])
    alone = _decide([of("a"), of("b"), of("c", State.NOT_APPLICABLE)])
    assert beside.ready
    assert not alone.ready


def test_the_demonstration_fails_on_failures_only(of):
    """Boxes that are not run or inconclusive do not fail the demonstration; a failed or crashed check does."""
    assert nothing_measured_failed(_decide([of("a"), of("b", State.INCONCLUSIVE)]))
    assert not nothing_measured_failed(_decide([of("a", State.FAILED)]))
    assert not nothing_measured_failed(_decide([of("a", State.ERROR)]))


STATES = st.sampled_from(list(State))


@given(st.lists(st.tuples(st.sampled_from(["a", "b", "c", "d"]), STATES, st.booleans(), st.integers(0, 3)), max_size=12))
def test_ready_implies_a_pass_for_each_check(rows):
    """Whatever the records: ready and exit 0 are the same thing, and need a finished pass (or a declared exception) of every check."""
    from tests.unit.conftest import make_record

    records = [
        make_record(
            id=f"{number:03}",
            check=check_id(check),
            state=state,
            finished_at=NOW if done else None,
            started_at=f"2026-01-0{day + 1}T00:00:00.000Z",
        )
        for number, (check, state, done, day) in enumerate(rows)
    ]
    decision = _decide(records)
    latest = counted(records, TARGET)
    assert decision.ready == (decision.exit_code == ExitCode.READY) == (not decision.reasons)
    if decision.ready:
        for box in BOXES:
            states = {effective_state(latest.get(check)) for check in box.checks}
            assert State.PASSED in states
            assert states <= {State.PASSED, State.NOT_APPLICABLE}
    codes = [GATE_PRECEDENCE.index(reason.code) for reason in decision.reasons]
    assert codes == sorted(codes)


def test_worst_of_nothing_is_not_run():
    """Silence is never a pass."""
    assert worst([]) is State.NOT_RUN


def test_the_sheet_is_the_runbooks():
    """Seven boxes in the runbook's order, every check in one box only."""
    boxes = load_boxes()
    assert [box.id for box in boxes] == ["integration", "load", "security", "monitoring", "alerts", "runbook", "approvals"]
    checks = [check for box in boxes for check in box.checks]
    assert len(checks) == len(set(checks))
    assert box_of("api_load") == "load"
    assert box_of("not_planned") is None
