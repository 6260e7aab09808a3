"""Load on a running service: open arrivals from a process of their own, every sample kept, judged by pure functions."""

from capliquify_ops.load.crew import Crew
from capliquify_ops.load.histograms import histogram_log
from capliquify_ops.load.judgement import nothing_measured
from capliquify_ops.load.operations import Kind, Operation, reads
from capliquify_ops.load.plan import Caller, Plan
from capliquify_ops.load.raw import raw_document, recompute
from capliquify_ops.load.result import LoadRun
from capliquify_ops.load.run import Progress, run_load

__all__ = [
    "Caller",
    "Crew",
    "Kind",
    "LoadRun",
    "Operation",
    "Plan",
    "Progress",
    "histogram_log",
    "nothing_measured",
    "raw_document",
    "reads",
    "recompute",
    "run_load",
]
