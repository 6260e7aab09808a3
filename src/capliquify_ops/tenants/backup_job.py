"""What a backup of many tenants is about: where to connect, how it is done, and what became of each tenant."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from capliquify_ops.model.secret import Secret
from capliquify_ops.tenants.backup import SHARED, Receipt
from capliquify_ops.tenants.registry import PRODUCT_REGISTRY, Tenant

TENANTS_PER_CONNECTION = 200
"""A backend keeps what it has seen of every relation: 3,000 tenants are 120 MB, 200 are 8."""


@dataclass(frozen=True, slots=True)
class Access:
    """Where an observer connects."""

    url: Secret
    pooled: bool = False


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one tenant: a receipt, or the sentence why not."""

    tenant: Tenant
    receipt: Receipt | None
    why: str = ""


@dataclass(frozen=True, slots=True)
class Job:
    """How a fleet is backed up. `stamp` is one for all files of one process: who was killed leaves some in no journal.

    With more than one worker each is a process of its own.
    """

    folder: Path
    stamp: str
    tool: str
    workers: int = 2
    registry: str = PRODUCT_REGISTRY
    shared: Sequence[str] = SHARED
    tenants_per_connection: int = TENANTS_PER_CONNECTION
