"""The history checker: what no correct service could have answered, whatever the order inside its overlaps. Pure.

Partitioned by tenant, since a service of separate tenants is one service for each: a token of another tenant needs no order
to be wrong, and everything else is looked for among one tenant's operations. Sorted and swept once: n log n.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence

from capliquify_ops.isolation.history_model import SHARED, Anomaly, Kind, Operation, Result
from capliquify_ops.isolation.history_tokens import Tokens, wrong_reads
from capliquify_ops.isolation.history_window import lost_writes
from capliquify_ops.isolation.history_witness import Neighbours, overlap

_ORDER = {kind: number for number, kind in enumerate(Kind)}
_Key = tuple[Kind, tuple[str, ...], str]
_Shown = tuple[Operation | None, str | None]
"""What shows an anomaly: an answer, or the schema of a tenant."""


def check(
    history: Sequence[Operation],
    *,
    planted: Mapping[str, str],
    scan: Mapping[str, Iterable[str]] | None = None,
) -> list[Anomaly]:
    """Return what is wrong about a history, proofs first; each kind once for a token and a tenant.

    `planted`: tokens that were there before the history began, and whose they are ("" is everybody's); complete reads of the
    collection "" must list them, those of a named collection need not: for them, record the planting as operations.
    `scan`: the tokens that stand in each tenant's schema at the end, those of `public` under ""; of a tenant without a key
    nothing is said to be lost. An answer with a token comes before the scan where both show the same.
    Raises ValueError for a token written twice, or written and deleted at once, and for an operation that ends before it starts.
    """
    tokens = Tokens(history, planted)
    found: dict[_Key, _Shown] = {}
    for kind, token, read in wrong_reads(history, tokens):
        _note(found, _key(kind, read.tenant, token, tokens), read, tokens)
    for token, read in lost_writes(history, tokens):
        _note(found, (Kind.LOST_WRITE, (read.tenant,), token), read, tokens)
    for key, schema in _scanned(scan or {}, tokens):
        found.setdefault(key, (None, schema))
    if not found:
        return []
    neighbours = Neighbours(history, tokens)
    anomalies = [
        Anomaly(kind, tenants, token, neighbours.witness(kind, token, read, schema), schema)
        for (kind, tenants, token), (read, schema) in found.items()
    ]
    return sorted(anomalies, key=_rank)


def _key(kind: Kind, tenant: str, token: str, tokens: Tokens) -> _Key:
    owner = tokens.owner(token)
    return kind, (tenant,) if owner in {None, tenant} else (tenant, str(owner)), token


def _note(found: dict[_Key, _Shown], key: _Key, read: Operation, tokens: Tokens) -> None:
    """Keep the read that tells most by itself: one that overlaps the write, then the earliest."""
    old = found.get(key, (None, None))[0]
    write = tokens.writes.get(key[2])
    if old is None or _told(read, write) < _told(old, write):
        found[key] = (read, None)


def _told(read: Operation, write: Operation | None) -> tuple[bool, float, float]:
    return write is None or not overlap(write, read), read.end, read.start


def _scanned(scan: Mapping[str, Iterable[str]], tokens: Tokens) -> Iterator[tuple[_Key, str]]:
    """Yield what the final scan shows, each with the tenant whose schema it is about."""
    seen: set[str] = set()
    for schema, rows in scan.items():
        for token in rows:
            seen.add(token)
            owner, write = tokens.owner(token), tokens.writes.get(token)
            if owner not in {None, SHARED, schema}:
                yield _key(Kind.WRONG_SCHEMA, schema, token, tokens), schema
            elif owner == schema and write is not None and write.outcome is Result.FAIL:
                yield (Kind.ABORTED_READ, (schema,), token), schema
    for token, owner in tokens.kept():
        if token not in seen and owner in scan:
            yield (Kind.LOST_WRITE, (owner,), token), owner


def _rank(anomaly: Anomaly) -> tuple[int, float, tuple[str, ...], str]:
    start = anomaly.operations[0].start if anomaly.operations else 0.0
    return _ORDER[anomaly.kind], start, anomaly.tenants, anomaly.token
