"""Errors that are no tenant's own: the identity provider, deadlocks, connections, statements that take too long; pure."""

from collections.abc import Sequence

from capliquify_ops.diagnostics.error_rate_rows import AGAIN, ErrorRows, Weighed, weight_of
from capliquify_ops.diagnostics.error_rate_seen import Seen, by_tenant, counted, of_kinds, since_of, tenants_in
from capliquify_ops.diagnostics.error_rate_symptom import lower_bound
from capliquify_ops.model.diagnosis import Cause
from capliquify_ops.observation.error_texts import Kind, deadlock_lines

CONNECTIONS = frozenset({Kind.SLOTS, Kind.POOL, Kind.REFUSED})
_TIMEOUTS = (
    (
        Kind.STATEMENT_TIMEOUT,
        "Statements take longer than statement_timeout allows, and are ended.",
        "slow-responses connection-exhaustion",
    ),
    (Kind.LOCK_TIMEOUT, "Statements wait longer for a lock than lock_timeout allows, and are ended.", "connection-exhaustion"),
)
FAILED_SHARE = 0.5
"""Some sessions always fail, since tokens end. That more than half of them do is no user's doing."""
_LINES = 6
_NOW, _UNWELL, _QUEUE, _FAILING = 0.9, 0.5, 0.5, 0.3
_LOOK_AT_LOCKS = (
    "Read the server's log, where a deadlock stands with its statements; SET log_lock_waits = on shows the waits before."
)


def of_identity(rows: ErrorRows) -> tuple[Weighed, ...]:
    """Return that the identity provider refuses or fails, by its own answer, by texts, or by sessions that nobody can verify."""
    seen = of_kinds(rows.seen, {Kind.IDENTITY, Kind.RATE})
    is_limited = rows.limited is not None and rows.limited.is_limited
    verified = rows.traffic.verifications if rows.traffic else {}
    failed, all_ = sum(many for result, many in verified.items() if result != "success"), sum(verified.values())
    is_failing = lower_bound(failed, all_) > FAILED_SHARE
    if not (seen or is_limited or is_failing or rows.provider_fault):
        return ()
    lines = [*_errors(rows, seen)]
    if rows.limited and is_limited:
        wait = "" if rows.limited.retry_after_s is None else f", for {rows.limited.retry_after_s:.0f} more seconds"
        lines.append(f"Clerk answers 429 to this key now{wait}")
    lines += [f"{failed:.0f} of {all_:.0f} sessions were not verified"] if is_failing else []
    lines += [f"Clerk, asked from here: {rows.provider_fault}"] if rows.provider_fault else []
    otherwise = _NOW if is_limited else _UNWELL if rows.provider_fault else _FAILING
    return (
        _weighed(
            rows,
            seen,
            otherwise,
            Cause(
                "identity provider" if is_limited or not _is_only_rate(seen) else "rate limit of another service",
                _why_of_identity(seen, is_limited=is_limited, is_unwell=bool(rows.provider_fault)),
                tuple(lines),
                f"Keep verified sessions for their minute, and verify tokens by the provider's keys without asking it. {AGAIN}",
            ),
        ),
    )


def of_deadlocks(rows: ErrorRows) -> tuple[Weighed, ...]:
    """Return deadlocks that texts tell or that the database counted just now, with their statements as far as they are known."""
    seen, growth = of_kinds(rows.seen, {Kind.DEADLOCK}), rows.growth
    many = growth.deadlocks if growth else 0
    if not many and not any(each.count for each in seen):
        return ()
    told = tuple(dict.fromkeys(line for each in seen for line in deadlock_lines(each.text, rows.names)))
    lines = [*_errors(rows, seen), *told[:_LINES]]
    if growth and many:
        lines.append(f"{many} deadlocks in the last {growth.over_s:.1f} s, {growth.deadlocks_before} before")
    return (
        _weighed(
            rows,
            seen,
            _NOW,
            Cause(
                "deadlocks",
                "Transactions lock the same rows in different orders, so the server ends one of them each time.",
                tuple(lines),
                f"Make these statements lock in one order, and try again what was ended. {AGAIN}"
                if told
                else f"{_LOOK_AT_LOCKS} {AGAIN}",
            ),
        ),
    )


def of_connections(rows: ErrorRows) -> tuple[Weighed, ...]:
    """Return that connections are refused, lost or not to be had in time."""
    seen = of_kinds(rows.seen, CONNECTIONS)
    waiting = rows.traffic.pool.get("waiting", 0.0) if rows.traffic else 0.0
    if not (seen or waiting or rows.database_fault):
        return ()
    kinds = {each.said.kind for each in seen}
    ports = sorted({each.said.port for each in seen} - {""})
    lines = [*_errors(rows, seen), *(f"{kind.value}: {counted(of_kinds(seen, {kind}))}" for kind in sorted(kinds))]
    lines += [f"refused at port {port}" for port in ports[:_LINES]]
    lines += [f"{waiting:.0f} requests wait for a connection of the service's pool"] if waiting else []
    lines += [f"from here: {rows.database_fault}"] if rows.database_fault else []
    why = (
        "The database has no connection slot left for the service."
        if Kind.SLOTS in kinds
        else "What the service connects to refuses it, or ends its connections."
        if Kind.REFUSED in kinds
        else "Requests wait for a connection of the service's pool until they are given up."
    )
    next_ = "capliquify-ops diagnose service-down connection-exhaustion"
    return (_weighed(rows, seen, _QUEUE, Cause("connections", why, tuple(lines), f"{next_}. {AGAIN}")),)


def of_timeouts(rows: ErrorRows) -> tuple[Weighed, ...]:
    """Return that statements are ended because they take too long, or wait too long for a lock."""
    found = []
    for kind, why, issues in _TIMEOUTS:
        if seen := of_kinds(rows.seen, {kind}):
            next_ = f"capliquify-ops diagnose {issues}. {AGAIN}"
            found.append(_weighed(rows, seen, 0.0, Cause(f"{kind.value}s", why, _errors(rows, seen), next_)))
    return tuple(found)


def _is_only_rate(seen: Sequence[Seen]) -> bool:
    return bool(seen) and all(each.said.kind is Kind.RATE for each in seen)


def _why_of_identity(seen: Sequence[Seen], *, is_limited: bool, is_unwell: bool) -> str:
    if is_limited or any(each.said.kind is Kind.IDENTITY for each in seen):
        return "The identity provider refuses requests by rate (429): sessions cannot be verified meanwhile."
    if seen:
        return "A service that this one asks refuses it by rate (429), mostly the identity provider; the errors do not say which."
    if is_unwell:
        return "The identity provider does not answer as it should: sessions cannot be verified meanwhile."
    return "More than half of all sessions are not verified: the identity provider, its keys or the clock are at fault."


def _errors(rows: ErrorRows, seen: Sequence[Seen]) -> tuple[str, ...]:
    return (f"errors of it: {counted(seen)}", *by_tenant(seen, rows.names)) if any(each.count for each in seen) else ()


def _weighed(rows: ErrorRows, seen: Sequence[Seen], otherwise: float, cause: Cause) -> Weighed:
    """Weigh a cause by its texts, and give it their tenants, their time and the level of what was seen."""
    whole = Cause(
        cause.name,
        cause.why,
        cause.evidence,
        cause.next_command,
        tenants=tuple(name for name, _ in tenants_in(seen, rows.names).most_common()),
        since_s=since_of(seen),
        level=rows.level,
    )
    return Weighed(weight_of(seen, rows, otherwise), whole)
