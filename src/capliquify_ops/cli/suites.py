"""readiness · security: the suites, which the wheel carries, run with pytest on a target."""

import ctypes
import importlib.util
import signal
import subprocess
import sys
from pathlib import Path
from types import FrameType
from typing import Annotated

import typer

from capliquify_ops.cli import signoff
from capliquify_ops.cli.options import AsJson, ConfigFile, EvidenceDir, TargetName, settings_of
from capliquify_ops.cli.output import note
from capliquify_ops.model.decision import ExitCode
from capliquify_ops.model.errors import ConfigurationInvalid

PYTEST_MEASURED = (0, 1)
"""pytest ran to its end: all passed, or some did not. Above 1 it was interrupted, failed inside, or was used wrongly."""

_TRANSLATED = {4: int(ExitCode.USAGE)}
"""pytest's own code for a wrong call is ours for one."""
_PR_SET_PDEATHSIG = 1
"""prctl(2): the signal that a process gets when its parent dies."""

MeasuredOnly = Annotated[
    bool,
    typer.Option("--measured-only", help="End with 0 unless something measured failed: boxes not run are left to the verdict."),
]


def readiness(
    context: typer.Context,
    config: ConfigFile = None,
    target: TargetName = None,
    evidence_dir: EvidenceDir = None,
    measured_only: MeasuredOnly = False,
    json: AsJson = False,
) -> None:
    """Measure a target against the launch checklist. Further options go to pytest."""
    kept = _kept(config, evidence_dir)
    code = _pytest("readiness", context.args, config=config, target=target, evidence_dir=evidence_dir, quiet=json)
    if code in PYTEST_MEASURED and (measured_only or json):
        code = _concluded(code, config, target, evidence_dir, kept, measured_only=measured_only, json=json)
    raise typer.Exit(code)


def security(
    context: typer.Context,
    config: ConfigFile = None,
    target: TargetName = None,
    evidence_dir: EvidenceDir = None,
    json: AsJson = False,
) -> None:
    """Run the security audit on a target. Further options go to pytest. `security clean --run ID` removes what a run left."""
    kept = _kept(config, evidence_dir)
    code = _pytest("security", context.args, config=config, target=target, evidence_dir=evidence_dir, quiet=json)
    if code in PYTEST_MEASURED and json:
        code = _concluded(code, config, target, evidence_dir, kept, measured_only=False, json=json)
    raise typer.Exit(code)


def _kept(config: Path | None, evidence_dir: Path | None) -> frozenset[str]:
    """Return the names of the records that are there."""
    folder = settings_of(config, evidence_dir).evidence_dir / "records"
    return frozenset(path.name for path in folder.glob("*.json")) if folder.is_dir() else frozenset()


def _concluded(
    code: int,
    config: Path | None,
    target: str | None,
    evidence_dir: Path | None,
    before: frozenset[str],
    *,
    measured_only: bool,
    json: bool,
) -> int:
    """Return the exit code by the evidence: of a run that left none (--collect-only), nothing is known."""
    if _kept(config, evidence_dir) == before:
        note("nothing was measured by this run")
        return ExitCode.NOT_RUN
    decision, _ = signoff.decided(settings_of(config, evidence_dir), target)
    if json:
        signoff.show(decision, json=True)
    return signoff.measured_code(decision) if measured_only else code


def suite_folder(name: str) -> Path:
    """Return a suite's folder: inside the installed package, or beside src/ in a checkout."""
    package = Path(__file__).resolve().parents[1]
    for folder in (package / "suites" / name, package.parents[1] / name):
        if any(folder.glob("test_*.py")):
            return folder
    raise ConfigurationInvalid(f"The {name} suite is not part of this installation.", hint="Install the wheel of capliquify-ops.")


def _pytest(
    suite: str, extra: list[str], *, config: Path | None, target: str | None, evidence_dir: Path | None, quiet: bool
) -> int:
    if importlib.util.find_spec("pytest") is None:
        raise ConfigurationInvalid("The suites need pytest.", hint='pip install "capliquify-ops[suites]"')
    folder = suite_folder(suite)
    options = {"--config": config, "--target": target, "--evidence-dir": evidence_dir}
    given = [part for name, value in options.items() if value is not None for part in (name, str(value))]
    command = [sys.executable, "-m", "pytest", str(folder), *given, *_manners(folder), *extra]
    note(f"measuring with {folder}")
    return _supervised(command, stdout=2 if quiet else None)


def _manners(folder: Path) -> list[str]:
    """No configuration of the current folder's project, and nothing written but evidence: no cache, no temporary folders."""
    plugins = ["-p", "no:cacheprovider", "-p", "no:tmpdir"]
    return [f"--rootdir={folder.parent}", "--import-mode=importlib", *plugins, "-c", "/dev/null"]


def _supervised(command: list[str], *, stdout: int | None) -> int:
    """Run pytest in a process group of its own and return its exit code. `stdout` is a descriptor, None for our own.

    Whatever would end us, Ctrl-C included, reaches it once, as an interrupt, so that it reports and cleans up; should we be
    killed, the kernel interrupts it (Linux). The handlers stand before it starts: it then has the usual ones, also where
    this command was started in the background of a script.
    """
    waiting: list[int] = []
    children: list[subprocess.Popen[bytes]] = []

    def interrupt(number: int, _frame: FrameType | None) -> None:
        waiting.append(number)
        for child in children:
            child.send_signal(signal.SIGINT)

    before = {number: signal.signal(number, interrupt) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)}
    try:
        process = subprocess.Popen(command, stdout=stdout, process_group=0, preexec_fn=_interrupted_with_its_parent)  # noqa: PLW1509  # no threads
        children.append(process)
        if waiting:
            process.send_signal(signal.SIGINT)
        code = process.wait()
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
    return _TRANSLATED.get(code, code)


def _interrupted_with_its_parent() -> None:
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGINT)
