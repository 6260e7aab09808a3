"""What the tests of checks share: two tenants, and a fault that is made, looked at and undone."""

import os
import shutil
import socket
import subprocess
import tempfile
import time
import uuid
from contextlib import closing, suppress
from pathlib import Path
from urllib.parse import parse_qs, urlsplit, urlunsplit

import pytest

from capliquify_ops.configuration import load_limits, load_profile
from capliquify_ops.configuration.system import SystemClock
from capliquify_ops.database import observer, operator, quoted
from capliquify_ops.database.identifiers import composed
from capliquify_ops.model.secret import Secret
from capliquify_ops.tenants.create import NewTenant, create
from capliquify_ops.tenants.ownership import as_owner

LIMITS = load_limits()
PGBOUNCER = shutil.which("pgbouncer", path=f"{os.environ.get('PATH', '')}:/usr/sbin")
NOBODY = 65534


@pytest.fixture(scope="session")
def profile(tmp_path_factory):
    return load_profile("capliquify", tmp_path_factory.mktemp("profile"))


@pytest.fixture(scope="session")
def furnished_with_two(furnish, roles):
    def fill_it(database):
        with operator(database.operator_url, "test") as session:
            made = [
                create(session, roles, NewTenant(uuid.uuid4(), slug, slug, f"org_{slug}", schema_name=name), actor="test")
                for slug, name in (("a", ""), ("b", 'T"wo 😀'))
            ]
        return {"a": made[0].schema_name, "b": made[1].schema_name}

    return furnish(fill_it)


@pytest.fixture
def two(furnished_with_two, database):
    """The schemas of two tenants; the second one's name needs quotes."""
    return dict(furnished_with_two.content)


@pytest.fixture
def named():
    """Puts names for `:"name"` into a statement, also inside literals, where `fill` leaves them alone."""

    def put(statement, names):
        for name, value in names.items():
            statement = statement.replace(f':"{name}"', quoted(value))
        return composed(statement)

    return put


@pytest.fixture
def as_the_owner(operator_url, roles, named):
    """Runs statements as the owner of all tenants, for good."""

    def run(statement, **names):
        with operator(operator_url, "test") as session, session.transaction(), as_owner(session, roles):
            session.script(named(statement, names))

    return run


@pytest.fixture
def checked(observer_url, roles, profile):
    """Runs a check as the observer: its findings by subject."""

    def check(module, **given):
        with observer(observer_url, "test") as session:
            found = module.run(session, LIMITS, SystemClock(), profile=profile, roles=roles, **given)
        return {finding.subject.name: finding for finding in found}

    return check


class _Undo(Exception):
    pass


@pytest.fixture
def provoked(superuser_url, roles, profile, two, named):
    """Runs a statement, gives a check's findings before it, with it, and after it was undone. `by` is the owner or a superuser."""
    with operator(superuser_url, "test") as session:

        def check(module):
            found = module.run(session, LIMITS, SystemClock(), profile=profile, roles=roles)
            return {finding.subject.name: finding for finding in found}

        def run_and_undo(module, statement, by="owner", **names):
            with session.transaction():
                before = check(module)
                try:
                    with session.transaction():
                        _script(session, roles if by == "owner" else None, named(statement, {**two, **names}))
                        found = check(module)
                        raise _Undo
                except _Undo:
                    return before, found, check(module)

        yield run_and_undo


def _script(session, roles, statement):
    if roles is None:
        session.script(statement)
    else:
        with as_owner(session, roles):
            session.script(statement)


@pytest.fixture
def pooler(observer_url):
    """Starts PgBouncer in front of the test's server, and returns the observer's URL through it."""
    if PGBOUNCER is None:
        missing = "PgBouncer is not installed. Install it with: apt-get update && apt-get install -y pgbouncer"
        pytest.fail(missing, pytrace=False) if os.environ.get("CI") == "true" else pytest.skip(missing)
    running, folders = [], []

    def start(**settings):
        url = urlsplit(observer_url.reveal())
        password = Path(parse_qs(url.query)["passfile"][0]).read_text().strip().rsplit(":", 1)[1]
        # Not pytest's own folder: PgBouncer, which refuses to be root, could not get there.
        folder = Path(tempfile.mkdtemp(prefix="pooler-"))
        folders.append(folder)
        with closing(socket.socket()) as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        fixed = {"listen_addr": "127.0.0.1", "listen_port": port, "auth_type": "trust", "auth_file": folder / "users"}
        fixed |= {"unix_socket_dir": "", "ignore_startup_parameters": "extra_float_digits"}
        lines = [f"{key} = {value}" for key, value in {**fixed, **settings}.items()]
        (folder / "users").write_text(f'"{url.username}" "{password}"\n')
        text = f"[databases]\n* = host={url.hostname} port={url.port}\n[pgbouncer]\n"
        (folder / "pgbouncer.ini").write_text(text + "\n".join(lines) + "\n")
        given = {}
        if os.getuid() == 0:
            given = {"user": NOBODY, "group": NOBODY, "extra_groups": []}
            for path in (folder, *folder.iterdir()):
                os.chown(path, NOBODY, NOBODY)
        running.append(subprocess.Popen([PGBOUNCER, folder / "pgbouncer.ini"], stderr=subprocess.PIPE, **given))
        _until_open(port, running[-1])
        return Secret(urlunsplit(url._replace(netloc=f"{url.username}@127.0.0.1:{port}", query="sslmode=disable")))

    yield start
    for process in running:
        process.terminate()
        process.communicate(timeout=20)
    for folder in folders:
        shutil.rmtree(folder)


def _until_open(port, process):
    deadline = time.monotonic() + 20
    while True:
        with suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
            return
        assert process.poll() is None, process.stderr.read()
        assert time.monotonic() < deadline, "PgBouncer does not listen"
        time.sleep(0.02)
