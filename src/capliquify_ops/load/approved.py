"""The approved run of each class of target and each scenario: what later runs are compared with."""

from pathlib import Path
from urllib.parse import urlsplit

from capliquify_ops.configuration import Limits, Target, TargetClass
from capliquify_ops.evidence.files import writable, write_whole
from capliquify_ops.load import api_load, mixed_load
from capliquify_ops.load.capacity_search import without_amounts
from capliquify_ops.load.comparison import unfit
from capliquify_ops.load.raw import parse_document
from capliquify_ops.load.result import LoadRun
from capliquify_ops.model.errors import EvidenceDamaged, UsageError
from capliquify_ops.model.outcome import Outcome

FOLDER = "approved-loads"
"""In the evidence folder."""


def approve(evidence: Path, target: Target, content: bytes, limits: Limits) -> Path:
    """Keep a raw document as the approved run of the target's class, in place of the one before; return its file.

    Raises UsageError for a run of another target, one that missed a limit or could not tell, or one with which none could be
    compared; EvidenceDamaged for bytes that are no run; EvidenceUnwritable.
    """
    run = parse_document(content)
    if reason := _unapprovable(run, target, limits):
        hint = "Approve a whole run of 20 s or more that held its limits: capliquify-ops load run --seconds 60 --out DIR"
        raise UsageError(f"This run cannot be approved: {reason}", hint=hint)
    path = _file(evidence, target.kind, is_mixed=run.is_mixed)
    with writable(evidence):
        path.parent.mkdir(parents=True, exist_ok=True)
        write_whole(path, content)
    return path


def approved_run(evidence: Path, of: TargetClass, *, is_mixed: bool) -> LoadRun | None:
    """Return the approved run of a scenario, None where none was approved. Raises EvidenceDamaged for what cannot be read."""
    path = _file(evidence, of, is_mixed=is_mixed)
    try:
        return parse_document(path.read_bytes())
    except FileNotFoundError:
        return None
    except OSError as error:
        said = error.strerror or type(error).__name__
    except EvidenceDamaged as error:
        said = error.what
    raise EvidenceDamaged(f"The approved run {path} cannot be used: {said}", hint="Remove it, or approve another one.")


def _unapprovable(run: LoadRun, target: Target, limits: Limits) -> str:
    """Return why, empty for a run that may be approved. A loopback target has another port each time that it starts."""
    if reasons := list(unfit(run)):
        return f"it {', and it '.join(reasons)}."
    same = _host if target.kind is TargetClass.LOOPBACK else str
    if same(run.base_url) != same(target.base_url):
        return f"it was driven at {run.base_url}, and the target {target.name} is {target.base_url}."
    judge = mixed_load.judge if run.is_mixed else api_load.judge
    found = judge(run, without_amounts(limits, run))
    return "" if found.outcome is Outcome.HEALTHY else f"it is {found.outcome}. {found.why}"


def _host(url: str) -> str | None:
    return urlsplit(url).hostname


def _file(evidence: Path, of: TargetClass, *, is_mixed: bool) -> Path:
    return evidence / FOLDER / f"{of.value}-{'mixed' if is_mixed else 'api'}.json"
