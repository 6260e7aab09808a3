"""What every check of this package shares: how it asks, what it answers when it could not tell, how it names many tenants."""

from collections.abc import Callable, Iterable, Mapping
from contextlib import nullcontext
from dataclasses import dataclass
from datetime import UTC
from types import MappingProxyType
from typing import Generic, TypeVar

from capliquify_ops.configuration import Limits, Profile
from capliquify_ops.database import Session, describe
from capliquify_ops.evidence.canonical import canonical, digest
from capliquify_ops.model.errors import PrivilegeMissing, ServerUnsupported, StatementTimedOut
from capliquify_ops.model.finding import SAMPLE_OF_TENANTS, Evidence, Finding, Scalar, Spread, Subject, SubjectKind
from capliquify_ops.model.names import CheckId
from capliquify_ops.model.outcome import Grade, Outcome, Severity
from capliquify_ops.model.protocols import Clock
from capliquify_ops.model.roles import Roles

T = TypeVar("T")
FINDINGS = 500
"""At most this many logical objects get a finding of their own in one check; the others share one."""
_ONCE = MappingProxyType({"jit": "off"})
"""A statement over the catalogue runs once: to compile it takes longer than it saves."""


@dataclass(frozen=True, slots=True)
class Observed(Generic[T]):
    """What a measurement gave: rows, or else why it could not be made, with the evidence of having asked."""

    rows: T | None
    why_not: str
    evidence: Evidence


def observe(
    session: Session, clock: Clock, asked: str, measure: Callable[[Session], T], *, in_transaction: bool = True
) -> Observed[T]:
    """Run a measurement in one read-only transaction, or outside of every one.

    A missing privilege, a timeout and a server that is too old or too new are reasons, other errors are raised.
    """
    started, at = clock.monotonic(), clock.now().astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    rows, why_not, database = None, "", ""
    try:
        server = describe(session)
        database, why_not = server.database, server.why_not() or ""
        if not why_not:
            with session.transaction(_ONCE) if in_transaction else nullcontext():
                rows = measure(session)
    except (PrivilegeMissing, ServerUnsupported, StatementTimedOut) as fault:
        rows, why_not = None, str(fault)
    elapsed = (clock.monotonic() - started) * 1000
    return Observed(rows, why_not, Evidence(asked, database, at, round(elapsed, 1)))


def runner(
    check: CheckId, asked: str, measure: Callable[..., T], judge: Callable[[T, Limits, Evidence], tuple[Finding, ...]]
) -> Callable[..., tuple[Finding, ...]]:
    """Return the `run` of a check: it measures and judges. What could not be read is INCONCLUSIVE, with the grant."""

    def run(
        session: Session, limits: Limits, clock: Clock, *, profile: Profile, roles: Roles, **given: object
    ) -> tuple[Finding, ...]:
        seen = observe(session, clock, asked, lambda s: measure(s, profile=profile, roles=roles, **given))
        if seen.rows is None:
            return (inconclusive(check, seen.evidence, seen.why_not),)
        return judge(seen.rows, limits, seen.evidence)

    return run


def inconclusive(check: CheckId, evidence: Evidence, why: str, *, examined: int = 0, eligible: int = 0) -> Finding:
    """Return the finding of a check that could not tell."""
    return Finding(
        check=check,
        subject=Subject(SubjectKind.DATABASE, evidence.of),
        outcome=Outcome.INCONCLUSIVE,
        severity=Severity.HIGH,
        evidence=evidence,
        why=why,
        examined=examined,
        eligible=eligible,
    )


def healthy(check: CheckId, evidence: Evidence, why: str, examined: int, measured: Mapping[str, Scalar]) -> Finding:
    """Return the finding of a check that examined every tenant and found no fault."""
    return Finding(
        check=check,
        subject=Subject(SubjectKind.DATABASE, evidence.of),
        outcome=Outcome.HEALTHY,
        severity=Severity.INFO,
        evidence=evidence,
        why=why,
        examined=examined,
        eligible=examined,
        measured=measured,
        grade=Grade.PROOF,
    )


def spread_of(names: Iterable[str]) -> Spread:
    """Return how many tenants a finding concerns, a sample in order, and the digest of the whole sorted list."""
    ordered = sorted(names)
    return Spread(len(ordered), tuple(ordered[:SAMPLE_OF_TENANTS]), digest(canonical(ordered)))
