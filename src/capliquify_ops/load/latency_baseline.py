"""Check `latency_baseline`: what the tenant's middleware costs each request, by the service's own count and from outside."""

import random
from collections.abc import Iterator, Mapping, Sequence
from statistics import median

from capliquify_ops.configuration.limits import Limits, holds
from capliquify_ops.load.baseline_measuring import measure_baseline
from capliquify_ops.load.baseline_rows import Baseline, Step
from capliquify_ops.load.figures import percentile
from capliquify_ops.load.raw_rows import raw_rows, recomputed
from capliquify_ops.model.finding import Evidence, Finding, Limit, Scalar, Subject, SubjectKind
from capliquify_ops.model.names import CheckId
from capliquify_ops.model.outcome import Grade, Outcome, Severity

CHECK = CheckId("latency_baseline")
KIND = "latency_baseline/2"
FEWEST = 100
"""Of fewer requests the 95th percentile is the word of five."""
STEPS: Mapping[str, str] = {
    "tenant_resolution": "baseline_resolution_ms",
    "feature_check": "baseline_feature_ms",
    "role_check": "baseline_role_ms",
    "chain": "baseline_chain_ms",
}
"""Steps of the middleware, as the label middleware_name calls them, and their limits."""
STATEMENTS = ("lookup", "switch", "query")
RESAMPLES, SEED = 1000, 1
measure = measure_baseline


def figures(found: Baseline) -> Mapping[str, Scalar]:
    """Return every figure, the unit in the key. `difference_ms`: median of tenant minus public route, and its 95 % interval.

    `trip_ms`: the median way to the database and back; the p95 of lookup, switch and query are what is above it.
    """
    differences = sorted(tenant - public for tenant, public in found.pairs_ms)
    low, high = interval(differences)
    told: dict[str, Scalar] = {"pairs": len(differences)}
    if differences:
        told |= {"difference_ms": round(median(differences), 4), "difference_low_ms": low, "difference_high_ms": high}
        told["difference_p95_ms"] = percentile(differences, 0.95)
    told |= {f"{step.name}_p95_ms": round(step.p95_ms, 4) for step in found.steps}
    trip = median(found.trip_ms) if found.trip_ms else 0.0
    told |= {"trip_ms": round(trip, 4)} if found.trip_ms else {}
    for name in STATEMENTS:
        if times := sorted(getattr(found, f"{name}_ms")):
            told[f"{name}_p95_ms"] = round(max(0.0, percentile(times, 0.95) - trip), 4)
    optional = {"cpu_ms_per_request": found.cpu_ms, "pool_ratio": found.pool_ratio, "pool_waiting": found.pool_waiting}
    return told | {name: value for name, value in optional.items() if value is not None}


def interval(differences: Sequence[float]) -> tuple[float, float]:
    """Return the bootstrap's 95 % interval of the median; the same numbers give the same interval."""
    if not differences:
        return 0.0, 0.0
    dice = random.Random(SEED)  # noqa: S311  # resampling, not a secret
    medians = sorted(median(dice.choices(differences, k=len(differences))) for _ in range(RESAMPLES))
    return round(percentile(medians, 0.025), 4), round(percentile(medians, 0.975), 4)


def judge(found: Baseline, limits: Limits, *, raw: str = "") -> Finding:
    """Compare with the baseline's limits. INCONCLUSIVE where a part could be measured in neither way, or too coarsely.

    The whole chain is known from outside as well: it cannot take longer than the difference between a request that passes it
    and one that does not.
    """
    told = figures(found)
    outcome, why, limit = next(_answers(found, told, limits))
    return Finding(
        check=CHECK,
        subject=Subject(SubjectKind.SERVICE, found.base_url),
        outcome=outcome,
        severity=Severity.MEDIUM,
        evidence=Evidence(
            f"GET {found.tenant_path} and GET {found.public_path} in turns on one connection", found.base_url, found.started_at,
            found.elapsed_s * 1000, raw,
        ),
        why=why,
        examined=len(found.pairs_ms),
        eligible=max(FEWEST, len(found.pairs_ms)),
        measured=told,
        limit=limit,
        grade=Grade.STRONG,
    )  # fmt: skip


def _answers(found: Baseline, told: Mapping[str, Scalar], limits: Limits) -> Iterator[tuple[Outcome, str, Limit | None]]:
    if len(found.pairs_ms) < FEWEST:
        yield Outcome.INCONCLUSIVE, f"Only {len(found.pairs_ms)} of {FEWEST} pairs of requests were measured.", None
        return
    keys = [(key if key != "chain_p95_ms" or key in told else "difference_p95_ms", name) for key, name in _compared()]
    missing = [key for key, _ in keys if key not in told]
    missed = [
        *_steps(found, limits),
        *(_missed(key, told[key], limits[name]) for key, name in keys if _is_over(key, told, limits[name])),
    ]
    yield from (each for each in missed if each[0] is Outcome.FAILING)
    if told.get("pool_waiting"):
        yield Outcome.FAILING, f"{told['pool_waiting']:g} requests waited for a connection of the pool; nobody may.", None
    yield from missed
    if missing:
        reasons = " ".join(found.unseen) or f"The service's metrics name the steps {[step.name for step in found.steps]}."
        yield Outcome.INCONCLUSIVE, f"Within limits, but not measured: {', '.join(missing)}. {reasons}", None
    shown = f"tenant resolution {told['tenant_resolution_p95_ms']} ms, whole chain {told.get('chain_p95_ms', '?')} ms"
    yield Outcome.HEALTHY, f"At p95 {shown}.", limits["baseline_chain_ms"]


def _is_over(key: str, told: Mapping[str, Scalar], limit: Limit) -> bool:
    return key in told and key.removesuffix("_p95_ms") not in STEPS and not holds(told[key], limit)


def _steps(found: Baseline, limits: Limits) -> Iterator[tuple[Outcome, str, Limit]]:
    """Yield the steps that missed their limit, and those of which its buckets cannot tell."""
    for step in found.steps:
        limit = limits[STEPS[step.name]] if step.name in STEPS else None
        if limit is None or _is_within(step, limit):
            continue
        said = f"{step.name} was {round(step.p95_ms, 4)} at p95; the limit is {limit.operator} {limit.value}"
        if step.count < FEWEST:
            few = f"{step.name} was counted {step.count:g} times only; {FEWEST} are the fewest that tell a p95."
            yield Outcome.INCONCLUSIVE, few, limit
        elif not holds(step.low_ms, limit):
            yield Outcome.FAILING, f"{said}.", limit
        else:
            upper = "no upper bound" if step.high_ms is None else f"{step.high_ms:g} ms"
            yield (
                Outcome.INCONCLUSIVE,
                f"{said}, but its histogram cannot tell: from {step.low_ms:g} ms to {upper} is one bucket.",
                limit,
            )


def _is_within(step: Step, limit: Limit) -> bool:
    """Whether the bucket of the p95 ends at the limit or below it, and enough was counted."""
    return step.count >= FEWEST and step.high_ms is not None and (holds(step.high_ms, limit) or step.high_ms == limit.value)


def _missed(key: str, value: Scalar, limit: Limit) -> tuple[Outcome, str, Limit]:
    said = f"{key.removesuffix('_p95_ms')} was {value} at p95" if key.endswith("_p95_ms") else f"{key} was {value}"
    if key == "difference_p95_ms":
        # What lies outside the chain, such as the query, is in the difference too: over the limit it proves nothing.
        return Outcome.INCONCLUSIVE, f"From outside {said} ms, the chain's limit is {limit.operator} {limit.value}.", limit
    return Outcome.FAILING, f"{said}; the limit is {limit.operator} {limit.value}.", limit


def _compared() -> Iterator[tuple[str, str]]:
    yield from ((f"{step}_p95_ms", name) for step, name in STEPS.items())
    yield from ((f"{name}_p95_ms", f"baseline_{name}_ms") for name in STATEMENTS)
    yield "cpu_ms_per_request", "baseline_cpu_ms"
    yield "pool_ratio", "baseline_pool_ratio"


def raw_baseline(found: Baseline) -> bytes:
    """Return every time as JSON: the same baseline gives the same bytes."""
    return raw_rows(KIND, found)


def recompute_baseline(content: bytes) -> Mapping[str, Scalar]:
    """Compute the figures of a finding again from the raw data alone. Raises EvidenceDamaged."""
    return recomputed(content, KIND, "latency baseline", lambda document: figures(Baseline.parse(document)))
