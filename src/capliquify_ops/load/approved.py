"""The approved run of each class of target and each scenario: what later runs are compared with."""

from pathlib import Path

from capliquify_ops.configuration import TargetClass
from capliquify_ops.evidence.files import writable, write_whole
from capliquify_ops.load.comparison import Comparison, compare, unfit
from capliquify_ops.load.raw import parse_document
from capliquify_ops.load.result import LoadRun
from capliquify_ops.model.errors import UsageError

FOLDER = "approved-loads"
"""In the evidence folder."""


def approve(evidence: Path, of: TargetClass, content: bytes) -> Path:
    """Keep a raw document as the approved run of a class, in place of the one before; return its file.

    Raises UsageError for a run with which none could be compared, EvidenceDamaged for bytes that are no run, EvidenceUnwritable.
    """
    run = parse_document(content)
    if reasons := list(unfit(run)):
        hint = "Approve a whole run of 20 s or more, such as one of: capliquify-ops load run --seconds 60 --out DIR"
        raise UsageError(f"This run cannot be approved: it {', and it '.join(reasons)}.", hint=hint)
    path = _file(evidence, of, run)
    with writable(evidence):
        path.parent.mkdir(parents=True, exist_ok=True)
        write_whole(path, content)
    return path


def against_approved(evidence: Path, of: TargetClass, run: LoadRun) -> Comparison | None:
    """Compare a run with the approved one of its scenario; None where none was approved. Raises EvidenceDamaged."""
    try:
        content = _file(evidence, of, run).read_bytes()
    except FileNotFoundError:
        return None
    return compare(parse_document(content), run)


def _file(evidence: Path, of: TargetClass, run: LoadRun) -> Path:
    scenario = "mixed" if run.is_mixed else "api"
    return evidence / FOLDER / f"{of.value}-{scenario}.json"
