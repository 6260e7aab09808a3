"""SEC-012: in the shared tables row-level security binds the role that the service really connects with."""

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass

from capliquify_ops.database import load, observer
from capliquify_ops.integrity import access_rights
from capliquify_ops.isolation.database import OwnerSession, owner_session, registry_of
from capliquify_ops.isolation.probe import CannotTell, Probes, noted, untried
from capliquify_ops.isolation.routes import reads_own
from capliquify_ops.isolation.service_role import PACKAGE, connected_role, require_role
from capliquify_ops.isolation.shared_rows import SharedTable, probe_rows
from capliquify_ops.isolation.world_model import World
from capliquify_ops.model.errors import OpsError, TargetUnreachable

KINDS = ("unbound application", "application membership", "row security off", "row security not forced", "open policy",
         "view past row security")  # fmt: skip
"""What `access_rights` finds that leaves row security without effect for the service."""


@dataclass(frozen=True, slots=True)
class _Fault:
    kind: str
    name: str
    why: str


def shared_tables(world: World) -> Probes:
    """SEC-012: what the catalogue says of each shared table, then what the service's role sees and writes there."""
    for key in ("a", "b"):
        yield reads_own(world, f"{key}.owner")
    with owner_session(world.target, "audit row security") as owner:
        role, why = _service_role(world, owner)
        if why:
            yield untried("the role that the service connects with", why)
        tables, faults = _tables(owner, role), _faults(world, role)
        if not any(table.is_on for table in tables) and not faults:
            raise CannotTell(
                "No shared table of the profile has row-level security, so there is nothing that could hold.",
                hint="If tenants are kept apart otherwise on purpose, say so in the profile: [not_applicable] "
                'sec_012_row_level_security = "<the reason>".',
            )
        yield from _bound(role, tables, faults)
        relying = [table for table in tables if table.is_on]
        if relying:
            require_role(owner.session, role)
        for table in relying:
            yield from probe_rows(world, owner, role, table)


def _service_role(world: World, owner: OwnerSession) -> tuple[str, str]:
    """Return the role that the service was seen to use, else the declared one and why it was not seen.

    What is found wrong for the declared role counts; that nothing is wrong for a role that it may not use says nothing.
    """
    try:
        return connected_role(world, owner), ""
    except TargetUnreachable:
        raise
    except OpsError as error:
        return world.target.roles.app, str(error)


def _tables(owner: OwnerSession, role: str) -> list[SharedTable]:
    beside = registry_of(owner)["registry_schema"]
    params = {
        "role": role,
        "registry": owner.target.profile.registry_table,
        "tables": [name if "." in name else f"{beside}.{name}" for name in owner.target.profile.shared_tables],
        "columns": list(access_rights.TENANT_COLUMNS),
    }
    with owner.session.transaction():
        found = owner.session.rows(load(PACKAGE, "row_level_security"), SharedTable, params)
    if not found:
        raise CannotTell(
            f"The database has no role {role!r}, or none of the profile's shared tables.",
            hint="Name the service's role as app_role in the target, and the tables in database.shared_tables of the profile.",
        )
    return found


def _faults(world: World, role: str) -> list[_Fault]:
    """What the catalogue says is wrong about shared tables, for this role."""
    target = world.target
    roles = dataclasses.replace(target.roles, app=role)
    with observer(target.observer_url(), "audit row security", pooled=target.pooled) as session, session.transaction():
        found = access_rights.measure(session, profile=target.profile, roles=roles).found
    where = "a tenant's schema"
    return [
        _Fault(
            each.kind, each.object, access_rights.RULES[each.kind].why.format(object=each.object, where=where, detail=each.detail)
        )
        for each in found
        if each.kind in KINDS
    ]


def _bound(role: str, tables: Sequence[SharedTable], faults: Sequence[_Fault]) -> Probes:
    """One row for each kind of fault that is not there, and for each that is; then who owns the tables."""
    needs = "a.owner reads own rows"
    for kind in KINDS:
        named = [fault for fault in faults if fault.kind == kind]
        if not named:
            yield noted(f"no {kind}", "", needs=needs)
        for fault in named:
            yield noted(f"{kind} {fault.name}", fault.why.rstrip("."), needs=needs)
    for table in tables:
        if table.is_on:
            problem = (
                f"the service connects as {role!r}, which owns it and may switch its row security off" if table.is_owned else ""
            )
            yield noted(f"{table.name} is not the service's own", problem, needs=needs)
