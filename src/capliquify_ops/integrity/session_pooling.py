"""Does what a session sets stay with it? Behind a pooler that swaps sessions the next tenant works with the path of the last.

Asked of the connection that the check itself came by: the role, database and address decide what a pooler does.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from types import MappingProxyType

from capliquify_ops.configuration import Limits, Profile
from capliquify_ops.database import Pooling, Session
from capliquify_ops.integrity.observing import inconclusive, observe
from capliquify_ops.model.errors import StatementTimedOut, TargetUnreachable
from capliquify_ops.model.finding import Evidence, Finding, Scalar, Subject, SubjectKind, Witness
from capliquify_ops.model.names import check_id
from capliquify_ops.model.outcome import Grade, Outcome, Severity
from capliquify_ops.model.protocols import Clock
from capliquify_ops.model.roles import Roles

CHECK = check_id("session_pooling")


@dataclass(frozen=True, slots=True)
class PoolingRows:
    """What the probe saw; `is_declared`: whether the target says of itself that it is pooled."""

    pooling: Pooling
    is_declared: bool


def measure(session: Session, *, profile: Profile, roles: Roles) -> PoolingRows:
    """Probe, outside of every transaction: one that is open would hold the pooler's session. Raises TargetUnreachable."""
    del profile, roles  # a pooler knows nothing of tenants
    return PoolingRows(session.pooling(), session.is_pooled)


def judge(rows: PoolingRows, limits: Limits, evidence: Evidence) -> tuple[Finding, ...]:
    """Return the one finding: what stands between client and server, or that it stayed unknown."""
    del limits  # nothing here is a matter of degree
    seen = rows.pooling
    if seen.swaps and not rows.is_declared:
        return (_failing(rows, evidence),)
    if seen.swaps:
        why = (
            "The connection goes through a pooler that swaps sessions, as the target says (pooled): what SET search_path sets"
            " reaches other clients. That the service sets it with SET LOCAL only is for the isolation checks to show."
        )
    elif seen.direct:
        why = "The connection goes to the server itself: what a session sets is its own."
    elif seen.met:
        why = f"The connection goes through a pooler; in {seen.met} meetings in one process every client kept its search_path."
    else:
        why = (
            "The connection goes through a pooler, and whether it swaps sessions is unknown: no two clients met in one process."
            " Read pool_mode and server_reset_query with SHOW CONFIG of the pooler, or try again when it is busier."
        )
        return (inconclusive(CHECK, evidence, why, eligible=1),)
    return (_finding(Outcome.HEALTHY, Severity.INFO, rows, evidence, why),)


def run(session: Session, limits: Limits, clock: Clock, *, profile: Profile, roles: Roles) -> tuple[Finding, ...]:
    """Measure and judge. A pooler or server without free sessions is INCONCLUSIVE."""

    def ask(session: Session) -> PoolingRows:
        try:
            return measure(session, profile=profile, roles=roles)
        except TargetUnreachable as fault:
            raise StatementTimedOut(fault.what, hint=fault.hint) from None

    seen = observe(session, clock, CHECK, ask, in_transaction=False)
    if seen.rows is None:
        return (inconclusive(CHECK, seen.evidence, seen.why_not, eligible=1),)
    return judge(seen.rows, limits, seen.evidence)


def _failing(rows: PoolingRows, evidence: Evidence) -> Finding:
    tracks = (
        " This server reports search_path: a pooler that tracks it (PgBouncer: track_extra_parameters) keeps it with its client."
        if rows.pooling.sees_path
        else ""
    )
    why = (
        "The connection goes through a pooler that swaps sessions: a search_path set for the session reached another client, so a"
        " request of one tenant can read another's rows without an error. Set it in every transaction with SET LOCAL, or use a"
        f" pool of sessions with a reset; then say pooled = true for this target.{tracks}"
    )
    return _finding(Outcome.FAILING, Severity.CRITICAL, rows, evidence, why)


def _finding(outcome: Outcome, severity: Severity, rows: PoolingRows, evidence: Evidence, why: str) -> Finding:
    seen = rows.pooling
    line = (
        f"of {seen.answers} answers {seen.met} came from a process that another client had used, {seen.moved} from another"
        f" process than before, {seen.strange} with another client's search_path, {seen.lost} without the client's own"
    )
    return Finding(
        check=CHECK,
        subject=Subject(SubjectKind.DATABASE, evidence.of),
        outcome=outcome,
        severity=severity,
        evidence=evidence,
        why=why,
        examined=1,
        eligible=1,
        measured=_measured(seen),
        witness=Witness((line,)) if outcome is Outcome.FAILING else None,
        grade=Grade.PROOF,
    )


def _measured(seen: Pooling) -> Mapping[str, Scalar]:
    return MappingProxyType(asdict(seen))
