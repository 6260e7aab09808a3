"""Every check of a fleet, on one session or two, within a deadline; what could not be asked any more is said, never left out."""

from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from dataclasses import replace
from types import MappingProxyType

from capliquify_ops.configuration import Limits, Profile
from capliquify_ops.database import Session
from capliquify_ops.integrity import (
    access_rights,
    capacity,
    cross_references,
    function_safety,
    identifier_safety,
    migration_ledgers,
    registry_catalogue,
    sequence_health,
    session_pooling,
    shadowed_objects,
    structure_equality,
    unfinished_objects,
)
from capliquify_ops.integrity.observing import inconclusive
from capliquify_ops.integrity.structure_template import Template
from capliquify_ops.model.errors import ConfigurationInvalid, OpsError, UsageError
from capliquify_ops.model.finding import Evidence, Finding
from capliquify_ops.model.names import CheckId
from capliquify_ops.model.outcome import Outcome
from capliquify_ops.model.protocols import Clock
from capliquify_ops.model.roles import Roles

Run = Callable[..., tuple[Finding, ...]]
CHECKS: Mapping[str, Run] = MappingProxyType(
    {
        module.CHECK: module.run
        for module in (
            registry_catalogue,
            structure_equality,
            cross_references,
            unfinished_objects,
            capacity,
            function_safety,
            shadowed_objects,
            identifier_safety,
            session_pooling,
            access_rights,
            sequence_health,
            migration_ledgers,
        )
    }
)
"""In the order of what they say of the ones that follow: without a registry nothing else counts. The longest is the second."""
DEADLINE_S = 300.0


def check_fleet(
    session: Session,
    limits: Limits,
    clock: Clock,
    *,
    profile: Profile,
    roles: Roles,
    only: Iterable[str] = (),
    template: str | Template | None = None,
    deadline_s: float = DEADLINE_S,
    second: Session | None = None,
) -> tuple[Finding, ...]:
    """Run the checks, all or those named, and return their findings.

    A `second` session takes its share of them at the same time. A check that would begin behind the deadline (seconds from now)
    is INCONCLUSIVE, one that the server refused is ERROR; the others' findings stay. Raises UsageError for a check that does not
    exist, ConfigurationInvalid, and UsageError or TenantConflict for a template that cannot be one.
    """
    names = tuple(dict.fromkeys(only)) or tuple(CHECKS)
    if strange := set(names) - set(CHECKS):
        raise UsageError(f"There is no check {min(strange)!r}.", hint=f"One of: {', '.join(CHECKS)}")
    end = clock.monotonic() + deadline_s

    def ask(name: str, on: Session) -> tuple[Finding, ...]:
        if clock.monotonic() >= end:
            why = f"Not examined: the deadline of {deadline_s:g} s had passed. Run: capliquify-ops fleet check {name}"
            return (inconclusive(CheckId(name), _no_evidence(name, clock), why),)
        given = {"template": template} if name == structure_equality.CHECK else {}
        return _run(CheckId(name), on, limits, clock, {"profile": profile, "roles": roles, **given})

    found = _shared(names, [session, second] if second else [session], ask)
    return tuple(finding for name in names for finding in found[name])


def _shared(
    names: Iterable[str], sessions: Sequence[Session], ask: Callable[[str, Session], tuple[Finding, ...]]
) -> Mapping[str, tuple[Finding, ...]]:
    """Ask about all names in their order, each session one after another."""
    waiting = deque(names)
    found: dict[str, tuple[Finding, ...]] = {}

    def work(session: Session) -> None:
        while name := _next(waiting):
            found[name] = ask(name, session)

    if len(sessions) == 1:
        work(*sessions)
        return found
    with ThreadPoolExecutor(len(sessions)) as pool:
        try:
            workers = [pool.submit(work, session) for session in sessions]
            for done in wait(workers, return_when=FIRST_EXCEPTION).done:
                done.result()
        except BaseException:
            waiting.clear()
            for session in sessions:
                session.cancel()
            raise
    return found


def _next(waiting: deque[str]) -> str:
    try:
        return waiting.popleft()
    except IndexError:
        return ""


def _run(name: CheckId, session: Session, limits: Limits, clock: Clock, given: Mapping[str, object]) -> tuple[Finding, ...]:
    try:
        return CHECKS[name](session, limits, clock, **given)
    except (ConfigurationInvalid, UsageError):
        raise
    except OpsError as error:
        if error.exit_code == UsageError.exit_code:
            raise
        return (replace(inconclusive(name, _no_evidence(name, clock), str(error)), outcome=Outcome.ERROR),)


def _no_evidence(name: str, clock: Clock) -> Evidence:
    return Evidence(name, "", clock.now().isoformat(timespec="milliseconds").replace("+00:00", "Z"), 0.0)
