"""Suspend: the row says so, and then the service is asked until it refuses."""

from collections.abc import Callable
from dataclasses import dataclass

from capliquify_ops.configuration.profile import Answer
from capliquify_ops.database import Session
from capliquify_ops.model import names
from capliquify_ops.model.errors import NotVerified, OpsError, UsageError
from capliquify_ops.model.plan import Plan
from capliquify_ops.model.protocols import Clock, ProbeAnswer, ServiceProbe
from capliquify_ops.model.roles import Roles
from capliquify_ops.tenants.registry import Tenant
from capliquify_ops.tenants.status import Change, Prepare, StatusResult, change, plan_change, set_status

REFUSALS = 5
"""So many answers in a row must refuse, each over a connection of its own: a service has several processes."""
_PAUSE_S = 0.05
_SUCCESS = range(200, 300)


@dataclass(frozen=True, slots=True)
class Verification:
    """How a suspension is verified: whom to ask, which answers refuse, and for how long at most, in seconds."""

    probe: ServiceProbe
    refusal: Answer
    bound_s: float
    clock: Clock
    sleep: Callable[[float], None]


def plan_suspend(session: Session, key: str, *, reason: str) -> Plan:
    """Return what `suspend` would do. Raises as it does."""
    return plan_change(session, "suspend", key, _for(reason))


def suspend(session: Session, roles: Roles, key: str, *, actor: str, reason: str) -> StatusResult:
    """Suspend a tenant in the database; the audit keeps the status it came from. Raises TenantNotFound, TenantConflict."""
    return change(session, roles, "suspend", key, _for(reason), actor=actor)


def await_refusal(tenant: Tenant, how: Verification) -> float:
    """Ask the service until it refuses the suspended tenant, and return after how many seconds it first did.

    Raises NotVerified when it does not within the bound, with what it answered instead.
    """
    started = how.clock.monotonic()
    refused_at, refusals = 0.0, 0
    while True:
        asked_at = how.clock.monotonic() - started
        said = _ask(how)
        if isinstance(said, ProbeAnswer) and said.status in how.refusal.statuses and said.code in how.refusal.codes:
            refused_at = refused_at if refusals else how.clock.monotonic() - started
            refusals += 1
            if refusals == REFUSALS:
                return refused_at
        else:
            refusals = 0
            if asked_at >= how.bound_s:
                raise _not_refused(tenant, said, how.bound_s)
            how.sleep(_PAUSE_S)


def _ask(how: Verification) -> ProbeAnswer | OpsError:
    try:
        return how.probe.ask()
    except OpsError as error:
        return error


def _not_refused(tenant: Tenant, said: ProbeAnswer | OpsError, bound_s: float) -> NotVerified:
    row = f"The tenant {tenant.slug!r} is suspended in the database"
    if isinstance(said, OpsError):
        return NotVerified(f"{row}, but whether the service refuses it is not known: {said.what}", hint="Ask the service again.")
    if said.status in _SUCCESS:
        message = f"{row}, but after {bound_s:g} s the service still serves it ({said.status})."
        return NotVerified(message, hint="It keeps the status somewhere: restart it, and find out where.")
    message = f"{row}, but the service answers {said.status} {said.code or 'without a code'}, which says nothing of a suspension."
    return NotVerified(message, hint="Check the target's [identity] and the profile's [answers.suspended].")


def _for(reason: str) -> Prepare:
    if not names.storable(reason).strip():
        raise UsageError("A suspension needs a reason.", hint="For example: --reason payment_failed")

    def prepare(_session: Session, tenant: Tenant) -> Change:
        act = set_status(tenant, "suspended", "set the status suspended: the service refuses every request from then on")
        return Change((act,), noted={"reason": reason, "recorded_status": tenant.subscription_status})

    return prepare
