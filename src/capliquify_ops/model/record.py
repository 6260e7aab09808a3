"""The record: one test about one check, as it is kept on disk."""

from dataclasses import dataclass

from capliquify_ops.model.finding import Finding
from capliquify_ops.model.names import CheckId
from capliquify_ops.model.outcome import State

RECORD_SCHEMA = "capliquify_ops.record/1"


@dataclass(frozen=True, slots=True)
class TargetRef:
    """Which system was measured. `fingerprint` tells two databases under one name apart."""

    name: str
    kind: str
    fingerprint: str


@dataclass(frozen=True, slots=True)
class Tool:
    """What measured: version of this library and of Python."""

    version: str
    python: str


@dataclass(frozen=True, slots=True)
class Record:
    """One test about one check. Without `finished_at` it died half-way and reads as not run."""

    id: str
    run: str
    box: str
    check: CheckId
    title: str
    state: State
    findings: tuple[Finding, ...]
    started_at: str
    finished_at: str | None
    target: TargetRef
    tool: Tool
    raw: tuple[str, ...] = ()
    reason: str = ""
    schema: str = RECORD_SCHEMA
