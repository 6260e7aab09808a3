"""The oracle's two servers: the run's own 18 and 15."""

import importlib.util
import os
import sys
from pathlib import Path

import pytest

from capliquify_ops.reference.postgres_programs import locate

HERE = Path(__file__).parent


def _module(name):
    """Import a helper of this folder: under importlib mode it is on no path."""
    if name not in sys.modules:
        spec = importlib.util.spec_from_file_location(name, HERE / f"{name}.py")
        sys.modules[name] = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(sys.modules[name])
    return sys.modules[name]


oracle_module = _module("backup_oracle")


def _oracle(url, programs, major):
    worker = os.environ.get("PYTEST_XDIST_WORKER", "main")
    names = [f"oracle_{worker}_{os.getpid()}_{major}_{side}" for side in ("a", "b")]
    return oracle_module.Oracle(url, programs, names)


@pytest.fixture(
    scope="session",
    params=[18, pytest.param(15, marks=pytest.mark.whole)],
)
def oracle(request, server):
    """Two empty databases of a server, once with 18 and once with 15."""
    if request.param == 18:
        made = _oracle(server.urls["superuser"], locate(None), 18)
    else:
        server, _ = request.getfixturevalue("fifteen")
        made = _oracle(server.urls["superuser"], request.getfixturevalue("postgres_15"), 15)
    made.major = request.param
    made.make_databases()
    yield made
    made.drop_databases()


@pytest.fixture(scope="session")
def schemas():
    """The maker of schemas at random."""
    return _module("schemas")
