"""What the service's own audit log, its users and the server's commits say of access across tenants."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from capliquify_ops.configuration import Registry, Target
from capliquify_ops.database import Session, fill, load
from capliquify_ops.integrations.clerk import Clerk
from capliquify_ops.integrity.registry_access import RegistryAccess
from capliquify_ops.model.errors import PrivilegeMissing
from capliquify_ops.tenants.registry import registry_names

PACKAGE = "capliquify_ops.diagnostics"
ALARMS = ("unauthorized_access", "cross_tenant_access")
"""What a service writes when one tenant's user reached for another's data (runbook, issue 6)."""
HOURS = 24.0
MOST_ALARMS = 1_000
"""Tenants with their users; of more of them the latest are told."""
MOST_MEMBERS = 20
"""Each is asked for by itself: so many take a second or two."""
_MOST_CHANGES = 10
_AUDIT_TABLE, _USERS_TABLE = "audit_logs", "users"
_NEEDED = {
    _AUDIT_TABLE: {"tenant_id", "user_id", "action", "created_at"},
    _USERS_TABLE: {"id", "tenant_id", "clerk_user_id", "created_at"},
}


@dataclass(frozen=True, slots=True)
class Alarm:
    """What one user of a tenant did, how often, and how many seconds ago the first and the last time.

    `schema` is "" where the registry knows no such tenant.
    """

    schema: str
    action: str
    user_id: str
    many: int
    first_s: float
    last_s: float


@dataclass(frozen=True, slots=True)
class Member:
    """A row of the users: who is let into which tenant, since when. Ids only, no names."""

    schema: str
    organization: str
    user_id: str
    clerk_user_id: str
    created_s: float


@dataclass(frozen=True, slots=True)
class Change:
    """A change of rights, how many seconds ago."""

    kind: str
    what: str
    ago_s: float


def read_alarms(session: Session, target: Target) -> tuple[tuple[Alarm, ...] | None, str]:
    """Read the audit log of the last day, within transactions of its own; None where the service keeps none."""
    with session.transaction():
        access = _access(session, target, _AUDIT_TABLE)
        if access is None:
            return None, f"there is no {_AUDIT_TABLE} beside the registry, with tenant_id, user_id, action and created_at"
        stem = "cross_tenant_access_log_by_tenant" if access.is_filtered else "cross_tenant_access_log"
        query = fill(load(PACKAGE, stem).text, _names(target.profile.registry))
        found = session.rows(query, Alarm, {"actions": list(ALARMS), "hours": HOURS, "at_most": MOST_ALARMS})
    least = "at least " if len(found) >= MOST_ALARMS else ""
    return tuple(found), f"{least}{sum(each.many for each in found)} records of {' or '.join(ALARMS)} in {HOURS:.0f} h"


def read_members(session: Session, target: Target, users: Iterable[str]) -> tuple[tuple[Member, ...], str]:
    """Read the rows of these users and the newest of the last day, at most MOST_MEMBERS together."""
    with session.transaction():
        if not target.profile.registry.is_ours or _access(session, target, _USERS_TABLE) is None:
            return (
                (),
                f"there is no {_USERS_TABLE} beside a registry with clerk_organization_id, with tenant_id and clerk_user_id",
            )
        query = fill(load(PACKAGE, "cross_tenant_access_members").text, _names(target.profile.registry))
        found = session.rows(query, Member, {"users": list(users), "hours": HOURS, "at_most": MOST_MEMBERS})
    return tuple(found), f"{len(found)} members are suspected or new in {HOURS:.0f} h"


def read_changes(session: Session) -> tuple[tuple[Change, ...], str]:
    """Read what was changed of rights in the last day, the newest first. Nothing where the server keeps no times."""
    with session.transaction():
        if session.value("SELECT pg_catalog.current_setting('track_commit_timestamp')") != "on":
            return (), "the server does not keep when something was changed (track_commit_timestamp is off)"
        params = {"hours": HOURS, "at_most": _MOST_CHANGES}
        found = session.rows(load(PACKAGE, "cross_tenant_access_changes"), Change, params)
    return tuple(found), "; ".join(f"{each.ago_s / 60:.0f} min ago: {each.what}" for each in found) or f"none in {HOURS:.0f} h"


def strangers(clerk: Clerk, members: Sequence[Member]) -> tuple[tuple[Member, ...], str]:
    """Return those whom the identity provider does not know as members of the tenant's organisation."""
    found = tuple(each for each in members if clerk.membership(each.organization, each.clerk_user_id) is None)
    return found, f"{len(found)} of {len(members)} members are not in the organisation of their tenant"


def by_tenant(alarms: Iterable[Alarm]) -> dict[str, list[Alarm]]:
    """Return alarms by the schema of their tenant."""
    found: dict[str, list[Alarm]] = defaultdict(list)
    for each in alarms:
        found[each.schema].append(each)
    return dict(found)


def _access(session: Session, target: Target, table: str) -> RegistryAccess | None:
    """Return what this role may see of a table beside the registry, None where it is not there or has other columns."""
    names = {**registry_names(target.profile.registry.table), "registry_table": table}
    query = fill(load("capliquify_ops.integrity", "registry_access").text, names)
    access = session.rows(query, RegistryAccess, {"owner": target.roles.owner})[0]
    if not access.is_there or not access.columns.keys() >= _NEEDED[table] or not target.profile.registry.id:
        return None
    if not access.is_readable:
        full = f"{names['registry_schema']}.{table}"
        raise PrivilegeMissing(
            f"The role {access.role!r} may not read {full}.", hint=f'As its owner: GRANT SELECT ON {full} TO "{access.role}"'
        )
    return access


def _names(registry: Registry) -> dict[str, str]:
    tables = {"audit_table": _AUDIT_TABLE, "users_table": _USERS_TABLE}
    return {**registry_names(registry.table), **tables, "id": registry.id, "schema_name": registry.schema_name}
