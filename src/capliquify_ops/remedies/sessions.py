"""Remedies for sessions of this database: those that idle in a transaction, one statement, and who keeps all others waiting."""

from collections.abc import Callable, Iterable
from types import MappingProxyType

from capliquify_ops.database import Session, load, operator
from capliquify_ops.evidence.canonical import Plain
from capliquify_ops.model.errors import OpsError, UsageError
from capliquify_ops.model.finding import Scalar
from capliquify_ops.model.plan import Plan
from capliquify_ops.remedies.acting import Acted, Context, Options, PartlyDone, Prepared, Remedy, Verified
from capliquify_ops.remedies.signalling import (
    CANCEL,
    CANCELLED,
    PACKAGE,
    TERMINATE,
    Answer,
    Found,
    Signal,
    looking,
    send,
    signaller,
)

OVER_S = 600.0
"""Runbook, issue 4: a transaction that has idled for ten minutes may be ended."""
AT_MOST = 500
_POLL_S = 0.1
_SETTLED_S = 5.0
_WHOSE = "SELECT a.usename::text FROM pg_catalog.pg_stat_activity AS a WHERE a.pid = %(pid)s"
_BLOCKS = (
    "SELECT EXISTS (SELECT 1 FROM pg_catalog.pg_locks AS l"
    " WHERE NOT l.granted AND l.pid <> %(pid)s AND %(pid)s = ANY (pg_catalog.pg_blocking_pids(l.pid)))"
)


def _idle_transactions(context: Context, options: Options) -> Prepared:
    over_s = OVER_S if options.over_s is None else options.over_s
    least, role = context.limits.number("idle_in_transaction_s"), options.role
    # An empty one is given too: an unset variable of somebody's shell must not name the application.
    role = context.target.roles.app if role is None else role
    if over_s < least:
        raise UsageError(
            f"A transaction that has idled for {over_s:g} s is not ended: before {least:g} s it is no leak.",
            hint=f"The usual limit: --over {OVER_S:g}",
        )
    with signaller(context.target, role) as (session, me), looking(session, me):
        values = {"role": role, "over_s": over_s, "at_most": AT_MOST}
        found = session.rows(load(PACKAGE, "idle_transactions"), Found, values)
    signals = tuple(Signal(one, TERMINATE) for one in found if not one.protected)
    warnings = [f"left alone: {one.says()}; {one.protected}" for one in found if one.protected]
    warnings += [f"there may be more: only the oldest {AT_MOST} were looked at"] if len(found) == AT_MOST else []
    warnings += (
        ["what these sessions have not committed is lost; their clients get an error at their next statement"] if signals else []
    )
    concerns: dict[str, Scalar] = {"role": role, "over_s": over_s, "sessions": len(signals)}
    return _prepared(context, "end-idle-transactions", signals, concerns, warnings)


def _one_statement(context: Context, options: Options) -> Prepared:
    one = _by_pid(context, options)
    if one.state != "active":
        hint = "For one that idles in a transaction: capliquify-ops remedy plan end-idle-transactions, or end-blocker"
        raise UsageError(
            f"Nothing was cancelled: pid {one.pid} runs no statement, it is {one.state or 'not visible'}.", hint=hint
        )
    warnings = ("its transaction is rolled back with the statement; the session stays",)
    return _prepared(context, "cancel-statement", (Signal(one, CANCEL),), {"role": one.role, "victims": one.victims}, warnings)


def _blocker(context: Context, options: Options) -> Prepared:
    one = _by_pid(context, options)
    _require_root(one)
    if not one.victims:
        raise UsageError(
            f"Nothing was ended: pid {one.pid} keeps nobody waiting.",
            hint="Who does: capliquify-ops diagnose connection-exhaustion",
        )
    ends = one.idles_in_transaction or options.terminate
    if one.state == "idle" and not ends:
        raise UsageError(
            f"Nothing was ended: pid {one.pid} holds locks of its session, outside of any transaction.",
            hint="To end the session all the same: --terminate",
        )
    warnings = [
        "what it has not committed is lost; its client gets an error at its next statement"
        if ends
        else "its transaction is rolled back with the statement; the session stays. If it does not obey: --terminate"
    ]
    signal = Signal(one, TERMINATE if ends else CANCEL, must_block=True)
    return _prepared(context, "end-blocker", (signal,), {"role": one.role, "victims": one.victims}, warnings)


def _require_root(one: Found) -> None:
    """Refuse a session that waits itself, and name for whom; a prepared transaction has the process id 0."""
    waits = f"Nothing was ended: pid {one.pid} waits itself, for"
    if before := sorted(set(one.blocked_by) - {0}):
        raise UsageError(f"{waits} pid {', '.join(map(str, before))}.", hint=f"Plan for that one: --pid {before[0]}")
    if one.blocked_by:
        raise UsageError(
            f"{waits} a prepared transaction, which is no session.",
            hint="Its owner ends it: SELECT gid, owner, prepared FROM pg_catalog.pg_prepared_xacts; ROLLBACK PREPARED '...';",
        )


def _by_pid(context: Context, options: Options) -> Found:
    """Return a session that may be touched. Raises UsageError for one that may not, or that is not there."""
    pid = options.pid or 0
    with operator(context.target.changing_url(), "remedy", pooled=context.target.pooled) as session, session.transaction():
        role = session.value(_WHOSE, {"pid": pid})
    if role is None:
        raise UsageError(
            f"There is no session with the pid {pid}.", hint="Who is there: capliquify-ops diagnose connection-exhaustion"
        )
    with signaller(context.target, role) as (session, me), looking(session, me):
        found = session.rows(load(PACKAGE, "session_by_pid"), Found, {"pid": pid})
    if not found or found[0].protected:
        why = found[0].protected if found else "it has gone"
        raise UsageError(f"Pid {pid} is left alone: {why}.", hint="Its own operator has to decide.")
    return found[0]


def _prepared(
    context: Context, verb: str, signals: tuple[Signal, ...], concerns: dict[str, Scalar], warnings: Iterable[str]
) -> Prepared:
    plan = Plan(
        f"remedy {verb}",
        context.target.name,
        tuple(each.step() for each in signals),
        MappingProxyType(concerns),
        tuple(warnings),
        destructive=True,
    )
    return Prepared(plan, lambda: _sent(context, signals), lambda _: _seen(context, signals))


def _sent(context: Context, signals: tuple[Signal, ...]) -> Acted:
    """Send each signal to who is still as the plan showed it, and say of the others what they are now."""
    answers: list[Answer] = []
    with signaller(context.target, signals[0].session.role) as (session, me):
        for signal in signals:
            try:
                answers.append(send(session, me, signal))
            except OpsError as fault:
                raise PartlyDone(fault, _facts(answers)) from None
    left = tuple(each.line() for each in answers if not each.is_done)
    return Acted(_facts(answers), left, is_done=any(each.is_done for each in answers))


def _facts(answers: Iterable[Answer]) -> dict[str, Plain]:
    done = [each for each in answers if each.is_done]
    if not done:
        return {}
    pids: list[Plain] = [each.signal.session.pid for each in done]
    return {"cancelled" if done[0].says == CANCELLED else "ended": len(pids), "pids": pids}


def _seen(context: Context, signals: tuple[Signal, ...]) -> Verified:
    """Look until nobody is left who was to go, for some seconds."""
    with signaller(context.target, signals[0].session.role) as (session, me):
        left = _left(session, me, signals)
        end = context.clock.monotonic() + _SETTLED_S
        while left and context.clock.monotonic() < end:
            context.sleep(_POLL_S)
            left = _left(session, me, left)
    if left:
        return Verified(False, f"still as before: pid {', '.join(str(each.session.pid) for each in left)}")
    return Verified(True, "none of them is as it was")


def _left(session: Session, me: str, signals: tuple[Signal, ...]) -> tuple[Signal, ...]:
    return tuple(signal for signal in signals if _is_as_before(session, me, signal))


def _is_as_before(session: Session, me: str, signal: Signal) -> bool:
    with looking(session, me):
        is_same = _is_same(session, signal.session)
        return is_same and (not signal.must_block or bool(session.value(_BLOCKS, {"pid": signal.session.pid})))


def _is_same(session: Session, one: Found) -> bool:
    found = session.rows(load(PACKAGE, "session_by_pid"), Found, {"pid": one.pid})
    return bool(found) and (found[0].backend_start, found[0].state, found[0].state_change) == (
        one.backend_start,
        one.state,
        one.state_change,
    )


def _remedy(
    name: str, text: str, plan: Callable[[Context, Options], Prepared], takes: str, wants: str = "", *more: str
) -> Remedy:
    issues = ("connection-exhaustion", *more)
    return Remedy(name, text, issues, "operator URL", plan, frozenset(takes.split()), frozenset(wants.split()))


END_IDLE_TRANSACTIONS = _remedy(
    "end-idle-transactions",
    "end sessions that hold a transaction open and do nothing",
    _idle_transactions,
    "over_s role",
)
CANCEL_STATEMENT = _remedy(
    "cancel-statement", "cancel the statement that a session runs", _one_statement, "", "pid", "slow-responses"
)
END_BLOCKER = _remedy(
    "end-blocker",
    "end who keeps others waiting and waits for nobody: what idles is ended, what works is cancelled first",
    _blocker,
    "terminate",
    "pid",
)
