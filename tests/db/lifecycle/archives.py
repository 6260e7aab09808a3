"""A stand-in for the archive: it keeps what a schema holds in a file, refuses what no purge should send, and finds tampering."""

import hashlib
import json
from pathlib import Path

from capliquify_ops.database import fill
from capliquify_ops.model.errors import EvidenceDamaged
from capliquify_ops.tenants.archiver import ArchiveReceipt
from capliquify_ops.tenants.ownership import as_owner

_TABLES = (
    "SELECT c.relname::text FROM pg_class c WHERE c.relnamespace = (SELECT oid FROM pg_namespace WHERE nspname = %(schema)s)"
    " AND c.relkind = 'r' ORDER BY 1"
)


def content_of(session, roles, schema):
    """Every row of every table of a schema as text, within the open transaction."""
    with as_owner(session, roles):
        tables = session.rows(_TABLES, str, {"schema": schema})
        return {
            table: session.rows(fill('SELECT t::text FROM :"s".:"t" AS t ORDER BY 1', {"s": schema, "t": table}), str)
            for table in tables
        }


class Archives:
    """Keeps archives in a folder, so that a run that dies leaves what it made."""

    def __init__(self, folder, roles):
        self.folder = Path(folder)
        self.roles = roles
        self.verified = []

    def archive(self, session, tenant, schema_name):
        assert schema_name.startswith("quarantine_"), schema_name
        with session.transaction():
            comment = session.value(
                "SELECT obj_description(oid, 'pg_namespace') FROM pg_namespace WHERE nspname = %(schema)s",
                {"schema": schema_name},
            )
            assert comment == f"tenant {tenant.id}", comment
            content = content_of(session, self.roles, schema_name)
        path = self.folder / f"{schema_name}.json"
        raw = json.dumps(content, sort_keys=True).encode()
        path.write_bytes(raw)
        return ArchiveReceipt(str(path), hashlib.sha256(raw).hexdigest(), len(raw))

    def verify(self, receipt):
        path = Path(receipt.path)
        if not path.is_file() or hashlib.sha256(path.read_bytes()).hexdigest() != receipt.sha256:
            raise EvidenceDamaged(f"The archive {receipt.path} is not what was written.", hint="Make another one.")
        self.verified.append(receipt)

    def contents(self):
        """What the archives hold, by file."""
        return {path.stem: json.loads(path.read_bytes()) for path in sorted(self.folder.glob("*.json"))}
