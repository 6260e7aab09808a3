"""What stands beside the tick of a box of loads: how much load was driven, and how much was required."""

from capliquify_ops.model.decision import BoxResult
from capliquify_ops.model.finding import Finding, Scalar
from capliquify_ops.model.outcome import State
from capliquify_ops.rendering.words import number

CHECK = "api_load"
REQUIRED_RATE, REQUIRED_SECONDS = "required_rate_per_s", "required_seconds"
"""What a finding calls how much load was required of its target."""


def driven(result: BoxResult) -> str:
    """Return the load behind a passed box, such as "500 of 500 requests/s required, for 30 of 30 s"; "" where there is none."""
    if result.state is not State.PASSED:
        return ""
    found = [each for record in result.records if record.check == CHECK for each in record.findings]
    return next((_words(each) for each in found if {"rate_per_s", "seconds"} <= each.measured.keys()), "")


def _words(finding: Finding) -> str:
    told = finding.measured
    rate, seconds = _of(told["rate_per_s"], told.get(REQUIRED_RATE)), _of(told["seconds"], told.get(REQUIRED_SECONDS))
    return f"{rate} requests/s{' required' if REQUIRED_RATE in told else ''}, for {seconds} s"


def _of(value: Scalar, required: Scalar | None) -> str:
    return number(value) if required is None else f"{number(value)} of {number(required)}"
