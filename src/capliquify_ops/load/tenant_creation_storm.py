"""Check `tenant_creation_storm`: tenants that are created fifty a minute are there at once, and nothing of it fails."""

from collections.abc import Iterator, Mapping, Sequence

from capliquify_ops.configuration.limits import Limits, holds
from capliquify_ops.load.figures import percentile
from capliquify_ops.load.raw_rows import raw_rows, recomputed
from capliquify_ops.load.storm import run_storm
from capliquify_ops.load.storm_rows import Storm
from capliquify_ops.model.finding import Evidence, Finding, Limit, Scalar, Subject, SubjectKind, Witness
from capliquify_ops.model.names import CheckId
from capliquify_ops.model.outcome import Grade, Outcome, Severity

CHECK = CheckId("tenant_creation_storm")
KIND = "tenant_creation_storm/2"
REQUIRED_SECONDS = "storm_required_seconds"
REQUIRED_SECONDS_EMBEDDED = "storm_required_seconds_embedded"
MOST_WITNESSES = 10
measure = run_storm


def figures(storm: Storm) -> Mapping[str, Scalar]:
    """Return every figure of a storm, the unit in the key. Latencies are those of all creations, failed ones too."""
    latencies = sorted(row.latency_ms for row in storm.creations)
    read_back = sorted(row.read_back_ms for row in storm.creations if row.read_back_ms is not None)
    failed = sum(bool(row.failure) for row in storm.creations)
    many = len(storm.creations)
    return {
        "rate_per_min": storm.rate_per_min,
        "seconds": storm.seconds,
        "planned": storm.planned,
        "creations": many,
        "failed": failed,
        "answered": sum(row.made for row in storm.creations),
        "registered": storm.registered,
        "wrong_answers": sum(bool(row.wrong) for row in storm.creations),
        "failed_ratio": failed / many if many else 0.0,
        **_percentiles("p50_ms", latencies, 0.5),
        **_percentiles("p95_ms", latencies, 0.95),
        **_percentiles("max_ms", latencies, 1.0),
        **_percentiles("read_back_p95_ms", read_back, 0.95),
        **_percentiles("slip_max_ms", sorted(row.slip_ms for row in storm.creations), 1.0),
    }


def judge(storm: Storm, limits: Limits, *, required_seconds: str = REQUIRED_SECONDS, raw: str = "") -> Finding:
    """Compare a storm with the scenario's limits; `required_seconds` names the limit that holds for how long it must blow.

    INCONCLUSIVE for a storm that was slower or shorter than that, or late by its own doing; a smaller one can fail.
    """
    found = figures(storm)
    outcome, why, limit = next(_answers(storm, found, limits, required_seconds))
    lines = tuple(f"tenant {row.index}: {row.failure}" for row in storm.creations if row.failure)[:MOST_WITNESSES]
    return Finding(
        check=CHECK,
        subject=Subject(SubjectKind.SERVICE, storm.base_url),
        outcome=outcome,
        severity=Severity.CRITICAL if found["wrong_answers"] else Severity.HIGH,
        evidence=Evidence(storm.how, storm.base_url, storm.started_at, storm.elapsed_s * 1000, raw),
        why=why,
        examined=len(storm.creations),
        eligible=storm.planned,
        measured=found,
        limit=limit,
        witness=Witness(lines) if lines else None,
        grade=Grade.STRONG,
    )


def _answers(
    storm: Storm, found: Mapping[str, Scalar], limits: Limits, required_seconds: str
) -> Iterator[tuple[Outcome, str, Limit | None]]:
    if not storm.creations:
        yield Outcome.INCONCLUSIVE, "No tenant was created.", None
        return
    at = f"At {storm.rate_per_min:g} tenants a minute"
    yield from _untrue(storm, found, at)
    slip = limits["generator_slip_p99_ms"]
    if not holds(found["slip_max_ms"], slip):
        yield (
            Outcome.INCONCLUSIVE,
            f"The requests were sent up to {found['slip_max_ms']} ms late: this machine, not the service.",
            slip,
        )
    for key, name, said in (
        ("failed_ratio", "storm_failed_ratio", f"{found['failed']} of {found['creations']} creations failed"),
        ("p95_ms", "storm_p95_ms", f"p95 was {found['p95_ms']} ms"),
        ("read_back_p95_ms", "storm_read_back_ms", f"a new tenant was read back after {found.get('read_back_p95_ms')} ms (p95)"),
    ):
        limit = limits[name]
        if key in found and not holds(found[key], limit):
            yield Outcome.FAILING, f"{at} {said}; the limit is {limit.operator} {limit.value}.", limit
    yield from _too_little(storm, limits, required_seconds)
    if "read_back_p95_ms" not in found:
        yield Outcome.INCONCLUSIVE, f"{at} no new tenant was read back.", limits["storm_read_back_ms"]
        return
    said = f"p95 {found['p95_ms']} ms, read back after {found['read_back_p95_ms']} ms (p95)"
    yield Outcome.HEALTHY, f"{at} for {storm.seconds:g} s: {said}.", limits["storm_p95_ms"]


def _untrue(storm: Storm, found: Mapping[str, Scalar], at: str) -> Iterator[tuple[Outcome, str, Limit | None]]:
    """Yield what is wrong however few, and however late the requests were sent."""
    if wrong := next((row for row in storm.creations if row.wrong), None):
        more = f" ({found['wrong_answers']} such tenants)"
        yield Outcome.FAILING, f"{at} tenant {wrong.index} was read back wrongly: {wrong.wrong}{more}.", None
    if storm.registered < int(found["answered"]):
        missing = int(found["answered"]) - storm.registered
        yield Outcome.FAILING, f"{at} {missing} of {found['answered']} creations were answered, and not in the registry.", None


def _too_little(storm: Storm, limits: Limits, required_seconds: str) -> Iterator[tuple[Outcome, str, Limit | None]]:
    rate, seconds = limits["storm_required_rate"], limits[required_seconds]
    if not holds(storm.rate_per_min, rate) or not holds(storm.seconds, seconds) or len(storm.creations) < storm.planned:
        driven = f"{storm.rate_per_min:g} of {float(rate.value):g} a minute for {storm.seconds:g} of {float(seconds.value):g} s"
        many = f"{len(storm.creations)} of {storm.planned} tenants, {driven}"
        yield Outcome.INCONCLUSIVE, f"Within limits so far, but driven with {many} only.", rate


def _percentiles(key: str, ordered: Sequence[float], share: float) -> dict[str, Scalar]:
    return {key: round(percentile(ordered, share), 3)} if ordered else {}


def raw_storm(storm: Storm) -> bytes:
    """Return every creation as JSON: the same storm gives the same bytes."""
    return raw_rows(KIND, storm)


def recompute_storm(content: bytes) -> Mapping[str, Scalar]:
    """Compute the figures of a finding again from the raw data alone. Raises EvidenceDamaged."""
    return recomputed(content, KIND, "creation storm", lambda document: figures(Storm.parse(document)))
