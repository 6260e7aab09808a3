"""What an installation finds, and what it may do about it: read once, judged without a server."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from capliquify_ops.database import Session, load
from capliquify_ops.model.errors import ConfigurationInvalid, UsageError
from capliquify_ops.model.roles import Roles
from capliquify_ops.tenants.migrations import Migration, MigrationSet, migrations_of
from capliquify_ops.tenants.ownership import as_owner
from capliquify_ops.tenants.role_statements import RoleFacts, RoleStatement, role_facts, role_statements


@dataclass(frozen=True, slots=True)
class Applied:
    """One row of the ledger of migrations."""

    set: str
    number: int
    digest: str


@dataclass(frozen=True, slots=True)
class InstallState:
    """What the database holds. `product_names` are the product's names that exist, whoever made them."""

    has_ledger: bool
    has_ops_schema: bool
    product_names: Sequence[str]
    applied: tuple[Applied, ...]
    roles: RoleFacts
    role_statements: tuple[RoleStatement, ...]

    def has_applied(self, which: MigrationSet) -> bool:
        """Whether the ledger knows any migration of a set."""
        return any(row.set == which for row in self.applied)


@dataclass(frozen=True, slots=True)
class _Names:
    has_ledger: bool
    has_ops_schema: bool
    product_names: Sequence[str]


def read_state(session: Session, roles: Roles) -> InstallState:
    """Read everything within the session's open transaction."""
    names = session.rows(load("capliquify_ops.tenants", "install_state"), _Names)[0]
    facts = role_facts(session, roles)
    return InstallState(
        has_ledger=names.has_ledger,
        has_ops_schema=names.has_ops_schema,
        product_names=names.product_names,
        applied=_applied(session, roles, facts) if names.has_ledger else (),
        roles=facts,
        role_statements=role_statements(facts, roles, session.server_major),
    )


def _applied(session: Session, roles: Roles, facts: RoleFacts) -> tuple[Applied, ...]:
    query = "SELECT m.set, m.number, m.digest FROM capliquify_ops.migration AS m ORDER BY m.set, m.number"
    if not facts.installer_may_become_owner:
        return tuple(session.rows(query, Applied))
    with as_owner(session, roles):
        return tuple(session.rows(query, Applied))


def pending(state: InstallState, *, ops_only: bool) -> tuple[Migration, ...]:
    """Return the migrations to apply, in order.

    Raises UsageError where the product's names exist and are not ours, ConfigurationInvalid where the ledger disagrees
    with the migrations of this version.
    """
    if state.has_ops_schema and not state.has_ledger:
        raise UsageError("The schema capliquify_ops exists and is not ours.", hint="Rename it, then install again.")
    wanted = list(migrations_of(MigrationSet.OPS))
    if not ops_only:
        _refuse_foreign_product(state)
        wanted += migrations_of(MigrationSet.PRODUCT)
    _refuse_disagreement(state.applied, (*migrations_of(MigrationSet.OPS), *migrations_of(MigrationSet.PRODUCT)))
    done = {(row.set, row.number) for row in state.applied}
    return tuple(migration for migration in wanted if (migration.set, migration.number) not in done)


def _refuse_foreign_product(state: InstallState) -> None:
    if state.product_names and not state.has_applied(MigrationSet.PRODUCT):
        raise UsageError(
            f"The product's names are taken here: {', '.join(state.product_names)}.",
            hint="To use the library beside them: capliquify-ops tenant install --ops-only",
        )


def _refuse_disagreement(applied: Iterable[Applied], known: Iterable[Migration]) -> None:
    ours = {(migration.set.value, migration.number): migration for migration in known}
    for row in applied:
        migration = ours.get((row.set, row.number))
        if migration is None:
            message = f"The database has migration {row.set}/{row.number:04}, which this version of the library does not know."
            raise ConfigurationInvalid(message, hint="Install the version of the library that applied it, or a newer one.")
        if migration.digest != row.digest:
            message = f"Migration {migration.title} was changed after it was applied here."
            raise ConfigurationInvalid(message, hint="Restore its text and put the change into a new migration.")
