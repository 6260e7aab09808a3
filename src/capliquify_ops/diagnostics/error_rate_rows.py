"""What is known of an error rate when all have answered, and what its causes have in common."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from capliquify_ops.configuration import Target
from capliquify_ops.diagnostics.error_rate_database import Growth
from capliquify_ops.diagnostics.error_rate_release import Release
from capliquify_ops.diagnostics.error_rate_seen import Seen, share_of
from capliquify_ops.diagnostics.error_rate_symptom import Symptom
from capliquify_ops.integrations.clerk import RateState
from capliquify_ops.integrations.sentry_records import Series
from capliquify_ops.model.diagnosis import Cause
from capliquify_ops.model.finding import Finding, Level
from capliquify_ops.observation.traffic import Traffic

NAME = "error-rate"
AGAIN = f"Then look again: capliquify-ops diagnose {NAME}"
DIRECT = 1.0
"""Weights: what the texts say is above this by their share; what was seen otherwise, or only fits, is below."""


@dataclass(frozen=True, slots=True)
class ErrorRows:
    """All that was seen: None, or nothing, where it was not asked or did not answer. `look` is how to read the errors."""

    symptoms: tuple[Symptom, ...]
    seen: tuple[Seen, ...] = ()
    names: frozenset[str] = frozenset()
    traffic: Traffic | None = None
    growth: Growth | None = None
    limited: RateState | None = None
    provider_fault: str = ""
    database_fault: str = ""
    findings: tuple[Finding, ...] | None = None
    releases: tuple[Release, ...] = ()
    series: Series | None = None
    now: datetime | None = None
    look: str = ""

    @property
    def level(self) -> Level:
        """Whom to wake for what was seen."""
        return max((each.level for each in self.symptoms), default=Level.L1)


@dataclass(frozen=True, slots=True)
class Weighed:
    """A cause and how much it explains."""

    weight: float
    cause: Cause


def weight_of(part: Sequence[Seen], rows: ErrorRows, otherwise: float) -> float:
    """Return how much texts explain: by their share of all, else what is seen without any."""
    return DIRECT + share_of(part, rows.seen) if any(each.count for each in part) else otherwise


def reading(target: Target) -> str:
    """Return how to read the errors themselves: the log, or Sentry."""
    if render := target.integrations.get("render"):
        return f"render logs --resources {render.options.get('service', 'SERVICE')} --level error --limit 200 --output json"
    if sentry := target.integrations.get("sentry"):
        own = sentry.options.get("base_url", "")
        where = own or f"https://{sentry.options.get('organization', 'ORGANIZATION')}.sentry.io"
        return f"open '{where}/issues/?query=is:unresolved&statsPeriod=1h'"
    return "Read the service's log of the last minutes"
