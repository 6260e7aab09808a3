"""A PgBouncer between the service and its server, as deployments have one: an option of the embedded stack."""

import os
import shutil
import socket
from contextlib import closing, suppress
from urllib.parse import urlsplit, urlunsplit

from capliquify_ops.model.errors import UsageError
from capliquify_ops.reference.credentials import Login
from capliquify_ops.reference.ports import HOST, free_port
from capliquify_ops.reference.processes import Account, Family, wait_until
from capliquify_ops.reference.run_folder import RunFolder

MODES = ("transaction", "session")
_NAME = "pgbouncer"
_START_S = 20.0


def start(
    folder: RunFolder, family: Family, mode: str, *, url: str, login: Login, account: Account | None, connections: int
) -> str:
    """Start a pooler in front of `url` and return the URL that leads through it.

    `connections`: at most so many to the server. Runs under `account`, as the server does. Raises UsageError for an unknown
    mode and where there is no PgBouncer.
    """
    program = _program(mode)
    port, server = free_port(), urlsplit(url)
    users = folder.write("pgbouncer.users", f'"{login.role}" "{login.password}"\n')
    lines = {
        "listen_addr": HOST, "listen_port": port, "unix_socket_dir": "", "auth_type": "plain", "auth_file": users,
        "pool_mode": mode, "default_pool_size": connections, "max_client_conn": 500, "server_tls_sslmode": "disable",
        "ignore_startup_parameters": "extra_float_digits",
    }  # fmt: skip
    text = "".join(f"{name} = {value}\n" for name, value in lines.items())
    config = folder.write("pgbouncer.ini", f"[databases]\n* = host={HOST} port={server.port}\n[pgbouncer]\n{text}")
    if account is not None:
        for path in (users, config):
            os.chown(path, account.uid, account.gid)
    member = family.spawn(_NAME, [program, str(config)], folder.path / "pgbouncer.log", account=account)
    wait_until(lambda: _listens(port), member, _START_S)
    passfile = folder.write("pgbouncer.pgpass", f"{HOST}:{port}:*:{login.role}:{login.password}\n")
    query = f"sslmode=disable&gssencmode=disable&passfile={passfile}"
    return urlunsplit(server._replace(netloc=f"{login.role}@{HOST}:{port}", query=query))


def _program(mode: str) -> str:
    if mode not in MODES:
        raise UsageError(f"There is no pooler in mode {mode!r}.", hint=f"Modes: {', '.join(MODES)}.")
    program = shutil.which(_NAME, path=f"{os.defpath}:/usr/local/sbin:/usr/sbin:/sbin") or shutil.which(_NAME)
    if program is None:
        raise UsageError("PgBouncer is not installed.", hint="Install it with: apt-get install -y pgbouncer")
    return program


def _listens(port: int) -> bool:
    with suppress(OSError), closing(socket.create_connection((HOST, port), 1)):
        return True
    return False
