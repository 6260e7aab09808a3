"""Check `request_latency`: is the service fast and right at the rate of the first load check."""

from capliquify_ops.configuration.limits import Limits
from capliquify_ops.load.judgement import Bounds, finding_of
from capliquify_ops.load.result import LoadRun
from capliquify_ops.load.run import run_load
from capliquify_ops.model.finding import Finding
from capliquify_ops.model.names import CheckId

CHECK = CheckId("request_latency")
measure = run_load

_BOUNDS = Bounds(
    compared=(("error_ratio", "error_rate"), ("p95_ms", "p95_ms")),
    p95="p95_ms",
    rate="latency_load_rate",
    seconds="latency_load_seconds",
)


def judge(run: LoadRun, limits: Limits, *, raw: str = "") -> Finding:
    """Compare errors and p95 with the daily targets; `raw` is the digest of the run's raw document.

    INCONCLUSIVE when the generator was in trouble, or the run was slower or shorter than the check demands. Wrong rows
    are FAILING in every case.
    """
    return finding_of(CHECK, run, limits, _BOUNDS, raw)
