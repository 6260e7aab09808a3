"""A figure of the check capacity: a measured value, the limits that it stands against, and what it means to miss them."""

from collections.abc import Mapping
from dataclasses import dataclass

from capliquify_ops.configuration.limits import Limits, holds
from capliquify_ops.model.finding import Scalar, SubjectKind
from capliquify_ops.model.outcome import Severity

LINES = 5
"""At most this many witnesses of a figure, the worst first."""


@dataclass(frozen=True, slots=True)
class Figure:
    """Measured values by the keys of their limits. Of two it fails only by missing both: a share, and an amount that matters."""

    name: str
    tests: Mapping[str, float]
    severity: Severity
    why: str
    measured: Mapping[str, Scalar]
    subject: SubjectKind = SubjectKind.CLUSTER
    lines: tuple[str, ...] = ()
    tenant: str = ""

    def misses(self, limits: Limits) -> bool:
        """Whether none of its limits holds."""
        return not any(holds(value, limits[key]) for key, value in self.tests.items())
