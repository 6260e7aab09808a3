"""A GitHub step summary: the verdict, the boxes and what stands against them, worst first and bounded."""

import re
from collections.abc import Iterator

from capliquify_ops.model.decision import BoxResult, Decision, Reason
from capliquify_ops.model.outcome import State
from capliquify_ops.model.record import Record
from capliquify_ops.rendering.driven import driven
from capliquify_ops.rendering.order import (
    boxes_worst_first,
    reasons_worst_first,
    records_worst_first,
    state_shown,
    why,
    without_record,
)
from capliquify_ops.rendering.text import line
from capliquify_ops.rendering.words import STATES, cause, moment

_BUDGET = 900_000
"""GitHub refuses a step summary above 1 MiB and shows none of it."""
_TEXT = 300
_ROWS = 100
_SPECIAL = re.compile(r"[\\`*_{}\[\]<>|~#@$!&]|(?<=\bwww)\.|:(?=//)", re.IGNORECASE)


def summary(decision: Decision) -> bytes:
    """Return the decision as Markdown below 1 MiB. Names and sentences from outside are inert in it."""
    kept: list[str] = []
    left = _BUDGET
    for text in _lines(decision):
        left -= len(text.encode()) + 1
        if left < 0:
            kept.append("\nThe rest does not fit into a step summary: see the report.")
            break
        kept.append(text)
    return ("\n".join(kept) + "\n").encode()


def inert(text: str, limit: int = _TEXT) -> str:
    """Write what Markdown or HTML could act on as character references, which neither ever acts on."""
    return _SPECIAL.sub(lambda match: f"&#{ord(match[0])};", line(text, limit))


def _lines(decision: Decision) -> Iterator[str]:
    yield f"# Launch sign-off: {'READY' if decision.ready else 'NOT READY'}"
    yield ""
    target = decision.target
    yield f"Target <b>{inert(target.name)}</b> ({inert(target.kind)}), fingerprint <code>{inert(target.fingerprint)}</code>."
    decided, version = inert(moment(decision.decided_at)), inert(decision.tool_version)
    yield f"Decided at {decided} by capliquify_ops {version}."
    yield from _sheet(decision)
    yield from _reasons(reasons_worst_first(decision))
    for result in boxes_worst_first(decision):
        yield from _open_checks(result)


def _sheet(decision: Decision) -> Iterator[str]:
    yield from ("", "## Sign-off sheet", "", "| | Box | State | Checks passed |", "|---|---|---|---|")
    for result in boxes_worst_first(decision):
        tick = "&#9745;" if result.state is State.PASSED else "&#9744;"
        passed = sum(1 for record in result.records if state_shown(record) is State.PASSED)
        planned = len(result.records) + len(without_record(result))
        state = f"{STATES[result.state]}: {inert(load)}" if (load := driven(result)) else STATES[result.state]
        yield f"| {tick} | {inert(result.box.title)} | {state} | {passed} of {planned} |"


def _reasons(reasons: list[Reason]) -> Iterator[str]:
    if not reasons:
        return
    yield from ("", "## What blocks the launch", "", "| Cause | Box | Why |", "|---|---|---|")
    for reason in reasons[:_ROWS]:
        yield f"| {cause(reason.code)} | {inert(reason.box)} | {inert(reason.text)} |"
    yield from _more(len(reasons) - _ROWS)


def _open_checks(result: BoxResult) -> Iterator[str]:
    unsettled = [record for record in records_worst_first(result) if state_shown(record) is not State.PASSED]
    missing = without_record(result)
    if not unsettled and not missing:
        return
    yield from ("", f"## Box: {inert(result.box.title)}", "", "| State | Check | Why |", "|---|---|---|")
    rows = [_row(record) for record in unsettled]
    rows += [f"| {STATES[State.NOT_RUN]} | <code>{inert(check)}</code> | No record. |" for check in missing]
    yield from rows[:_ROWS]
    yield from _more(len(rows) - _ROWS)


def _row(record: Record) -> str:
    named = f"{inert(record.title)} <code>{inert(record.check)}</code>"
    return f"| {STATES[state_shown(record)]} | {named} | {inert(why(record))} |"


def _more(count: int) -> Iterator[str]:
    if count > 0:
        yield from ("", f"and {count:,} more, see the report.")
