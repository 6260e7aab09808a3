"""What a load run is asked to do: how many requests a second, for how long, as whom, against which paths."""

import json
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from urllib.parse import urlsplit

from capliquify_ops.load.crew import MOST
from capliquify_ops.load.operations import Kind, Operation, operation_of
from capliquify_ops.model.errors import UsageError
from capliquify_ops.model.secret import Secret

MOST_REQUESTS = 8_000_000
"""Samples are kept one by one, 19 bytes each: this many are 152 MB, and more than two hours at 1,000 requests/s."""
MOST_CONNECTIONS = 500
"""Of one generator: its client polls with select(2), which knows descriptors below 1,024 only."""
_BREAKS_MARKERS = frozenset('"\\/')
_PLAIN = ("base_url", "rate", "seconds", "order", "warmup_s", "connections", "timeout_s")


@dataclass(frozen=True, slots=True)
class Caller:
    """One user of one tenant: session token, headers that name the tenant, what only this tenant's rows hold, its group.

    `prefix` goes before every path, where that names the tenant; `organization` is what the registry knows the tenant by.
    """

    token: Secret
    headers: Mapping[str, str]
    marker: str
    group: str = ""
    prefix: str = ""
    organization: str = ""


@dataclass(frozen=True, slots=True)
class Share:
    """What one of several generators sends: arrivals `first`, `first + of`, `first + 2 * of`, ... of the plan."""

    first: int = 0
    of: int = 1


@dataclass(frozen=True, slots=True)
class Plan:
    """A run: `rate` requests/s for `seconds`, after `warmup_s` at the same rate that is not measured.

    Arrival `i` is due `i / rate` seconds after the start, whatever became of earlier ones; callers take turns, and each
    goes through its operations in the given order (of their numbers; without one, as they stand). Raises UsageError when
    it could not be run as asked.
    """

    base_url: str
    rate: float
    seconds: float
    callers: tuple[Caller, ...]
    operations: tuple[Operation, ...]
    order: tuple[int, ...] = ()
    warmup_s: float = 2.0
    connections: int = 100
    timeout_s: float = 10.0
    share: Share = Share()

    def __post_init__(self) -> None:
        _check_amounts(self)
        _check_address(self.base_url)
        _check_operations(self.operations, self.order)
        _check_markers({caller.marker for caller in self.callers})
        if not 0 <= self.share.first < self.share.of:
            raise UsageError(f"There is no share {self.share.first} of {self.share.of}.")
        if not self.order:
            object.__setattr__(self, "order", tuple(range(len(self.operations))))

    @property
    def requests(self) -> int:
        """How many arrivals are due within the measured seconds."""
        return arrivals(self.rate, self.seconds)

    def operation(self, arrival: int) -> Operation:
        """Return what an arrival does."""
        return self.operations[operation_of(self.order, len(self.callers), arrival)]


def arrivals(rate: float, seconds: float) -> int:
    """Return how many arrivals `0, 1/rate, 2/rate, ...` are due before `seconds`."""
    return max(0, math.ceil(rate * seconds - 1e-6))


def share_of(plan: Plan, number: int, of: int) -> Plan:
    """Return what generator `number` of several sends, with its part of the connections. Raises UsageError for too many."""
    most, left = divmod(plan.connections, of)
    connections = max(1, most + (number < left))
    if connections > MOST_CONNECTIONS:
        raise UsageError(
            f"{connections} connections are more than the {MOST_CONNECTIONS} of one generator.", hint="Add --workers."
        )
    return replace(plan, share=Share(number, of), connections=connections)


def to_wire(plan: Plan) -> bytes:
    """Return the plan as the one line that the worker reads on its standard input. It holds the tokens."""
    document = {name: getattr(plan, name) for name in _PLAIN}
    document["callers"] = [
        [each.token.reveal(), dict(each.headers), each.marker, each.group, each.prefix, each.organization]
        for each in plan.callers
    ]
    document["operations"] = [asdict(each) for each in plan.operations]
    document["share"] = asdict(plan.share)
    return json.dumps(document).encode() + b"\n"


def from_wire(line: bytes) -> Plan:
    """Parse what `to_wire` made."""
    document = json.loads(line)
    callers = tuple(Caller(Secret(token), *rest) for token, *rest in document.pop("callers"))
    operations = tuple(parse_operation(each) for each in document.pop("operations"))
    order, share = tuple(document.pop("order")), Share(**document.pop("share"))
    return Plan(callers=callers, operations=operations, order=order, share=share, **document)


def parse_operation(row: Mapping[str, object]) -> Operation:
    """Return an operation from its fields as JSON. Raises TypeError, ValueError or KeyError."""
    return Operation(**{**row, "kind": Kind(row["kind"])})  # type: ignore[arg-type]  # checked by whoever reads a file


def require_amounts(rate: float, seconds: float) -> None:
    """Raise UsageError for a rate or a time that nothing can be driven with: before anything is made for it."""
    if not 0 < rate < math.inf:
        raise UsageError(f"A load of {rate} requests/s cannot be run.", hint="Give a rate above 0.")
    if not 0 < seconds < math.inf:
        raise UsageError(f"A load for {seconds} s cannot be run.", hint="Give seconds above 0.")


def _check_amounts(plan: Plan) -> None:
    require_amounts(plan.rate, plan.seconds)
    if not (0 <= plan.warmup_s < math.inf and 0 < plan.timeout_s < math.inf):
        raise UsageError("The time-out of a load run must be above 0, its warm-up not below.")
    if plan.rate * (plan.seconds + plan.warmup_s) > MOST_REQUESTS:
        raise UsageError(f"More than {MOST_REQUESTS:,} requests are not kept in one run.", hint="Run it in parts.")
    if not 1 <= plan.connections <= MOST_CONNECTIONS * MOST:
        raise UsageError(f"{plan.connections} connections are outside 1 to {MOST_CONNECTIONS * MOST}.")


def _check_address(base_url: str) -> None:
    parts = urlsplit(base_url)
    if parts.scheme not in {"http", "https"} or not parts.hostname or parts.username is not None:
        raise UsageError("The base address of a load run must be http(s)://host[:port] without a user.")


def _check_operations(operations: tuple[Operation, ...], order: tuple[int, ...]) -> None:
    if not operations or not all(each.path.startswith("/") and not each.path.startswith("//") for each in operations):
        raise UsageError("A load run needs paths, each starting with one slash.")
    if not {*order} <= {*range(len(operations))}:
        raise UsageError("The order of a load run names operations that it does not have.")


def _check_markers(markers: set[str]) -> None:
    """A marker must survive JSON unchanged, and must not be found inside another tenant's."""
    if not markers:
        raise UsageError("A load run needs at least one caller.")
    for marker in markers:
        if not marker or not marker.isascii() or not marker.isprintable() or _BREAKS_MARKERS & set(marker):
            raise UsageError(f"{marker[:80]!r} cannot mark a tenant's rows: printable ASCII without quotes and slashes.")
        if any(marker in other for other in markers if other != marker):
            raise UsageError(f"The marker {marker[:80]!r} is part of another tenant's, so rows could not be told apart.")
