"""From an empty server to the product's database: roles, database, tables and functions, the service's own schema."""

from collections.abc import Sequence
from importlib.resources import files

from capliquify_ops.database import Session, SessionLimits, fill, operator
from capliquify_ops.model.roles import Roles
from capliquify_ops.model.secret import Secret
from capliquify_ops.reference.credentials import Credentials
from capliquify_ops.tenants.install import install
from capliquify_ops.tenants.role_statements import role_facts, role_statements, with_password

DATABASE = "capliquify"
SEPARATE_RIGHTS = 16
"""From PostgreSQL 16 on a membership says for itself whether it inherits; the operator does not by itself."""
_LIMITS = SessionLimits(statement_ms=60_000, lock_ms=60_000)


def make_roles(superuser_url: str, credentials: Credentials, *, may_audit: bool) -> None:
    """Make the four roles, and the database that the owner owns. Runs on the maintenance database.

    `may_audit`: the operator may act as the service's role, and sees and signals other roles' sessions, as an audit does.
    """
    roles = credentials.roles
    logins = (credentials.app, credentials.observer, credentials.operator)
    passwords = {login.role: Secret(login.password) for login in logins}
    with operator(Secret(superuser_url), "embedded roles", limits=_LIMITS) as session:
        with session.transaction():
            # What the server stores for a password must not be read back from the statistics of statements.
            session.execute("SET LOCAL pg_stat_statements.track = 'none'")
            for statement in role_statements(role_facts(session, roles), roles, session.server_major):
                complete = with_password(statement, passwords)
                session.execute(fill(complete.template, complete.names))
            if may_audit:
                session.execute(fill('GRANT :"app" TO :"operator"', _names(roles)))
                granted = 'GRANT pg_signal_backend, pg_read_all_stats TO :"operator"'
                inherited = " WITH INHERIT TRUE" if session.server_major >= SEPARATE_RIGHTS else ""
                session.execute(fill(granted + inherited, _names(roles)))
        session.outside_transaction(fill('CREATE DATABASE :"database" OWNER :"owner"', _names(roles) | {"database": DATABASE}))


def prepare_database(
    superuser_url: str, roles: Roles, *, product: bool, serials: bool = False, switches: Sequence[str] = ()
) -> None:
    """Install statistics of statements and, with `product`, the product and the service's own schema.

    `serials`: also what makes tenants with a table of serial ids. `switches`: what these change in the database.
    """
    with operator(Secret(superuser_url), "embedded database", limits=_LIMITS) as session:
        with session.transaction():
            session.script(fill("CREATE EXTENSION pg_stat_statements SCHEMA public", {}))
        if product:
            install(session, roles)
            for name in ("schema.sql", "surfaces.sql", *(["serials.sql"] if serials else [])):
                service = files("capliquify_ops.reference.service").joinpath(name).read_text(encoding="utf-8")
                with session.transaction():
                    session.script(fill('SET LOCAL ROLE :"owner";\n' + service, _names(roles)))
            for name in switches:
                _switch(session, name, roles)


def _switch(session: Session, name: str, roles: Roles) -> None:
    statements = files("capliquify_ops.reference.service").joinpath("switched", f"{name}.sql")
    if statements.is_file():
        with session.transaction():
            session.script(fill(statements.read_text(encoding="utf-8"), _names(roles)))


def _names(roles: Roles) -> dict[str, str]:
    return roles.names()
