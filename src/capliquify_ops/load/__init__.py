"""Load on a running service: open arrivals from a process of their own, every sample kept, judged by pure functions."""

from capliquify_ops.load.plan import Caller, Plan, Traffic, plan_of
from capliquify_ops.load.raw import raw_document, recompute
from capliquify_ops.load.result import LoadRun
from capliquify_ops.load.run import Progress, run_load

__all__ = ["Caller", "LoadRun", "Plan", "Progress", "Traffic", "plan_of", "raw_document", "recompute", "run_load"]
