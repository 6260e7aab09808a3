"""Check `mixed_load`: reads, writes and reports at once, of a user of each of a hundred tenants."""

from collections.abc import Mapping

from capliquify_ops.configuration.limits import Limits
from capliquify_ops.load.judgement import Bounds, finding_of
from capliquify_ops.load.operations import Kind
from capliquify_ops.load.result import LoadRun
from capliquify_ops.load.run import run_load
from capliquify_ops.model.finding import Finding, Limit
from capliquify_ops.model.names import CheckId

CHECK = CheckId("mixed_load")
measure = run_load

_COMPARED = (
    ("error_ratio", "load_error_rate"),
    ("p95_ms", "mixed_p95_ms"),
    ("p99_ms", "mixed_p99_ms"),
    ("read_p95_ms", "mixed_read_p95_ms"),
    ("write_p95_ms", "mixed_write_p95_ms"),
    ("analytics_p95_ms", "mixed_analytics_p95_ms"),
)


def limits_of_kinds(limits: Limits) -> Mapping[Kind, Limit]:
    """Return the limit of p95 that each kind of request has of its own."""
    return {kind: limits[f"mixed_{kind.value}_p95_ms"] for kind in Kind}


def judge(run: LoadRun, limits: Limits, *, required_seconds: str = "load_required_seconds", raw: str = "") -> Finding:
    """Compare a run of the mixed plan with the scenario's limits: all requests, and each kind with its own.

    INCONCLUSIVE when the generator was in trouble, a tenant was not served, the database does not confirm the run, or it was
    slower or shorter than demanded. Wrong rows are FAILING in every case. `raw` is the digest of the raw document.
    """
    bounds = Bounds(_COMPARED, p95="mixed_p95_ms", rate="mixed_required_rate", seconds=required_seconds, sustained=True)
    return finding_of(CHECK, run, limits, bounds, raw)
