"""What the latency baseline measured, as plain rows."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self


@dataclass(frozen=True, slots=True)
class Step:
    """One step of the service's middleware by its own histogram: how often it ran meanwhile, and within how long 95 % of them.

    A histogram knows no more than its buckets: `low_ms` and `high_ms` are the bounds of the one that holds the p95, None where it
    has no upper one; `p95_ms` is drawn straight between them.
    """

    name: str
    count: float
    p95_ms: float
    low_ms: float
    high_ms: float | None


@dataclass(frozen=True, slots=True)
class Baseline:
    """`pairs_ms`: a tenant's route and a public one in turns on one connection, milliseconds each.

    `steps`: what the service's own metrics tell. `trip_ms`, `lookup_ms`, `switch_ms`, `query_ms`: how long the observer waited
    for a statement that does nothing, for the registry's row of a tenant, for a change of search_path, and for a tenant's rows.
    `cpu_ms`: the service's processor time for each request. `pool_ratio` and `pool_waiting`: its pool at one look after the last
    pair, with no other load than this. `unseen`: why what is missing is missing.
    """

    base_url: str
    tenant_path: str
    public_path: str
    started_at: str
    elapsed_s: float
    pairs_ms: tuple[tuple[float, float], ...]
    steps: tuple[Step, ...] = ()
    trip_ms: tuple[float, ...] = ()
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
            **{name: tuple(document[name]) for name in ("trip_ms", "lookup_ms", "switch_ms", "query_ms", "unseen")},
        }
        return cls(**{**document, **rows})
