"""The finding: the only thing that crosses from a check to the record, the verdict and the report."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from types import MappingProxyType

from capliquify_ops.model.names import CheckId, RemedyId
from capliquify_ops.model.outcome import Grade, Outcome, Severity

Scalar = str | int | float | bool
SAMPLE_OF_TENANTS = 20
"""A finding names at most this many tenants; the digest covers the whole list."""


class SubjectKind(StrEnum):
    """What kind of thing a finding speaks of."""

    CLUSTER = "cluster"
    DATABASE = "database"
    TENANT = "tenant"
    RELATION = "relation"
    ENDPOINT = "endpoint"
    SERVICE = "service"


class Level(StrEnum):
    """Whom to wake: Slack, PagerDuty, phone."""

    L1 = "l1"
    L2 = "l2"
    L3 = "l3"


@dataclass(frozen=True, slots=True)
class Subject:
    """What a finding speaks of."""

    kind: SubjectKind
    name: str


@dataclass(frozen=True, slots=True)
class Limit:
    """What a measured value was compared with: `measured <operator> value`, and where the number comes from."""

    value: Scalar
    operator: str
    source: str


@dataclass(frozen=True, slots=True)
class Spread:
    """The tenants that a finding concerns: how many, a sample of at most 20, and a digest of the full sorted list."""

    count: int
    sample: tuple[str, ...]
    digest: str


@dataclass(frozen=True, slots=True)
class Witness:
    """What proves a finding, redacted: one line per request, interleaving or row, and the SQL to look yourself."""

    lines: tuple[str, ...]
    look: str = ""


@dataclass(frozen=True, slots=True)
class Evidence:
    """What was asked of whom, when (RFC 3339 UTC) and for how long; `raw` is the SHA-256 of the raw data kept beside it."""

    asked: str
    of: str
    at: str
    elapsed_ms: float
    raw: str = ""


@dataclass(frozen=True, slots=True)
class Finding:
    """The judged answer of one check about one subject. A healthy answer is a finding too."""

    check: CheckId
    subject: Subject
    outcome: Outcome
    severity: Severity
    evidence: Evidence
    why: str
    examined: int
    eligible: int
    measured: Mapping[str, Scalar] = field(default_factory=lambda: MappingProxyType({}))
    limit: Limit | None = None
    tenants: Spread | None = None
    witness: Witness | None = None
    grade: Grade | None = None
    remedy: RemedyId | None = None
    escalation: Level | None = None

    @property
    def id(self) -> str:
        """What the finding is known by from run to run: the check and the logical object, whatever tenants have it."""
        return f"{self.check}:{self.subject.name}"

    def __post_init__(self) -> None:
        """Refuse a pass that examined nothing: no data is never a pass."""
        if self.outcome is Outcome.HEALTHY and self.examined < 1:
            raise ValueError(f"{self.check}: a healthy finding must have examined something")
        if not self.why:
            raise ValueError(f"{self.check}: a finding must say why")
