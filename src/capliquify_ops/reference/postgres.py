"""A throwaway PostgreSQL of one run: initialised, started and answering on loopback, under an account without rights."""

import os
import random
import re
import signal
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

from capliquify_ops.model.errors import TargetUnreachable, UsageError
from capliquify_ops.reference import postgres_account, postgres_programs
from capliquify_ops.reference.ports import HOST, free_port
from capliquify_ops.reference.processes import Account, Family, Member, status, wait_until
from capliquify_ops.reference.run_folder import RunFolder, breaks_initdb

_INITDB_S = 60.0
_START_S = 60.0
_PORT_ATTEMPTS = 5
_FIRST_WITH_BUILTIN_LOCALES = 17
_READY_LINE = 7
_PORT_TAKEN = b"Address already in use"
_SETTING = re.compile(r"[A-Za-z_][A-Za-z0-9_.]*")
_HBA = f"host all all {HOST}/32 scram-sha-256\n"
SETTINGS: Mapping[str, str] = MappingProxyType(
    {
        "listen_addresses": HOST,
        "unix_socket_directories": "",
        "password_encryption": "scram-sha-256",
        "max_connections": "100",
        # Dropping a tenant locks about 64 relations, and a check of a fleet may read a hundred tenants in one transaction.
        "max_locks_per_transaction": "256",
        "shared_preload_libraries": "pg_stat_statements",
        "track_functions": "all",
        "track_io_timing": "on",
        "jit": "off",
        # Nothing here outlives the run, so nothing is made durable.
        "fsync": "off",
        "synchronous_commit": "off",
        "full_page_writes": "off",
        "wal_level": "minimal",
        "max_wal_senders": "0",
        "max_wal_size": "1GB",
        "checkpoint_timeout": "1h",
        # In a file of the data folder: a server that is killed outright leaves nothing in /dev/shm.
        "dynamic_shared_memory_type": "mmap",
        "timezone": "UTC",
        "log_timezone": "UTC",
        "lc_messages": "C",
        "datestyle": "ISO, MDY",
        "log_line_prefix": "%m [%p] %u@%d ",
    }
)
"""What a throwaway server runs with; `settings` of a start are laid over it."""


@dataclass(frozen=True, slots=True)
class Superuser:
    """The role that `initdb` makes, and its password."""

    name: str
    password: str


class Cluster:
    """One server: `initialise` begins the work, `launch` waits for it and starts the server, so that others can work between."""

    def __init__(self, folder: RunFolder, family: Family, given: Path | None, choose: random.Random) -> None:
        self._folder = folder
        self._family = family
        self._claim = postgres_account.claim(choose) if os.geteuid() == 0 else None
        self._home = folder.path / "postgres"
        self._data = self._home / "data"
        self._password = folder.path / "initdb.password"
        self._programs = self._prepared(given)
        self.port = 0

    @property
    def account(self) -> Account | None:
        """The account of the server; None where it is this process's own."""
        return self._claim.server if self._claim else None

    def initialise(self, superuser: Superuser) -> Member:
        """Begin `initdb`; `launch` waits for it."""
        self._data.mkdir(mode=0o700)
        self._folder.write(self._password.name, superuser.password)
        account = self._claim.initdb if self._claim else None
        if account:
            os.chown(self._data, account.uid, account.gid)
            os.chown(self._password, account.uid, account.gid)
        # UTF-8 sorted by code point on every machine: a locale of the system would make runs differ.
        builtin = postgres_programs.major_version(self._programs) >= _FIRST_WITH_BUILTIN_LOCALES
        locale = ("--locale-provider=builtin", "--builtin-locale=C.UTF-8") if builtin else ()
        command = [
            str(self._programs / "initdb"),
            f"--pgdata={self._data}",
            f"--username={superuser.name}",
            f"--pwfile={self._password}",
            *("--auth=scram-sha-256", "--encoding=UTF8", "--locale=C", "--no-sync", "--no-instructions", *locale),
        ]
        # The server that initdb feeds ends by itself when the feeding stops, and removes its System V segment; a signal
        # would leave the segment behind for good.
        log, kill = self._folder.path / "initdb.log", signal.SIGKILL
        return self._family.spawn("initdb", command, log, account=account, ends_on=kill, tells_its_children=True)

    def launch(self, initdb: Member, settings: Mapping[str, str]) -> Member:
        """Wait for `initdb`, start the server and wait until it accepts connections.

        Raises TargetUnreachable with the server's last words, UsageError for a setting that cannot be written.
        """
        wait_until(lambda: status(initdb) == 0, initdb, _INITDB_S)
        self._family.remove(initdb)
        self._password.unlink()
        if self._claim:
            _give(self._data, self._claim.server)
        for _ in range(_PORT_ATTEMPTS):
            server = self._started(settings)
            try:
                wait_until(self._is_ready, server, _START_S)
            except TargetUnreachable:
                # Between our choice of a port and the server's start somebody else may have taken it.
                if _PORT_TAKEN not in server.log.read_bytes():
                    raise
                self._family.remove(server)
                server.log.unlink()
            else:
                return server
        raise TargetUnreachable("PostgreSQL found no free port on loopback.", hint="Close some programs and try again.")

    def release(self) -> None:
        """Let go of the user id, after the server has ended."""
        if self._claim:
            self._claim.release()

    def _prepared(self, given: Path | None) -> Path:
        """Make the folder of the server and return the programs that its account can execute."""
        folder = postgres_programs.locate(given)
        self._home.mkdir(mode=0o755)
        self._home.chmod(0o755)
        if self._claim is None and (given is not None or not breaks_initdb(folder)):
            return folder
        if self._claim is not None:
            self._folder.open_to(self._claim.server.gid)
        return postgres_programs.for_another_account(folder, given, self._home)

    def _started(self, settings: Mapping[str, str]) -> Member:
        self.port = free_port()
        hba = self._readable("pg_hba.conf", _HBA)
        values = {**SETTINGS, "hba_file": str(hba), "port": str(self.port), **settings}
        lines = (f"{_name(name)} = {_quoted(value)}\n" for name, value in values.items())
        config = self._readable("postgresql.conf", "".join(lines))
        command = [str(self._programs / "postgres"), "-D", str(self._data), f"--config-file={config}"]
        # An immediate shutdown: nothing is kept, and even so the server removes its shared memory.
        log, account = self._folder.path / "postgres.log", self._claim.server if self._claim else None
        return self._family.spawn("PostgreSQL", command, log, account=account, ends_on=signal.SIGQUIT)

    def _readable(self, name: str, text: str) -> Path:
        """Write a file that the server may read and not change."""
        path = self._folder.write(name, text)
        if self._claim:
            os.chown(path, -1, self._claim.server.gid)
            path.chmod(0o640)
        return path

    def _is_ready(self) -> bool:
        with suppress(OSError, IndexError):
            lines = (self._data / "postmaster.pid").read_text(encoding="utf-8").splitlines()
            return lines[_READY_LINE].strip() == "ready"
        return False


def _give(folder: Path, account: Account) -> None:
    """Hand a folder that `initdb` wrote to the server's account. Nobody else can be in there, so no link is followed."""
    for parent, folders, files in os.walk(folder):
        for name in (".", *folders, *files):
            os.chown(Path(parent) / name, account.uid, account.gid, follow_symlinks=False)


def _name(name: str) -> str:
    if not _SETTING.fullmatch(name):
        raise UsageError(f"{name!r} is not the name of a PostgreSQL setting.")
    return name


def _quoted(value: str) -> str:
    if "\n" in value or "\0" in value:
        raise UsageError("A PostgreSQL setting is one line.")
    return "'" + value.replace("\\", "\\\\").replace("'", "''") + "'"
