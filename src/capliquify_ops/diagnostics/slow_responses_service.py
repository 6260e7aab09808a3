"""Causes in the service and its server: its pool, its middleware, files and checkpoints, and what nothing here explains."""

from collections.abc import Iterator
from dataclasses import replace

from capliquify_ops.configuration import Limits
from capliquify_ops.diagnostics.slow_responses_now import Slowness, p95_of, routes_told, told
from capliquify_ops.diagnostics.slow_responses_suspects import Since
from capliquify_ops.model.diagnosis import Cause
from capliquify_ops.observation.activity import Activity
from capliquify_ops.observation.traffic import Durations, Traffic, added

_AGAIN = "Then look again: capliquify-ops diagnose slow-responses"
_CHAIN = "chain"
"""The contract's name for all steps of the middleware together; a service without it has each step counted by itself."""
_MEGABYTE = 1_048_576
_LINES = 3


def service_causes(found: Slowness, limits: Limits) -> Iterator[Cause]:
    """Yield what holds requests up before their own work begins."""
    if found.pool:
        yield _pool(found)
    if found.routes and found.traffic and found.traffic.middleware:
        yield from _middleware(found, found.traffic, limits)


def pressure_causes(found: Slowness, since: Since | None, limits: Limits) -> Iterator[Cause]:
    """Yield what the server is short of, from what it counted between two reads."""
    if not found.is_seen or not since or not since.pressure:
        return
    grown = since.pressure
    temp_mb, io_ms_per_s = grown.temp_bytes / _MEGABYTE, grown.io_ms / max(since.over_s, 0.001)
    line = f"in {since.over_s:.1f} s: "
    if grown.checkpoints_requested:
        why = "The server writes checkpoints before their time: the space for WAL is full, or a backup or a person asks for them."
        lines: tuple[str, ...] = (f"{line}{grown.checkpoints_requested} requested, {grown.checkpoints_timed} by the clock",)
        command = "If the server's log says `checkpoint starting: wal`: ALTER SYSTEM SET max_wal_size = '4GB', and reload."
        yield Cause("checkpoint pressure", why, lines, f"{command} {_AGAIN}", level=found.level)
    if temp_mb >= limits.number("temporary_files_mb"):
        why = f"Sessions sorted and hashed {temp_mb:,.0f} MB on disk, since it did not fit into work_mem."
        lines = (f"{line}{grown.temp_files} temporary files",)
        yield Cause("temporary files", why, lines, f"Raise work_mem for the application's role. {_AGAIN}", level=found.level)
    if io_ms_per_s >= limits.number("file_wait_ms_per_s") or grown.io_fsyncs:
        why = "Sessions wait for files: what they read does not fit into memory, or the disk does not keep up."
        lines = (f"{line}{grown.io_ms:,.0f} ms of waiting, {grown.io_fsyncs} syncs by sessions", *_waiting_now(found.activity))
        command = "See the disk's own figures, and raise shared_buffers or the plan of the database."
        yield Cause("waiting for files", why, lines, f"{command} {_AGAIN}", level=found.level)


def unexplained(found: Slowness, since: Since | None) -> Cause:
    """Return the cause for slow routes that nothing else explains: their time goes by in the service itself."""
    share = _queries_share(found.traffic)
    spent = "" if share is None else f", queries take {share:.0%} of the time"
    why = (
        f"Requests are slow{spent}, and no lock, statement, pool, middleware or shortage of the server that was seen explains it."
    )
    history = [
        f"history, since the statistics began: mean {line.mean_ms:,.1f} ms, {line.calls:,} calls: {line.text[:120]}"
        for line in (since.history[:_LINES] if since else ())
        if line.is_app
    ]
    command = f"Profile the service under load: CPU, garbage collection, calls to the outside. {_AGAIN}"
    return Cause("time in the service", why, tuple(history), command, level=found.level)


def _pool(found: Slowness) -> Cause:
    pool, share = found.pool, _queries_share(found.traffic)
    spent = (
        () if share is None else (f"queries take {share:.0%} of the requests' time, the rest is waiting or the service's own",)
    )
    counts = ", ".join(f"{number:,.0f} {state}" for state, number in pool.items())
    used = f"{pool.get('active', 0):,.0f} are in use"
    why = f"{pool['waiting']:,.0f} requests wait for a connection of the service's pool, and {used}."
    return Cause(
        "waiting for the pool",
        why,
        (f"pool: {counts}", *spent),
        f"See who holds them: capliquify-ops diagnose connection-exhaustion; with none to blame, enlarge the pool. {_AGAIN}",
        level=found.level,
    )


def _middleware(found: Slowness, traffic: Traffic, limits: Limits) -> Iterator[Cause]:
    """Yield the middleware where it takes longer than it may, or more than half of the requests' time."""
    steps = {name: each for name, each in traffic.middleware.items() if name != _CHAIN}
    chain = traffic.middleware.get(_CHAIN) or added(steps.values())
    share = _share(chain, traffic.durations)
    p95 = p95_of(chain) or 0.0
    if p95 <= limits.number("middleware_p95_ms") and (share or 0.0) <= limits.number("middleware_share"):
        return
    slowest = sorted(steps.items(), key=lambda each: (-(p95_of(each[1]) or 0.0), each[0]))[:_LINES]
    part = "" if share is None else f", {share:.0%} of the requests' time"
    yield Cause(
        "slow middleware",
        f"What happens before a request's own work takes {p95:,.0f} ms (p95){part}; the limit is"
        f" {limits.number('middleware_p95_ms'):g} ms.",
        (told("chain", chain), *(told(name, each) for name, each in slowest)),
        f"Keep tenants in a cache for the slowest step above, and see why its query is slow. {_AGAIN}",
        level=found.level,
    )


def with_routes(causes: tuple[Cause, ...], found: Slowness) -> tuple[Cause, ...]:
    """Return the causes, the first of them with the routes that are slow as its evidence."""
    if not causes or not found.routes:
        return causes
    first = causes[0]
    lines = (*(f"slow: {line}" for line in routes_told(found)), *first.evidence)
    return (replace(first, evidence=lines), *causes[1:])


def _waiting_now(activity: Activity) -> tuple[str, ...]:
    many = sum(each.is_here and each.wait_type == "IO" for each in activity.backends)
    return (f"{many} sessions wait for files just now",) if many else ()


def _queries_share(traffic: Traffic | None) -> float | None:
    return _share(traffic.queries, traffic.durations) if traffic else None


def _share(part: Durations | None, whole: Durations | None) -> float | None:
    """Return which share of the whole's time a part took, None where no sums are known."""
    if not part or not whole or whole.total_s <= 0 or part.total_s <= 0:
        return None
    return part.total_s / whole.total_s
