"""What can be checked on this target with these privileges, and the exact grant or setting for what cannot."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from capliquify_ops.configuration import Limits, Target, TargetClass
from capliquify_ops.database import Server, Session, address_of, describe, fill, load, observer, operator, quoted
from capliquify_ops.integrity import capacity, migration_ledgers, registry_catalogue, sequence_health, session_pooling
from capliquify_ops.integrity.fleet_check import check_fleet
from capliquify_ops.model.errors import OpsError
from capliquify_ops.model.outcome import Outcome
from capliquify_ops.model.protocols import Clock
from capliquify_ops.preflight.addresses import require_loopback
from capliquify_ops.preflight.identify import require_registry, require_service
from capliquify_ops.tenants.registry import registry_names


@dataclass(frozen=True, slots=True)
class Answer:
    """One answer of the doctor; `advice` is the grant or setting that would help, "" when nothing is needed.

    `code` is the exit code of the error behind it, 0 without one.
    """

    subject: str
    good: bool
    says: str
    advice: str = ""
    code: int = 0


SEPARATE_RIGHTS = 16
"""From this version of PostgreSQL on a membership says by itself whether it inherits and whether it may be acted as."""
FORETOLD = (
    registry_catalogue.CHECK,
    capacity.CHECK,
    session_pooling.CHECK,
    sequence_health.CHECK,
    migration_ledgers.CHECK,
)
"""Checks that need more than a readable registry, and that one themselves: the doctor makes them. All others need no more."""


def examine(target: Target, limits: Limits, clock: Clock) -> list[Answer]:
    """Examine a target. Never raises an OpsError: what cannot be asked is an answer too."""
    return [*_database(target, limits, clock), *_operator(target), *_audit(target), *_service(target)]


def _database(target: Target, limits: Limits, clock: Clock) -> Iterator[Answer]:
    if target.database_url is None:
        yield Answer("database", good=False, says="no database URL", advice=target.how_to_set("database_url_env"))
        return
    try:
        require_loopback(target)
        with observer(target.database_url, "doctor", pooled=target.pooled) as session:
            server = describe(session)
            registry = [_registry(target, session)]
            if registry[0].good:
                registry += _foretold(target, session, limits, clock)
    except OpsError as error:
        yield _failed("database", error)
        return
    newer = server.why_not()
    yield Answer("server", newer is None, f"PostgreSQL {server.version} at {address_of(target.database_url)}", newer or "")
    if server.in_recovery:
        yield Answer(
            "standby", good=False, says="the server is a standby: usage statistics are its own", advice="Use the primary."
        )
    yield from _role(server)
    names = ", ".join(f"{name} {version}" for name, version in sorted(server.extensions.items()))
    yield Answer("extensions", good=True, says=names or "none")
    yield from registry


def _registry(target: Target, session: Session) -> Answer:
    try:
        require_registry(target, session)
    except OpsError as error:
        return _failed("registry", error)
    return Answer("registry", good=True, says=f"{target.profile.registry_table} is there and can be read")


def _foretold(target: Target, session: Session, limits: Limits, clock: Clock) -> Iterator[Answer]:
    """Make the checks that a missing grant or setting would leave without an answer, and say which it is."""
    with session.transaction():
        names = registry_names(target.profile.registry.table)
        is_empty = not session.value(fill('SELECT EXISTS (SELECT 1 FROM :"registry_schema".:"registry_table")', names))
    if is_empty:
        yield Answer("checks", good=True, says="no tenant is registered yet: what they need is said once there is one")
        return
    found = check_fleet(session, limits, clock, profile=target.profile, roles=target.roles, only=FORETOLD)
    for name in FORETOLD:
        unknown = [each for each in found if each.check == name and each.outcome in {Outcome.INCONCLUSIVE, Outcome.ERROR}]
        yield from [Answer(f"check {name}", good=False, says="cannot tell", advice=each.why) for each in unknown] or [
            Answer(f"check {name}", good=True, says="can tell")
        ]


def _role(server: Server) -> Iterator[Answer]:
    too_much = server.is_superuser or server.bypasses_rls
    says = (
        f"{server.role}: superuser"
        if server.is_superuser
        else f"{server.role}: bypasses row security"
        if too_much
        else server.role
    )
    advice = "Use a least-privileged observer role: what a superuser sees proves little." if too_much else ""
    yield Answer("observer role", not too_much, says, advice)
    reads = server.reads_all_stats
    says = "reads all statistics" if reads else "sees only its own sessions and statements"
    yield Answer("statistics", reads, says, "" if reads else f"GRANT pg_read_all_stats TO {server.role};")


def _operator(target: Target) -> Iterator[Answer]:
    if target.operator_url is None:
        says = "no operator URL: nothing in the database is changed, no test tenants are made"
        yield Answer("operator", good=False, says=says, advice=target.how_to_set("operator_url_env"))
        return
    yield _asked("operator", lambda: _operator_says(target))


def _operator_says(target: Target) -> str:
    with operator(target.changing_url(), "doctor", pooled=target.pooled) as session:
        return f"connects as {describe(session).role}"


def _audit(target: Target) -> Iterator[Answer]:
    """Foretell which steps of the security audit the operator's rights leave out: the audit says the same when it is run."""
    if target.operator_url is None or not target.base_url or target.kind is TargetClass.PRODUCTION:
        return
    try:
        with operator(target.changing_url(), "doctor", pooled=target.pooled) as session, session.transaction():
            is_new = session.server_major >= SEPARATE_RIGHTS
            asked = {"app": target.roles.app, "acts": "SET" if is_new else "MEMBER"}
            found = session.mappings(load("capliquify_ops.preflight", "audit_rights"), asked)[0]
    except OpsError as error:
        yield _failed("security audit", error)
        return
    role, inherits = quoted(str(found["role"])), " WITH INHERIT TRUE" if is_new else ""
    app = f"GRANT {quoted(target.roles.app)} TO {role}{' WITH INHERIT FALSE, SET TRUE' if is_new else ''};"
    yield _right("row security as the service's role", app, has_it=bool(found["acts_as_app"]))
    yield _right("cancelled and ended statements", f"GRANT pg_signal_backend TO {role}{inherits};", has_it=bool(found["signals"]))
    seen = bool(found["sees_sessions"])
    yield _right("sessions of the service", f"GRANT pg_read_all_stats TO {role}{inherits};", has_it=seen)


def _right(what: str, grant: str, *, has_it: bool) -> Answer:
    says = "can be tried" if has_it else "cannot be tried, and the security audit says so"
    return Answer(f"audit of {what}", has_it, says, "" if has_it else grant)


def _service(target: Target) -> Iterator[Answer]:
    if not target.base_url:
        says, advice = "no base_url: only the database half is measured", target.how_to_set("base_url")
        yield Answer("service", good=False, says=says, advice=advice)
    else:
        yield _asked("service", lambda: f"{require_service(target)} answers")
    if target.identity.provider:
        yield Answer("identity", good=True, says=f"tokens from provider {target.identity.provider!r}")
    else:
        advice = target.how_to_set("identity.provider")
        yield Answer("identity", good=False, says="no identity provider: no tokens for test users", advice=advice)


def _asked(subject: str, ask: Callable[[], str]) -> Answer:
    try:
        return Answer(subject, good=True, says=ask())
    except OpsError as error:
        return _failed(subject, error)


def _failed(subject: str, error: OpsError) -> Answer:
    return Answer(subject, good=False, says=error.what, advice=error.hint, code=error.exit_code)
