"""JUnit XML for continuous integration: a suite per box, a case per check, and never green where a box is not."""

from xml.etree import ElementTree as ET

from capliquify_ops.model.decision import BoxResult, Decision
from capliquify_ops.model.finding import Finding
from capliquify_ops.model.outcome import State
from capliquify_ops.model.record import Record
from capliquify_ops.rendering.order import state_shown, why, without_record, worst_first
from capliquify_ops.rendering.text import block, line
from capliquify_ops.rendering.words import STATES, elapsed_ms

_MESSAGE = 1_000
_FINDINGS = 50
_RED = ("failure", "error")
_GREEN_STATES = frozenset({State.PASSED, State.NOT_APPLICABLE})


def junit(decision: Decision) -> bytes:
    """Return the decision as JUnit XML: one testsuite per box, one testcase per record and per planned check without one.

    Failed is <failure>; not run, inconclusive, error and stale are <error>, since readers take <skipped> for green;
    not applicable is <skipped> only with a reason. A decision that is not ready always holds a failure or an error.
    """
    root = ET.Element("testsuites", name="capliquify_ops", timestamp=line(decision.decided_at, _MESSAGE))
    for result in decision.boxes:
        root.append(_suite(result))
    if not decision.ready and not any(_is_red(case) for case in root.iter("testcase")):
        root.append(_verdict(decision))
    for name in ("tests", "failures", "errors", "skipped"):
        root.set(name, str(sum(int(suite.get(name, "0")) for suite in root)))
    ET.indent(root)
    text = ET.tostring(root, encoding="unicode")
    return f'<?xml version="1.0" encoding="utf-8"?>\n{text}\n'.encode()


def _suite(result: BoxResult) -> ET.Element:
    cases = [_record_case(record) for record in result.records]
    missing = "No record: the check was not run." if result.box.measured else "Awaiting approval."
    for check in without_record(result):
        cases.append(_case(result.box.id, check, check))
        _outcome(cases[-1], State.NOT_RUN, missing, missing)
    if result.state not in _GREEN_STATES and not any(_is_red(case) for case in cases):
        cases.append(_box_case(result))
    return _counted(line(result.box.title, _MESSAGE), cases)


def _verdict(decision: Decision) -> ET.Element:
    case = _case("verdict", "verdict", "The release is ready")
    reasons = "\n".join(reason.text for reason in decision.reasons) or "The verdict is not ready."
    _outcome(case, State.ERROR, reasons, reasons)
    return _counted("Verdict", [case])


def _box_case(result: BoxResult) -> ET.Element:
    case = _case(result.box.id, result.box.id, result.box.title)
    reasons = "\n".join(result.reasons) or f"The box is {STATES[result.state].lower()}."
    _outcome(case, result.state, reasons, reasons)
    return case


def _record_case(record: Record) -> ET.Element:
    case = _case(record.box, record.check, record.title or record.check)
    spent = elapsed_ms(record.started_at, record.finished_at)
    case.set("time", f"{(spent or 0.0) / 1000:.3f}")
    _outcome(case, state_shown(record), why(record), _details(record))
    return case


def _case(box: str, check: str, name: str) -> ET.Element:
    return ET.Element("testcase", classname=line(f"{box}.{check}", _MESSAGE), name=line(name, _MESSAGE), time="0.000")


def _outcome(case: ET.Element, state: State, reason: str, details: str) -> None:
    if state is State.PASSED:
        return
    if state is State.NOT_APPLICABLE and reason:
        ET.SubElement(case, "skipped", message=line(reason, _MESSAGE))
        return
    tag = "failure" if state is State.FAILED else "error"
    said = reason or f"{STATES[state]}, without a reason."
    child = ET.SubElement(case, tag, type=state.value, message=line(said, _MESSAGE))
    child.text = block(details, 100 * _MESSAGE)


def _details(record: Record) -> str:
    shown = worst_first(record.findings)[:_FINDINGS]
    lines = [line(record.reason, _MESSAGE)] if record.reason else []
    lines += [_sentence(finding) for finding in shown]
    if len(record.findings) > len(shown):
        lines.append(f"and {len(record.findings) - len(shown):,} more findings, see records/{record.id}.json")
    return "\n".join(lines)


def _sentence(finding: Finding) -> str:
    subject = f"{finding.subject.kind.value} {finding.subject.name}"
    return line(f"{finding.outcome.value} ({finding.severity.value}) {subject}: {finding.why}", _MESSAGE)


def _is_red(case: ET.Element) -> bool:
    return any(child.tag in _RED for child in case)


def _counted(name: str, cases: list[ET.Element]) -> ET.Element:
    suite = ET.Element("testsuite", name=name, tests=str(len(cases)))
    for attribute, tag in (("failures", "failure"), ("errors", "error"), ("skipped", "skipped")):
        suite.set(attribute, str(sum(1 for case in cases if case.find(tag) is not None)))
    suite.extend(cases)
    return suite
