"""How busy this machine's processors were: the kernel's own count, absent where there is no /proc."""

from pathlib import Path

_STAT = Path("/proc/stat")
_IDLE = (3, 4)
"""Columns idle and iowait of the line `cpu` (proc(5)), counted from 0 behind the name."""
_COUNTED = 8
"""user to steal; guest time is contained in user."""

Ticks = tuple[int, ...]


def ticks() -> Ticks:
    """Return the processors' time so far by kind, empty where the kernel does not tell."""
    try:
        line = _STAT.read_text(encoding="ascii").splitlines()[0]
    except OSError:
        return ()
    return tuple(int(part) for part in line.split()[1 : _COUNTED + 1])


def idle_share(before: Ticks, after: Ticks) -> float | None:
    """Return the idle share between two readings, None where it cannot be told."""
    spent = [late - early for early, late in zip(before, after, strict=False)]
    total = sum(spent)
    return sum(spent[column] for column in _IDLE) / total if total > 0 else None
