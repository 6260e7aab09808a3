"""Whether an archive fits a server: asked before anything is written."""

import json

from capliquify_ops.database import Session, load
from capliquify_ops.model.errors import ArchiveRefused, ServerUnsupported, StatementFailed, TenantConflict
from capliquify_ops.tenants.archive.manifest import Manifest
from capliquify_ops.tenants.drop import lock_budget

_PACKAGE = "capliquify_ops.tenants.archive"
_TOLD = 10


def refuse_unfit(session: Session, manifest: Manifest) -> None:
    """Raise ArchiveRefused for a server that is older, lacks roles or objects, or was built without what the archive needs.

    Raises TenantConflict where its lock table is too full for it.
    """
    origin = manifest.origin
    if session.server_major < origin.server_major:
        message = f"The archive comes from PostgreSQL {origin.server_major}; this server has {session.server_major}."
        raise ArchiveRefused(message, hint=f"Restore it on {origin.server_major} or newer.")
    refuse_too_many_locks(session, manifest.needs.locks)
    values = {"roles": list(manifest.needs.roles), "features": list(manifest.needs.features), "encoding": origin.encoding}
    missing = session.rows(load(_PACKAGE, "missing"), str, values)
    missing += [_named(address) for address in manifest.needs.outside if not _exists(session, address)]
    if missing:
        more = f" and {len(missing) - _TOLD} more" if len(missing) > _TOLD else ""
        raise ArchiveRefused(
            f"This database lacks what the archive needs: {'; '.join(missing[:_TOLD])}{more}.",
            hint="Make it first, then restore.",
        )


def refuse_too_many_locks(session: Session, locks: int) -> None:
    """Raise TenantConflict where one transaction would take more of the server's lock table than is ours."""
    allowed = lock_budget(session).allowed
    if locks > allowed:
        message = (
            f"Making the schema takes up to {locks} locks in one transaction; {allowed} may be taken, a quarter of what is free."
        )
        raise TenantConflict(message, hint="Try again when the server is calmer, or raise max_locks_per_transaction.")


def _exists(session: Session, address: str) -> bool:
    kind, names, arguments = json.loads(address)
    values = {"kind": kind, "names": names, "arguments": arguments}
    try:
        with session.transaction():
            session.value("SELECT a.objid FROM pg_catalog.pg_get_object_address(%(kind)s, %(names)s, %(arguments)s) AS a", values)
    except (StatementFailed, ServerUnsupported):
        return False
    return True


def _named(address: str) -> str:
    kind, names, arguments = json.loads(address)
    of = f"({', '.join(arguments)})" if arguments else ""
    return f"{kind} {'.'.join(names)}{of}"
