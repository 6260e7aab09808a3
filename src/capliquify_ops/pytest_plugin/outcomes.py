"""How a checked test ends: with findings that pass, or with one of these."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from capliquify_ops.model.finding import Finding
    from capliquify_ops.model.outcome import State
    from capliquify_ops.model.record import Record


SHOWN_AS = "capliquify_ops"
"""The property of a report that names what pytest shows instead of a failure."""


class GateFailure(AssertionError):
    """The measured system is wrong. Raised by `require` alone."""


class Undetermined(Exception):  # it is an answer, not an error of ours
    """The check could not tell. It blocks like a failure, but says that nobody knows."""


class NotRun(Exception):  # likewise
    """The check was not run, and why. Shown as an error, never as a skip: CI systems take skips for green."""


@dataclass(slots=True)
class Collected:
    """What one test has measured so far; it ends up in its record."""

    started: Record
    findings: list[Finding] = field(default_factory=list)
    raw: list[str] = field(default_factory=list)
    states: list[tuple[State, str]] = field(default_factory=list)
