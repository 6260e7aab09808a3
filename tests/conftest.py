"""One embedded server for a whole pytest run, a database of its own for each test."""

import gc
import itertools
import os
import subprocess
import sys
import tempfile
import warnings
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

import pytest
from hypothesis import HealthCheck, settings

from capliquify_ops.cli.commands import application
from capliquify_ops.database import operator
from capliquify_ops.database.identifiers import fill
from capliquify_ops.model.roles import Roles
from capliquify_ops.model.secret import Secret
from capliquify_ops.reference import stack as embedded
from capliquify_ops.signoff.report import page

settings.register_profile("repeatable", deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("repeatable")

SERVER = pytest.StashKey()
WITHOUT_SERVER = ("unit", "contract", "browser")
POSTGRES_15 = Path("/usr/lib/postgresql/15/bin")


def pytest_addoption(parser):
    parser.addoption("--whole", action="store_true", help="run large matrices whole, not the sample of them that make test runs")


def pytest_configure(config):
    config.addinivalue_line("markers", "whole: of a large matrix, and not of the sample that runs without --whole")
    if hasattr(config, "workerinput") or config.option.collectonly or not _wants_server(config):
        return
    config.stash[SERVER] = embedded.start(service=False, postgres_settings={"max_connections": "200"})


def pytest_collection_modifyitems(config, items):
    if not config.getoption("--whole"):
        out = [item for item in items if item.get_closest_marker("whole")]
        items[:] = [item for item in items if item not in set(out)]
        config.hook.pytest_deselected(items=out)


def _wants_server(config):
    folders = {Path(argument.split("::")[0]).resolve() for argument in config.args}
    plain = [Path(__file__).parent / name for name in WITHOUT_SERVER]
    return not all(any(folder.is_relative_to(each) for each in plain) for folder in folders)


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node):
    server = node.config.stash.get(SERVER, None)
    if server is not None:
        node.workerinput["server"] = _plain(server)


def pytest_unconfigure(config):
    server = config.stash.get(SERVER, None)
    if server is not None:
        server.close()


def _plain(server):
    roles = {name: getattr(server.roles, name) for name in ("owner", "app", "observer", "operator")}
    urls = {name: getattr(server, f"{name}_url") for name in ("database", "operator", "superuser", "app")}
    return {"roles": roles, "urls": urls}


@dataclass(frozen=True)
class Server:
    """The run's server: roles, and URLs of its template database, which has the product installed."""

    roles: Roles
    urls: dict[str, str]

    def url(self, who: str, database: str) -> Secret:
        return Secret(urlunsplit(urlsplit(self.urls[who])._replace(path=f"/{database}")))


@dataclass(frozen=True)
class Database:
    """A database of one test, with the product installed."""

    name: str
    roles: Roles
    observer_url: Secret
    operator_url: Secret
    superuser_url: Secret
    app_url: Secret


@pytest.fixture(scope="session")
def server(request):
    found = getattr(request.config, "workerinput", {}).get("server")
    if found is None:
        found = _plain(request.config.stash[SERVER])
    return Server(Roles(**found["roles"]), found["urls"])


_number = itertools.count()


@pytest.fixture
def new_database(server):
    """Makes databases from the template and drops them afterwards."""
    made = []

    def make(template: str = "capliquify") -> Database:
        worker = os.environ.get("PYTEST_XDIST_WORKER", "main")
        name = f"test_{worker}_{os.getpid()}_{next(_number)}"
        with operator(server.url("superuser", "postgres"), "test database") as session:
            names = {"name": name, "template": template, "owner": server.roles.owner}
            session.outside_transaction(fill('CREATE DATABASE :"name" TEMPLATE :"template" OWNER :"owner"', names))
        made.append(name)
        urls = {who: server.url(who, name) for who in ("database", "operator", "superuser", "app")}
        return Database(name, server.roles, urls["database"], urls["operator"], urls["superuser"], urls["app"])

    yield make
    with operator(server.url("superuser", "postgres"), "test database") as session:
        for name in made:
            session.outside_transaction(fill('DROP DATABASE :"name" WITH (FORCE)', {"name": name}))


@pytest.fixture
def database(new_database):
    """A fresh database with the product installed."""
    return new_database()


@pytest.fixture
def operator_url(database):
    return database.operator_url


@pytest.fixture
def observer_url(database):
    return database.observer_url


@pytest.fixture
def superuser_url(database):
    return database.superuser_url


@pytest.fixture(scope="session")
def roles(server):
    return server.roles


@pytest.fixture(scope="session")
def postgres_15():
    """The programs of PostgreSQL 15; the test is skipped, visibly, on a machine without them."""
    if not (POSTGRES_15 / "postgres").is_file():
        pytest.skip(f"PostgreSQL 15 is not installed ({POSTGRES_15}): apt-get install postgresql-15")
    return POSTGRES_15


@pytest.fixture(scope="session")
def forked():
    """Runs a function as a program of its own, in a fork: with everything imported, a program starts in no time.

    The function returns the exit code or raises SystemExit. Environment, folder and streams are the program's own.
    """
    application()
    import_module("capliquify_ops.pytest_plugin.gate")
    page._environment().get_template("report.html.jinja")

    def run(program, *, cwd, env):
        with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", DeprecationWarning)  # from 3.12 on: other threads are not in the child
                child = os.fork()
            if child == 0:
                _become(program, out.fileno(), err.fileno(), cwd, env)
            code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
            out.seek(0), err.seek(0)
            return subprocess.CompletedProcess([], code, out.read().decode(), err.read().decode())

    return run


def _become(program, out, err, cwd, env):
    """Run a program in this process and end it."""
    code = 70
    gc.freeze()  # pytest collects garbage at its end: what it got from here is none
    try:
        for number, given in enumerate((os.open(os.devnull, os.O_RDONLY), out, err)):
            os.dup2(given, number)
        sys.stdin, sys.stdout, sys.stderr = (os.fdopen(number, mode) for number, mode in enumerate("rww"))
        os.chdir(cwd)
        os.environ.clear()
        os.environ.update(env)
        warnings.resetwarnings()
        try:
            code = program()
        except SystemExit as ended:
            code = ended.code
        sys.stdout.flush(), sys.stderr.flush()
    finally:
        os._exit(code if isinstance(code, int) else 1 if code else 0)
