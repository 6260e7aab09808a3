"""Archive a quarantined schema as what it was: under its own name, with its rights, in a transaction that is rolled back."""

from dataclasses import dataclass
from pathlib import Path

from capliquify_ops.database import Session
from capliquify_ops.evidence.canonical import canonical
from capliquify_ops.model.errors import ArchiveRefused
from capliquify_ops.model.protocols import Clock
from capliquify_ops.model.roles import Roles
from capliquify_ops.tenants.acts import perform
from capliquify_ops.tenants.archive.frames import ArchiveWriter
from capliquify_ops.tenants.archive.manifest import Manifest
from capliquify_ops.tenants.archive.naming import file_name
from capliquify_ops.tenants.archive.opening import open_archive
from capliquify_ops.tenants.archiver import ArchiveReceipt
from capliquify_ops.tenants.backup import LIMITS, READING, Source, new_file, write_script
from capliquify_ops.tenants.ownership import as_owner
from capliquify_ops.tenants.quarantine import Reason, back_acts, quarantined
from capliquify_ops.tenants.registry import Tenant
from capliquify_ops.tenants.restore_drill import restore_drill
from capliquify_ops.tenants.restoring import Trust


class _NothingKept(Exception):
    """Rolls the transaction back in which the schema has its own name again."""


@dataclass(frozen=True, slots=True)
class FolderArchiver:
    """Archives into a folder, and restores each archive once, as a drill; `verify` reads the whole file again."""

    roles: Roles
    folder: Path
    stamp: str
    tool: str
    actor: str
    clock: Clock

    def archive(self, session: Session, tenant: Tenant, schema_name: str) -> ArchiveReceipt:
        """Archive one schema of a tenant and prove that it can be restored. Raises as `backup` and as `restore_drill`."""
        with session.transaction():
            replaced = [entry.schema_name for entry in quarantined(session, tenant.id) if entry.reason == Reason.RESTORE]
        mark = schema_name.rpartition("_")[2] if schema_name in replaced else ""
        path = self.folder / file_name(tenant, self.stamp, mark=mark)
        with new_file(path) as file:
            archive = ArchiveWriter(file)
            try:
                with session.snapshot(LIMITS, read_only=False, settings=READING):
                    manifest = self._written(session, tenant, schema_name, archive)
                    raise _NothingKept  # noqa: TRY301 -- the way to roll back
            except _NothingKept:
                digest = archive.close(canonical(manifest))
        with open_archive(path) as written:
            restore_drill(session, self.roles, written, Trust(self.actor, is_given=True), clock=self.clock)
        return ArchiveReceipt(str(path), digest, archive.bytes)

    def verify(self, receipt: ArchiveReceipt) -> None:
        """Read an archive again, whole. Raises ArchiveRefused when it is not what was written."""
        with open_archive(Path(receipt.path)) as archive:
            if archive.sha256 != receipt.sha256:
                raise ArchiveRefused(f"{receipt.path} is not the archive that was written.")

    def _written(self, session: Session, tenant: Tenant, schema_name: str, archive: ArchiveWriter) -> Manifest:
        with as_owner(session, self.roles):
            for entry in quarantined(session, tenant.id):
                if entry.schema_name == schema_name:
                    perform(session, back_acts(entry))
                    schema_name = entry.original_name
            return write_script(session, Source(schema_name, tenant), archive, tool=self.tool)
