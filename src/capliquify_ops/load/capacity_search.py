"""How much a service takes: the rate is raised until a limit breaks, then the gap between the last two is halved."""

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace

from capliquify_ops.configuration.limits import Limits
from capliquify_ops.load.api_load import judge
from capliquify_ops.load.plan import Plan
from capliquify_ops.load.result import LoadRun
from capliquify_ops.model.errors import IntegrationFailed, OpsError, TargetUnreachable, UsageError
from capliquify_ops.model.finding import Scalar
from capliquify_ops.model.outcome import Outcome

GROWTH = 1.3
MOST_STEPS = 20
REFINEMENTS = 2
KNEE = 2.0
"""The knee: where p95 is more than so many times that of the lowest rate."""


@dataclass(frozen=True, slots=True)
class Step:
    """One rate: whether every limit held, else which broke and what the load met first.

    `broke`: a limit did, or the service was gone; a step that neither held nor broke could not be judged, and `why` says why.
    """

    rate: float
    held: bool
    why: str
    limited_by: str = ""
    figures: Mapping[str, Scalar] = field(default_factory=dict)
    broke: bool = False


@dataclass(frozen=True, slots=True)
class Capacity:
    """The steps by rate. `highest`: the highest rate that held, 0 where none did; `knee`: None where none shows."""

    steps: tuple[Step, ...]
    highest: float
    knee: float | None
    ended_by: str


def _untold(_: Step) -> None:
    return


def search(
    plan: Plan,
    run: Callable[[Plan], LoadRun],
    limits: Limits,
    *,
    start: float,
    most: float,
    told: Callable[[Step], None] = _untold,
) -> Capacity:
    """Raise the rate from `start` by a third each until a limit breaks or `most` held, then halve the gap twice.

    A step that could not be judged, such as by the generator's own limit, ends it too: it says nothing of the service. `told`
    is called with each step as it comes. A run's OpsError is the reason of its step. Raises UsageError.
    """
    if not 0 < start <= most < math.inf:
        raise UsageError(f"A capacity from {start:g} to {most:g} requests/s cannot be looked for.", hint="Give 0 < from <= to.")
    steps: list[Step] = []
    for rate in _rates(steps, start, most):
        steps.append(_step(replace(plan, rate=rate), run, limits))
        told(steps[-1])
    return _capacity(steps)


def _rates(steps: list[Step], start: float, most: float) -> Iterator[float]:
    """Yield each rate to drive next; `steps` are those that were driven so far, the last one's outcome among them."""
    for rate in _rising(start, most):
        yield rate
        if not steps[-1].held:
            break
    for _ in range(REFINEMENTS):
        if not any(step.held for step in steps) or not any(step.broke for step in steps) or _ended(steps):
            return
        if (rate := _middle(steps)) in {step.rate for step in steps}:
            return
        yield rate


def _ended(steps: list[Step]) -> bool:
    return not steps[-1].held and not steps[-1].broke


def _rising(start: float, most: float) -> Iterator[float]:
    rate = max(1, round(start))
    for _ in range(MOST_STEPS):
        yield rate
        if rate >= round(most):
            return
        rate = max(rate + 1, min(round(most), round(rate * GROWTH)))


def _middle(steps: list[Step]) -> float:
    below = max(step.rate for step in steps if step.held)
    return round((below + min(step.rate for step in steps if not step.held)) / 2)


def _step(plan: Plan, run: Callable[[Plan], LoadRun], limits: Limits) -> Step:
    try:
        found = judge(run(plan), without_amounts(limits, plan))
    except (TargetUnreachable, IntegrationFailed) as error:
        return Step(plan.rate, held=False, why=error.what, limited_by="the service was gone", broke=True)
    except OpsError as error:
        return Step(plan.rate, held=False, why=str(error))
    held, broke = found.outcome is Outcome.HEALTHY, found.outcome is Outcome.FAILING
    return Step(plan.rate, held, "" if held else found.why, str(found.measured["limited_by"]), found.measured, broke)


def without_amounts(limits: Limits, load: Plan | LoadRun) -> Limits:
    """Return the limits without how much load they ask for: this one need not be as much as the claim of the sheet."""
    rate, seconds = load.rate, load.seconds
    amounts = {"load_required_rate": rate, "mixed_required_rate": rate, "load_required_seconds": seconds}
    lowered = {key: replace(limits[key], value=value) for key, value in amounts.items()}
    return replace(limits, by_key={**limits.by_key, **lowered})


def _capacity(steps: list[Step]) -> Capacity:
    ordered = tuple(sorted(steps, key=lambda step: step.rate))
    first = ordered[0].figures.get("p95_ms")
    slow = [step.rate for step in ordered if first and float(step.figures.get("p95_ms", 0)) > KNEE * float(first)]
    missed = [step for step in ordered if not step.held]
    held = [step.rate for step in ordered if step.held and all(step.rate < other.rate for other in missed)]
    return Capacity(ordered, max(held, default=0), min(slow, default=None), _ending(steps))


def _ending(steps: list[Step]) -> str:
    """Return why the search ended: what could not be judged, else the lowest rate that broke."""
    last, broken = steps[-1], [step for step in steps if step.broke]
    if _ended(steps):
        return f"Inconclusive at {last.rate:g}/s: {last.why}"
    if not broken:
        return f"No limit broke up to {last.rate:g}/s."
    lowest = min(broken, key=lambda step: step.rate)
    return f"{lowest.why} First met: {lowest.limited_by}."
