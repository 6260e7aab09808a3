"""service-down on a real stack: healthy, then each part of it away for real, then healthy again."""

import contextlib
import dataclasses
import os
import signal
import time
from datetime import timedelta
from pathlib import Path

import pytest

from capliquify_ops.configuration import load_settings
from capliquify_ops.configuration.system import SystemClock, dice
from capliquify_ops.diagnostics import failed_deployment, memory, service_down
from capliquify_ops.diagnostics.diagnose import diagnose
from capliquify_ops.diagnostics.inquiry import Inquiry
from capliquify_ops.diagnostics.memory_sessions import SESSIONS
from capliquify_ops.diagnostics.memory_sources import WATCHED
from capliquify_ops.diagnostics.service_down import ServiceRows, explain
from capliquify_ops.model.errors import TargetUnreachable
from capliquify_ops.model.secret import Secret
from capliquify_ops.observation.health import Health
from capliquify_ops.observation.network import Step, Way
from capliquify_ops.reference import stack as embedded

NOWHERE = "http://127.0.0.1:1"
NO_DATABASE = Secret("postgresql://u@127.0.0.1:1/x")


@pytest.fixture(scope="module")
def running():
    with embedded.start() as stack:
        yield stack


@pytest.fixture
def target(running):
    return load_settings(running.config, environment={}).targets["running"]


def found(target):
    """The causes by name, and how long it took."""
    started = time.monotonic()
    [diagnosis] = diagnose(Inquiry(target, load_settings(environment={}).limits, SystemClock(), dice), [service_down.NAME])
    assert time.monotonic() - started < 10
    return [cause.name for cause in diagnosis.causes], diagnosis


@contextlib.contextmanager
def stopped(running, word):
    """Stop the processes of the stack whose command line holds a word; let them go on afterwards."""
    pids = []
    for entry in Path("/proc").iterdir():
        with contextlib.suppress(OSError):
            line = (entry / "cmdline").read_bytes() if entry.name.isdigit() else b""
            if word.encode() in line and str(running.run_folder).encode() in line:
                pids.append(int(entry.name))
    assert pids, f"no process {word}"
    for pid in pids:
        os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        for pid in pids:
            os.kill(pid, signal.SIGCONT)


def test_a_healthy_stack_has_nothing_twenty_times(target):
    """Service, way and database answer: nothing is found, each time."""
    for _ in range(20):
        names, diagnosis = found(target)
        assert (names, diagnosis.is_certain) == ([], True), diagnosis
    assert {source.name for source in diagnosis.sources} == {"service", "way to the service", "Render", "database"}
    assert [source.name for source in diagnosis.sources if not source.is_configured] == ["Render"]


def test_a_healthy_stack_leaks_nothing_and_has_no_failed_deploy(target):
    """Watched long enough for a trend, with its database's sessions measured: nothing; without Render, deploys are not told."""
    inquiry = Inquiry(target, load_settings(environment={}).limits, SystemClock(), dice, watch_s=7.0)
    down, full, failed = diagnose(inquiry, [service_down.NAME, memory.NAME, failed_deployment.NAME])
    assert [down.causes, full.causes, failed.causes] == [(), (), ()], full
    assert (down.is_certain, full.is_certain, failed.is_certain) == (True, True, False), full
    says = {source.name: source.says for source in full.sources}
    assert "MB/h (95 %" in says[WATCHED]
    assert "tenants" in says[SESSIONS]


def test_a_service_that_hangs(running, target):
    """Its port accepts, and it does not answer: that is the service, not the way and not the database."""
    with stopped(running, "reference.service"):
        names, diagnosis = found(target)
    assert names == ["service"]
    assert "hangs, or is overloaded" in diagnosis.headline
    assert found(target)[0] == []


def test_a_service_that_is_not_running(target):
    """Nobody listens at its address, while its database answers."""
    names, diagnosis = found(dataclasses.replace(target, base_url=NOWHERE))
    assert names == ["service"]
    assert "not running" in diagnosis.headline
    assert diagnosis.causes[0].next_command


def test_a_database_that_stands_still(running, target):
    """The database is the first cause; that the service is unwell with it is part of the evidence and no cause of its own."""
    with stopped(running, "postgres"):
        names, diagnosis = found(target)
    assert names[0] == "database", diagnosis
    assert "service unwell" not in names
    deadline = time.monotonic() + 30
    while found(target)[0]:
        assert time.monotonic() < deadline, "it does not recover"


def test_neither_can_be_reached(target):
    """Both away at once: the way comes first."""
    names, _ = found(dataclasses.replace(target, base_url=NOWHERE, database_url=NO_DATABASE))
    assert names == ["network", "database", "service"]


def test_a_name_that_nobody_knows(target):
    """A name that cannot be resolved says nothing about the service."""
    names, diagnosis = found(dataclasses.replace(target, base_url="http://nobody.invalid"))
    assert names == ["name of the service"]
    assert "Mend the name" in diagnosis.causes[0].next_command


def test_something_else_answers(target, running):
    """Another server at the address is not the service: here PostgreSQL, asked for a page."""
    port = Secret(running.database_url).reveal().rpartition("@")[2].partition("/")[0].rpartition(":")[2]
    names, _ = found(dataclasses.replace(target, base_url=f"http://127.0.0.1:{port}"))
    assert names == ["service"]


def test_what_is_not_configured_is_said(target):
    """A target without a service is asked for its database, and the screen says what was not asked and which setting is missing."""
    names, diagnosis = found(dataclasses.replace(target, base_url=""))
    assert (names, diagnosis.is_certain) == ([], True)
    missing = [source for source in diagnosis.sources if not source.is_configured]
    assert [source.name for source in missing] == ["service", "way to the service", "Render"]
    assert all("base_url" in source.says or "integrations.render" in source.says for source in missing)


WELL = Health("http://x/api/health", 200, True, {}, 5.0)
FREE = Way("x:443", None, "x:443 accepts connections", 1.0, 90.0)
AWAY = TargetUnreachable("It cannot be reached.", hint="Look.")


@pytest.mark.parametrize(
    ("rows", "names"),
    [
        (ServiceRows(WELL, None, FREE, True, None), []),
        (ServiceRows(dataclasses.replace(WELL, elapsed_ms=1500.0), None, FREE, True, None), ["slow health"]),
        (ServiceRows(dataclasses.replace(WELL, is_well=False, status=503), None, FREE, True, None), ["service unwell"]),
        (ServiceRows(dataclasses.replace(WELL, is_well=False, status=503), None, FREE, False, None), ["service unwell"]),
        (ServiceRows(WELL, None, dataclasses.replace(FREE, certificate_days=3.0), True, None), ["certificate ends"]),
        (ServiceRows(None, AWAY, dataclasses.replace(FREE, failed=Step.CERTIFICATE), True, None), ["certificate of the service"]),
        (ServiceRows(None, AWAY, None, True, None), ["service"]),
        (ServiceRows(None, None, None, True, AWAY), ["database"]),
        (ServiceRows(WELL, None, FREE, True, AWAY), ["database"]),
    ],
)
def test_causes_of_what_was_seen(rows, names):
    """From the same sights the same causes, the one that explains most first."""
    causes = explain(rows)
    assert [cause.name for cause in causes] == names
    assert all(cause.why.endswith(".") and cause.next_command and cause.evidence for cause in causes)


class Ahead(SystemClock):
    """A clock that is a minute and a half ahead of the server's."""

    def now(self):
        return super().now() + timedelta(seconds=90)


def test_clocks_that_are_apart_are_said(target):
    """Times of two machines are not compared in silence: the answer says by how much they are apart; a second is nothing."""
    for clock, is_said in ((Ahead(), True), (SystemClock(), False)):
        [diagnosis] = diagnose(Inquiry(target, load_settings(environment={}).limits, clock, dice), [service_down.NAME])
        [database] = [source for source in diagnosis.sources if source.name == service_down.DATABASE]
        assert ("its clock is 90 s behind this machine's" in database.says) is is_said
