"""What Render tells of a service that is down, over real HTTP: caused in its fake, named first where it explains all, gone again."""

import dataclasses
import time
from datetime import timedelta

import pytest
from tests.unit.integrations.conftest import Fake
from tests.unit.integrations.fake_render import TOKEN, FakeRender

from capliquify_ops.configuration import Integration, Target, TargetClass, load_limits, load_profile
from capliquify_ops.diagnostics import service_down
from capliquify_ops.diagnostics.diagnose import diagnose
from capliquify_ops.diagnostics.inquiry import Inquiry
from capliquify_ops.diagnostics.service_down_platform import how
from capliquify_ops.integrations.render_records import Failure
from capliquify_ops.model.finding import Level
from capliquify_ops.model.secret import Secret

NOWHERE = "http://127.0.0.1:1"


class WorldClock:
    """The time of the fake's world."""

    def __init__(self, world):
        self.world = world

    def now(self):
        return self.world.now

    def monotonic(self):
        return time.monotonic()


@pytest.fixture
def world():
    state = FakeRender()
    yield state
    assert state.wrong == []


@pytest.fixture
def service(world):
    service_id = world.add()
    world.push(service_id, "c0ffee")
    world.now += timedelta(hours=2)
    return service_id


@pytest.fixture
def health():
    """The service's health address; what it answers can be changed."""
    answer = {"status": 200, "document": {"status": "healthy"}}
    fake = Fake(lambda _: (answer["status"], answer["document"]))
    yield fake, answer
    fake.close()


@pytest.fixture
def found(world, service, health, tmp_path):
    fake = Fake(world)
    integration = Integration({"base_url": f"{fake.url}/v1", "service": service}, {"token": Secret(TOKEN)})
    target = Target("here", TargetClass.LOOPBACK, load_profile("capliquify", tmp_path), base_url=health[0].url)

    def run(**changes):
        chosen = dataclasses.replace(target, **{"integrations": {"render": integration}, **changes})
        [diagnosis] = diagnose(Inquiry(chosen, load_limits(), WorldClock(world), lambda: 0.5), [service_down.NAME])
        return [(cause.name, cause.level) for cause in diagnosis.causes], diagnosis

    yield run
    fake.close()


def starting(world, service, seconds):
    """A deploy that began some seconds ago and takes the place of what ran."""
    deploy = world._new_deploy(service, "new_commit", {"id": "c1", "message": "x"}, "update_in_progress")
    world.now += timedelta(seconds=seconds)
    return deploy


def test_a_service_that_is_well_has_nothing(found):
    """All its instances run: nothing is found, and what Render said is a line."""
    names, diagnosis = found()
    assert names == []
    assert "last deploy live, 2 of 2 instances, 0 failures" in next(
        each.says for each in diagnosis.sources if each.name == "Render"
    )


def test_without_render_a_line_says_so(found):
    """A target without Render names the setting, and what it has is judged without it."""
    names, diagnosis = found(integrations={}, base_url=NOWHERE)
    assert names == [("service", Level.L2)]
    [line] = [each for each in diagnosis.sources if each.name == "Render"]
    assert (line.is_configured, "integrations.render" in line.says) == (False, True)


def test_a_deploy_in_progress_is_waited_for(world, service, found):
    """Away in the first three minutes of a deploy: wait so many seconds. Longer: it hangs, and the service is away beside it."""
    deploy = starting(world, service, 100)
    assert found()[0] == []
    names, diagnosis = found(base_url=NOWHERE)
    assert names == [("deploy in progress", Level.L1)]
    assert diagnosis.causes[0].next_command.startswith("Wait 80 s more.")
    assert diagnosis.causes[0].since_s == 100
    world.now += timedelta(seconds=79)
    assert found(base_url=NOWHERE)[0] == [("deploy in progress", Level.L1)]
    world.now += timedelta(seconds=1)
    names, diagnosis = found(base_url=NOWHERE)
    assert names == [("deploy hangs", Level.L2), ("service", Level.L2)]
    assert "remedy plan roll-back-deploy" in diagnosis.causes[0].next_command
    assert found()[0] == []
    world._advance(service, deploy)
    assert found()[0] == []


def test_a_service_that_says_it_is_unwell_during_a_deploy(world, service, health, found):
    """503 while a deploy is in progress is the deploy."""
    health[1].update(status=503, document={"status": "starting"})
    assert found()[0] == [("service unwell", Level.L2)]
    starting(world, service, 10)
    assert found()[0] == [("deploy in progress", Level.L1)]


def test_a_suspended_service(world, service, found):
    """Suspended for a bill: by whom it is said, and that alone explains that it is away."""
    world.services[service].update(suspended="suspended", suspenders=["billing"])
    world.instances[service].clear()
    names, diagnosis = found(base_url=NOWHERE)
    assert names == [("suspended", Level.L2)]
    assert "by order of billing" in diagnosis.headline
    world.services[service].update(suspended="not_suspended", suspenders=[])
    world._start(service)
    assert found()[0] == []


def test_out_of_memory(world, service, found):
    """Ended for its memory: limit, instance and time; named as long as it is within the hour, also of a service that is well again."""
    gone = world.instances[service][-1]["id"]
    world.crash(service, oomKilled={"memoryLimit": "512Mi"})
    world.now += timedelta(minutes=10)
    names, diagnosis = found()
    assert names == [("out of memory", Level.L1)]
    [cause] = diagnosis.causes
    assert "more than its 512Mi" in cause.why
    assert "once" in cause.why
    assert gone in cause.evidence[0]
    assert "10 min ago" in cause.evidence[0]
    assert 600 <= cause.since_s < 610
    world.crash(service, oomKilled={"memoryLimit": "512Mi"})
    names, diagnosis = found(base_url=NOWHERE)
    assert names == [("out of memory", Level.L2), ("service", Level.L2)]
    assert "2 times" in diagnosis.headline
    world.now += timedelta(minutes=61)
    assert found()[0] == []


def test_instances_that_fail_otherwise(world, service, found):
    """An exit with a code and an early exit are restarts, told apart from one for memory."""
    world.crash(service, nonZeroExit=137)
    world.crash(service, earlyExit=True)
    names, diagnosis = found()
    assert names == [("restarts", Level.L1)]
    assert "2 times" in diagnosis.headline
    assert "ended by itself, too early" in diagnosis.causes[0].evidence[0]
    assert "exit code 137" in diagnosis.causes[0].evidence[1]
    world.crash(service, oomKilled={"memoryLimit": "512Mi"})
    assert [name for name, _ in found()[0]] == ["out of memory", "restarts"]


def test_fewer_instances_than_wanted(world, service, found):
    """One of two is missing; during a deploy, that is how deploys go."""
    taken = world.instances[service].pop()
    names, diagnosis = found()
    assert names == [("too few instances", Level.L1)]
    assert "1 of the 2 instances" in diagnosis.headline
    deploy = starting(world, service, 10)
    assert found()[0] == []
    world.deploys[service].remove(deploy)
    world.instances[service].append(taken)
    assert found()[0] == []
    world.instances[service].clear()
    assert found()[0] == [("too few instances", Level.L2)]


def test_the_database_comes_first_where_the_service_speaks_of_it(found, health):
    """An unwell answer with a database that is away is the database's fault; no answer at all in a deploy is the deploy's."""
    health[1].update(status=503, document={"status": "unhealthy"})
    assert [name for name, _ in found(database_url=Secret("postgresql://u@127.0.0.1:1/x"))[0]] == ["database"]


def test_a_key_that_render_does_not_know_is_no_all_clear(found, service, world):
    """Refused by Render, the diagnosis is not certain."""
    fake = Fake(world)
    integration = Integration({"base_url": f"{fake.url}/v1", "service": service}, {"token": Secret("rnd_another")})
    names, diagnosis = found(integrations={"render": integration})
    assert (names, diagnosis.is_certain) == ([], False)
    fake.close()


NONE = Failure(is_evicted=False, is_early_exit=False, exit_code=None, memory_limit=None, unhealthy=None, timed_out_s=None)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({}, "the platform does not say why"),
        ({"exit_code": 0}, "exit code 0"),
        ({"unhealthy": "503"}, "failed its health check"),
        ({"timed_out_s": 900}, "not ready within 900 s"),
        ({"is_evicted": True}, "moved away"),
        ({"memory_limit": "1Gi"}, "limit of 1Gi"),
        ({"is_early_exit": True}, "too early"),
    ],
)
def test_ways_to_fail(changes, said):
    """Each way that Render knows is said in words."""
    assert said in how(dataclasses.replace(NONE, **changes))
    assert "does not say why" in how(None)
