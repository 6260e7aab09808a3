"""What a tenant creation storm gave, one row for each tenant."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self


@dataclass(frozen=True, slots=True)
class Creation:
    """One creation. `latency_ms` counts from when it was due, `slip_ms` of it is this program's own delay.

    `read_back_ms`: from the answer until the new tenant's owner was served; None where that never came. `failure`: why it counts
    as failed, "" where it does not. `made`: the answer said that the tenant is there; `wrong`: what its owner was served that a
    new tenant cannot have, "" where nothing of the kind was.
    """

    index: int
    due_s: float
    slip_ms: float
    latency_ms: float
    read_back_ms: float | None
    failure: str = ""
    made: bool = True
    wrong: str = ""


@dataclass(frozen=True, slots=True)
class Storm:
    """A finished storm: `planned` creations were due in `seconds`, sent `how`, from `users` at once at most.

    `registered`: how many of its tenants the registry had before they were removed.
    """

    base_url: str
    how: str
    rate_per_min: float
    seconds: float
    planned: int
    users: int
    started_at: str
    elapsed_s: float
    registered: int
    creations: tuple[Creation, ...]

    @classmethod
    def parse(cls, document: Mapping[str, Any]) -> Self:
        """Return what `dataclasses.asdict` made. Raises TypeError or KeyError."""
        return cls(**{**document, "creations": tuple(Creation(**row) for row in document["creations"])})
