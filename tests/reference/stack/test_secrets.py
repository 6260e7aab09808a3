"""Passwords are in password files and nowhere else, and nobody else gets at them."""

import os
import stat
import subprocess
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from capliquify_ops.database import operator
from capliquify_ops.model.errors import TargetUnreachable
from capliquify_ops.model.secret import Secret


def passwords_of(running) -> set[str]:
    return {path.read_text().strip().rpartition(":")[2] for path in running.run_folder.glob("*.pgpass")}


def test_passwords_are_in_no_command_line_and_no_environment(machine, running):
    """No process of the stack shows a password, an admin token or a key in its arguments or environment."""
    secrets = passwords_of(running)
    settings = (running.run_folder / "tokens.json").read_text()
    secrets.add(settings.partition('"admin_token": "')[2].partition('"')[0])
    assert len(secrets) == 5
    assert min(map(len, secrets)) >= 32
    shown = b""
    for pid in machine.descendants(running.supervisor.pid) | {running.supervisor.pid, os.getpid()}:
        shown += Path(f"/proc/{pid}/cmdline").read_bytes() + Path(f"/proc/{pid}/environ").read_bytes()
    assert b"supervisor" in shown
    assert [secret for secret in secrets if secret.encode() in shown] == []


def test_passwords_are_in_no_log_and_no_statistics(running):
    """Neither the logs nor pg_stat_statements repeat a password or what is stored for it."""
    logged = "".join(path.read_text() for path in running.run_folder.glob("*.log"))
    with operator(Secret(running.superuser_url), "test") as session, session.transaction():
        logged += session.value("SELECT string_agg(query, '\n') FROM public.pg_stat_statements")
    assert "ready to accept connections" in logged
    assert "CREATE TABLE" in logged
    assert "SCRAM-SHA-256$" not in logged
    assert [password for password in passwords_of(running) if password in logged] == []


def test_urls_name_a_password_file(running):
    """Every connection string that is handed out is without a password and works."""
    for url in (running.database_url, running.operator_url, running.app_url, running.superuser_url):
        assert urlsplit(url).password is None
        assert "passfile=" in url
        with operator(Secret(url), "test") as session, session.transaction():
            assert session.value("SELECT session_user") == urlsplit(url).username


def test_only_the_owner_reads_the_run_folder(running):
    """Everything in the run's folder is its owner's alone, but for what the server's own group has to read and pass."""
    folder = running.run_folder.stat()
    assert stat.S_IMODE(folder.st_mode) == (0o710 if os.geteuid() == 0 else 0o700)
    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in running.run_folder.iterdir() if path.is_file()}
    for_the_server = {name for name, mode in modes.items() if mode != 0o600}
    assert {name for name in for_the_server if modes[name] != 0o640} == set()
    assert for_the_server == ({"pg_hba.conf", "postgresql.conf"} if os.geteuid() == 0 else set())
    assert stat.S_IMODE((running.run_folder / "postgres/data").stat().st_mode) == 0o700
    assert not (running.run_folder / "initdb.password").exists()


def test_another_user_cannot_enter_the_run_folder(running, python_for_all):
    """A user without rights on the same machine sees nothing of the stack's folder."""
    other = {"user": 65_534, "group": 65_534, "extra_groups": []} if os.geteuid() == 0 else {}
    program = "import os, sys; print(os.path.exists(sys.argv[1]))"
    for name in ("postgresql.conf", "postgres/data", "tokens.json"):
        command = [python_for_all, "-c", program, str(running.run_folder / name)]
        said = subprocess.run(command, capture_output=True, check=True, text=True, cwd="/", **other).stdout.strip()
        assert said == ("False" if other else "True"), name


def test_wrong_password_is_refused(running):
    """The server really asks for the password, of the superuser too."""
    for url in (running.database_url, running.superuser_url):
        wrong = url.partition("&passfile=")[0] + "&password=wrong"
        with pytest.raises(TargetUnreachable, match="refuses the password"), operator(Secret(wrong), "test"):
            pass


def test_server_listens_on_loopback_only(running):
    """The server has one address, and no socket in the file system."""
    with operator(Secret(running.superuser_url), "test") as session, session.transaction():
        assert session.value("SHOW listen_addresses") == "127.0.0.1"
        assert session.value("SHOW unix_socket_directories") == ""
        assert session.rows("SELECT DISTINCT auth_method, address FROM pg_hba_file_rules", lambda *row: row) == [
            ("scram-sha-256", "127.0.0.1")
        ]
