"""Findings by themselves, for programs and people: SARIF 2.1.0, JUnit and Markdown, worst first."""

import json
from collections.abc import Iterable, Mapping
from xml.etree import ElementTree as ET

from capliquify_ops.model.finding import Finding
from capliquify_ops.model.outcome import Outcome, Severity
from capliquify_ops.rendering.markdown import inert
from capliquify_ops.rendering.order import worst_first
from capliquify_ops.rendering.text import block, line

_MESSAGE = 1_000
_DETAILS = 100_000
_ROWS = 200
_GOOD = frozenset({Outcome.HEALTHY, Outcome.NOT_APPLICABLE})
_LEVELS = {Severity.CRITICAL: "error", Severity.HIGH: "error", Severity.MEDIUM: "warning"}
_KINDS = {Outcome.HEALTHY: "pass", Outcome.NOT_APPLICABLE: "notApplicable"}
_SCHEMA = "https://json.schemastore.org/sarif-2.1.0.json"

Accepted = Mapping[str, str]
"""Ids of findings that are held back, each with the reason."""


def sarif(findings: Iterable[Finding], accepted: Accepted, version: str) -> bytes:
    """Return the findings as SARIF 2.1.0: a rule per check, a result per finding, suppressed ones marked so.

    What could not be told is of kind `review`, a pass of kind `pass`: a reader that knows only `fail` is shown faults only.
    """
    every = worst_first(tuple(findings))
    rules = [{"id": check} for check in sorted({str(each.check) for each in every})]
    driver = {"name": "capliquify_ops", "version": version, "rules": rules}
    run = {"tool": {"driver": driver}, "results": [_result(each, accepted) for each in every], "columnKind": "unicodeCodePoints"}
    document = {"$schema": _SCHEMA, "version": "2.1.0", "runs": [run]}
    return json.dumps(document, indent=2, sort_keys=True).encode() + b"\n"


def _result(finding: Finding, accepted: Accepted) -> dict[str, object]:
    is_bad = finding.outcome is Outcome.FAILING
    tenants = {"count": finding.tenants.count, "sample": list(finding.tenants.sample)} if finding.tenants else None
    name = line(finding.subject.name, _MESSAGE)
    result: dict[str, object] = {
        "ruleId": str(finding.check),
        "kind": "fail" if is_bad else _KINDS.get(finding.outcome, "review"),
        "level": _LEVELS.get(finding.severity, "note") if is_bad else "none",
        "message": {"text": line(finding.why, _MESSAGE)},
        "locations": [{"logicalLocations": [{"fullyQualifiedName": name, "kind": finding.subject.kind.value}]}],
        "partialFingerprints": {"findingId/v1": line(finding.id, _MESSAGE)},
        "properties": {
            "severity": finding.severity.value,
            "examined": finding.examined,
            "eligible": finding.eligible,
            "tenants": tenants,
        },
    }
    if finding.id in accepted:
        result["suppressions"] = [{"kind": "external", "justification": line(accepted[finding.id], _MESSAGE)}]
    return result


def junit_of_findings(findings: Iterable[Finding], accepted: Accepted, name: str) -> bytes:
    """Return the findings as one JUnit suite: failing is a failure, unknown an error, accepted skipped with its reason."""
    suite = ET.Element("testsuite", name=line(name, _MESSAGE))
    for finding in worst_first(tuple(findings)):
        case = ET.SubElement(
            suite, "testcase", classname=str(finding.check), name=line(finding.subject.name, _MESSAGE), time="0.000"
        )
        tag = _tag(finding, accepted)
        if tag:
            said = accepted.get(finding.id) or finding.why
            child = ET.SubElement(case, tag, message=line(said, _MESSAGE))
            child.text = block("\n".join([finding.why, *(finding.witness.lines if finding.witness else ())]), _DETAILS)
    for attribute, tag in (("tests", "testcase"), ("failures", "failure"), ("errors", "error"), ("skipped", "skipped")):
        suite.set(attribute, str(sum(1 for _ in suite.iter(tag))))
    ET.indent(suite)
    return f'<?xml version="1.0" encoding="utf-8"?>\n{ET.tostring(suite, encoding="unicode")}\n'.encode()


def _tag(finding: Finding, accepted: Accepted) -> str:
    if finding.outcome in _GOOD:
        return ""
    if finding.id in accepted:
        return "skipped"
    return "failure" if finding.outcome is Outcome.FAILING else "error"


def markdown_of_findings(findings: Iterable[Finding], accepted: Accepted, title: str) -> bytes:
    """Return the findings as a Markdown table, bounded; names and sentences from outside are inert in it."""
    every = worst_first(tuple(findings))
    rows = [f"## {inert(title)}", "", "| | check | tenants | finding |", "|---|---|--:|---|"]
    rows += [_row(finding, accepted) for finding in every[:_ROWS]]
    if len(every) > _ROWS:
        rows += ["", f"and {len(every) - _ROWS:,} more findings"]
    return ("\n".join(rows) + "\n").encode()


def _row(finding: Finding, accepted: Accepted) -> str:
    state = finding.severity.value if finding.outcome is Outcome.FAILING else finding.outcome.value
    shown = f"accepted ({state})" if finding.id in accepted else state
    count = str(finding.tenants.count) if finding.tenants else ""
    return f"| {shown} | {inert(str(finding.check))} | {count} | {inert(finding.why)} |"
