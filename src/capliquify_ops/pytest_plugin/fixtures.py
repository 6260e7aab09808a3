"""What suites ask for. A fixture's docstring is its help text (`pytest --fixtures readiness`)."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import TYPE_CHECKING, NoReturn

import pytest

from capliquify_ops.pytest_plugin.hooks import GATE
from capliquify_ops.pytest_plugin.outcomes import NotRun

if TYPE_CHECKING:
    from capliquify_ops.configuration import Limits, Target
    from capliquify_ops.database import Session
    from capliquify_ops.isolation.world import World
    from capliquify_ops.load.traffic import Traffic
    from capliquify_ops.model.finding import Finding
    from capliquify_ops.model.protocols import Clock, TokenSource
    from capliquify_ops.pytest_plugin.gate import Gate


def _gate(request: pytest.FixtureRequest) -> Gate:
    gate = request.config.stash.get(GATE, None)
    if gate is None:
        raise NotRun("no test of this run carries @check, so no target was opened")
    return gate


@pytest.fixture(scope="session")
def target(request: pytest.FixtureRequest) -> Target:
    """The target under measurement; the embedded one is already running."""
    return _gate(request).target


@pytest.fixture(scope="session")
def limits(request: pytest.FixtureRequest) -> Limits:
    """Every threshold in force, with its source."""
    return _gate(request).settings.limits


@pytest.fixture(scope="session")
def clock(request: pytest.FixtureRequest) -> Clock:
    """The clock."""
    return _gate(request).clock


@pytest.fixture
def observer_session(request: pytest.FixtureRequest) -> Iterator[Session]:
    """A read-only session on the target's database, under the server's own limits."""
    with _gate(request).observe(request.node.name) as session:
        yield session


@pytest.fixture(scope="session")
def world(request: pytest.FixtureRequest) -> Iterator[World]:
    """Two or more throwaway tenants with users and tokens; removed at the end."""
    with _gate(request).world() as built:
        yield built


@pytest.fixture(scope="session")
def inhabited(request: pytest.FixtureRequest) -> None:
    """Throwaway tenants where the target may be given any: a fleet without tenants shows nothing."""
    with suppress(NotRun):
        request.getfixturevalue("world")


@pytest.fixture(scope="session")
def traffic(request: pytest.FixtureRequest) -> Iterator[Traffic]:
    """A hundred throwaway tenants with users, tokens and known rows, for load; removed at the end."""
    with _gate(request).traffic() as made:
        yield made


@pytest.fixture(scope="session")
def load_seconds(request: pytest.FixtureRequest) -> float:
    """For how long a steady load is driven, by --load-depth."""
    return _gate(request).load_seconds


@pytest.fixture
def storm_run(request: pytest.FixtureRequest) -> tuple[TokenSource, str]:
    """Where the tokens of a tenant creation storm come from, and the id under which its tenants are made and removed."""
    gate = _gate(request)
    gate.require_load()
    return gate.load_tokens()


@pytest.fixture
def require(request: pytest.FixtureRequest) -> Callable[..., None]:
    """Record findings and fail the test unless each of them passes: `require(*findings)`."""
    gate, item = _gate(request), request.node

    def record(*findings: Finding) -> None:
        __tracebackhide__ = True
        gate.require(item, findings)

    return record


@pytest.fixture
def keep_raw(request: pytest.FixtureRequest) -> Callable[[bytes], str]:
    """Keep raw measurement data beside the record; returns its SHA-256."""
    gate, item = _gate(request), request.node
    return lambda content: gate.keep(item, content)


@pytest.fixture
def not_run() -> Callable[[str], NoReturn]:
    """End the test as not run, with what is missing: `not_run("Prometheus is not configured")`."""

    def end(why: str) -> NoReturn:
        __tracebackhide__ = True
        raise NotRun(why)

    return end
