"""Put our schemas into a database: idempotent, in one transaction, by one installer at a time.

An installer that dies leaves nothing behind; one that finds everything in place changes nothing.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

from capliquify_ops.database import Session, fill
from capliquify_ops.model.errors import ConfigurationInvalid, PrivilegeMissing
from capliquify_ops.model.plan import Plan, Step
from capliquify_ops.model.roles import Roles
from capliquify_ops.model.secret import Secret
from capliquify_ops.tenants.install_state import InstallState, pending, read_state
from capliquify_ops.tenants.migrations import Migration
from capliquify_ops.tenants.ownership import as_owner, lock_installation
from capliquify_ops.tenants.role_statements import RoleStatement, with_password

_NO_PASSWORDS: Mapping[str, Secret] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class InstallResult:
    """What an installation did. `refused` are statements that were not necessary and not allowed."""

    applied: tuple[str, ...]
    roles_created: tuple[str, ...]
    refused: tuple[str, ...]


def plan_install(session: Session, roles: Roles, *, ops_only: bool = False) -> Plan:
    """Return what `install` would do. Raises as `install` does, except that missing roles are steps here."""
    with session.transaction():
        state = read_state(session, roles)
        migrations = pending(state, ops_only=ops_only)
    steps = [Step("role", statement.printed()) for statement in state.role_statements]
    steps += [Step(f"apply {migration.title}") for migration in migrations]
    concerns = {"migrations": len(migrations), "roles": len(state.roles.missing)}
    warnings = () if not state.role_statements else ("Roles belong to the whole cluster, not to this database alone.",)
    return Plan("tenant install", "database", tuple(steps), MappingProxyType(concerns), warnings)


def install(
    session: Session,
    roles: Roles,
    *,
    ops_only: bool = False,
    create_roles: bool = False,
    passwords: Mapping[str, Secret] = _NO_PASSWORDS,
) -> InstallResult:
    """Install or upgrade. `passwords` are by role name, for roles that are created here.

    Raises UsageError where the product's names are taken, ConfigurationInvalid where roles are missing or the ledger
    disagrees, PrivilegeMissing, and StatementTimedOut when another installation runs longer than the session's lock limit.
    """
    with session.transaction():
        lock_installation(session)
        state = read_state(session, roles)
        migrations = pending(state, ops_only=ops_only)
        refused = _complete_roles(session, state.role_statements, passwords) if create_roles else _require_roles(state)
        _apply(session, roles, migrations)
    created = tuple(state.roles.missing) if create_roles else ()
    return InstallResult(tuple(migration.title for migration in migrations), created, refused)


def role_script(session: Session, roles: Roles) -> str:
    """Return the SQL that an administrator has to run first, without passwords; empty when nothing is missing."""
    with session.transaction():
        return "\n".join(statement.printed() for statement in read_state(session, roles).role_statements)


def _require_roles(state: InstallState) -> tuple[str, ...]:
    required = [statement.printed() for statement in state.role_statements if statement.required]
    if required:
        raise ConfigurationInvalid(
            "Roles or memberships are missing.",
            hint=f"Install with --roles, or have an administrator run: {' '.join(required)}",
        )
    return tuple(statement.printed() for statement in state.role_statements)


def _complete_roles(session: Session, statements: Iterable[RoleStatement], passwords: Mapping[str, Secret]) -> tuple[str, ...]:
    refused = []
    for statement in statements:
        done = with_password(statement, passwords)
        try:
            with session.transaction():
                session.execute(fill(done.template, done.names))
        except PrivilegeMissing:
            if statement.required:
                message = "This role may not create the roles that are missing."
                raise PrivilegeMissing(message, hint=f"Have an administrator run: {statement.printed()}") from None
            refused.append(statement.printed())
    return tuple(refused)


def _apply(session: Session, roles: Roles, migrations: Iterable[Migration]) -> None:
    names = roles.names()
    for migration in migrations:
        session.script(fill(migration.text, names))
        with as_owner(session, roles):
            session.execute(
                "INSERT INTO capliquify_ops.migration (set, number, name, digest)"
                " VALUES (%(set)s, %(number)s, %(name)s, %(digest)s)",
                {"set": migration.set.value, "number": migration.number, "name": migration.name, "digest": migration.digest},
            )
