"""What a migration of the fleet is about: the file, how it is run, and what became of each tenant."""

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum

from capliquify_ops.database import SessionLimits
from capliquify_ops.model.secret import Secret
from capliquify_ops.tenants.migration_ledger import MigrationFile
from capliquify_ops.tenants.migration_rules import Script
from capliquify_ops.tenants.registry import PRODUCT_REGISTRY, Tenant

LOCK_MS = 2_000
"""How long a statement waits for a lock: whoever comes after it waits as long."""
STATEMENT_MS = 30_000
TENANTS_PER_CONNECTION = 200
"""As in a backup: a backend keeps what it has seen of every relation."""


class State(StrEnum):
    """What became of a tenant. GONE was deleted or purged meanwhile; ALREADY had been migrated by somebody else meanwhile."""

    DONE = "done"
    ALREADY = "already"
    GONE = "gone"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Retry:
    """How often a lock is waited for again, and how long before: doubled each time, less a random part. `random` gives [0, 1)."""

    times: int
    random: Callable[[], float]
    first_s: float = 0.5
    most_s: float = 20.0

    def wait_s(self, attempt: int) -> float:
        """Return how long to wait after so many attempts."""
        longest = min(self.first_s * 2.0 ** (attempt - 1), self.most_s)
        return longest * (0.5 + self.random() / 2)


@dataclass(frozen=True, slots=True)
class Access:
    """Where the operator connects."""

    url: Secret
    pooled: bool = False


@dataclass(frozen=True, slots=True)
class Job:
    """How a file is run over a fleet. `wave` None: ten tenants or one in a hundred first, then ten times as many each time."""

    file: MigrationFile
    script: Script
    actor: str
    retry: Retry
    canary: str | None = None
    wave: int | None = None
    workers: int = 2
    lock_ms: int = LOCK_MS
    statement_ms: int = STATEMENT_MS
    max_failures: int = 0
    may_differ: bool = False
    registry: str = PRODUCT_REGISTRY
    tenants_per_connection: int = TENANTS_PER_CONNECTION

    def limits(self) -> SessionLimits:
        """Return the limits of the sessions that migrate."""
        return SessionLimits(statement_ms=self.statement_ms, lock_ms=self.lock_ms)


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one tenant, after how many attempts, and the sentence why it failed."""

    tenant: Tenant
    state: State
    attempts: int = 1
    why: str = ""


def wave_sizes(tenants: int, wave: int | None) -> list[int]:
    """Return how many tenants each wave after the canary takes."""
    sizes, left, size = list[int](), tenants, wave or max(10, tenants // 100)
    while left > 0:
        sizes.append(min(size, left))
        left -= size
        size = wave or size * 10
    return sizes
