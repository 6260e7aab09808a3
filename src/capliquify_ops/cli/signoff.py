"""signoff status · verify · report"""

import shutil
import sys
from typing import Annotated

import typer

from capliquify_ops.cli.options import AsJson, ConfigFile, EvidenceDir, TargetName, settings_of, store_of
from capliquify_ops.cli.output import document, line, note, raw
from capliquify_ops.configuration import Settings
from capliquify_ops.configuration.system import SystemClock, stamp, this_tool
from capliquify_ops.evidence import Store
from capliquify_ops.model.decision import Decision, ExitCode
from capliquify_ops.model.errors import UsageError
from capliquify_ops.model.record import TargetRef
from capliquify_ops.rendering.table import boxes_table
from capliquify_ops.signoff import decide, load_boxes, target_named, write_documents
from capliquify_ops.signoff.report.document import document_bytes
from capliquify_ops.signoff.verdict import nothing_measured_failed

MeasuredOnly = Annotated[
    bool, typer.Option("--measured-only", help="End with 1 only when something measured failed, else 0: for demonstrations.")
]


def status(config: ConfigFile = None, target: TargetName = None, evidence_dir: EvidenceDir = None, json: AsJson = False) -> None:
    """Show the sign-off sheet as the evidence has it. Ends with 0 whatever it says."""
    decision, _ = decided(settings_of(config, evidence_dir), target)
    show(decision, json=json)


def verify(
    config: ConfigFile = None,
    target: TargetName = None,
    evidence_dir: EvidenceDir = None,
    json: AsJson = False,
    measured_only: MeasuredOnly = False,
) -> None:
    """Decide about the launch. Ends with 0 when ready, else with the code of the worst cause (10 to 20)."""
    decision, _ = decided(settings_of(config, evidence_dir), target)
    show(decision, json=json)
    raise typer.Exit(measured_code(decision) if measured_only else decision.exit_code)


def report(config: ConfigFile = None, target: TargetName = None, evidence_dir: EvidenceDir = None, json: AsJson = False) -> None:
    """Write the report, signoff.json, junit.xml and summary.md anew from the evidence."""
    decision, store = decided(settings_of(config, evidence_dir), target)
    path = str(write_documents(decision, store))
    if json:
        document({"report": path})
    else:
        line(path)


def measured_code(decision: Decision) -> ExitCode:
    """Return what a demonstration ends with: 1 when something measured failed, else 0."""
    return ExitCode.READY if nothing_measured_failed(decision) else ExitCode.FAILING


def decided(settings: Settings, name: str | None) -> tuple[Decision, Store]:
    """Decide from the evidence folder about the named target, or the one measured last."""
    store = store_of(settings)
    records = store.records()
    wanted = name or settings.default_target or (records[-1].target.name if records else "")
    ref = target_named(records, wanted)
    if ref is None:
        if records and wanted:
            names = ", ".join(sorted({record.target.name for record in records}))
            raise UsageError(f"{settings.evidence_dir} has no evidence of target {wanted!r}.", hint=f"It has: {names}.")
        note(f"{settings.evidence_dir} holds no evidence. Measure first: capliquify-ops readiness")
        ref = TargetRef(wanted or "none", "none", "")
    return decide(load_boxes(), records, ref, stamp(SystemClock().now()), this_tool().version), store


def show(decision: Decision, *, json: bool) -> None:
    """Print a decision: signoff.json, or the boxes as a table."""
    if json:
        raw(document_bytes(decision))
    else:
        sys.stdout.write(boxes_table(decision, shutil.get_terminal_size().columns, sys.stdout.isatty()) + "\n")
