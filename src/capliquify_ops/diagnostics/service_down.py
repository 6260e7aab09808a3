"""Is the service up, and if not: is it the service, its database, or the way to them?"""

from dataclasses import dataclass

from capliquify_ops.configuration import Target
from capliquify_ops.database import Session, address_of
from capliquify_ops.diagnostics.inquiry import Answers, Asked, Inquiry, Issue, Question, Questions, sources_of
from capliquify_ops.diagnostics.service_down_platform import EXPLAINS_ALL, Platform, platform_causes
from capliquify_ops.diagnostics.shared_questions import RENDER, render_question
from capliquify_ops.model.diagnosis import Cause, Source
from capliquify_ops.model.errors import IntegrationFailed, OpsError, TargetUnreachable
from capliquify_ops.model.finding import Level
from capliquify_ops.model.protocols import Clock
from capliquify_ops.observation.health import Health, read_health
from capliquify_ops.observation.network import Step, Way, look_at_way

NAME = "service-down"
TIMEOUT_S = 4.0
"""The runbook's health check is done when this is over; a service that is well answers in a hundredth of it."""
SLOW_MS = 1_000.0
"""A health address that takes longer than a second is on its way to a time-out."""
SOON_DAYS = 14.0
"""A certificate that ends within two weeks is renewed now: most are renewed thirty days before."""
CLOCKS_APART_S = 30.0
"""More than any network takes: one of the clocks is wrong."""
_REFUSES_US, _NO_SLOT = ("refuses the password", "has no such role"), "free connection slot"
SERVICE, WAY, DATABASE = "service", "way to the service", "database"
_AGAIN = f"Then look again: capliquify-ops diagnose {NAME}"


@dataclass(frozen=True, slots=True)
class ServiceRows:
    """What was seen from here; None where it was not asked or did not answer, with the fault beside it."""

    health: Health | None
    health_fault: OpsError | None
    way: Way | None
    has_database: bool  # it answered
    database_fault: OpsError | None
    platform: Platform | None = None

    @property
    def is_away(self) -> bool:
        """Whether the service does not answer, or says itself that it is not well."""
        return self.health_fault is not None or (self.health is not None and not self.health.is_well)


def ask(inquiry: Inquiry) -> Questions:
    """Return what can be asked: the health address, the way to it, the platform, the database."""
    target = inquiry.target
    missing = f"the target has no base_url: {target.how_to_set('base_url')}"
    service: Question | str = (lambda: _health(target)) if target.base_url else missing
    way: Question | str = (lambda: _way(target, inquiry.clock)) if target.base_url else missing
    outside = {SERVICE: service, WAY: way, RENDER: render_question(inquiry)}
    return Questions(outside, {DATABASE: lambda session: _database(session, target, inquiry.clock)})


def rows_of(answers: Answers, inquiry: Inquiry) -> ServiceRows:
    """Put the answers together."""
    service, way, render, database = (answers[name] for name in (SERVICE, WAY, RENDER, DATABASE))
    patience_s = inquiry.limits.number("deploy_in_progress_s")
    return ServiceRows(
        service.value,
        _fault(service),
        way.value,
        database.source.answered,
        _fault_of_database(database),
        Platform(render.value, inquiry.clock.now(), patience_s) if render.value else None,
    )


def explain(rows: ServiceRows) -> tuple[Cause, ...]:
    """Return the probable causes: what explains all that was seen comes first."""
    platform = platform_causes(rows.platform, is_away=rows.is_away, again=_AGAIN) if rows.platform else ()
    is_explained = any(cause.name in EXPLAINS_ALL for cause in platform)
    database = _database_is_away(rows)
    # An answer that something is wrong, with a database that is away, is about the database; no answer at all is not.
    first = [*platform, database] if rows.health_fault else [database, *platform]
    found = [
        _way_is_closed(rows),
        *first,
        *([] if is_explained else [_service_is_away(rows), _service_is_unwell(rows)]),
        _service_is_slow(rows),
        _certificate_ends(rows),
    ]
    return tuple(cause for cause in found if cause)


def _health(target: Target) -> tuple[Health, str]:
    route = target.profile.routes.get("health")
    found = read_health(target.base_url, route.path if route else "/", has_document=route is not None, timeout_s=TIMEOUT_S)
    parts = ", ".join(f"{name}: {said}" for name, said in found.parts.items())
    return found, f"{found.url} answered {found.status}" + (f" ({parts})" if parts else "")


def _way(target: Target, clock: Clock) -> tuple[Way, str]:
    found = look_at_way(target.base_url, clock.now(), timeout_s=TIMEOUT_S)
    days = "" if found.certificate_days is None else f", its certificate holds for {found.certificate_days:.0f} days"
    return found, f"{found.says}{days}"


def _database(session: Session, target: Target, clock: Clock) -> tuple[bool, str]:
    with session.transaction():
        is_standby = bool(session.value("SELECT pg_catalog.pg_is_in_recovery()"))
        apart_s = (session.value("SELECT pg_catalog.clock_timestamp()") - clock.now()).total_seconds()
    standby = ", as a standby that takes no writes" if is_standby else ""
    which = "ahead of" if apart_s > 0 else "behind"
    clocks = f"; its clock is {abs(apart_s):.0f} s {which} this machine's: times of two sources cannot be compared"
    return True, f"{address_of(target.observer_url())} answers{standby}{clocks if abs(apart_s) > CLOCKS_APART_S else ''}"


def tell(answers: Answers) -> tuple[Source, ...]:
    """Return the sources, the database first: that it is a standby, or its clock is wrong, concerns all that is read further."""
    return sources_of({DATABASE: answers[DATABASE], **answers})


def _fault(asked: Asked) -> OpsError | None:
    if asked.source.answered or not asked.source.is_configured:
        return None
    return asked.fault or TargetUnreachable(f"The {asked.source.name} {asked.source.says}.")


def _fault_of_database(asked: Asked) -> OpsError | None:
    """Return why the database is away; that it refuses this program's own password or role tells nothing of the service."""
    fault = _fault(asked)
    return None if fault is None or any(words in fault.what for words in _REFUSES_US) else fault


def _way_is_closed(rows: ServiceRows) -> Cause | None:
    """A name or a certificate is no fault of the service; where both service and database are away, the way comes first."""
    if rows.way and rows.way.failed in {Step.NAME, Step.CERTIFICATE}:
        what = "name" if rows.way.failed is Step.NAME else "certificate"
        why = f"The service's {what} is at fault, whatever the service does: {rows.way.says}."
        return Cause(
            f"{what} of the service", why, (rows.way.says,), f"Mend the {what} at its provider. {_AGAIN}", level=Level.L2
        )
    if rows.way and rows.way.failed and rows.database_fault:
        why = "Neither the service nor its database can be reached from here: that both went at once is less likely than the way."
        lines = (rows.way.says, rows.database_fault.what)
        return Cause(
            "network", why, lines, f"Try from another network, and see the provider's status page. {_AGAIN}", level=Level.L2
        )
    return None


def _database_is_away(rows: ServiceRows) -> Cause | None:
    if not rows.database_fault:
        return None
    is_full = _NO_SLOT in rows.database_fault.what
    does = "has no connection slot left for this role" if is_full else "does not answer from here"
    unwell = ", and the service says that it is unwell" if rows.health and not rows.health.is_well else ""
    lines = [rows.database_fault.what, *_says(rows)]
    look = "capliquify-ops diagnose connection-exhaustion." if is_full else rows.database_fault.hint or "Look at the server."
    return Cause("database", f"The database {does}{unwell}.", tuple(lines), f"{look} {_AGAIN}", level=Level.L2)


def _service_is_away(rows: ServiceRows) -> Cause | None:
    if not rows.health_fault or (rows.way and rows.way.failed in {Step.NAME, Step.CERTIFICATE}):
        return None
    if isinstance(rows.health_fault, IntegrationFailed):
        why = "Something answers at the service's address, and it is not the service."
    elif rows.way and rows.way.failed is None:
        why = "The service accepts connections and does not answer: it hangs, or is overloaded."
    elif rows.way:
        why = "Nothing accepts connections at the service's address: the service is not running, or its host is cut off."
    else:
        why = "The service does not answer, and how far the way to it leads could not be told: looking its name up may hang."
    lines = (rows.health_fault.what, *((rows.way.says,) if rows.way else ()))
    first = (
        "Read its last log lines"
        if rows.way
        else "See whether its name is found, from another network too; read its last log lines"
    )
    command = f"{first}, then: capliquify-ops remedy plan restart-service. {_AGAIN}"
    return Cause("service", why, lines, command, level=Level.L2)


def _service_is_unwell(rows: ServiceRows) -> Cause | None:
    """The service says itself that something is wrong, and its database answers from here."""
    if not rows.health or rows.health.is_well or rows.database_fault:
        return None
    here = (
        "; its database answers from here, so look at the service's own way to it: DATABASE_URL, pool, network"
        if rows.has_database
        else ""
    )
    why = f"The service answers {rows.health.status} and says that it is not well{here}."
    return Cause("service unwell", why, _says(rows), f"capliquify-ops diagnose connection-exhaustion. {_AGAIN}", level=Level.L2)


def _service_is_slow(rows: ServiceRows) -> Cause | None:
    if not rows.health or not rows.health.is_well or rows.health.elapsed_ms <= SLOW_MS:
        return None
    why = f"The health address took {rows.health.elapsed_ms:.0f} ms: what asks less patiently takes the service for down."
    return Cause("slow health", why, _says(rows), f"capliquify-ops diagnose connection-exhaustion. {_AGAIN}", level=Level.L1)


def _certificate_ends(rows: ServiceRows) -> Cause | None:
    days = rows.way.certificate_days if rows.way else None
    if days is None or days > SOON_DAYS:
        return None
    why = f"The service's certificate holds for {days:.0f} more days: after that no client accepts it."
    return Cause("certificate ends", why, (f"{days:.1f} days left",), "Renew it, and find out why nothing did.", level=Level.L1)


def _says(rows: ServiceRows) -> tuple[str, ...]:
    if not rows.health:
        return ()
    return (f"{rows.health.url} answered {rows.health.status}", *(f"{name}: {said}" for name, said in rows.health.parts.items()))


ISSUE = Issue(
    NAME,
    "Is the service up; if not, is it the service, its database, or the way to them?",
    ask,
    lambda answers, inquiry: explain(rows_of(answers, inquiry)),
    tell=tell,
)
