"""Who holds the database's connections, and who keeps them without working or keeps others waiting."""

from collections import defaultdict
from collections.abc import Callable, Hashable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TypeVar

from capliquify_ops.configuration import Limits
from capliquify_ops.database import Session, load
from capliquify_ops.diagnostics import connection_exhaustion_pools as pools
from capliquify_ops.diagnostics.connection_exhaustion_pools import POOLER, pooler_question
from capliquify_ops.diagnostics.inquiry import Answers, Asked, Inquiry, Issue, Questions, value_of
from capliquify_ops.diagnostics.shared_questions import METRICS, metrics_question
from capliquify_ops.diagnostics.tenant_names import known_names
from capliquify_ops.diagnostics.wording import age, end_blocker, sessions, statement, whose
from capliquify_ops.integrity.capacity_rows import Connections
from capliquify_ops.model.diagnosis import Cause
from capliquify_ops.model.errors import TargetUnreachable
from capliquify_ops.model.finding import Level
from capliquify_ops.observation.activity import (
    AT_MOST,
    Activity,
    Backend,
    Blocking,
    blocking_roots,
    read_activity,
    require_all_visible,
)

NAME = "connection-exhaustion"
CONNECTIONS, VISIBILITY, TENANTS = "connections", "what they do", "whose tables they hold"
END_AFTER_S = 600.0
"""Runbook, issue 4: a transaction that has idled for ten minutes may be ended."""
_LINES = 5
_NO_SLOT = "has no free connection slot"
_SCOPES = {"server": "the server", "database": "the database", "role": "the application's role"}
K = TypeVar("K", bound=Hashable)


def ask(inquiry: Inquiry) -> Questions:
    """Return what can be asked: the database's sessions, the service's pool, and the pooler's pools where there is one."""
    outside = {METRICS: metrics_question(inquiry), POOLER: pooler_question(inquiry)}
    inside = {CONNECTIONS: lambda session: _read(session, inquiry.target.roles.app), VISIBILITY: _all_visible}
    return Questions(outside, inside)


@dataclass(frozen=True, slots=True)
class ConnectionRows:
    """What the server says of one moment: its sessions with their locks, and connections in use of those to be had.

    `app_logs_in`: the application's role is there and may log in, so that its sessions are those with its name.
    """

    activity: Activity
    scopes: tuple[Connections, ...]
    app_logs_in: bool = False


def gather(session: Session, app_role: str) -> ConnectionRows:
    """Read sessions and connections, within the open transaction of one session."""
    scopes = session.rows(load("capliquify_ops.integrity", "capacity_connections"), Connections, {"app": app_role})
    can_login = session.value("SELECT r.rolcanlogin FROM pg_catalog.pg_roles AS r WHERE r.rolname = %(app)s", {"app": app_role})
    return ConnectionRows(read_activity(session), tuple(scopes), app_logs_in=bool(can_login))


def explain(rows: ConnectionRows, limits: Limits) -> tuple[Cause, ...]:
    """Return the probable causes, the one that explains most sessions first; none while there is room and no long wait."""
    activity = rows.activity
    ranked = [
        *((len(group), _leak(activity, group)) for group in _leaking(activity, limits.number("idle_in_transaction_s"))),
        *((len(each.victims), _block(activity, each)) for each in _blocking(activity, limits.number("lock_wait_s"))),
    ]
    ranked.sort(key=lambda each: -each[0])
    near = [scope for scope in rows.scopes if scope.used > limits.number("connections_used_ratio") * scope.usable]
    return (*(cause for _, cause in ranked), *(_full(activity, scope) for scope in near))


def explain_answers(answers: Answers, inquiry: Inquiry) -> tuple[Cause, ...]:
    """Return the probable causes; that no connection was to be had is one."""
    asked = answers[CONNECTIONS]
    found = explain(asked.value, inquiry.limits) if asked.source.answered else _without_a_slot(asked)
    names: frozenset[str] = value_of(answers, TENANTS) or frozenset()
    if names:
        found = tuple(replace(cause, tenants=tuple(each for each in cause.tenants if each in names)) for cause in found)
    return (*found, *pools.waiting(value_of(answers, POOLER) or ()), *pools.queued(value_of(answers, METRICS), inquiry.limits))


def look_closer(answers: Answers, inquiry: Inquiry) -> Questions:
    """Ask which of the schemas that sessions have locked are tenants', where something is wrong."""
    if not explain_answers(answers, inquiry):
        return Questions()
    return Questions(database={TENANTS: lambda session: known_names(session, inquiry.target)})


def _read(session: Session, app_role: str) -> tuple[ConnectionRows, str]:
    with session.transaction():
        rows = gather(session, app_role)
    return rows, counts(rows)


def _all_visible(session: Session) -> tuple[None, str]:
    with session.transaction():
        require_all_visible(session)
    return None, "nothing of it is hidden"


def _without_a_slot(asked: Asked) -> tuple[Cause, ...]:
    """That there was no connection left for the question is the answer."""
    fault = asked.fault
    if not isinstance(fault, TargetUnreachable) or _NO_SLOT not in fault.what:
        return ()
    why = "The database refuses connections: every slot that this role may use is taken."
    again = "Ask as a role that may use a reserved slot (pg_use_reserved_connections): DATABASE_URL=... capliquify-ops"
    return (Cause("no connection slot left", why, (fault.what,), f"{again} diagnose {NAME}", level=Level.L2),)


def counts(rows: ConnectionRows) -> str:
    """Say in one line who is connected: how many of how many, and in which states."""
    states = _grouped(rows.activity.backends, lambda each: each.state if each.is_visible else "not visible to this role")
    used = ", ".join(f"{scope.used} of {scope.usable} connections of {_SCOPES[scope.scope]}" for scope in rows.scopes)
    cut = f"; of sessions or locks {AT_MOST} were read, and more were not read" if rows.activity.is_cut else ""
    return f"{used}; " + ", ".join(f"{len(group)} {state}" for state, group in states) + cut


def _leaking(activity: Activity, limit_s: float) -> Iterator[Sequence[Backend]]:
    """Yield sessions that idle in their transactions by the code that forgot them: one role, application and last statement."""
    idle = [
        each
        for each in activity.backends
        if each.is_here and not each.is_own and each.idles_in_transaction and (each.state_s or 0) >= limit_s
    ]
    for _, group in _grouped(idle, lambda each: (each.role, each.application, statement(activity, each))):
        yield sorted(group, key=lambda each: -(each.state_s or 0))


def _blocking(activity: Activity, limit_s: float) -> list[Blocking]:
    """Return who keeps sessions of this database waiting for long; those of others have an operator of their own."""
    roots = blocking_roots(activity.backends)
    return [each for each in roots if any(activity.waits_s(victim) >= limit_s for victim in each.victims)]


def _leak(activity: Activity, group: Sequence[Backend]) -> Cause:
    oldest = group[0]
    wait = f"Wait until it has idled for {age(END_AFTER_S)}, then again: capliquify-ops diagnose {NAME}"
    return Cause(
        "leaked transactions",
        f"{sessions(len(group))} of {whose(oldest)} left a transaction open up to {age(oldest.state_s)} ago and did nothing"
        " since: the code forgot to end it, and the pool does not get the connection back.",
        (
            f"last statement: {statement(activity, oldest)}",
            *(f"pid {each.pid} from {each.client}, {each.state} for {age(each.state_s)}" for each in group[:_LINES]),
        ),
        "capliquify-ops remedy plan end-idle-transactions" if (oldest.state_s or 0) >= END_AFTER_S else wait,
        tenants=_tenants(activity, group),
        since_s=oldest.state_s,
        level=Level.L2,
    )


def _block(activity: Activity, found: Blocking) -> Cause:
    root, victims = found.root, found.victims
    held = [each for each in activity.locked if each.pid == root.pid and each.granted]
    return Cause(
        "blocked sessions",
        f"Behind pid {root.pid} of {whose(root)}, {root.state or 'not visible'} for {age(root.state_s)},"
        f" {sessions(len(victims))} must wait for a lock.",
        (
            f"pid {root.pid}: {statement(activity, root)}",
            *(f"holds {each.mode} on {each.schema}.{each.relation}" for each in held[:_LINES]),
            *(f"pid {each.pid} waits: {statement(activity, each)}" for each in victims[:_LINES]),
        ),
        end_blocker(root),
        tenants=_tenants(activity, [root, *victims]),
        since_s=max(activity.waits_s(each) for each in victims),
        level=Level.L2,
    )


def _full(activity: Activity, scope: Connections) -> Cause:
    groups = _grouped(activity.backends, lambda each: (whose(each), each.client))
    lines = [
        f"{sessions(len(group))} of {owner} from {client}, {sum(each.state == 'idle' for each in group)} idle"
        for (owner, client), group in groups[:_LINES]
    ]
    return Cause(
        f"connections of {_SCOPES[scope.scope]}",
        f"{scope.used} of {scope.usable} connections of {_SCOPES[scope.scope]} are in use: at the next peak some are refused.",
        tuple(lines),
        "Make the largest pool below smaller, or put a pooler in between; then: capliquify-ops fleet check capacity",
        level=Level.L2,
    )


def _grouped(backends: Iterable[Backend], key: Callable[[Backend], K]) -> list[tuple[K, list[Backend]]]:
    """Return sessions by a key, the largest group first."""
    groups: dict[K, list[Backend]] = defaultdict(list)
    for each in backends:
        groups[key(each)].append(each)
    return sorted(groups.items(), key=lambda each: -len(each[1]))


def _tenants(activity: Activity, backends: Iterable[Backend]) -> tuple[str, ...]:
    """Return the schemas whose tables these sessions have locked: with a schema for each tenant, the tenants."""
    return tuple(sorted({schema for each in backends for schema in activity.schemas(each.pid)}))


ISSUE = Issue(NAME, "Who holds the database's connections, and who keeps others waiting?", ask, explain_answers, look_closer)
