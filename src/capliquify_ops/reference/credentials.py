"""Role names and passwords of one run: random, in password files only, never on a command line or in a URL.

The one place of `reference/` where randomness is made.
"""

import secrets
from dataclasses import dataclass
from urllib.parse import quote

from capliquify_ops.model.roles import Roles
from capliquify_ops.reference.ports import HOST
from capliquify_ops.reference.run_folder import RunFolder


@dataclass(frozen=True, slots=True)
class Login:
    """A role that may log in. The password is written to files and nowhere else."""

    role: str
    password: str

    def __repr__(self) -> str:
        return f"Login({self.role})"


@dataclass(frozen=True, slots=True)
class Credentials:
    """Everyone who may log in, and the names of the four roles."""

    roles: Roles
    superuser: Login
    app: Login
    observer: Login
    operator: Login


def token() -> str:
    """Return text that nobody guesses, fit for a name, a header and a file."""
    return secrets.token_hex(24)


def make() -> Credentials:
    """Make the names and passwords of a run. Roles belong to the whole server, so two runs never share a name."""
    run = secrets.token_hex(4)
    roles = Roles(**{name: f"capliquify_{name}_{run}" for name in ("owner", "app", "observer", "operator")})
    logins = [Login(role, token()) for role in (f"capliquify_superuser_{run}", roles.app, roles.observer, roles.operator)]
    return Credentials(roles, *logins)


def url(folder: RunFolder, login: Login, port: int, database: str) -> str:
    """Write the role's password file and return a connection string that names the file.

    TLS and GSSAPI are switched off by name: on loopback they only cost time, and the wheel's server has neither.
    """
    passfile = folder.write(f"{login.role}.pgpass", f"{HOST}:{port}:*:{login.role}:{login.password}\n")
    return (
        f"postgresql://{login.role}@{HOST}:{port}/{quote(database)}"
        f"?sslmode=disable&gssencmode=disable&passfile={quote(str(passfile))}"
    )
