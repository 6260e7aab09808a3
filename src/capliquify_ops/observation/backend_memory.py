"""How much memory a session keeps for each tenant that it has touched: measured in this one, by touching some."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from capliquify_ops.database import Session, load, quoted
from capliquify_ops.database.connect import Query
from capliquify_ops.model.errors import PrivilegeMissing
from capliquify_ops.model.roles import Roles

MOST_TENANTS = 20
"""With some 46 tables and indexes each, that takes a fraction of a second at any number of tenants."""
_PACKAGE = "capliquify_ops.observation"
_FUNCTION_SINCE = 15
_FEWEST = 2


@dataclass(frozen=True, slots=True)
class BackendMemory:
    """Bytes that a session keeps `per_tenant`, measured on `touched` of all `tenants`: at least, since plans come on top of it.

    `sessions` are the application's; `old_sessions` those that live too long, the oldest for `oldest_s`, None without one.
    """

    touched: int
    per_tenant: float
    tenants: int
    sessions: int
    old_sessions: int
    oldest_s: float | None
    shared_buffers: int

    @property
    def foreseen(self) -> float:
        """Bytes of the old sessions together, once each has touched every tenant."""
        return self.per_tenant * self.tenants * self.old_sessions


@dataclass(frozen=True, slots=True)
class _Access:
    role: str
    may_read: bool
    sees_sessions: bool


@dataclass(frozen=True, slots=True)
class _Tenant:
    tenants: int
    relations: Sequence[int]


@dataclass(frozen=True, slots=True)
class _Sessions:
    sessions: int
    old_sessions: int
    oldest_s: float | None
    shared_buffers: int


def read_backend_memory(
    session: Session, fill_registry: Callable[[str], Query], roles: Roles, lifetime_s: float
) -> BackendMemory | None:
    """Measure, within the open transaction; None where fewer than two tenants have tables. Needs no right to their rows.

    `fill_registry` puts the registry's names into a statement. The first tenant is not counted: with it comes what all of them
    share. Raises PrivilegeMissing.
    """
    _require_access(session)
    query = fill_registry(load(_PACKAGE, "backend_memory_tenants").text)
    tenants = session.rows(query, _Tenant, {"at_most": MOST_TENANTS})
    if len(tenants) < _FEWEST:
        return None
    first, *others = tenants
    _touch(session, first)
    _used(session)
    before = _used(session)
    for each in others:
        _touch(session, each)
    per_tenant = max(0, _used(session) - before) / len(others)
    given = {"app": roles.app, "lifetime_s": lifetime_s}
    [found] = session.rows(load(_PACKAGE, "backend_memory_sessions"), _Sessions, given)
    return BackendMemory(
        len(others), per_tenant, first.tenants, found.sessions, found.old_sessions, found.oldest_s, found.shared_buffers
    )


def _require_access(session: Session) -> None:
    [access] = session.rows(load(_PACKAGE, "backend_memory_access"), _Access)
    role = quoted(access.role)
    if not access.may_read:
        grants = (
            f"GRANT pg_read_all_stats TO {role}"
            if session.server_major >= _FUNCTION_SINCE
            else f"GRANT SELECT ON pg_catalog.pg_backend_memory_contexts TO {role};"
            f" GRANT EXECUTE ON FUNCTION pg_catalog.pg_get_backend_memory_contexts() TO {role}"
        )
        raise PrivilegeMissing(f"The role {access.role!r} may not read how much memory its own session uses.", hint=grants)
    if not access.sees_sessions:
        message = f"The role {access.role!r} does not see for how long the application's sessions are connected."
        raise PrivilegeMissing(message, hint=f"GRANT pg_read_all_stats TO {role}")


def _touch(session: Session, tenant: _Tenant) -> None:
    session.value(load(_PACKAGE, "backend_memory_touch"), {"relations": list(tenant.relations)})


def _used(session: Session) -> int:
    return int(session.value(load(_PACKAGE, "backend_memory")))
