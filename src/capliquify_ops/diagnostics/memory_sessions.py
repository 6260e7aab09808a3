"""The memory that database sessions keep for the tenants they have touched: measured in one session, told for all."""

from capliquify_ops.configuration import Limits
from capliquify_ops.database import Session
from capliquify_ops.diagnostics.inquiry import Inquiry
from capliquify_ops.diagnostics.wording import age, sessions
from capliquify_ops.integrity.registry_access import require_registry
from capliquify_ops.model.diagnosis import Cause
from capliquify_ops.model.finding import Level
from capliquify_ops.observation.backend_memory import BackendMemory, read_backend_memory
from capliquify_ops.tenants.registry_columns import fill_registry

SESSIONS = "memory of database sessions"
_KB, _MB = 1_000.0, 1_000_000.0


def ask_sessions(session: Session, inquiry: Inquiry) -> tuple[BackendMemory | None, str]:
    """Touch some tenants in this session and measure by how much it grows, within a transaction of its own."""
    target = inquiry.target
    with session.transaction():
        require_registry(session, target.profile.registry, target.roles.owner)
        lifetime_s = inquiry.limits.number("connection_lifetime_s")
        found = read_backend_memory(session, lambda text: fill_registry(text, target.profile.registry), target.roles, lifetime_s)
    if found is None:
        return None, "there are fewer than two tenants with tables to measure by"
    return found, (
        f"at least {found.per_tenant / _KB:.0f} kB in each session for each tenant that it has touched (measured on"
        f" {found.touched}); {found.tenants} tenants, {sessions(found.sessions)} of the application,"
        f" {found.old_sessions} of them old: up to {found.foreseen / _MB:.0f} MB"
    )


def sessions_cause(found: BackendMemory | None, limits: Limits) -> Cause | None:
    """Name sessions that live long enough to touch all tenants, where that would take too much memory."""
    if found is None or found.foreseen <= limits.number("backend_memory_ratio") * found.shared_buffers:
        return None
    oldest_s, lifetime_s = found.oldest_s or 0.0, limits.number("connection_lifetime_s")
    why = (
        f"{sessions(found.old_sessions)} of the application live for more than {age(lifetime_s)} and keep at least"
        f" {found.per_tenant / _KB:.0f} kB for each tenant that they touch: with {found.tenants} tenants up to"
        f" {found.foreseen / _MB:.0f} MB of the database's memory."
    )
    lines = (
        f"measured on {found.touched} tenants: {found.per_tenant / _KB:.1f} kB each",
        f"the oldest session is connected for {age(oldest_s)}",
        f"shared_buffers, by the usual advice a quarter of the memory, is {found.shared_buffers / _MB:.0f} MB",
    )
    command = (
        "Give the pool's connections a lifetime of 30 min: max_lifetime of psycopg_pool, maxLifetimeSeconds of node-postgres,"
        " server_lifetime of PgBouncer"
    )
    return Cause("memory of database sessions", why, lines, command, since_s=found.oldest_s, level=Level.L1)
