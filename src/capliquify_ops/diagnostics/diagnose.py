"""The issues, asked over one connection that does no harm: read-only, and no statement longer than two seconds."""

from collections.abc import Iterable, Mapping
from types import MappingProxyType

from capliquify_ops.configuration import Limits, Target
from capliquify_ops.database import SessionLimits, observer
from capliquify_ops.diagnostics import connection_exhaustion
from capliquify_ops.model.diagnosis import Cause, Diagnosis, Source
from capliquify_ops.model.errors import OpsError, TargetUnreachable, UsageError
from capliquify_ops.model.finding import Level
from capliquify_ops.model.protocols import Clock

ISSUES: Mapping[str, str] = MappingProxyType(
    {connection_exhaustion.ISSUE: "Who holds the database's connections, and who blocks."}
)
"""What can be asked, each with one line of what it is about."""
_GENTLE = SessionLimits(statement_ms=2_000, lock_ms=200, idle_ms=10_000)
_NO_SLOT = "has no free connection slot"


def diagnose(target: Target, limits: Limits, clock: Clock, only: Iterable[str] = ()) -> tuple[Diagnosis, ...]:
    """Return a diagnosis for each issue, or for those that are named. Raises UsageError for an issue that does not exist."""
    names = tuple(dict.fromkeys(only)) or tuple(ISSUES)
    if strange := set(names) - set(ISSUES):
        raise UsageError(f"There is no issue {min(strange)!r}.", hint=f"One of: {', '.join(ISSUES)}")
    return tuple(_connections(target, limits, clock) for _ in names)


def _connections(target: Target, limits: Limits, clock: Clock) -> Diagnosis:
    started = clock.monotonic()
    try:
        with observer(target.observer_url(), "diagnose", pooled=target.pooled, limits=_GENTLE) as session, session.transaction():
            rows = connection_exhaustion.gather(session, target.roles.app)
    except OpsError as fault:
        source = Source("database", answered=False, says=str(fault), elapsed_ms=_since(clock, started))
        return _told(connection_exhaustion.ISSUE, _without_a_slot(fault), source)
    source = Source("database", answered=True, says=connection_exhaustion.counts(rows), elapsed_ms=_since(clock, started))
    return _told(connection_exhaustion.ISSUE, connection_exhaustion.explain(rows, limits), source)


def _without_a_slot(fault: OpsError) -> tuple[Cause, ...]:
    """That there was no connection left for the question is the answer."""
    if not isinstance(fault, TargetUnreachable) or _NO_SLOT not in fault.what:
        return ()
    why = "The database refuses connections: every slot that this role may use is taken."
    ask = "Ask as a role that may use a reserved slot (pg_use_reserved_connections): DATABASE_URL=... capliquify-ops"
    return (
        Cause("no connection slot left", why, (fault.what,), f"{ask} diagnose {connection_exhaustion.ISSUE}", level=Level.L2),
    )


def _told(issue: str, causes: tuple[Cause, ...], source: Source) -> Diagnosis:
    if causes:
        headline = causes[0].why
    elif source.answered:
        headline = "Nothing of it was found."
    else:
        headline = "It could not be told: nothing answered."
    return Diagnosis(issue, headline, causes, (source,))


def _since(clock: Clock, started: float) -> float:
    return round((clock.monotonic() - started) * 1000, 1)
