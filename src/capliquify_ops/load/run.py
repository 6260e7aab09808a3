"""Run a plan: start the generator, collect what it measures, and say how it ended."""

import queue
import sys
from collections.abc import Callable
from dataclasses import dataclass, replace
from importlib.util import find_spec

from capliquify_ops.configuration.system import SystemClock, stamp
from capliquify_ops.configuration.target import Target, TargetClass
from capliquify_ops.http_client.client import Client
from capliquify_ops.load.corroboration import DECLARED
from capliquify_ops.load.crew import Crew, crew_to_wire
from capliquify_ops.load.plan import Plan, to_wire
from capliquify_ops.load.process import Worker, started
from capliquify_ops.load.receipt import Receipt
from capliquify_ops.load.result import Cut, LoadRun, Side
from capliquify_ops.load.watching import watching
from capliquify_ops.model.errors import ConfigurationInvalid, IntegrationFailed, OpsError, TargetUnreachable, UsageError
from capliquify_ops.model.protocols import Clock

START_S = 30.0
"""Python and locust start in one second; a machine at its limit takes longer."""
CLOSE_S = 5.0
"""Beyond its own time limits, for the generator to hand over the last samples."""
_CLOCK = SystemClock()
_ALONE = Crew()


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a run is: samples so far, of how many, and how many of them failed; `port`: where generators may still join."""

    answered: int
    of: int
    failed: int
    port: int = 0


def run_load(
    plan: Plan,
    *,
    target: Target,
    crew: Crew = _ALONE,
    python: str = sys.executable,
    progress: Callable[[Progress], None] | None = None,
    clock: Clock = _CLOCK,
) -> LoadRun:
    """Run a plan against a target, in a process of its own or in several, and return every sample.

    `progress` is called when the generator is ready and then about once a second; before, with the port that a crew's
    members join at. A run that ended early is returned with `cut` saying why. Raises TargetForbids on production,
    UsageError when the plan is for another address than the target's, TargetUnreachable when nothing answers at the
    start, OpsError when the generator cannot run.
    """
    _check(plan, target)
    _require_answer(plan)
    receipt = Receipt(plan, crew.size)
    started_at, began = stamp(clock.now()), clock.monotonic()
    with watching(target, clock) as watch, started(python, () if crew.is_alone else ("--master",)) as worker:
        worker.feed(to_wire(plan) + (b"" if crew.is_alone else crew_to_wire(crew)))
        cut = _collect(worker, receipt, clock, progress, START_S + (0 if crew.is_alone else crew.wait_s * 2))
        if not receipt.ready:
            why = receipt.failure or _masked(worker.how_it_ended(), plan)
            raise OpsError(f"The load generator did not start: {why}.", hint="Run: capliquify-ops doctor")
    run = receipt.load_run(started_at, clock.monotonic() - began, cut)
    run = replace(run, watched=watch.result, uncorroborated=target.profile.not_applicable.get(DECLARED, ""))
    if target.kind is not TargetClass.LOOPBACK:
        run = replace(run, machine=())
    if run.offered == 0 and run.cut and run.cut.by is Side.TARGET:
        raise TargetUnreachable(f"{plan.base_url} was gone before the first measured request.", hint="Is it running?")
    return run


def _check(plan: Plan, target: Target) -> None:
    target.require_harmless("A load run")
    if target.base_url and plan.base_url.rstrip("/") != target.base_url.rstrip("/"):
        raise UsageError(f"The plan loads {plan.base_url}, but target {target.name!r} is {target.base_url}.")
    if find_spec("locust") is None:
        raise ConfigurationInvalid("The load generator is not installed.", hint="Run: pip install 'capliquify-ops[load]'")


def _require_answer(plan: Plan) -> None:
    """One request before anything is started: a target that is down is one sentence, not thousands of failures."""
    caller = plan.callers[0]
    headers = {**caller.headers, "Authorization": f"Bearer {caller.token.reveal()}"}
    with Client(plan.base_url, timeout_s=plan.timeout_s) as client:
        try:
            client.request("GET", caller.prefix + plan.operations[0].path, headers=headers)
        except IntegrationFailed:
            return  # too much of an answer is an answer: the run itself judges it


def _collect(
    worker: Worker, receipt: Receipt, clock: Clock, progress: Callable[[Progress], None] | None, start_s: float
) -> Cut | None:
    """Take the worker's lines until its result; return why there is none."""
    plan = receipt.plan
    began = clock.monotonic()
    limit = start_s + plan.warmup_s + plan.seconds + plan.timeout_s + CLOSE_S
    while not receipt.complete:
        try:
            line = worker.lines.get(timeout=max(0.0, began + limit - clock.monotonic()))
        except queue.Empty:
            return Cut(Side.GENERATOR, f"the generator did not finish within {limit:.0f} s")
        if line is None:
            return Cut(Side.GENERATOR, f"the generator ended early ({_masked(worker.how_it_ended(), plan)})")
        receipt.take(line)
        if progress:
            progress(Progress(len(receipt.samples), plan.requests, receipt.failed, 0 if receipt.ready else receipt.port))
    return Cut(Side.GENERATOR, receipt.lost) if receipt.lost else None


def _masked(text: str, plan: Plan) -> str:
    for caller in plan.callers:
        text = text.replace(caller.token.reveal(), str(caller.token))
    return text
