"""Whether the registry can be read as a whole: the question before every question about tenants."""

from dataclasses import dataclass

from capliquify_ops.database import Session, fill, load
from capliquify_ops.model.errors import ConfigurationInvalid, PrivilegeMissing
from capliquify_ops.tenants.registry import registry_names


@dataclass(frozen=True, slots=True)
class RegistryAccess:
    """What this role may see of the registry."""

    is_there: bool
    is_readable: bool
    is_filtered: bool
    owner_exists: bool
    role: str


def require_registry(session: Session, registry: str, owner: str) -> RegistryAccess:
    """Return the access, within the open transaction.

    Raises PrivilegeMissing when reading would give less than everything, ConfigurationInvalid when there is no such table.
    """
    query = fill(load("capliquify_ops.integrity", "registry_access").text, registry_names(registry))
    access = session.rows(query, RegistryAccess, {"owner": owner})[0]
    if not access.is_there:
        raise ConfigurationInvalid(f"There is no registry {registry} here.", hint="Name the registry's table in the profile.")
    if not access.is_readable:
        raise PrivilegeMissing(
            f"The role {access.role!r} may not read {registry}.",
            hint=f'As its owner: GRANT SELECT ON {registry} TO "{access.role}" (and USAGE on its schema)',
        )
    if access.is_filtered:
        message = f"Row security hides rows of {registry} from the role {access.role!r}: what is not seen cannot be judged."
        raise PrivilegeMissing(message, hint="Give the role a policy that shows every row, or BYPASSRLS.")
    return access
