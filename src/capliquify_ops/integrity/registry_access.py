"""Whether the registry can be read as a whole: the question before every question about tenants."""

from collections.abc import Mapping
from dataclasses import dataclass

from capliquify_ops.configuration import Registry
from capliquify_ops.database import Session, fill, load
from capliquify_ops.model.errors import ConfigurationInvalid, PrivilegeMissing
from capliquify_ops.tenants.registry import registry_names

_TIMES = ("timestamp with time zone", "timestamp without time zone")
_DAYS = (*_TIMES, "date")


@dataclass(frozen=True, slots=True)
class RegistryAccess:
    """What this role may see of the registry. `columns` are types by name."""

    is_there: bool
    is_readable: bool
    is_filtered: bool
    owner_exists: bool
    role: str
    columns: Mapping[str, str]


def require_registry(session: Session, registry: Registry, owner: str) -> RegistryAccess:
    """Return the access, within the open transaction.

    Raises PrivilegeMissing when reading would give less than everything, ConfigurationInvalid when there is no such table, or
    its columns are not those of the profile.
    """
    table = registry.table
    query = fill(load("capliquify_ops.integrity", "registry_access").text, registry_names(table))
    access = session.rows(query, RegistryAccess, {"owner": owner})[0]
    if not access.is_there:
        raise ConfigurationInvalid(f"There is no registry {table} here.", hint="Name the registry's table in the profile.")
    if not access.is_readable:
        raise PrivilegeMissing(
            f"The role {access.role!r} may not read {table}.",
            hint=f'As its owner: GRANT SELECT ON {table} TO "{access.role}" (and USAGE on its schema)',
        )
    if access.is_filtered:
        message = f"Row security hides rows of {table} from the role {access.role!r}: what is not seen cannot be judged."
        raise PrivilegeMissing(message, hint="Give the role a policy that shows every row, or BYPASSRLS.")
    _require_columns(registry, access.columns)
    return access


def _require_columns(registry: Registry, columns: Mapping[str, str]) -> None:
    """Refuse columns that are not there, and those whose type would be read as something else than it says."""
    if missing := [name for name in registry.columns if name not in columns]:
        raise ConfigurationInvalid(
            f"The registry {registry.table} has no column {missing[0]!r}.",
            hint="Name the columns that it has in the profile, under [registry.columns].",
        )
    if registry.deleted_at and columns[registry.deleted_at] not in _DAYS:
        message = f"{registry.table}.{registry.deleted_at} is no time: every value of it would count as a deletion."
        raise ConfigurationInvalid(message, hint="A flag is a status: name it there, and its value in registry.statuses.deleted.")
    if registry.created_at and columns[registry.created_at] not in _TIMES:
        message = f"{registry.table}.{registry.created_at} is no time of day, so nobody knows whether a row is minutes old."
        raise ConfigurationInvalid(message, hint="Leave created_at out of the profile: every row then counts as old.")
