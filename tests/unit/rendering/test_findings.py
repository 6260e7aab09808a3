"""Findings as SARIF, JUnit and Markdown: what is red stays red, what is hostile stays inert."""

import json
from xml.etree import ElementTree as ET

from hypothesis import given
from hypothesis import strategies as st

from capliquify_ops.model.finding import Evidence, Finding, Spread, Subject, SubjectKind, Witness
from capliquify_ops.model.names import check_id
from capliquify_ops.model.outcome import Outcome, Severity
from capliquify_ops.rendering.findings import junit_of_findings, markdown_of_findings, sarif


def finding(outcome=Outcome.FAILING, severity=Severity.HIGH, name="view x", why="It is wrong."):
    evidence = Evidence("q", "db", "2026-01-01T00:00:00.000Z", 1.0)
    return Finding(
        check_id("some_check"),
        Subject(SubjectKind.RELATION, name),
        outcome,
        severity,
        evidence,
        why,
        2,
        2,
        tenants=Spread(2, ("a", "b"), "0" * 64),
        witness=Witness((f"line {name}",)),
    )


texts = st.text(min_size=1, max_size=30)
found = st.lists(st.builds(finding, st.sampled_from(Outcome), st.sampled_from(Severity), texts, texts), max_size=5)


@given(found)
def test_sarif_says_fail_for_what_fails_and_nothing_else(findings):
    """Readers of SARIF take kind `fail` for a fault: exactly the failing findings are, each with a rule and a fingerprint."""
    [run] = json.loads(sarif(findings, {}, "1.0"))["runs"]
    assert len(run["results"]) == len(findings)
    kinds = [result["kind"] for result in run["results"]]
    assert kinds.count("fail") == sum(each.outcome is Outcome.FAILING for each in findings)
    assert kinds.count("pass") == sum(each.outcome is Outcome.HEALTHY for each in findings)
    for result in run["results"]:
        assert {"id": result["ruleId"]} in run["tool"]["driver"]["rules"]
        assert (result["level"] == "none") == (result["kind"] != "fail")
        assert result["message"]["text"]
        assert result["partialFingerprints"]["findingId/v1"].startswith("some_check:")


@given(found)
def test_junit_is_red_for_all_that_is_not_good(findings):
    """Failing is a failure, what could not be told an error: a reader that counts both never sees green."""
    suite = ET.fromstring(junit_of_findings(findings, {}, "fleet"))
    outcomes = [each.outcome for each in findings]
    good = outcomes.count(Outcome.HEALTHY) + outcomes.count(Outcome.NOT_APPLICABLE)
    assert int(suite.get("tests")) == len(findings)
    assert int(suite.get("failures")) == outcomes.count(Outcome.FAILING)
    assert int(suite.get("failures")) + int(suite.get("errors")) == len(findings) - good
    assert suite.get("skipped") == "0"


@given(found)
def test_markdown_has_one_row_a_finding(findings):
    """No name or sentence breaks the table or makes a link, an image or markup of itself."""
    lines = markdown_of_findings(findings, {}, "Fleet").decode().split("\n")
    rows = lines[4:-1]
    assert len(rows) == len(findings)
    assert all(row.count("|") == 5 and "<" not in row and "](" not in row for row in rows)


def test_what_is_accepted_says_why():
    """A suppressed finding is marked in each form, with who answers for it."""
    accepted = {"some_check:view x": "goes (platform, until 2999-01-01)"}
    [result] = json.loads(sarif([finding()], accepted, "1"))["runs"][0]["results"]
    assert result["suppressions"] == [{"kind": "external", "justification": accepted["some_check:view x"]}]
    suite = ET.fromstring(junit_of_findings([finding()], accepted, "fleet"))
    assert (suite.get("failures"), suite.get("skipped")) == ("0", "1")
    assert suite.find("testcase/skipped").get("message") == accepted["some_check:view x"]
    assert "| accepted (high) |" in markdown_of_findings([finding()], accepted, "Fleet").decode()


def test_levels_follow_severity():
    """Critical and high are errors, medium a warning, the rest notes; the worst comes first."""
    results = json.loads(sarif([finding(severity=each) for each in reversed(Severity)], {}, "1"))["runs"][0]["results"]
    assert [result["level"] for result in results] == ["error", "error", "warning", "note", "note"]


def test_thousands_of_findings_stay_readable():
    """The table ends after 200 rows and says how many there are."""
    text = markdown_of_findings([finding(name=str(number)) for number in range(1_000)], {}, "Fleet").decode()
    assert text.count("\n| high") == 200
    assert "and 800 more findings" in text
