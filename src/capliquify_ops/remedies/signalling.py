"""Sessions of others, as somebody who may see and end them; each is looked at again by the statement that ends it."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple

from capliquify_ops.configuration import Target
from capliquify_ops.database import Session, fill, load, operator, quoted
from capliquify_ops.model.errors import OpsError, PrivilegeMissing, UsageError
from capliquify_ops.model.plan import Step
from capliquify_ops.observation.folding import folded

PACKAGE = "capliquify_ops.remedies"
CANCEL, TERMINATE = "cancel", "terminate"
ENDED, CANCELLED, TOLD, GONE = "ended", "cancelled", "told to end", "gone"
WAIT_MS = 5_000
"""For so long the server waits itself until a session that it was told to end is gone."""
_SEPARATE_RIGHTS = 16
"""From PostgreSQL 16 on a membership says for itself whether it inherits."""
_LONGEST = 120
_ITS_OWN = "Its own operator has to decide."
_IS_APART = "SELECT r.rolsuper OR r.rolreplication FROM pg_catalog.pg_roles AS r WHERE r.rolname::text = %(role)s::text"


@dataclass(frozen=True, slots=True)
class Found:
    """One session as it was seen: ages in seconds; `protected` says why it is not touched, empty where it may be."""

    pid: int
    role: str
    application: str
    client: str
    state: str
    backend_start: datetime
    xact_start: datetime | None
    query_start: datetime | None
    state_change: datetime | None
    state_s: float | None
    query: str
    protected: str
    victims: int = 0
    blocked_by: Sequence[int] = ()

    @property
    def idles_in_transaction(self) -> bool:
        """Whether it holds a transaction open and does nothing."""
        return self.state.startswith("idle in transaction")

    def says(self) -> str:
        """Return who it is and what it ran last, without values."""
        text = folded(self.query)
        text = text if len(text) <= _LONGEST else f"{text[:_LONGEST]}…"
        since = f" since {self.state_change.isoformat(timespec='seconds')}" if self.state_change else ""
        return f"pid {self.pid} of {self.role} ({self.application or 'no name'}) from {self.client}, {self.state}{since}: {text}"


class Signal(NamedTuple):
    """What is sent to a session that is still as it was seen. `must_block`: and that still keeps others waiting."""

    session: Found
    act: str
    must_block: bool = False

    def values(self) -> dict[str, object]:
        """Return the parameters of the statement."""
        one = self.session
        return {
            "pid": one.pid,
            "role": one.role,
            "backend_start": one.backend_start,
            "state": one.state,
            "xact_start": one.xact_start,
            "state_change": one.state_change,
            "act": self.act,
            "must_block": self.must_block,
            "wait_ms": WAIT_MS,
        }

    def step(self) -> Step:
        """Return it as a plan shows it: the statement by its name, with all that it looks at once more."""
        shown = ", ".join(f"{name} => {value}" for name, value in self.values().items())
        verb = "end" if self.act == TERMINATE else "cancel the statement of"
        return Step(f"{verb} {self.session.says()}", f"signal_session.sql ({shown})")


class Answer(NamedTuple):
    """What became of one signal: ENDED, CANCELLED, TOLD, GONE, or why the session was left alone."""

    signal: Signal
    says: str

    @property
    def is_done(self) -> bool:
        """Whether the session was ended or its statement cancelled."""
        return self.says in {ENDED, CANCELLED, TOLD}

    def line(self) -> str:
        """Return it as one line."""
        return f"pid {self.signal.session.pid}: {self.says}"


class _Role(NamedTuple):
    name: str
    is_self: bool


@contextmanager
def signaller(target: Target, role: str) -> Iterator[tuple[Session, str]]:
    """Open a session of the operator, and give the role as which it sees and ends sessions of `role`.

    Raises PrivilegeMissing with the grant, UsageError for a role that does not exist.
    """
    with operator(target.changing_url(), "remedy", pooled=target.pooled) as session:
        with session.transaction():
            is_apart = session.value(_IS_APART, {"role": role})
            if is_apart is None:
                raise UsageError(f"There is no role {role!r} on the server.", hint="Check app_role of the target, or --role.")
            found = session.rows(load(PACKAGE, "signalling_roles"), _Role, {"role": role})
            if not found and is_apart:
                # No grant is advised here: it would give the operator more than it may ever have.
                raise UsageError(f"Sessions of {role!r} are left alone: it is a superuser, or replicates.", hint=_ITS_OWN)
            if not found:
                raise _not_allowed(session, role)
        yield session, "" if found[0].is_self else found[0].name


@contextmanager
def looking(session: Session, as_role: str) -> Iterator[None]:
    """Open a transaction as that role, one for each look: what the server saw of sessions it keeps until a transaction ends."""
    with session.transaction():
        if as_role:
            session.execute(fill('SET LOCAL ROLE :"role"', {"role": as_role}))
        yield


def send(session: Session, as_role: str, signal: Signal) -> Answer:
    """Send one signal, in a transaction of its own; that it is not allowed is an answer too. Raises what ends the connection."""
    try:
        with looking(session, as_role):
            found = session.value(load(PACKAGE, "signal_session"), signal.values())
    except PrivilegeMissing as fault:
        return Answer(signal, f"{fault.what} {_grant(session, signal.session.role, '')}")
    return Answer(signal, found or GONE)


def _not_allowed(session: Session, role: str) -> OpsError:
    me = str(session.value("SELECT current_user::text"))
    return PrivilegeMissing(
        f"The operator {me!r} may not see and end the sessions of {role!r}: nothing was changed.",
        hint=f"For an administrator: {_grant(session, role, me)}",
    )


def _grant(session: Session, role: str, me: str) -> str:
    name = quoted(me) if me else "the operator"
    if session.server_major >= _SEPARATE_RIGHTS:
        return f"GRANT pg_signal_backend, pg_read_all_stats TO {name} WITH INHERIT TRUE;"
    return f"GRANT {quoted(role)} TO {name};"
