"""One embedded server for a whole pytest run, a database of its own for each test."""

import gc
import itertools
import os
import subprocess
import sys
import tempfile
import warnings
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import import_module
from importlib.util import module_from_spec, spec_from_file_location
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

REPEATABLE = settings(deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("sample", REPEATABLE, max_examples=25)
settings.register_profile("whole", REPEATABLE, max_examples=100)
settings.load_profile("sample")

SERVER = pytest.StashKey()
WITHOUT_SERVER = ("unit", "contract", "browser")
POSTGRES_15 = Path("/usr/lib/postgresql/15/bin")


def pytest_addoption(parser):
    parser.addoption("--whole", action="store_true", help="run large matrices whole, not the sample of them that make test runs")


def pytest_configure(config):
    if config.getoption("--whole"):
        settings.load_profile("whole")
    config.addinivalue_line("markers", "whole: of a large matrix, and not of the sample that runs without --whole")
    if hasattr(config, "workerinput") or config.option.collectonly or not _wants_server(config):
        return
    config.stash[SERVER] = embedded.start(service=False, postgres_settings={"max_connections": "200"})


def pytest_collection_modifyitems(config, items):
    if not config.getoption("--whole"):
        out = {item for item in items if item.get_closest_marker("whole")}
        items[:] = [item for item in items if item not in out]
        config.hook.pytest_deselected(items=list(out))
        return
    for item in items:  # of their examples `make test` has seen a sample
        if getattr(getattr(item, "obj", None), "is_hypothesis_test", False):
            item.add_marker("whole")


def _wants_server(config):
    folders = {Path(argument.split("::")[0]).resolve() for argument in config.args}
    plain = [Path(__file__).parent / name for name in WITHOUT_SERVER]
    return not all(any(folder.is_relative_to(each) for each in plain) for folder in folders)


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node):
    server = node.config.stash.get(SERVER, None)
    if server is not None:
        node.workerinput["server"] = _plain(server)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config, log):
    if config.getvalue("dist") != "loadgroup":
        return None
    spec = spec_from_file_location("distribution", Path(__file__).with_name("distribution.py"))
    distribution = module_from_spec(spec)
    spec.loader.exec_module(distribution)
    return distribution.scheduler(config, log)


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
    return _server(found)


def _server(plain):
    return Server(Roles(**plain["roles"]), plain["urls"])


_number = itertools.count()


class Maker:
    """Makes databases on a server and drops them, over one connection."""

    def __init__(self, server, session):
        self._server, self._session = server, session

    def make(self, template: str = "capliquify") -> Database:
        worker = os.environ.get("PYTEST_XDIST_WORKER", "main")
        name = f"test_{worker}_{os.getpid()}_{next(_number)}"
        # Copying the files costs half of what writing all of it to the log does, where nothing is made durable.
        create = 'CREATE DATABASE :"name" TEMPLATE :"template" OWNER :"owner" STRATEGY file_copy'
        self._session.outside_transaction(fill(create, {"name": name, "template": template, "owner": self._server.roles.owner}))
        urls = {who: self._server.url(who, name) for who in ("database", "operator", "superuser", "app")}
        return Database(name, self._server.roles, urls["database"], urls["operator"], urls["superuser"], urls["app"])

    def drop(self, name: str) -> None:
        self._session.outside_transaction(fill('DROP DATABASE :"name" WITH (FORCE)', {"name": name}))


@contextmanager
def _maker(server):
    with operator(server.url("superuser", "postgres"), "test database") as session:
        yield Maker(server, session)


@pytest.fixture(scope="session")
def maker(server):
    with _maker(server) as made:
        yield made


@pytest.fixture
def new_database(maker):
    """Makes databases from the template and drops them afterwards."""
    made = []

    def make(template: str = "capliquify") -> Database:
        made.append(maker.make(template))
        return made[-1]

    yield make
    for each in made:
        maker.drop(each.name)


@dataclass(frozen=True)
class Furnished:
    """A database that tests get copies of, and what whoever filled it returned."""

    name: str
    content: object


@pytest.fixture(scope="session")
def furnish(maker):
    """Fills a database once. A test with a fixture `furnished_...` that returns it has a copy for its `database`."""
    made = []

    def make(fill_it) -> Furnished:
        database = maker.make()
        made.append(database.name)
        return Furnished(database.name, fill_it(database))

    yield make
    for name in made:
        maker.drop(name)


@pytest.fixture
def database(request, new_database):
    """A fresh database with the product installed, and what a `furnished_...` fixture of the test has put into it."""
    furnished = [request.getfixturevalue(name) for name in request.fixturenames if name.startswith("furnished_")]
    assert len(furnished) <= 1, "a database is the copy of one"
    return new_database(*(each.name for each in furnished))


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
def fifteen(postgres_15):
    """A server of PostgreSQL 15 with the product in its template, and one that makes databases on it."""
    with embedded.start(service=False, postgres_bin=postgres_15) as running:
        server = _server(_plain(running))
        with _maker(server) as made:
            yield server, made


@pytest.fixture
def database_15(fifteen):
    """A fresh database of PostgreSQL 15, with the product installed."""
    _, maker_15 = fifteen
    made = maker_15.make()
    yield made
    maker_15.drop(made.name)


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
