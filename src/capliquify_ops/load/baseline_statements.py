"""Times four statements of the latency baseline in the database: one that does nothing, and three that a service sends."""

from collections.abc import Callable
from dataclasses import dataclass, replace

from capliquify_ops.configuration.target import Target
from capliquify_ops.database import Session, fill, load, observer, quoted
from capliquify_ops.load.baseline_rows import Baseline
from capliquify_ops.model.errors import OpsError
from capliquify_ops.model.protocols import Clock
from capliquify_ops.tenants.registry import registry_names

PACKAGE = "capliquify_ops.load"
QUERIES = 200
PAGE = 50


@dataclass(frozen=True, slots=True)
class _Named:
    id: str
    schema_name: str


@dataclass(frozen=True, slots=True)
class _Path:
    path: str


@dataclass(frozen=True, slots=True)
class _Trip:
    one: int


@dataclass(frozen=True, slots=True)
class Asked:
    """Of whose organisation and table the database is asked."""

    organization: str
    table: str
    clock: Clock


def in_database(found: Baseline, target: Target, asked: Asked) -> Baseline:
    """Add what the observer waits for its statements; what it may not read is said."""
    if target.database_url is None:
        return replace(found, unseen=(*found.unseen, "The target has no database URL."))
    try:
        with observer(target.database_url, "latency baseline", pooled=target.pooled) as session, session.transaction():
            return _timed_statements(found, target, session, asked)
    except OpsError as error:
        return replace(found, unseen=(*found.unseen, str(error)))


def _timed_statements(found: Baseline, target: Target, session: Session, asked: Asked) -> Baseline:
    lookup = fill(load(PACKAGE, "latency_baseline_lookup").text, registry_names(target.profile.registry_table))
    whose = {"organization": asked.organization}
    registered = session.rows(lookup, _Named, whose)
    if len(registered) != 1:
        why = f"The registry has {len(registered)} tenants of the organisation {asked.organization!r}."
        return replace(found, unseen=(*found.unseen, why))
    tenant = registered[0]
    path, trip = load(PACKAGE, "latency_baseline_path"), load(PACKAGE, "latency_baseline_trip")
    rows = fill(load(PACKAGE, "latency_baseline_rows").text, {"tenant_schema": tenant.schema_name, "tenant_table": asked.table})
    wanted = {"path": f"{quoted(tenant.schema_name)}, pg_catalog"}
    return replace(
        found,
        trip_ms=_times(asked.clock, lambda: session.rows(trip, _Trip)),
        lookup_ms=_times(asked.clock, lambda: session.rows(lookup, _Named, whose)),
        switch_ms=_times(asked.clock, lambda: session.rows(path, _Path, wanted)),
        query_ms=_times(asked.clock, lambda: session.mappings(rows, {"at_most": PAGE})),
    )


def _times(clock: Clock, ask: Callable[[], object]) -> tuple[float, ...]:
    took = []
    for _ in range(QUERIES):
        began = clock.monotonic()
        ask()
        took.append(round((clock.monotonic() - began) * 1000, 4))
    return tuple(took)
