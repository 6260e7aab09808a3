"""Part of SEC-012: what the service's role sees and writes in a shared table, tried and undone."""

import dataclasses
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from capliquify_ops.database import Session, fill
from capliquify_ops.isolation.database import OwnerSession, owner_session
from capliquify_ops.isolation.probe import Probe, Probes, noted, untried
from capliquify_ops.isolation.service_role import become, undone
from capliquify_ops.isolation.world_model import AuditTenant, World
from capliquify_ops.model.errors import PrivilegeMissing, StatementFailed
from capliquify_ops.tenants.ownership import as_owner

_ANY = 'SELECT EXISTS (SELECT FROM :"schema".:"table" AS r WHERE r.:"column" = %(tenant)s)'
_INSERT = 'INSERT INTO :"schema".:"table" (:"column") VALUES (%(tenant)s)'
_TOUCH = 'UPDATE :"schema".:"table" AS r SET :"column" = r.:"column" WHERE r.:"column" = %(tenant)s'
_MOVE = 'UPDATE :"schema".:"table" AS r SET :"column" = %(other)s WHERE r.:"column" = %(tenant)s'
_DELETE = 'DELETE FROM :"schema".:"table" AS r WHERE r.:"column" = %(tenant)s'
_CONSTRAINTS = "23"
"""Class of the SQLSTATEs of constraints: they are looked at after row security let a row pass."""


@dataclass(frozen=True, slots=True)
class SharedTable:
    """A shared table: its tenant column ("" without one), what the role may do, and the settings that its policies read."""

    schema_name: str
    name: str
    tenant_column: str
    column_type: str
    is_on: bool
    is_owned: bool
    may_read: bool
    may_insert: bool
    may_update: bool
    may_delete: bool
    settings: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _Trial:
    """What all statements about one table share. `a` and `b` are the tenants' values in its tenant column.

    `is_planted`: the tenants have no rows there, so each transaction makes one of each first.
    """

    owner: OwnerSession
    role: str
    table: SharedTable
    names: Mapping[str, str]
    a: str
    b: str
    is_planted: bool = False

    def as_role(self, tenant: str, action: Callable[[Session], object]) -> object:
        """Do something as the service's role with a tenant set, and undo it."""
        session = self.owner.session
        with undone(session):
            become(session, self.role)
            for each in (self.a, self.b) if self.is_planted else ():
                self._set(session, each)
                session.execute(fill(_INSERT, self.names), {"tenant": each})
            self._set(session, tenant)
            return action(session)

    def sees(self, tenant: str, rows_of: str) -> bool:
        """Whether the role sees a row of a tenant. An error (a value that is no tenant, a missing right) shows nothing."""
        try:
            return bool(self.as_role(tenant, lambda session: self._any(session, rows_of)))
        except (StatementFailed, PrivilegeMissing):
            return False

    def sees_unset(self, rows_of: str) -> bool:
        """Whether the role sees a row of a tenant in a new session, where no setting was ever made."""
        try:
            with owner_session(self.owner.target, "audit row security") as new, undone(new.session):
                become(new.session, self.role)
                return self._any(new.session, rows_of)
        except (StatementFailed, PrivilegeMissing):
            return False

    def written(self, statement: str, tenant: str, **more: str) -> int | None:
        """Return how many rows a write concerned, None where it was refused.

        A constraint is looked at only after row security let the row pass, and so counts as one.
        """
        try:
            done = self.as_role(self.a, lambda session: session.execute(fill(statement, self.names), {"tenant": tenant, **more}))
        except PrivilegeMissing:
            return None
        except StatementFailed as error:
            if error.sqlstate.startswith(_CONSTRAINTS):
                return 1
            raise
        return int(str(done))

    def _set(self, session: Session, tenant: str) -> None:
        session.apply(dict.fromkeys(self.table.settings, tenant))

    def _any(self, session: Session, rows_of: str) -> bool:
        return bool(session.value(fill(_ANY, self.names), {"tenant": rows_of}))


def probe_rows(world: World, owner: OwnerSession, role: str, table: SharedTable) -> Probes:
    """Without a tenant nothing is seen; with A set A's rows are, none of B's, and none of B's is written."""
    trial = _trial(world, owner, role, table)
    if isinstance(trial, Probe):
        yield trial
        return
    control = f"{role} sees A's rows of {table.name} with A set"
    yield noted(control, "" if trial.sees(trial.a, trial.a) else "it sees none", is_control=True)
    for name, is_seen in (
        ("without a tenant", not trial.is_planted and any(map(trial.sees_unset, (trial.a, trial.b)))),
        ("with an empty tenant", any(trial.sees("", rows) for rows in (trial.a, trial.b))),
        ("of B with A set", trial.sees(trial.a, trial.b)),
    ):
        problem = "it sees rows" if is_seen else ""
        yield noted(f"{role} reads {table.name} {name}", problem, request=f"SELECT FROM {table.name} as {role}", needs=control)
    yield from _writes(trial, control)


def _writes(trial: _Trial, control: str) -> Probes:
    table, role = trial.table, trial.role
    if table.may_insert and trial.written(_INSERT, trial.a) is not None:
        problem = "the row passed row security" if trial.written(_INSERT, trial.b) is not None else ""
        name = f"{role} inserts a row of B into {table.name} with A set"
        yield noted(name, problem, request=_said(_INSERT, table), needs=control)
    if table.may_update and trial.written(_TOUCH, trial.a):
        for name, statement, of in (("moves A's rows to B", _MOVE, trial.a), ("updates B's rows", _TOUCH, trial.b)):
            problem = "rows were changed" if trial.written(statement, of, other=trial.b) else ""
            yield noted(f"{role} {name} in {table.name} with A set", problem, request=_said(statement, table), needs=control)
    if table.may_delete and trial.written(_DELETE, trial.a):
        problem = "rows were deleted" if trial.written(_DELETE, trial.b) else ""
        yield noted(f"{role} deletes B's rows of {table.name} with A set", problem, request=_said(_DELETE, table), needs=control)


def _said(statement: str, table: SharedTable) -> str:
    return f"{statement.split(' ', maxsplit=1)[0]} {table.name}, undone"


def _trial(world: World, owner: OwnerSession, role: str, table: SharedTable) -> _Trial | Probe:
    """Return what the table can be tried with, or the row that says why it cannot."""
    name = f"{role} and {table.name}"
    if not table.tenant_column:
        return untried(name, "it has no column that names a tenant, so whose rows are seen cannot be told", is_optional=True)
    if not table.may_read:
        return noted(f"{role} may not read {table.name}", "")
    if not table.settings:
        return untried(name, "its policies read no setting (current_setting), so no tenant can be set as the service does")
    names = {"schema": table.schema_name, "table": table.name, "column": table.tenant_column}
    a, b = world.tenant("a"), world.tenant("b")
    for mine, other in zip(_values(a, table), _values(b, table), strict=True):
        trial = _Trial(owner, role, table, names, mine, other)
        for one in (trial, dataclasses.replace(trial, is_planted=True)):
            if one.sees(mine, mine) and one.sees(other, other):
                return one
    why = "with a tenant set no row of it is seen: there are none and none can be made, or it is set otherwise"
    return untried(name, why, is_optional=_is_empty(owner, names))


def _is_empty(owner: OwnerSession, names: Mapping[str, str]) -> bool:
    """Whether nobody has rows there, as far as the owner sees: what nobody has cannot be shown to anybody."""
    with owner.session.transaction(), as_owner(owner.session, owner.target.roles):
        return not owner.session.value(fill('SELECT EXISTS (SELECT FROM :"schema".:"table")', names))


def _values(tenant: AuditTenant, table: SharedTable) -> tuple[str, ...]:
    """What a tenant column may hold, and a policy compare it with."""
    return (tenant.id,) if table.column_type == "uuid" else (tenant.id, tenant.organization_id, tenant.slug, tenant.schema_name)
