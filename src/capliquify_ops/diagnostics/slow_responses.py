"""Why responses are slow: locks, statements and their tables, the pool, the middleware, the server's pressure."""

from capliquify_ops.database import Session
from capliquify_ops.diagnostics import connection_exhaustion
from capliquify_ops.diagnostics.connection_exhaustion import CONNECTIONS
from capliquify_ops.diagnostics.inquiry import Answers, Inquiry, Issue, Questions, value_of
from capliquify_ops.diagnostics.shared_questions import METRICS, PROMETHEUS, metrics_question, prometheus_question
from capliquify_ops.diagnostics.slow_responses_locks import lock_causes
from capliquify_ops.diagnostics.slow_responses_look import First, Look, first_pressure, first_statistics
from capliquify_ops.diagnostics.slow_responses_now import slowness_of
from capliquify_ops.diagnostics.slow_responses_service import pressure_causes, service_causes, unexplained, with_routes
from capliquify_ops.diagnostics.slow_responses_statements import statement_causes
from capliquify_ops.diagnostics.slow_responses_suspects import Seen, Tables, suspects_of
from capliquify_ops.model.diagnosis import Cause

NAME = "slow-responses"
STATEMENTS, PRESSURE = "statement statistics", "pressure"
SINCE, TABLES, PLANS = "statements in between", "tables of slow statements", "plans"


def ask(inquiry: Inquiry) -> Questions:
    """Return what can be asked: requests and their times, sessions, numbers of statements, counters of pressure."""
    return Questions(
        {METRICS: metrics_question(inquiry), PROMETHEUS: prometheus_question(inquiry)},
        {
            CONNECTIONS: connection_exhaustion.ask(inquiry).database[CONNECTIONS],
            PRESSURE: first_pressure,
            STATEMENTS: lambda session: _statistics(session, inquiry),
        },
    )


def closer(answers: Answers, inquiry: Inquiry) -> Questions:
    """Look closer where something is slow, and where nobody has measured enough requests to tell."""
    found = slowness_of(answers, inquiry.limits, inquiry.target.roles.app)
    counted = value_of(answers, STATEMENTS)
    if not found.is_seen and (found.is_known or not counted):
        return Questions()
    started, before = counted or (inquiry.clock.monotonic(), None)
    look = Look(found, before, value_of(answers, PRESSURE), started, inquiry)
    return Questions(database={SINCE: look.since, TABLES: look.tables, PLANS: look.plans})


def explain(seen: Seen) -> tuple[Cause, ...]:
    """Return the probable causes: what keeps others waiting comes before those who wait."""
    found, since, limits = seen.found, seen.since, seen.limits
    causes = (
        *lock_causes(found, since.tenants if since else frozenset()),
        *statement_causes(suspects_of(found, since, limits), seen),
        *service_causes(found, limits),
        *pressure_causes(found, since, limits),
    )
    return with_routes(causes or ((unexplained(found, since),) if found.routes else ()), found)


def explain_answers(answers: Answers, inquiry: Inquiry) -> tuple[Cause, ...]:
    """Return the probable causes of what was seen."""
    found = slowness_of(answers, inquiry.limits, inquiry.target.roles.app)
    tables, plans = value_of(answers, TABLES) or Tables(), value_of(answers, PLANS) or {}
    return explain(Seen(found, value_of(answers, SINCE), tables, plans, inquiry.limits))


def _statistics(session: Session, inquiry: Inquiry) -> tuple[tuple[float, First], str]:
    """Read the numbers of statements, and remember when."""
    started = inquiry.clock.monotonic()
    found, says = first_statistics(session, inquiry.target.roles.app)
    return (started, found), says


ISSUE = Issue(NAME, "Which responses are slow, and what do they wait for?", ask, explain_answers, closer=closer)
