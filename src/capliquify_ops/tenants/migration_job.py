"""What a migration of the fleet is about: the file, how it is run, and what became of each tenant."""

from dataclasses import dataclass
from enum import StrEnum

from capliquify_ops.database import SessionLimits
from capliquify_ops.model.secret import Secret
from capliquify_ops.tenants.migration_ledger import MigrationFile
from capliquify_ops.tenants.migration_rules import Script
from capliquify_ops.tenants.registry import PRODUCT_REGISTRY, Tenant
from capliquify_ops.tenants.waves import LOCK_MS, STATEMENT_MS, Retry

TENANTS_PER_CONNECTION = 200
"""As in a backup: a backend keeps what it has seen of every relation."""


class State(StrEnum):
    """What became of a tenant. GONE was deleted or purged meanwhile; ALREADY had been migrated by somebody else meanwhile."""

    DONE = "done"
    ALREADY = "already"
    GONE = "gone"
    FAILED = "failed"


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
