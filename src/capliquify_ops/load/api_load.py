"""Check `api_load`: does the service sustain the load that the sign-off sheet claims."""

from capliquify_ops.configuration.limits import Limits
from capliquify_ops.load.judgement import Bounds, finding_of
from capliquify_ops.load.result import LoadRun
from capliquify_ops.load.run import run_load
from capliquify_ops.model.finding import Finding
from capliquify_ops.model.names import CheckId

CHECK = CheckId("api_load")
REQUIRED_RATE = "load_required_rate"
REQUIRED_RATE_EMBEDDED = "load_required_rate_embedded"
REQUIRED_SECONDS = "load_required_seconds"
REQUIRED_SECONDS_EMBEDDED = "load_required_seconds_embedded"
measure = run_load


def judge(
    run: LoadRun,
    limits: Limits,
    *,
    required_rate: str = REQUIRED_RATE,
    required_seconds: str = REQUIRED_SECONDS,
    raw: str = "",
) -> Finding:
    """Compare a run with the sign-off's claim; `required_rate` and `required_seconds` name the limits that hold it.

    A run at a lower rate or for a shorter time can fail, when it misses the limits already, and never pass: it is
    INCONCLUSIVE and says how much of the rate and of the time was driven. `raw` is the digest of the raw document.
    """
    bounds = Bounds(
        compared=(("error_ratio", "load_error_rate"), ("p50_ms", "load_p50_ms"), ("p95_ms", "load_p95_ms")),
        p95="load_p95_ms",
        rate=required_rate,
        seconds=required_seconds,
        sustained=True,
    )
    return finding_of(CHECK, run, limits, bounds, raw)
