"""How states, causes, numbers, durations and times are worded, once for every document."""

import math
import re
from datetime import datetime

from capliquify_ops.model.decision import ExitCode
from capliquify_ops.model.finding import Limit, Scalar
from capliquify_ops.model.outcome import State

STATES = {
    State.ERROR: "Error",
    State.FAILED: "Failed",
    State.NOT_RUN: "Not run",
    State.INCONCLUSIVE: "Inconclusive",
    State.STALE: "Stale",
    State.NOT_APPLICABLE: "Not applicable",
    State.PASSED: "Passed",
}

CAUSES = {
    ExitCode.FAIL: "Failed",
    ExitCode.NOT_RUN: "Not run",
    ExitCode.STALE: "Stale",
    ExitCode.APPROVAL: "Approval missing",
    ExitCode.WAIVER: "Waiver invalid",
    ExitCode.INTEGRITY: "Evidence damaged",
    ExitCode.TARGET: "Wrong target",
    ExitCode.INCONCLUSIVE: "Inconclusive",
    ExitCode.ERROR: "Error",
}

_OPERATORS = {"<=": "\u2264", ">=": "\u2265", "==": "=", "!=": "\u2260"}
_UNITS = {
    "per_second": "/s",
    "per_minute": "/min",
    "percent": "%",
    "bytes": "bytes",
    "hours": "h",
    "days": "days",
    "pct": "%",
    "rps": "requests/s",
    "ms": "ms",
    "us": "\u00b5s",
    "s": "s",
}
_MOMENT = re.compile(r"(\d{4}-\d\d-\d\d)[T ](\d\d:\d\d:\d\d)(?:\.\d+)?(?:Z|\+00:00)")
_EXACT = 2**53
_TINY = 1e-4
_SECOND, _MINUTE, _HOUR = 1_000.0, 60_000.0, 3_600_000.0


def cause(code: ExitCode) -> str:
    """Return the words for a reason's code."""
    return CAUSES.get(code, code.name.replace("_", " ").capitalize())


def number(value: Scalar) -> str:
    """Return a measured value for reading: grouped thousands, at most six significant digits after them, yes or no."""
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return f"{value:,}" if abs(value) < _EXACT else str(value)
    if not math.isfinite(value):
        return "not a number"
    return _decimal(value)


def _decimal(value: float) -> str:
    if value and not _TINY <= abs(value) < _EXACT:
        return f"{value:.4g}"
    digits = max(0, 5 - (math.floor(math.log10(abs(value))) if value else 0))
    text = f"{value:,.{digits}f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def unit_of(key: str) -> str:
    """Return the unit that a measured key ends with, or nothing."""
    return next((unit for suffix, unit in _UNITS.items() if key == suffix or key.endswith(f"_{suffix}")), "")


def label(key: str) -> str:
    """Return a measured key as words, without its unit."""
    suffix = next((suffix for suffix in _UNITS if key.endswith(f"_{suffix}")), "")
    return key.removesuffix(f"_{suffix}").replace("_", " ") if suffix else key.replace("_", " ")


def quantity(value: Scalar, unit: str) -> str:
    """Return a value with its unit: `12 ms`, `3 %`, `yes`."""
    return f"{number(value)} {unit}" if unit and not isinstance(value, str | bool) else number(value)


def bound(limit: Limit, unit: str) -> str:
    """Return what a value was held against, such as `at most 200 ms` written as an operator and a number."""
    return f"{_OPERATORS.get(limit.operator, limit.operator)} {quantity(limit.value, unit)}"


def duration(milliseconds: float) -> str:
    """Return a duration in the unit that a person would choose."""
    if not math.isfinite(milliseconds) or milliseconds < 0:
        return "unknown"
    if milliseconds < _SECOND:
        return f"{milliseconds:.3g} ms" if milliseconds < _SECOND - 1 else "999 ms"
    if milliseconds < _MINUTE:
        return f"{milliseconds / _SECOND:.1f} s"
    if milliseconds < _HOUR:
        return f"{milliseconds // _MINUTE:.0f} min {milliseconds % _MINUTE / _SECOND:.0f} s"
    return f"{milliseconds // _HOUR:.0f} h {milliseconds % _HOUR / _MINUTE:.0f} min"


def moment(text: str) -> str:
    """Return an RFC 3339 time of UTC to the second; any other text unchanged."""
    match = _MOMENT.fullmatch(text)
    return f"{match[1]} {match[2]} UTC" if match else text


def elapsed_ms(start: str, end: str | None) -> float | None:
    """Return the time between two RFC 3339 stamps, or None where they do not give one."""
    try:
        passed = datetime.fromisoformat(end or "") - datetime.fromisoformat(start)
    except (ValueError, TypeError, OverflowError):
        return None
    return max(0.0, passed.total_seconds() * _SECOND)
