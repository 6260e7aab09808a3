"""The statements that make the four roles what they should be: printed for an administrator, or run where we may."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from capliquify_ops.database import Session, fill, load
from capliquify_ops.model.roles import Roles
from capliquify_ops.model.secret import Secret
from capliquify_ops.tenants.scram import verifier

_SEPARATE_RIGHTS = 16
"""From PostgreSQL 16 on a membership says for itself whether it inherits and whether it may SET ROLE."""


@dataclass(frozen=True, slots=True)
class RoleFacts:
    """What the server says about the four roles and about who installs."""

    missing: Sequence[str]
    may_create_roles: bool
    is_superuser: bool
    operator_may_become_owner: bool
    installer_may_become_owner: bool
    observer_monitors: bool


@dataclass(frozen=True, slots=True)
class RoleStatement:
    """One statement as a template for `fill`; `creates` names the role that it creates. What is not required may fail."""

    template: str
    names: Mapping[str, str]
    creates: str = ""
    required: bool = True

    def printed(self) -> str:
        """The statement for people to run: never with a password."""
        return fill(self.template, self.names).as_string(None) + ";"


def role_facts(session: Session, roles: Roles) -> RoleFacts:
    """Ask the server, within the session's open transaction."""
    return session.rows(load("capliquify_ops.tenants", "role_facts"), RoleFacts, _names(roles))[0]


def role_statements(facts: RoleFacts, roles: Roles, server_major: int) -> tuple[RoleStatement, ...]:
    """Return what is missing, in the order to run it: nothing for complete roles."""
    kinds = {roles.owner: "NOLOGIN", roles.app: "LOGIN", roles.observer: "LOGIN", roles.operator: "LOGIN NOINHERIT"}
    found = [RoleStatement(f'CREATE ROLE :"role" {kinds[role]}', {"role": role}, creates=role) for role in facts.missing]
    options = " WITH INHERIT FALSE, SET TRUE" if server_major >= _SEPARATE_RIGHTS else ""
    names = _names(roles)
    if not facts.operator_may_become_owner:
        found.append(RoleStatement(f'GRANT :"owner" TO :"operator"{options}', names))
    if not facts.installer_may_become_owner and not facts.is_superuser:
        found.append(RoleStatement(f'GRANT :"owner" TO CURRENT_USER{options}', names))
    if not facts.observer_monitors:
        found.append(RoleStatement('GRANT pg_monitor TO :"observer"', names, required=False))
    return tuple(found)


def with_password(statement: RoleStatement, passwords: Mapping[str, Secret]) -> RoleStatement:
    """Return a CREATE ROLE with the verifier of the role's password, when one is given."""
    password = passwords.get(statement.creates)
    if password is None:
        return statement
    names = {**statement.names, "verifier": verifier(password)}
    return RoleStatement(f"{statement.template} PASSWORD :'verifier'", names, creates=statement.creates)


def _names(roles: Roles) -> dict[str, str]:
    return roles.names()
