"""A plan: what a verb is about to do, printable and comparable before anything is done."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

from capliquify_ops.model.finding import Scalar


@dataclass(frozen=True, slots=True)
class Step:
    """One effect: what happens to what, with the statement where it is a statement."""

    action: str
    statement: str = ""


@dataclass(frozen=True, slots=True)
class Plan:
    """The ordered effects of a verb on a subject, what they concern (rows, bytes), and what a person should know first."""

    verb: str
    subject: str
    steps: tuple[Step, ...]
    concerns: Mapping[str, Scalar] = field(default_factory=lambda: MappingProxyType({}))
    warnings: tuple[str, ...] = ()
    destructive: bool = False
