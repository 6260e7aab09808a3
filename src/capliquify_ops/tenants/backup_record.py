"""Keep the digest of an archive in the audit: a hash inside a file shows damage, only one kept elsewhere shows tampering."""

from collections.abc import Iterable
from types import MappingProxyType

from capliquify_ops.database import Session
from capliquify_ops.model.plan import Plan, Step
from capliquify_ops.model.roles import Roles
from capliquify_ops.tenants.audit import Facts, write_audit
from capliquify_ops.tenants.backup import Receipt
from capliquify_ops.tenants.ownership import as_owner
from capliquify_ops.tenants.registry import Tenant


def record_backups(
    session: Session, roles: Roles, done: Iterable[tuple[Tenant, Receipt]], *, actor: str, verb: str = "tenant backup"
) -> None:
    """Write one audit row for each archive, in one transaction."""
    with session.transaction(), as_owner(session, roles):
        for tenant, receipt in done:
            plan = Plan(verb, tenant.slug, (Step(f"write {receipt.path}"),), MappingProxyType({"schema": tenant.schema_name}))
            write_audit(session, actor=actor, plan=plan, tenant=tenant, after=_facts(receipt))


def _facts(receipt: Receipt) -> Facts:
    manifest = receipt.manifest
    return {
        "sha256": receipt.sha256,
        "path": receipt.path,
        "bytes": receipt.bytes,
        "rows": manifest.rows,
        "fingerprint": manifest.fingerprint,
        "taken_at": manifest.origin.taken_at,
    }
