"""load approve · compare"""

from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Annotated

import typer

from capliquify_ops.cli.options import AsJson, ConfigFile, EvidenceDir, TargetName, settings_of, target_of
from capliquify_ops.cli.output import document, line
from capliquify_ops.configuration import TargetClass
from capliquify_ops.load import LoadRun
from capliquify_ops.load.approved import approve as keep
from capliquify_ops.load.approved import approved_run
from capliquify_ops.load.comparison import Comparison
from capliquify_ops.load.comparison import compare as compared
from capliquify_ops.load.raw import parse_document
from capliquify_ops.model.decision import ExitCode
from capliquify_ops.model.errors import EvidenceDamaged, UsageError

_CODES: Mapping[str, int] = {"better": 0, "same": 0, "worse": 1}


def approve(
    raw: Annotated[Path, typer.Argument(help="raw.json of the run.")],
    config: ConfigFile = None,
    target: TargetName = None,
    evidence_dir: EvidenceDir = None,
    json: AsJson = False,
) -> None:
    """Keep a run as the approved one of the target's class; `load run` compares later ones with it."""
    chosen, content = target_of(config, target, observing=False), _read(raw)
    settings = settings_of(config, evidence_dir)
    before = _before(settings.evidence_dir, chosen.kind, parse_document(content))
    path = keep(settings.evidence_dir, chosen, content, settings.limits)
    if json:
        document({"approved": str(path), "compared": comparison_document(before) if before else None})
        return
    line(f"approved for targets of class {chosen.kind}: {path}")
    if before:
        line(before.sentence)


def compare(
    approved: Annotated[Path, typer.Argument(help="raw.json of the approved run.")],
    new: Annotated[Path, typer.Argument(help="raw.json of the new run.")],
    json: AsJson = False,
) -> None:
    """Say whether a run is better, the same or worse than an approved one, or why the two cannot be compared.

    Ends with 1 for worse, and with 17 where that cannot be told.
    """
    found = compared(parse_document(_read(approved)), parse_document(_read(new)))
    if json:
        document(comparison_document(found))
    else:
        line(found.sentence)
    raise typer.Exit(_CODES.get(found.change, int(ExitCode.INCONCLUSIVE)))


def _before(folder: Path, of: TargetClass, run: LoadRun) -> Comparison | None:
    """How it compares with the run that it replaces, where that can be read."""
    with suppress(EvidenceDamaged):
        if approved := approved_run(folder, of, is_mixed=run.is_mixed):
            return compared(approved, run)
    return None


def comparison_document(found: Comparison) -> Mapping[str, object]:
    """Return a comparison as plain values."""
    rows = [{name: getattr(each, name) for name in each.__slots__} for each in found.differences]
    return {"change": found.change, "differences": rows, "differs": found.differs}


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise UsageError(f"{path} cannot be read: {error.strerror}.", hint="Give the raw.json of `load run --out DIR`.") from None
