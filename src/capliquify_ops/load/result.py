"""What a load run gave: every sample, the state of the generator meanwhile, and why it ended early if it did."""

from array import array
from dataclasses import dataclass, field
from enum import StrEnum

from capliquify_ops.load.samples import Samples


class Side(StrEnum):
    """Who ended a run before its time."""

    TARGET = "target"
    GENERATOR = "generator"


@dataclass(frozen=True, slots=True)
class Cut:
    """A run that ended early: on whose side, and what happened, as part of a sentence."""

    by: Side
    why: str


@dataclass(frozen=True, slots=True)
class Health:
    """The generator itself over the measured seconds.

    `cpu_s` of its process in `wall_s`; `lags_us`: how late its event loop was at each tick of 20 ms; `in_flight`: requests still
    unanswered when the run was closed.
    """

    cpu_s: float = 0.0
    wall_s: float = 0.0
    memory_bytes: int = 0
    in_flight: int = 0
    lags_us: "array[int]" = field(default_factory=lambda: array("i"))


@dataclass(frozen=True, slots=True)
class Stretch:
    """About one second of a run, counted from its first measured arrival: how much processor time was left, or stolen."""

    begin_s: float
    end_s: float
    idle: float
    stolen: float


@dataclass(frozen=True, slots=True)
class LoadRun:
    """A finished run. `offered`: arrivals that were due before it ended; samples come in order of their end.

    `machine`: this machine's processors meanwhile, where the service shares them with the generator.
    """

    base_url: str
    rate: float
    seconds: float
    warmup_s: float
    connections: int
    tenants: int
    paths: tuple[str, ...]
    started_at: str
    elapsed_s: float
    offered: int
    samples: Samples
    health: Health
    cut: Cut | None = None
    witnesses: tuple[str, ...] = ()
    machine: tuple[Stretch, ...] = ()
