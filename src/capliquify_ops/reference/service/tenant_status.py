"""Tenants' statuses remembered between requests: SUSPEND_TTL (for the documented 2 s) and SUSPEND_CACHED (a defect: for ever).

The service itself asks with each request. What is remembered is only that a tenant was in good standing, never that it was not.
"""

from collections.abc import Callable
from dataclasses import dataclass, field, replace

from capliquify_ops.reference.service.access import Resolved
from capliquify_ops.reference.service.switches import Switches

BOUND_S = 2.0
_GOOD = frozenset({"active", "trial"})


@dataclass(frozen=True, slots=True)
class TenantStatus:
    """One worker's memory of statuses, by tenant: the status, and when it was read."""

    switches: Switches
    now: Callable[[], float]
    _known: dict[str, tuple[str, float]] = field(default_factory=dict)

    def of(self, row: Resolved) -> Resolved:
        """The row as this worker takes it to be: unchanged, unless a switch is on."""
        if not (self.switches.has("SUSPEND_CACHED") or self.switches.has("SUSPEND_TTL")) or row.tenant_id is None:
            return row
        status, read_at = self._known.get(row.tenant_id, ("", 0.0))
        is_fresh = self.switches.on("SUSPEND_TTL") and self.now() < read_at + BOUND_S
        if status and (is_fresh or self.switches.on("SUSPEND_CACHED")):
            return replace(row, status=status, is_trial_expired=False)
        if row.status in _GOOD and not row.is_trial_expired:
            self._known[row.tenant_id] = (row.status, self.now())
        return row
