"""What charts and tables show of a run, computed from its samples: percentiles up to the rarest, seconds, operations."""

from collections import defaultdict
from collections.abc import Mapping

from capliquify_ops.load.figures import percentile
from capliquify_ops.load.operations import Kind
from capliquify_ops.load.result import LoadRun
from capliquify_ops.load.samples import Samples, Verdict
from capliquify_ops.model.finding import Scalar

_SHARES = (0.0, 0.25, 0.5, 0.75, 0.9, 0.95, 0.98, 0.99, 0.995, 0.998, 0.999, 0.9995, 0.9999, 0.99999)


def percentiles(samples: Samples) -> list[tuple[float, float]]:
    """Return (share, latency in ms) up to the share that one request makes, and the slowest as share 1."""
    ordered = sorted(samples.latency_us)
    if not ordered:
        return []
    told = [share for share in _SHARES if share == 0 or (1 - share) * len(ordered) >= 1]
    return [*((share, percentile(ordered, share) / 1000) for share in told), (1.0, ordered[-1] / 1000)]


def latency_per_second(run: LoadRun) -> list[tuple[int, float, float, float]]:
    """Return for each second of arrivals the median, p95 and slowest in ms."""
    rows: dict[int, list[int]] = defaultdict(list)
    for index, latency in zip(run.samples.index, run.samples.latency_us, strict=True):
        rows[int(index / run.rate)].append(latency)
    found = []
    for second, latencies in sorted(rows.items()):
        latencies.sort()
        found.append((second, *(percentile(latencies, share) / 1000 for share in (0.5, 0.95, 1.0))))
    return found  # type: ignore[return-value]  # three shares, three values


def of_operations(run: LoadRun, limits_ms: Mapping[Kind, Scalar]) -> list[tuple[str | Scalar, ...]]:
    """Return for each operation: name, kind, requests, failed ones, p50, p95 and p99 in ms, and the limit of its kind's p95."""
    rows: dict[str, list[int]] = defaultdict(list)
    failed: dict[str, int] = defaultdict(int)
    for index, latency, verdict in zip(run.samples.index, run.samples.latency_us, run.samples.verdict, strict=True):
        name = run.operation(index).name
        rows[name].append(latency)
        failed[name] += verdict != Verdict.OK
    found: list[tuple[str | Scalar, ...]] = []
    for operation in run.operations:
        if ordered := sorted(rows[operation.name]):
            marks = (percentile(ordered, share) / 1000 for share in (0.5, 0.95, 0.99))
            kind = operation.kind
            found.append((operation.name, kind.value, len(ordered), failed[operation.name], *marks, limits_ms[kind]))
    return found
