"""The raw evidence of a load run: every sample, so that each figure can be computed again by someone else."""

import json
from collections.abc import Mapping
from dataclasses import asdict, astuple
from types import MappingProxyType
from typing import Any

from capliquify_ops.load.drawn import latency_per_second, of_operations, percentiles
from capliquify_ops.load.figures import buckets, cohorts, figures
from capliquify_ops.load.operations import Kind
from capliquify_ops.load.plan import parse_operation
from capliquify_ops.load.result import Cut, Health, LoadRun, Sender, Side, Stretch
from capliquify_ops.load.samples import pack, unpack, unpack_samples
from capliquify_ops.load.watched import watched_of
from capliquify_ops.model.errors import EvidenceDamaged
from capliquify_ops.model.finding import Limit, Scalar

KIND = "load_run/2"
_NO_OTHERS: Mapping[Kind, Limit] = MappingProxyType({})
_PLAIN = ("base_url", "rate", "seconds", "warmup_s", "connections", "started_at", "elapsed_s", "offered", "generators")


def raw_document(run: LoadRun, limit: Limit, of_kinds: Mapping[Kind, Limit] = _NO_OTHERS) -> bytes:
    """Return a run as JSON. The same run gives the same bytes.

    `limit` is the p95 limit in ms that its chart draws, `of_kinds` those of requests with a limit of their own.
    """
    limits_ms = {kind: of_kinds.get(kind, limit).value for kind in Kind}
    health = asdict(run.health) | {"lags_us": pack(run.health.lags_us)}
    document = {
        "kind": KIND,
        **{name: getattr(run, name) for name in _PLAIN},
        "operations": [asdict(each) for each in run.operations],
        "order": run.order,
        "senders": [astuple(each) for each in run.senders],
        "limit_ms": limit.value,
        "buckets_ms": buckets(run.samples),
        "per_second": [(row.second, row.offered, row.completed, row.failed) for row in cohorts(run)],
        "in_time_per_second": [(row.second, row.in_time) for row in cohorts(run)],
        "percentiles_ms": percentiles(run.samples),
        "latency_per_second_ms": latency_per_second(run),
        "of_operations": of_operations(run, limits_ms),
        "health": health,
        "cut": asdict(run.cut) if run.cut else None,
        "witnesses": run.witnesses,
        "machine": [astuple(each) for each in run.machine],
        "watched": asdict(run.watched) if run.watched else None,
        "uncorroborated": run.uncorroborated,
        "encoding": "base64 of zlib of little-endian integers: 4 bytes, status 2, verdict 1; times in microseconds",
        "samples": run.samples.pack(),
    }
    return json.dumps(document, sort_keys=True, separators=(",", ":")).encode()


def parse_document(content: bytes) -> LoadRun:
    """Return the run that `raw_document` was given. Raises EvidenceDamaged."""
    try:
        return _run(json.loads(content))
    except (ValueError, KeyError, TypeError) as error:
        hint = "Run the load check again."
        raise EvidenceDamaged(f"The raw data is not a load run: {type(error).__name__}: {error}.", hint=hint) from None


def _run(document: Mapping[str, object]) -> LoadRun:
    if document["kind"] != KIND:
        raise ValueError(f"its kind is {document['kind']!r}")
    fields = {name: document[name] for name in _PLAIN}
    health, cut, samples = (document[key] for key in ("health", "cut", "samples"))
    operations, order, senders, witnesses = (_list(document, key) for key in ("operations", "order", "senders", "witnesses"))
    if not (isinstance(health, dict) and isinstance(samples, dict)):
        raise TypeError("health or samples")
    return LoadRun(
        **fields,  # type: ignore[arg-type]  # plain values, written by raw_document
        operations=tuple(parse_operation(each) for each in operations),
        order=tuple(order),
        senders=tuple(Sender(*each) for each in senders),
        samples=unpack_samples(samples),
        health=Health(**(health | {"lags_us": unpack(health["lags_us"], "i")})),
        cut=Cut(Side(cut["by"]), cut["why"]) if isinstance(cut, dict) else None,
        witnesses=tuple(witnesses),
        machine=tuple(Stretch(*each) for each in _list(document, "machine")),
        watched=watched_of(document["watched"]) if document["watched"] else None,  # type: ignore[arg-type]  # raises TypeError
        uncorroborated=str(document["uncorroborated"]),
    )


def _list(document: Mapping[str, object], key: str) -> list[Any]:
    found = document[key]
    if not isinstance(found, list):
        raise TypeError(key)
    return found


def recompute(content: bytes) -> Mapping[str, Scalar]:
    """Compute the figures of a finding again from the raw data alone. Raises EvidenceDamaged."""
    return figures(parse_document(content))
