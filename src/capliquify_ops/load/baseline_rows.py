"""What the latency baseline measured, as plain rows."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self


@dataclass(frozen=True, slots=True)
class Step:
    """One step of the service's middleware by its own histogram: how often it ran meanwhile, and within how long 95 % of them."""

    name: str
    count: float
    p95_ms: float


@dataclass(frozen=True, slots=True)
class Baseline:
    """`pairs_ms`: a tenant's route and a public one in turns on one connection, milliseconds each.

    `steps`: what the service's own metrics tell. `lookup_ms`, `switch_ms`, `query_ms`: how long the observer waited for the
    registry's row of a tenant, for a change of search_path, and for a tenant's rows. `cpu_ms`: the service's processor time for
    each request. `pool_ratio` and `pool_waiting`: the most seen of its pool. `unseen`: why what is missing is missing.
    """

    base_url: str
    tenant_path: str
    public_path: str
    started_at: str
    elapsed_s: float
    pairs_ms: tuple[tuple[float, float], ...]
    steps: tuple[Step, ...] = ()
    lookup_ms: tuple[float, ...] = ()
    switch_ms: tuple[float, ...] = ()
    query_ms: tuple[float, ...] = ()
    cpu_ms: float | None = None
    pool_ratio: float | None = None
    pool_waiting: float | None = None
    unseen: tuple[str, ...] = ()

    @classmethod
    def parse(cls, document: Mapping[str, Any]) -> Self:
        """Return what `dataclasses.asdict` made, read back from JSON. Raises TypeError or KeyError."""
        rows = {
            "pairs_ms": tuple((tenant, public) for tenant, public in document["pairs_ms"]),
            "steps": tuple(Step(**each) for each in document["steps"]),
            **{name: tuple(document[name]) for name in ("lookup_ms", "switch_ms", "query_ms", "unseen")},
        }
        return cls(**{**document, **rows})
