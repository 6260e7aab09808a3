"""How the findings of `fleet check` are printed: for a person, or as a document for another program."""

import dataclasses
from enum import StrEnum
from itertools import groupby

from capliquify_ops.cli.output import document, line, note, raw
from capliquify_ops.configuration.system import this_tool
from capliquify_ops.integrity.comparing import Changes, Sorted
from capliquify_ops.model.finding import Finding
from capliquify_ops.model.outcome import Outcome
from capliquify_ops.rendering.findings import junit_of_findings, markdown_of_findings, sarif

_SHOWN = 20
"""Faults of one check that a person is shown; programs get all."""
_NAMED = 5
"""Tenants and lines that a finding names here; the JSON has 20 and the digest of all."""


class Form(StrEnum):
    """How findings are printed."""

    TABLE = "table"
    JSON = "json"
    SARIF = "sarif"
    JUNIT = "junit"
    MARKDOWN = "markdown"


def show(found: Sorted, changed: Changes | None, target: str, form: Form) -> None:
    """Print what was found; what is to be done about suppressions goes to stderr."""
    every = (*found.open, *(finding for finding, _ in found.suppressed))
    accepted = {finding.id: f"{why.reason} ({why.owner}, until {why.expires})" for finding, why in found.suppressed}
    match form:
        case Form.JSON:
            document(_document(every, found, changed, accepted) | {"target": target})
        case Form.SARIF:
            raw(sarif(every, accepted, this_tool().version))
        case Form.JUNIT:
            raw(junit_of_findings(every, accepted, f"fleet check of {target}"))
        case Form.MARKDOWN:
            raw(markdown_of_findings(every, accepted, f"Fleet check of {target}"))
        case Form.TABLE:
            _show_all(found, accepted, changed)
    for each in found.expired:
        note(f"The suppression of {each.id!r} ended on {each.expires}: mend it or renew it ({each.owner}).")
    for each in found.unused:
        note(f"The suppression of {each.id!r} holds nothing back any more: remove it ({each.owner}).")


def _document(every: tuple[Finding, ...], found: Sorted, changed: Changes | None, accepted: dict[str, str]) -> dict[str, object]:
    rows = []
    for finding in every:
        fields = {field.name: getattr(finding, field.name) for field in dataclasses.fields(finding)}
        rows.append({"id": finding.id, "suppressed": accepted.get(finding.id), **fields})
    expired = [each.id for each in found.expired]
    return {"findings": rows, "expired_suppressions": expired, **({"changes": changed} if changed else {})}


def _show_all(found: Sorted, accepted: dict[str, str], changed: Changes | None) -> None:
    for check, findings in groupby(found.open, lambda finding: finding.check):
        every, told = list(findings), set[str]()
        for finding in every[:_SHOWN]:
            _show(finding, _mark(finding, changed), told)
        if len(every) > _SHOWN:
            line(f"    and {len(every) - _SHOWN} more of {check}: capliquify-ops fleet check {check} --json")
    for finding, _ in found.suppressed:
        line(f"accepted ({finding.severity.value})  {finding.id}: {accepted[finding.id]}")
    for gone in changed.gone if changed else ():
        line(f"gone  {gone}")


def _mark(finding: Finding, changed: Changes | None) -> str:
    if changed is None or finding.outcome is not Outcome.FAILING:
        return ""
    return " new" if finding.id in changed.new else " grown" if finding.id in changed.grown else " as before"


def _show(finding: Finding, mark: str, told: set[str]) -> None:
    """Print one finding; a line that was told of the same check before is not told again."""
    is_bad = finding.outcome is Outcome.FAILING
    state = f"{finding.outcome.value.upper()} ({finding.severity.value}){mark}" if is_bad else finding.outcome.value
    line(f"{state}  {finding.check}: {finding.why}")
    if not is_bad:
        return
    if finding.tenants:
        more = f" and {finding.tenants.count - _NAMED} more" if finding.tenants.count > _NAMED else ""
        line(f"    {finding.subject.name}, in {', '.join(finding.tenants.sample[:_NAMED])}{more}")
    for each in finding.witness.lines[:_NAMED] if finding.witness else ():
        if each not in told:
            line(f"    {each}")
        told.add(each)
