"""Who waits for a connection before the database: in the service's own pool, and in a PgBouncer."""

from collections.abc import Iterable

from capliquify_ops.configuration import Limits, Target
from capliquify_ops.diagnostics.inquiry import Inquiry, Question
from capliquify_ops.model.diagnosis import Cause
from capliquify_ops.model.errors import ConfigurationInvalid
from capliquify_ops.model.finding import Level
from capliquify_ops.observation.pooler import Pool, read_pools
from capliquify_ops.observation.traffic import Traffic

POOLER = "PgBouncer"
LONG_WAIT_S = 1.0
"""A client that waits for a second is late whatever the database does then; shorter queues come and go."""
_AGAIN = "Then look again: capliquify-ops diagnose connection-exhaustion"


def pooler_question(inquiry: Inquiry) -> Question | str:
    """Ask the pooler's console for its pools, or say that none is configured."""
    target = inquiry.target
    if "pgbouncer" not in target.integrations:
        return f"the target has none: {target.how_to_set('integrations.pgbouncer')}"
    return lambda: _asked(target)


def _asked(target: Target) -> tuple[tuple[Pool, ...], str]:
    found = target.integrations["pgbouncer"]
    if found.missing:
        raise ConfigurationInvalid(found.missing)
    pools = read_pools(found.secrets["url"])
    waiting = sum(each.clients_waiting for each in pools)
    return pools, f"{len(pools)} pools, {waiting} clients wait"


def waiting(pools: Iterable[Pool]) -> tuple[Cause, ...]:
    """Return the pools of a pooler whose clients wait for long, the longest queue first."""
    return tuple(_waits(each) for each in pools if each.clients_waiting and each.longest_wait_s >= LONG_WAIT_S)


def queued(traffic: Traffic | None, limits: Limits) -> tuple[Cause, ...]:
    """Return that requests wait for the service's own pool, in both looks at it; a queue that moves quickly is no fault."""
    if traffic is None or not traffic.pool.get("waiting") or _is_quick(traffic, limits):
        return ()
    active, idle, many = (traffic.pool.get(state, 0.0) for state in ("active", "idle", "waiting"))
    used = f"{active:.0f} of {active + idle:.0f} are in use"
    why = f"In the service {many:.0f} requests wait for a connection of its pool, of which {used}."
    lines = (f"active {active:.0f}, idle {idle:.0f}, waiting {many:.0f}",)
    mend = "Find above who holds them; if nobody does wrong, see for how many there is room: capliquify-ops fleet check capacity."
    return (Cause("service's pool is used up", why, lines, f"{mend} {_AGAIN}", level=Level.L2),)


def _is_quick(traffic: Traffic, limits: Limits) -> bool:
    """Whether so many requests were answered meanwhile, and so soon, that a busy pool is all that is seen."""
    done, p95_ms = traffic.durations, traffic.durations.quantile_ms(0.95) if traffic.durations else None
    if done is None or p95_ms is None or done.count < limits.number("response_requests"):
        return False
    return p95_ms <= limits.number("response_p95_ms")


def _waits(pool: Pool) -> Cause:
    size = "" if pool.size is None else f" of {pool.size}"
    why = (
        f"Behind PgBouncer {pool.clients_waiting} clients of {pool.role} wait for a session of {pool.database},"
        f" the first for {pool.longest_wait_s:.0f} s: all {pool.servers_active}{size} are in use."
    )
    lines = (
        f"{pool.clients_active} clients served, {pool.clients_waiting} waiting",
        f"{pool.servers_active} sessions in use, {pool.servers_idle} free, pool_mode {pool.mode or 'unknown'}",
    )
    mend = "End what holds the sessions (leaked or blocked, above), or raise default_pool_size within the server's room."
    return Cause("pooler's pool is used up", why, lines, f"{mend} {_AGAIN}", since_s=pool.longest_wait_s, level=Level.L2)
