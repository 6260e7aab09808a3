"""How busy this machine's processors were: the kernel's own count, absent where there is no /proc."""

from collections.abc import Sequence
from pathlib import Path

from capliquify_ops.load.result import Stretch

_STAT = Path("/proc/stat")
_IDLE = (3, 4)
"""Columns idle and iowait of the line `cpu` (proc(5)), counted from 0 behind the name."""
_STOLEN = 7
"""What a host took from this virtual machine for others."""
_COUNTED = 8
"""user to steal; guest time is contained in user."""
Ticks = Sequence[int]


def ticks() -> Ticks:
    """Return the processors' time so far by kind, empty where the kernel does not tell."""
    try:
        line = _STAT.read_text(encoding="ascii").splitlines()[0]
    except OSError:
        return ()
    return tuple(int(part) for part in line.split()[1 : _COUNTED + 1])


def stretch(begin_s: float, end_s: float, before: Ticks, after: Ticks) -> Stretch | None:
    """Return what the processors did between two readings, None where it cannot be told."""
    spent = [late - early for early, late in zip(before, after, strict=False)]
    total = sum(spent)
    if total <= 0:
        return None
    return Stretch(begin_s, end_s, sum(spent[column] for column in _IDLE) / total, spent[_STOLEN] / total)
