"""JUnit XML that continuous integration cannot take for green."""

from dataclasses import replace
from xml.etree import ElementTree as ET

from hypothesis import given, settings
from hypothesis import strategies as st

from capliquify_ops.model.decision import Box, BoxResult, Decision, ExitCode, Reason
from capliquify_ops.model.outcome import State
from capliquify_ops.model.record import TargetRef
from capliquify_ops.rendering.junit import junit

HOSTILE = st.text(st.characters(), min_size=1, max_size=40)


def parsed(decision):
    return ET.fromstring(junit(decision))


def kinds(root):
    return {case.get("classname"): [child.tag for child in case] for case in root.iter("testcase")}


def test_one_suite_per_box_and_one_case_per_check(build):
    """Every box is a suite, every planned check and the approvals box a case."""
    decision = build.every_state()
    root = parsed(decision)
    assert [suite.get("name") for suite in root] == [result.box.title for result in decision.boxes]
    assert [int(suite.get("tests")) for suite in root] == [3, 3, 5, 1, 1, 1, 1]
    assert int(root.get("tests")) == 15


def test_states_become_the_right_elements(build):
    """Failed is a failure, everything undecided an error, and only the reasoned not applicable is skipped."""
    found = kinds(parsed(build.every_state()))
    assert found["integration.int_01_valid_session"] == []
    assert found["security.sec_001_other_tenants_data"] == ["failure"]
    assert found["security.sec_018_rate_limit"] == ["error"]
    assert found["security.sec_017_guessed_ids"] == ["error"]
    assert found["security.sec_004_expired_token"] == ["error"], "a record that never finished is not run"
    assert found["load.mixed_load"] == found["load.latency_baseline"] == ["error"]
    assert found["security.sec_020_https_enforced"] == ["skipped"]


def test_not_applicable_without_reason_is_an_error(build):
    """A check cannot be waved through as not applicable without saying why."""
    record = build.record("sec_020", "security", "t", State.NOT_APPLICABLE, ())
    box = BoxResult(Box("security", "Security", ("sec_020",)), State.NOT_APPLICABLE, (), (record,))
    assert kinds(parsed(replace(build.every_state(), boxes=(box,))))["security.sec_020"] == ["error"]


def test_a_box_that_is_not_passed_is_never_green(build):
    """A box that is stale as a whole is red even though each of its records passed."""
    stale = replace(build.ready().boxes[0], state=State.STALE, reasons=("the target changed",))
    suite = parsed(replace(build.ready(), ready=False, boxes=(stale,)))[0]
    assert suite.get("errors") == "1"
    assert suite.find("testcase/error").get("message") == "the target changed"


def test_a_decision_without_boxes_is_red():
    """Nothing planned is never green."""
    reasons = (Reason(ExitCode.INTEGRITY, "", "the ledger is damaged"),)
    root = parsed(Decision(False, ExitCode.INTEGRITY, reasons, TargetRef("t", "staging", "f"), (), "now", "0"))
    assert root.get("errors") == "1"


def test_a_ready_decision_is_green(build):
    """Ready has no failure, error or skip."""
    root = parsed(build.ready())
    assert (root.get("failures"), root.get("errors"), root.get("skipped")) == ("0", "0", "0")


def test_times_and_findings_are_told(build):
    """A case has its duration, and a failure its findings, bounded."""
    root = parsed(build.with_findings(120))
    case = root.find(".//testcase")
    assert case.get("time") == "30.256"
    text = case.find("failure").text
    assert text.count("A member of acme read") == 50
    assert "and 70 more findings, see records/rec-sec_000.json" in text


@settings(deadline=None, max_examples=60)
@given(texts=st.lists(HOSTILE, min_size=1, max_size=12))
def test_hostile_text_cannot_break_the_document(build, texts):
    """Whatever stands in any field, the XML parses and has the cases that it has with harmless text."""
    hostile = parsed(build.every_state(build.hostile_mark(tuple(texts))))
    assert [e.tag for e in hostile.iter()] == [e.tag for e in parsed(build.every_state()).iter()]


def test_bytes_are_stable(build):
    """The same decision gives the same bytes."""
    assert junit(build.every_state(build.hostile_mark())) == junit(build.every_state(build.hostile_mark()))
