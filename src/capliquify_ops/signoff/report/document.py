"""signoff.json: the decision for programs, stable in shape and in bytes."""

import json
import re
from typing import TypedDict

from capliquify_ops.model.decision import BoxResult, Decision
from capliquify_ops.model.record import Record
from capliquify_ops.rendering.order import state_shown, why

SCHEMA = "capliquify_ops.signoff/1"

_SURROGATES = re.compile("[\ud800-\udfff]")

TargetDocument = TypedDict("TargetDocument", {"name": str, "class": str, "fingerprint": str})
"""Which system the decision is about. `class` is no name for a class's field, hence this form."""


class ReasonDocument(TypedDict):
    """One reason; `code` is the gate's exit code for its cause."""

    code: int
    box: str
    text: str


class RecordDocument(TypedDict):
    """One counted record; `findings` is how many there are, the record's own file has them."""

    id: str
    check: str
    title: str
    state: str
    findings: int
    started_at: str
    finished_at: str | None
    reason: str


class BoxDocument(TypedDict):
    """One line of the sign-off sheet."""

    id: str
    title: str
    state: str
    reasons: list[str]
    records: list[RecordDocument]


class SignoffDocument(TypedDict):
    """What signoff.json holds. `approvals` is empty until approvals can be given."""

    schema: str
    verdict: str
    reasons: list[ReasonDocument]
    target: TargetDocument
    boxes: list[BoxDocument]
    approvals: list[str]
    decided_at: str
    tool_version: str


def document(decision: Decision) -> SignoffDocument:
    """Return the content of signoff.json; a reason's `code` is the gate's exit code for its cause."""
    target = decision.target
    return {
        "schema": SCHEMA,
        "verdict": "ready" if decision.ready else "not_ready",
        "reasons": [{"code": int(reason.code), "box": reason.box, "text": reason.text} for reason in decision.reasons],
        "target": {"name": target.name, "class": target.kind, "fingerprint": target.fingerprint},
        "boxes": [_box(result) for result in decision.boxes],
        "approvals": [],
        "decided_at": decision.decided_at,
        "tool_version": decision.tool_version,
    }


def document_bytes(decision: Decision) -> bytes:
    """Return signoff.json: sorted keys, no spaces, UTF-8, a newline at the end. Lone surrogates become U+FFFD."""
    text = json.dumps(document(decision), sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
    return (_SURROGATES.sub("\ufffd", text) + "\n").encode()


def _box(result: BoxResult) -> BoxDocument:
    return {
        "id": result.box.id,
        "title": result.box.title,
        "state": result.state.value,
        "reasons": list(result.reasons),
        "records": [_record(record) for record in result.records],
    }


def _record(record: Record) -> RecordDocument:
    return {
        "id": record.id,
        "check": record.check,
        "title": record.title,
        "state": state_shown(record).value,
        "findings": len(record.findings),
        "started_at": record.started_at,
        "finished_at": record.finished_at,
        "reason": why(record),
    }
