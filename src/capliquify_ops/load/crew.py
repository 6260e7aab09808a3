"""The generators of one run: how many, on which machines, and where they meet."""

import json
import math
from dataclasses import asdict, dataclass

from capliquify_ops.model.errors import UsageError

ANY_ADDRESS = frozenset({"*", "0.0.0.0", "::"})  # noqa: S104  # compared with, not bound to
MOST = 64
MOST_PORT = 65_535


@dataclass(frozen=True, slots=True)
class Crew:
    """`local` generators are started here, `size` are waited for; the others join from elsewhere at `bind`:`port`.

    The plan that members are sent holds session tokens, and the connection is not encrypted: bind to an address of a network
    that you trust, or let them join through a tunnel. Port 0 is any free one. Raises UsageError.
    """

    local: int = 1
    size: int = 1
    bind: str = "127.0.0.1"
    port: int = 0
    wait_s: float = 30.0

    def __post_init__(self) -> None:
        if not 0 <= self.local <= self.size or not 1 <= self.size <= MOST:
            raise UsageError(
                f"{self.local} of {self.size} generators cannot be started here.",
                hint=f"Expect as many workers as are started here or more, {MOST} at most.",
            )
        if not 0 < self.wait_s < math.inf:
            raise UsageError("Workers need more than 0 s to arrive, and some end of it.")
        if not 0 <= self.port <= MOST_PORT:
            raise UsageError(f"There is no port {self.port}.", hint=f"Give 0 (any) to {MOST_PORT}.")

    @property
    def is_alone(self) -> bool:
        """Whether it is the one generator that needs no master."""
        return self.local == self.size == 1

    @property
    def local_address(self) -> str:
        """Return where members on this machine join."""
        return "127.0.0.1" if self.bind in ANY_ADDRESS else self.bind


def crew_to_wire(crew: Crew) -> bytes:
    """Return a crew as one line."""
    return json.dumps(asdict(crew)).encode() + b"\n"


def crew_from_wire(line: bytes) -> Crew:
    """Parse what `crew_to_wire` made."""
    return Crew(**json.loads(line))
