"""What the server is short of: checkpoints before their time, sessions that spill to disk, sessions that wait for it."""

from dataclasses import dataclass

from capliquify_ops.database import Session, load
from capliquify_ops.observation.activity import PACKAGE


@dataclass(frozen=True, slots=True)
class Pressure:
    """Counters as of one read. `io_ms` is the waiting of sessions for files, counted where `is_timed`."""

    checkpoints_timed: int
    checkpoints_requested: int
    temp_files: int
    temp_bytes: int
    is_timed: bool
    io_ms: float
    io_fsyncs: int


def read_pressure(session: Session) -> Pressure:
    """Read the counters, within the open transaction."""
    return session.rows(load(PACKAGE, "pressure", session.server_major), Pressure)[0]


def pressure_between(before: Pressure, after: Pressure) -> Pressure:
    """Return what was counted between two reads; counters that went back began anew."""
    names = ("checkpoints_timed", "checkpoints_requested", "temp_files", "temp_bytes", "io_ms", "io_fsyncs")
    grown = {name: now - was if (now := getattr(after, name)) >= (was := getattr(before, name)) else now for name in names}
    return Pressure(is_timed=after.is_timed, **grown)
