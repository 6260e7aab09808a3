"""What an application of a plan is about: how it is run, and what became of each step."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from pathlib import Path

from capliquify_ops.database import SessionLimits
from capliquify_ops.model.names import TenantId
from capliquify_ops.model.secret import Secret
from capliquify_ops.remedies.repair_plan import Plan, Step
from capliquify_ops.tenants.registry import PRODUCT_REGISTRY
from capliquify_ops.tenants.waves import LOCK_MS, STATEMENT_MS, Retry

WEAK_LOCK_MS = 300_000
"""Concurrent builds and validations wait for older transactions, and nobody waits for them meanwhile."""


class State(StrEnum):
    """What became of a step. ELSEWHERE: somebody else repaired it meanwhile; LEFT: another verb is at work on the tenant."""

    REPAIRED = "repaired"
    ELSEWHERE = "repaired elsewhere"
    LEFT = "left alone"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Archiving:
    """Where orphans are archived, the stamp of the files, and what tells an orphan that nobody is named for by an id."""

    folder: Path
    stamp: str
    tool: str
    new_id: Callable[[], TenantId]
    now: Callable[[], datetime]
    registry: str = PRODUCT_REGISTRY


@dataclass(frozen=True, slots=True)
class Job:
    """How a plan is applied, by an operator. `wave` None: ten schemas or one in a hundred, then ten times as many each time."""

    url: Secret
    actor: str
    run: str
    retry: Retry
    sleep: Callable[[float], None]
    pooled: bool = False
    wave: int | None = None
    lock_ms: int = LOCK_MS
    statement_ms: int = STATEMENT_MS
    max_failures: int = 0
    archiving: Archiving | None = None

    def limits(self) -> SessionLimits:
        """Return the limits of statements that block others."""
        return SessionLimits(statement_ms=self.statement_ms, lock_ms=self.lock_ms)


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one step, after how many attempts, and the sentence why it was not repaired."""

    step: Step
    state: State
    attempts: int = 1
    why: str = ""


@dataclass(frozen=True, slots=True)
class Result:
    """What became of the steps that were taken, wave by wave, and the plan of what is at fault now.

    `is_stopped`: more steps failed than may, so what the plan still had was not begun.
    """

    waves: tuple[int, ...]
    outcomes: tuple[Outcome, ...]
    now: Plan = field(default_factory=Plan)
    is_stopped: bool = False

    def of(self, *states: State) -> tuple[Outcome, ...]:
        """Return the outcomes of these states."""
        return tuple(outcome for outcome in self.outcomes if outcome.state in states)
