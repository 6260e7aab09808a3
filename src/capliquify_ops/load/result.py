"""What a load run gave: every sample, the state of the generator meanwhile, and why it ended early if it did."""

from array import array
from dataclasses import dataclass, field
from enum import StrEnum

from capliquify_ops.load.operations import Kind, Operation, operation_of
from capliquify_ops.load.samples import Samples
from capliquify_ops.load.watched import Watched


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
    """The generator itself over the measured seconds; of several, of the one that was worst off.

    `cpu_s` of its process in `wall_s`; `lags_us`: how late its event loop was at each tick of 20 ms; `in_flight`: requests still
    unanswered when the run was closed; `opened`: connections that were made; `crowded_out`: arrivals that were never sent by
    generators of which every connection was waiting for an answer then; these three by all of them together.
    """

    cpu_s: float = 0.0
    wall_s: float = 0.0
    memory_bytes: int = 0
    in_flight: int = 0
    lags_us: "array[int]" = field(default_factory=lambda: array("i"))
    opened: int = 0
    crowded_out: int = 0


@dataclass(frozen=True, slots=True)
class Stretch:
    """About one second of a run, counted from its first measured arrival: how much processor time was left, or stolen."""

    begin_s: float
    end_s: float
    idle: float
    stolen: float


@dataclass(frozen=True, slots=True)
class Sender:
    """Who an arrival was sent as: the tenant, by the text that marks its rows, and the tenant's group."""

    tenant: str
    group: str = ""


@dataclass(frozen=True, slots=True)
class LoadRun:
    """A finished run. `offered`: arrivals that were due before it ended; samples come in order of their end.

    Arrival `i` was sent as `senders[i % len(senders)]`; `generators`: how many processes sent. `machine`: this machine's
    processors meanwhile, where the service shares them with the generator. `uncorroborated`: why the profile says that the
    database need not confirm it.
    """

    base_url: str
    rate: float
    seconds: float
    warmup_s: float
    connections: int
    senders: tuple[Sender, ...]
    operations: tuple[Operation, ...]
    order: tuple[int, ...]
    started_at: str
    elapsed_s: float
    offered: int
    samples: Samples
    health: Health
    cut: Cut | None = None
    witnesses: tuple[str, ...] = ()
    machine: tuple[Stretch, ...] = ()
    generators: int = 1
    watched: Watched | None = None
    uncorroborated: str = ""

    @property
    def tenants(self) -> int:
        """Return as how many tenants it was sent."""
        return len({sender.tenant for sender in self.senders})

    @property
    def is_mixed(self) -> bool:
        """Whether it did more than read."""
        return any(each.kind is not Kind.READ for each in self.operations)

    def operation(self, arrival: int) -> Operation:
        """Return what an arrival did."""
        return self.operations[operation_of(self.order, len(self.senders), arrival)]

    def sender(self, arrival: int) -> Sender:
        """Return as whom an arrival was sent."""
        return self.senders[arrival % len(self.senders)]
