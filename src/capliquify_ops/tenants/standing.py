"""What stands in the way of every verb: a quarantine, or a sequence that nobody has finished."""

from capliquify_ops.database import Session
from capliquify_ops.model.errors import ConfigurationInvalid, ServerUnsupported, StatementFailed, TenantConflict
from capliquify_ops.tenants.quarantine import Reason, quarantined
from capliquify_ops.tenants.registry import Tenant
from capliquify_ops.tenants.sequence import JournalledSequence, unfinished

_NO_TABLE = "42P01"


def standing_sequence(session: Session, tenant: Tenant) -> JournalledSequence | None:
    """Return the tenant's unfinished sequence. Raises ConfigurationInvalid where our ledgers are missing or older than this."""
    try:
        return unfinished(session, tenant.id)
    except (StatementFailed, ServerUnsupported) as fault:
        if getattr(fault, "sqlstate", _NO_TABLE) != _NO_TABLE:
            raise
    raise ConfigurationInvalid(
        "The ledgers of this database are missing or older than this version.",
        hint="Bring them up to date: capliquify-ops tenant install (beside another product: --ops-only)",
    )


def require_free(session: Session, tenant: Tenant) -> None:
    """Refuse a tenant that is quarantined, or in an unfinished sequence, by name and with what finishes it."""
    sequence = standing_sequence(session, tenant)
    for entry in quarantined(session, tenant.id):
        if entry.reason == Reason.PURGE:
            raise TenantConflict(
                f"The tenant {tenant.slug!r} is quarantined since {entry.since:%Y-%m-%d %H:%M} UTC, as {entry.schema_name}.",
                hint=sequence.hint() if sequence else f"Look at it: capliquify-ops tenant verify {tenant.slug}",
            )
    if sequence:
        raise TenantConflict(sequence.sentence(), hint=sequence.hint())
