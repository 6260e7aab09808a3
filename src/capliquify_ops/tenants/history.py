"""What our own ledgers remember of a tenant: last backup, last restore drill, what was never finished."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from capliquify_ops.database import Session
from capliquify_ops.evidence.canonical import Plain
from capliquify_ops.tenants.quarantine import Quarantined, quarantined
from capliquify_ops.tenants.registry import Tenant
from capliquify_ops.tenants.sequence import JournalledSequence, unfinished

BACKUPS = ("tenant backup", "fleet backup")
DRILLS = ("tenant restore-drill", "fleet restore-drill")
_READABLE = (
    "SELECT pg_catalog.count(*) = 3 FROM pg_catalog.pg_class AS c JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace"
    " WHERE n.nspname = 'capliquify_ops' AND c.relname IN ('audit', 'sequence', 'quarantine')"
    " AND pg_catalog.has_schema_privilege(n.oid, 'USAGE') AND pg_catalog.has_table_privilege(c.oid, 'SELECT')"
)
_LAST = (
    "SELECT a.at, a.verb, a.after FROM capliquify_ops.audit AS a WHERE a.tenant_id = %(tenant)s AND a.verb = ANY (%(verbs)s)"
    " ORDER BY a.id DESC LIMIT 1"
)


@dataclass(frozen=True, slots=True)
class Remembered:
    """The last time that something was done, and what it noted."""

    at: datetime
    verb: str
    noted: Mapping[str, Plain]


@dataclass(frozen=True, slots=True)
class History:
    """What is remembered of a tenant."""

    sequence: JournalledSequence | None
    quarantined: tuple[Quarantined, ...]
    backup: Remembered | None
    drill: Remembered | None


def history_of(session: Session, tenant: Tenant) -> History | None:
    """Read a tenant's history, within the open transaction; None where this role sees no ledgers of ours."""
    if not session.value(_READABLE):
        return None
    return History(
        unfinished(session, tenant.id),
        tuple(quarantined(session, tenant.id)),
        _last(session, tenant, BACKUPS),
        _last(session, tenant, DRILLS),
    )


def _last(session: Session, tenant: Tenant, verbs: tuple[str, ...]) -> Remembered | None:
    return next(iter(session.rows(_LAST, Remembered, {"tenant": tenant.id, "verbs": list(verbs)})), None)
