"""The schemas of the tenants by name, as several issues need them: to say whom something concerns."""

from capliquify_ops.configuration import Target
from capliquify_ops.database import Session, load
from capliquify_ops.integrity.registry_access import require_registry
from capliquify_ops.model.errors import ConfigurationInvalid, PrivilegeMissing, StatementFailed
from capliquify_ops.tenants.registry_columns import fill_registry

MOST_TENANTS = 50_000


def read_names(session: Session, target: Target) -> tuple[frozenset[str], str]:
    """Read the schemas that the registry names, within a transaction of its own. Raises PrivilegeMissing."""
    registry = target.profile.registry
    with session.transaction():
        require_registry(session, registry, target.roles.owner)
        query = fill_registry(load("capliquify_ops.diagnostics", "tenant_names").text, registry)
        found = session.rows(query, str, {"at_most": MOST_TENANTS})
    return frozenset(found), f"{len(found)} names"


def known_names(session: Session, target: Target) -> tuple[frozenset[str], str]:
    """Read the same where it is of help and no condition: no name, and why, where the registry cannot be read."""
    try:
        return read_names(session, target)
    except (PrivilegeMissing, StatementFailed, ConfigurationInvalid) as fault:
        return frozenset(), f"which schemas are tenants' is not known: {fault.what}"
