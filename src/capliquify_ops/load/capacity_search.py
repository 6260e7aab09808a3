"""How much a service takes: the rate is raised until a limit breaks, then the gap between the last two is halved."""

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace

from capliquify_ops.configuration.limits import Limits
from capliquify_ops.load.api_load import judge
from capliquify_ops.load.plan import Plan
from capliquify_ops.load.result import LoadRun
from capliquify_ops.model.errors import UsageError
from capliquify_ops.model.finding import Scalar
from capliquify_ops.model.outcome import Outcome

GROWTH = 1.3
MOST_STEPS = 20
REFINEMENTS = 2
KNEE = 2.0
"""The knee: where p95 is more than so many times that of the lowest rate."""


@dataclass(frozen=True, slots=True)
class Step:
    """One rate: whether every limit held, else which broke and what the load met first."""

    rate: float
    held: bool
    why: str
    limited_by: str
    figures: Mapping[str, Scalar]


@dataclass(frozen=True, slots=True)
class Capacity:
    """The steps by rate. `highest`: the highest rate that held, 0 where none did; `knee`: None where none shows."""

    steps: tuple[Step, ...]
    highest: float
    knee: float | None
    ended_by: str


def search(plan: Plan, run: Callable[[Plan], LoadRun], limits: Limits, *, start: float, most: float) -> Capacity:
    """Raise the rate from `start` by a third each until a limit breaks or `most` held, then halve the gap twice.

    The generator's own limit ends it too, and is named as such: it says nothing of the service. Raises UsageError.
    """
    if not 0 < start <= most < math.inf:
        raise UsageError(f"A capacity from {start:g} to {most:g} requests/s cannot be looked for.", hint="Give 0 < from <= to.")
    steps: list[Step] = []
    for rate in _rising(start, most):
        steps.append(_step(replace(plan, rate=rate), run, limits))
        if not steps[-1].held:
            break
    for _ in range(REFINEMENTS if not steps[-1].held and len(steps) > 1 else 0):
        if (rate := _middle(steps)) in {step.rate for step in steps}:
            break
        steps.append(_step(replace(plan, rate=rate), run, limits))
    return _capacity(steps)


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
    found = judge(run(plan), _without_amounts(limits, plan))
    held = found.outcome is Outcome.HEALTHY
    return Step(plan.rate, held, "" if held else found.why, str(found.measured["limited_by"]), found.measured)


def _without_amounts(limits: Limits, plan: Plan) -> Limits:
    """A step need not be as much load as the claim of the sheet."""
    amounts = {"load_required_rate": plan.rate, "load_required_seconds": plan.seconds}
    lowered = {key: replace(limits[key], value=value) for key, value in amounts.items()}
    return replace(limits, by_key={**limits.by_key, **lowered})


def _capacity(steps: list[Step]) -> Capacity:
    ordered = tuple(sorted(steps, key=lambda step: step.rate))
    first = ordered[0].figures.get("p95_ms")
    slow = [step.rate for step in ordered if first and float(step.figures.get("p95_ms", 0)) > KNEE * float(first)]
    broken = [step for step in ordered if not step.held]
    ended = f"{broken[0].why} First met: {broken[0].limited_by}." if broken else f"No limit broke up to {ordered[-1].rate:g}/s."
    held = [step.rate for step in ordered if step.held and all(step.rate < other.rate for other in broken)]
    return Capacity(ordered, max(held, default=0), min(slow, default=None), ended)
