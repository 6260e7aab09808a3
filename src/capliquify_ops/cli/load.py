"""load run · capacity · worker"""

import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from capliquify_ops.cli.load_approved import comparison_document
from capliquify_ops.cli.options import AsJson, ConfigFile, EvidenceDir, TargetName, settings_of, target_of
from capliquify_ops.cli.output import document, line, note
from capliquify_ops.cli.progress import Steps
from capliquify_ops.cli.run_files import capacity_document, require_histograms, require_writable, write_capacity, write_run
from capliquify_ops.configuration import Limits, Target
from capliquify_ops.configuration.system import SystemClock, new_run
from capliquify_ops.identity_providers import token_source
from capliquify_ops.load import Crew, LoadRun, Plan, Progress, api_load, mixed_load, run_load
from capliquify_ops.load.approved import approved_run
from capliquify_ops.load.capacity_search import Step, search
from capliquify_ops.load.comparison import Comparison, compare
from capliquify_ops.load.plan import require_amounts
from capliquify_ops.load.traffic import FEW, MANY, Traffic, make_traffic
from capliquify_ops.model.decision import ExitCode
from capliquify_ops.model.errors import UsageError
from capliquify_ops.model.finding import Finding
from capliquify_ops.model.outcome import Outcome
from capliquify_ops.rendering.words import number

_CODES: Mapping[Outcome, int] = {Outcome.HEALTHY: 0, Outcome.FAILING: 1}


class Scenario(StrEnum):
    """What is sent: lists read by 100 users over 10 tenants, or reads, writes and reports of 100 tenants."""

    API = "api"
    MIXED = "mixed"


Rate = Annotated[float, typer.Option(help="Requests a second, whatever became of earlier ones.")]
Seconds = Annotated[float, typer.Option(help="For how long, after two seconds of warm-up.")]
Workers = Annotated[int, typer.Option(min=0, help="Generator processes to start here.")]
Expected = Annotated[
    int, typer.Option("--expect-workers", min=0, help="Wait for so many in all; others join with `load worker`.")
]
Bind = Annotated[str, typer.Option(help="Address at which workers join. What they are sent holds session tokens, unencrypted.")]
Port = Annotated[int, typer.Option(min=0, max=65_535, help="Port at which workers join; 0 takes a free one.")]
Wait = Annotated[float, typer.Option("--wait", help="Seconds within which all expected workers have to come.")]
Out = Annotated[Path | None, typer.Option(metavar="DIR", help="Write raw.json and latency.hlog into this folder.")]


def run(
    config: ConfigFile = None,
    target: TargetName = None,
    scenario: Annotated[Scenario, typer.Option(help="What is sent.")] = Scenario.API,
    rate: Rate = 500.0,
    seconds: Seconds = 30.0,
    workers: Workers = 1,
    expect_workers: Expected = 0,
    bind: Bind = "127.0.0.1",
    port: Port = 0,
    wait: Wait = 30.0,
    out: Out = None,
    evidence_dir: EvidenceDir = None,
    json: AsJson = False,
) -> None:
    """Drive open arrivals at a target, as users of throwaway tenants, and judge what came of it.

    Where a run was approved (`load approve`), the new one is compared with it as well; the exit code is that of the limits.
    """
    chosen, settings = target_of(config, target, observing=False), settings_of(config, evidence_dir)
    limits = settings.limits
    require_amounts(rate, seconds)
    crew = Crew(workers, max(workers, expect_workers), bind, port, wait)
    if out:
        require_histograms()
        require_writable(out)
    approved = approved_run(settings.evidence_dir, chosen.kind, is_mixed=scenario is Scenario.MIXED)
    with _traffic(chosen, MANY if scenario is Scenario.MIXED else FEW) as traffic:
        plan = _plan(scenario, traffic, rate, seconds, crew)
        result = _driven(plan, chosen, crew, quiet=json)
        found = _judged(scenario, result, limits)
        compared = compare(approved, result) if approved else None
        _print(found, compared, json=json)  # here, so that a removal that fails takes nothing away
        if out:
            write_run(out, result, limits)
    raise typer.Exit(_CODES.get(found.outcome, int(ExitCode.INCONCLUSIVE)))


def capacity(
    config: ConfigFile = None,
    target: TargetName = None,
    start: Annotated[float, typer.Option("--from", help="The rate to begin with, in requests a second.")] = 100.0,
    most: Annotated[float, typer.Option("--to", help="The highest rate to try.")] = 2000.0,
    seconds: Annotated[float, typer.Option(help="How long each rate is driven.")] = 20.0,
    workers: Workers = 1,
    out: Annotated[Path | None, typer.Option(metavar="DIR", help="Write capacity.json and capacity.svg there.")] = None,
    json: AsJson = False,
) -> None:
    """Raise the rate until a limit breaks; say the highest that held every limit, the knee, and what was met first."""
    chosen, limits = target_of(config, target, observing=False), settings_of(config).limits
    require_amounts(start, seconds)
    crew = Crew(workers, max(1, workers))
    if out:
        require_writable(out)
    with _traffic(chosen, FEW) as traffic:

        def drive(step: Plan) -> LoadRun:
            return _driven(traffic.api_plan(step.rate, seconds, crew.size), chosen, crew, quiet=json)

        plan = traffic.api_plan(start, seconds, crew.size)
        found = search(plan, drive, limits, start=start, most=most, told=_untold if json else _tell)
        if json:
            document({"capacity": capacity_document(found)})
        else:
            line(f"highest rate that held: {found.highest:g} requests/s; knee: {found.knee or 'none seen'}")
            line(found.ended_by)
        if out:
            write_capacity(out, found, limits)


def _tell(step: Step) -> None:
    said = "held" if step.held else f"broke: {step.why} ({step.limited_by})" if step.broke else f"inconclusive: {step.why}"
    line(f"{step.rate:>6g}/s  p50 {step.figures.get('p50_ms', '?')} ms  p95 {step.figures.get('p95_ms', '?')} ms  {said}")
    sys.stdout.flush()


def _untold(_: Step) -> None:
    """A document comes whole, at the end."""


def worker(
    master: Annotated[str, typer.Option(metavar="HOST:PORT", help="Where `load run --expect-workers` waits.")],
    json: AsJson = False,
) -> None:
    """Generate a share of a load that another machine began; ends with it."""
    host, _, port = master.rpartition(":")
    if not host or not port.isdecimal():
        raise UsageError(f"{master!r} is no address.", hint="Such as --master 10.0.0.5:5557")
    command = [sys.executable, "-P", "-m", "capliquify_ops.load.worker", "--join", master]
    with subprocess.Popen(command, stdin=subprocess.PIPE) as process:
        code = process.wait()
    if json:
        document({"ended": code})
    raise typer.Exit(code)


@contextmanager
def _traffic(target: Target, tenants: int) -> Iterator[Traffic]:
    target.require_harmless("A load run")
    name = new_run()
    note(f"run {name}: making tenants; after a crash: capliquify-ops security clean --run {name} --target {target.name}")
    with make_traffic(target, token_source(target.identity, SystemClock()), name, tenants=tenants) as traffic:
        yield traffic


def _plan(scenario: Scenario, traffic: Traffic, rate: float, seconds: float, crew: Crew) -> Plan:
    make = traffic.mixed_plan if scenario is Scenario.MIXED else traffic.api_plan
    return make(rate, seconds, crew.size)


def _driven(plan: Plan, target: Target, crew: Crew, *, quiet: bool) -> LoadRun:
    told = False

    def show(progress: Progress) -> None:
        nonlocal told
        if progress.port and not told and not crew.is_alone:
            told = True
            note(f"waiting for {crew.size} workers at {crew.bind}:{progress.port}")
        steps.reached(progress.answered)

    with Steps(f"{plan.rate:g} requests/s", plan.requests, "requests", quiet=quiet) as steps:
        return run_load(plan, target=target, crew=crew, progress=show)


def _judged(scenario: Scenario, result: LoadRun, limits: Limits) -> Finding:
    return mixed_load.judge(result, limits) if scenario is Scenario.MIXED else api_load.judge(result, limits)


def _print(found: Finding, compared: Comparison | None, *, json: bool) -> None:
    if json:
        told = comparison_document(compared) if compared else None
        document({"outcome": found.outcome, "why": found.why, "measured": dict(found.measured), "compared": told})
        return
    line(f"{found.outcome}: {found.why}")
    for name, value in found.measured.items():
        line(f"  {name:<34} {number(value) if isinstance(value, int | float) else value}")
    if compared:
        line(compared.sentence)
