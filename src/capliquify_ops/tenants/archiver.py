"""What a purge is given to archive a schema with, before the schema goes."""

from dataclasses import dataclass
from typing import Protocol

from capliquify_ops.database import Session
from capliquify_ops.tenants.registry import Tenant


@dataclass(frozen=True, slots=True)
class ArchiveReceipt:
    """Where an archive is and what it is: the digest goes into the audit, beside and not inside the archive."""

    path: str
    sha256: str
    bytes: int


class Archiver(Protocol):
    """Archives one schema of a tenant and proves it readable. Both raise OpsError when they could not."""

    def archive(self, session: Session, tenant: Tenant, schema_name: str) -> ArchiveReceipt: ...
    def verify(self, receipt: ArchiveReceipt) -> None: ...
