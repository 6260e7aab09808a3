"""The issues: asked read-only, over one connection to the database at a time, with no statement longer than two seconds."""

from collections.abc import Callable, Iterable, Mapping
from types import MappingProxyType

from capliquify_ops.configuration import Limits, Target
from capliquify_ops.database import SessionLimits, observer
from capliquify_ops.diagnostics import connection_exhaustion, cross_tenant_access, service_down
from capliquify_ops.diagnostics.sources import Asked, ask_together
from capliquify_ops.model.diagnosis import Cause, Diagnosis, Source
from capliquify_ops.model.errors import TargetUnreachable, UsageError
from capliquify_ops.model.finding import Finding, Level
from capliquify_ops.model.protocols import Clock

ISSUES: Mapping[str, str] = MappingProxyType(
    {
        service_down.ISSUE: "Is the service up; if not, is it the service, its database, or the way to them?",
        connection_exhaustion.ISSUE: "Who holds the database's connections, and who keeps others waiting?",
        cross_tenant_access.ISSUE: "By which ways can one tenant reach another's rows?",
    }
)
"""What can be asked, each with its question."""
_GENTLE = SessionLimits(statement_ms=2_000, lock_ms=200, idle_ms=10_000)
_CHECKS_S = 20.0
"""Five checks of 10,000 tenants take about four seconds on two cores."""
_NO_SLOT = "has no free connection slot"
_NOT_CONFIGURED = "the target has no {}: {}"


def diagnose(target: Target, limits: Limits, clock: Clock, only: Iterable[str] = ()) -> tuple[Diagnosis, ...]:
    """Return a diagnosis for each issue, or for those that are named, one after another.

    Raises UsageError for an issue that does not exist.
    """
    names = tuple(dict.fromkeys(only)) or tuple(ISSUES)
    if strange := set(names) - set(ISSUES):
        raise UsageError(f"There is no issue {min(strange)!r}.", hint=f"One of: {', '.join(ISSUES)}")
    how: Mapping[str, Callable[[Target, Limits, Clock], Diagnosis]] = {
        service_down.ISSUE: _service,
        connection_exhaustion.ISSUE: _connections,
        cross_tenant_access.ISSUE: _access,
    }
    return tuple(how[name](target, limits, clock) for name in names)


def _service(target: Target, limits: Limits, clock: Clock) -> Diagnosis:
    del limits  # what is down is no matter of degree
    answers = ask_together(service_down.questions(target, clock), clock)
    sources = [asked.source for asked in answers.values()]
    for key, setting, name in (("service", "base_url", "base_url"), ("database", "database_url_env", "database URL")):
        if key not in answers:
            says = _NOT_CONFIGURED.format(name, target.how_to_set(setting))
            sources.append(Source(key, answered=False, says=says, elapsed_ms=0.0, is_configured=False))
    # That the service or the database did not answer is what was asked: it is the finding, and no gap.
    causes = service_down.explain(service_down.rows_of(answers))
    return _told(service_down.ISSUE, causes, tuple(sources))


def _connections(target: Target, limits: Limits, clock: Clock) -> Diagnosis:
    def ask() -> tuple[connection_exhaustion.ConnectionRows, str]:
        with observer(target.observer_url(), "diagnose", pooled=target.pooled, limits=_GENTLE) as session, session.transaction():
            rows = connection_exhaustion.gather(session, target.roles.app)
        return rows, connection_exhaustion.counts(rows)

    asked = ask_together({"database": ask}, clock)["database"]
    causes = connection_exhaustion.explain(asked.value, limits) if asked.source.answered else _without_a_slot(asked)
    return _told(connection_exhaustion.ISSUE, causes, (asked.source,))


def _access(target: Target, limits: Limits, clock: Clock) -> Diagnosis:
    def ask() -> tuple[tuple[Finding, ...], str]:
        with observer(target.observer_url(), "diagnose", pooled=target.pooled, limits=_GENTLE) as session:
            return cross_tenant_access.gather(session, target, limits, clock), ""

    asked = ask_together({"database": ask}, clock, patience_s=_CHECKS_S)["database"]
    if not asked.source.answered:
        return _told(cross_tenant_access.ISSUE, (), (asked.source,))
    return _told(cross_tenant_access.ISSUE, cross_tenant_access.explain(asked.value), cross_tenant_access.sources(asked.value))


def _without_a_slot(asked: Asked) -> tuple[Cause, ...]:
    """That there was no connection left for the question is the answer."""
    fault = asked.fault
    if not isinstance(fault, TargetUnreachable) or _NO_SLOT not in fault.what:
        return ()
    why = "The database refuses connections: every slot that this role may use is taken."
    ask = "Ask as a role that may use a reserved slot (pg_use_reserved_connections): DATABASE_URL=... capliquify-ops"
    return (
        Cause("no connection slot left", why, (fault.what,), f"{ask} diagnose {connection_exhaustion.ISSUE}", level=Level.L2),
    )


def _told(issue: str, causes: tuple[Cause, ...], sources: tuple[Source, ...]) -> Diagnosis:
    headline = causes[0].why if causes else "Nothing of it was found, by those that answered."
    return Diagnosis(issue, headline, causes, sources)
