"""The history checker: what no correct service could have answered, whatever the order inside its overlaps. Pure.

Partitioned by tenant, since a service of separate tenants is one service for each: a token of another tenant needs no order
to be wrong, and everything else is looked for among one tenant's operations. Sorted and swept once: n log n.
"""

from collections.abc import Iterable, Mapping, Sequence

from capliquify_ops.isolation.history_model import Anomaly, Operation


def check(
    history: Sequence[Operation],
    *,
    planted: Mapping[str, str],
    scan: Mapping[str, Iterable[str]] | None = None,
) -> list[Anomaly]:
    """Return what is wrong about a history, proofs first; each kind once for a token and a tenant.

    `planted`: tokens that were there before the history began, and whose they are ("" is everybody's); they are rows of the
    collection "". `scan`: the tokens that stand in each tenant's schema at the end, those of `public` under "".
    Raises ValueError for a token written twice, and for an operation that ends before it starts.
    """
    raise NotImplementedError(history, planted, scan)
