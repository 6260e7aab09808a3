"""Which requests fail, of which tenants, and why: from metrics, Sentry, the log, the database and the identity provider."""

from dataclasses import replace

from capliquify_ops.database import Session
from capliquify_ops.diagnostics.error_rate_database import growth_between, read_counters
from capliquify_ops.diagnostics.error_rate_explain import explain
from capliquify_ops.diagnostics.error_rate_release import (
    Release,
    back_question,
    compared_question,
    deploy_in_time,
    sentry_question,
    together,
)
from capliquify_ops.diagnostics.error_rate_rows import NAME, ErrorRows, reading
from capliquify_ops.diagnostics.error_rate_seen import log_question, titles_question
from capliquify_ops.diagnostics.error_rate_symptom import WINDOW_S, of_sentry, of_texts, of_traffic
from capliquify_ops.diagnostics.inquiry import (
    Answers,
    DatabaseQuestion,
    Inquiry,
    Issue,
    Question,
    Questions,
    sources_of,
    value_of,
)
from capliquify_ops.diagnostics.outside import ask_clerk, ask_sentry
from capliquify_ops.diagnostics.shared_questions import (
    METRICS,
    PROMETHEUS,
    RENDER,
    metrics_question,
    prometheus_question,
    render_question,
    traffic_of,
)
from capliquify_ops.diagnostics.tenant_names import read_names
from capliquify_ops.integrations.clerk import MINUTE, RateState
from capliquify_ops.integrations.sentry import DAY, TWO_HOURS
from capliquify_ops.integrations.sentry_records import Series
from capliquify_ops.integrity import registry_catalogue, structure_equality
from capliquify_ops.integrity.fleet_check import check_fleet
from capliquify_ops.model.diagnosis import Source
from capliquify_ops.model.errors import ServiceBroken, TargetUnreachable
from capliquify_ops.model.finding import Finding
from capliquify_ops.model.outcome import Outcome

LOGS, COUNTS, TITLES, CLERK = "Render logs", "Sentry errors", "Sentry titles", "Clerk's rate limit"
COUNTERS, COUNTERS_AGAIN, NAMES = "database errors", "database errors, again", "tenants' names"
RELEASE, BACK, COMPARED = "Sentry release", "Render deploys", "Prometheus, before the release"
CHECKS = (registry_catalogue.CHECK, structure_equality.CHECK)
REQUESTS = "requests"


def ask(inquiry: Inquiry) -> Questions:
    """Return what can be asked at once: requests, Sentry's counts and titles, log lines, deploys, counters, the provider."""
    return Questions(
        {
            METRICS: metrics_question(inquiry),
            PROMETHEUS: prometheus_question(inquiry),
            COUNTS: _counts_question(inquiry),
            TITLES: titles_question(inquiry),
            RENDER: render_question(inquiry),
            LOGS: log_question(inquiry, WINDOW_S),
            CLERK: ask_clerk(inquiry, lambda clerk: _says_limit(clerk.rate_state())),
        },
        {COUNTERS: read_counters},
    )


def look_closer(answers: Answers, inquiry: Inquiry) -> Questions:
    """Ask, where there are errors, whose schemas are at fault, what went live lately, and what the database counts now."""
    rows = rows_of(answers, inquiry)
    if not rows.symptoms:
        return Questions()
    outside: dict[str, Question | str] = {RELEASE: sentry_question(inquiry)}
    status = value_of(answers, RENDER)
    deploy = deploy_in_time(status.latest_deploy, inquiry.clock.now()) if status else None
    if deploy and deploy.finished_at:
        outside |= {BACK: back_question(inquiry), COMPARED: compared_question(inquiry, deploy.finished_at)}
    database: dict[str, DatabaseQuestion] = {NAMES: lambda session: read_names(session, inquiry.target)}
    database |= {check: _check(check, inquiry) for check in CHECKS}
    # The last one: the longer after the first read, the more it shows.
    return Questions(outside, database | {COUNTERS_AGAIN: read_counters})


def rows_of(answers: Answers, inquiry: Inquiry) -> ErrorRows:
    """Put the answers together, as far as there are any yet."""
    limits, now = inquiry.limits, inquiry.clock.now()
    found = [value_of(answers, name) for name in (PROMETHEUS, METRICS)]
    seen = (*(value_of(answers, LOGS) or ()), *(value_of(answers, TITLES) or ()))
    series = value_of(answers, COUNTS)
    symptoms = [*(of_traffic(each, limits) for each in found), of_sentry(series, now, limits)]
    symptoms.append(of_texts(seen, traffic_of(answers), limits))
    fault, database_fault = answers[CLERK].fault, answers[COUNTERS].fault
    checked = [finding for check in CHECKS for finding in value_of(answers, check) or ()]
    return ErrorRows(
        symptoms=tuple(each for each in symptoms if each),
        seen=seen,
        names=value_of(answers, NAMES) or frozenset(),
        traffic=traffic_of(answers),
        growth=growth_between(value_of(answers, COUNTERS), value_of(answers, COUNTERS_AGAIN)),
        limited=value_of(answers, CLERK),
        provider_fault=fault.what if isinstance(fault, ServiceBroken) else "",
        database_fault=database_fault.what if isinstance(database_fault, TargetUnreachable) else "",
        findings=tuple(checked) or None,
        releases=_releases(answers, inquiry),
        series=series,
        now=now,
        look=reading(inquiry.target),
    )


def tell(answers: Answers) -> tuple[Source, ...]:
    """Return the sources, and that requests were not counted where no source counts them."""
    told = [_checked(source, answers) for source in sources_of(answers)]
    if traffic_of(answers) is None:
        why = "nothing counts requests: neither the service's metrics nor Prometheus gave any"
        told.append(Source(REQUESTS, answered=False, says=why, elapsed_ms=0.0))
    return tuple(told)


def _counts_question(inquiry: Inquiry) -> Question | str:
    def says(found: Series) -> tuple[Series, str]:
        return found, f"{sum(each.count for each in found.points)} errors in {TWO_HOURS.total_seconds() / 3600:.0f} h"

    return ask_sentry(inquiry, lambda sentry, project: says(sentry.error_counts(project, TWO_HOURS, MINUTE, before=DAY)))


def _says_limit(found: RateState) -> tuple[RateState, str]:
    return found, "answers 429: too many requests with this key" if found.is_limited else "refuses nothing now"


def _check(check: str, inquiry: Inquiry) -> DatabaseQuestion:
    def question(session: Session) -> tuple[tuple[Finding, ...], str]:
        target = inquiry.target
        found = check_fleet(session, inquiry.limits, inquiry.clock, profile=target.profile, roles=target.roles, only=[check])
        return found, "; ".join(each.why for each in found[:2])

    return question


def _releases(answers: Answers, inquiry: Inquiry) -> tuple[Release, ...]:
    """Return what went live lately; Render and Sentry that tell of about the same moment tell of one release."""
    status, now, told = value_of(answers, RENDER), inquiry.clock.now(), value_of(answers, RELEASE)
    deploy = deploy_in_time(status.latest_deploy, now) if status else None
    if not deploy or not deploy.finished_at:
        return (told,) if told else ()
    before, after = value_of(answers, COMPARED) or (None, None)
    name, back = deploy.revision or deploy.id, value_of(answers, BACK) or ""
    own = Release("Render", name, deploy.finished_at, status.service.id, back=back, before=before, after=after)
    return together(own, told) if told else (own,)


def _checked(source: Source, answers: Answers) -> Source:
    """A check that could tell nothing at all has not answered."""
    findings = value_of(answers, source.name) if source.name in CHECKS else None
    is_open = findings and all(each.outcome in {Outcome.INCONCLUSIVE, Outcome.ERROR} for each in findings)
    return replace(source, answered=False) if is_open else source


ISSUE = Issue(
    NAME,
    "Which requests fail, of which tenants, and why?",
    ask,
    lambda answers, inquiry: explain(rows_of(answers, inquiry)),
    look_closer,
    tell,
)
