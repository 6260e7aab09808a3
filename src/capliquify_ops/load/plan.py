"""What a load run is asked to do: how many requests a second, for how long, as whom, against which paths."""

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol
from urllib.parse import urlsplit

from capliquify_ops.model.errors import UsageError
from capliquify_ops.model.secret import Secret

MOST_REQUESTS = 2_000_000
"""Samples are kept one by one, 19 bytes each: this many are 38 MB, and 33 minutes at 1,000 requests/s."""
MOST_CONNECTIONS = 500
"""The generator's client polls with select(2), which knows descriptors below 1,024 only."""
_BREAKS_MARKERS = frozenset('"\\/')


@dataclass(frozen=True, slots=True)
class Caller:
    """One user of one tenant: session token, organisation header, and the text that only this tenant's rows hold."""

    token: Secret
    headers: Mapping[str, str]
    marker: str


class Speaker(Protocol):
    """A caller as given from outside."""

    @property
    def token(self) -> str: ...
    @property
    def headers(self) -> Mapping[str, str]: ...
    @property
    def marker(self) -> str: ...


class Traffic(Protocol):
    """Who may send what: a base address, the callers, and the paths to read."""

    @property
    def base_url(self) -> str: ...
    @property
    def clients(self) -> Sequence[Speaker]: ...
    @property
    def paths(self) -> Sequence[str]: ...


@dataclass(frozen=True, slots=True)
class Plan:
    """A run: `rate` requests/s for `seconds`, after `warmup_s` at the same rate that is not measured.

    Arrival `i` is due `i / rate` seconds after the start, whatever became of earlier ones; callers and then paths take
    turns. Raises UsageError when it could not be run as asked.
    """

    base_url: str
    rate: float
    seconds: float
    callers: tuple[Caller, ...]
    paths: tuple[str, ...]
    warmup_s: float = 2.0
    connections: int = 100
    timeout_s: float = 10.0

    def __post_init__(self) -> None:
        _check_amounts(self)
        _check_address(self.base_url)
        _check_paths(self.paths)
        _check_markers({caller.marker for caller in self.callers})

    @property
    def requests(self) -> int:
        """How many arrivals are due within the measured seconds."""
        return arrivals(self.rate, self.seconds)


def arrivals(rate: float, seconds: float) -> int:
    """Return how many arrivals `0, 1/rate, 2/rate, ...` are due before `seconds`."""
    return max(0, math.ceil(rate * seconds - 1e-6))


def plan_of(traffic: Traffic, *, rate: float, seconds: float) -> Plan:
    """Return the plan that sends this traffic. Raises UsageError."""
    callers = tuple(Caller(Secret(each.token), dict(each.headers), each.marker) for each in traffic.clients)
    return Plan(base_url=traffic.base_url, rate=rate, seconds=seconds, callers=callers, paths=tuple(traffic.paths))


def to_wire(plan: Plan) -> bytes:
    """Return the plan as the one line that the worker reads on its standard input. It holds the tokens."""
    document = {
        "base_url": plan.base_url,
        "rate": plan.rate,
        "seconds": plan.seconds,
        "callers": [[caller.token.reveal(), dict(caller.headers), caller.marker] for caller in plan.callers],
        "paths": plan.paths,
        "warmup_s": plan.warmup_s,
        "connections": plan.connections,
        "timeout_s": plan.timeout_s,
    }
    return json.dumps(document).encode() + b"\n"


def from_wire(line: bytes) -> Plan:
    """Parse what `to_wire` made."""
    document = json.loads(line)
    callers = tuple(Caller(Secret(token), headers, marker) for token, headers, marker in document.pop("callers"))
    return Plan(callers=callers, paths=tuple(document.pop("paths")), **document)


def _check_amounts(plan: Plan) -> None:
    if not 0 < plan.rate < math.inf:
        raise UsageError(f"A load of {plan.rate} requests/s cannot be run.", hint="Give a rate above 0.")
    if not (0 < plan.seconds < math.inf and 0 <= plan.warmup_s < math.inf and 0 < plan.timeout_s < math.inf):
        raise UsageError("Seconds and time-out of a load run must be above 0, the warm-up not below.")
    if plan.rate * (plan.seconds + plan.warmup_s) > MOST_REQUESTS:
        raise UsageError(f"More than {MOST_REQUESTS:,} requests are not kept in one run.", hint="Run it in parts.")
    if not 1 <= plan.connections <= MOST_CONNECTIONS:
        raise UsageError(f"{plan.connections} connections are outside 1 to {MOST_CONNECTIONS}.")


def _check_address(base_url: str) -> None:
    parts = urlsplit(base_url)
    if parts.scheme not in {"http", "https"} or not parts.hostname or parts.username is not None:
        raise UsageError("The base address of a load run must be http(s)://host[:port] without a user.")


def _check_paths(paths: tuple[str, ...]) -> None:
    if not paths or not all(path.startswith("/") and not path.startswith("//") for path in paths):
        raise UsageError("A load run needs paths, each starting with one slash.")


def _check_markers(markers: set[str]) -> None:
    """A marker must survive JSON unchanged, and must not be found inside another tenant's."""
    if not markers:
        raise UsageError("A load run needs at least one caller.")
    for marker in markers:
        if not marker or not marker.isascii() or not marker.isprintable() or _BREAKS_MARKERS & set(marker):
            raise UsageError(f"{marker[:80]!r} cannot mark a tenant's rows: printable ASCII without quotes and slashes.")
        if any(marker in other for other in markers if other != marker):
            raise UsageError(f"The marker {marker[:80]!r} is part of another tenant's, so rows could not be told apart.")
