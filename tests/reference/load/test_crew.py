"""Several generators of one run: the same arrivals as one, a reason when one is lost, and none left over."""

import subprocess
import sys
import time
from dataclasses import replace

import psutil
import pytest

from capliquify_ops.load import Crew, histogram_log, request_latency, run_load
from capliquify_ops.load.figures import figures
from capliquify_ops.load.result import Side
from capliquify_ops.load.samples import Verdict
from capliquify_ops.model.errors import OpsError, UsageError
from capliquify_ops.model.outcome import Outcome

MEMBER = "--join"


def generators(argument=""):
    """The generators below this process, a crew's members among them, that were started with an argument."""
    found = []
    for child in psutil.Process().children(recursive=True):
        try:
            line = child.cmdline()
        except psutil.Error:
            continue
        if "capliquify_ops.load.worker" in line and (not argument or argument in line):
            found.append(child)
    return found


def until(condition, seconds=10.0):
    """Poll a condition until it holds or the time is over, and return what it last gave."""
    deadline = time.monotonic() + seconds
    while not (held := condition()) and time.monotonic() < deadline:
        time.sleep(0.01)
    return held


@pytest.fixture(autouse=True)
def nothing_left():
    """No process of the crew is there after a test, also none whose master is gone."""
    yield
    assert until(lambda: not generators())


def test_two_generators_send_the_arrivals_of_one(plan, target, good, limits):
    """Each arrival once, as the same tenant, over as many connections; figures and histograms are those of all samples."""
    seen = []
    run = run_load(plan, target=target, crew=Crew(2, 2), progress=lambda _: seen.extend(generators(MEMBER)))
    assert len({each.pid for each in seen}) == 2
    assert run.generators == 2
    assert sorted(run.samples.index) == sorted(good.run.samples.index) == list(range(150))
    assert {*run.samples.verdict} == {Verdict.OK}
    assert run.offered == 150
    assert run.health.opened >= 2
    found = request_latency.judge(run, limits)
    assert found.outcome is Outcome.HEALTHY, found
    assert found.measured["tenants_served"] == 10
    assert [line.split(",")[0] for line in histogram_log(run).decode().splitlines()[3:]] == [
        line.split(",")[0] for line in histogram_log(good.run).decode().splitlines()[3:]
    ]


def test_a_worker_that_does_not_come_is_one_sentence(server, plan, target):
    """Nobody waits longer than was said, no request is measured, and those that came end."""
    before = server.served
    with pytest.raises(OpsError, match=r"^The load generator did not start: [01] of 2 generators came in 1\.5 s\.") as error:
        run_load(plan, target=target, crew=Crew(1, 2, wait_s=1.5))
    assert "\n" not in str(error.value)
    assert server.served == before + 1
    assert until(lambda: not generators())


@pytest.mark.whole
def test_a_worker_that_is_killed_in_mid_run_makes_it_inconclusive(plan, target, limits):
    """What it had sent is kept, the others finish, and the run is cut by the generator, with its number."""
    killed = []

    def kill(progress):
        if progress.answered > 200 and not killed:
            killed.append(generators(MEMBER)[0])
            killed[0].kill()

    run = run_load(replace(plan, seconds=4), target=target, crew=Crew(2, 2), progress=kill)
    assert killed
    assert run.cut.by is Side.GENERATOR
    assert run.cut.why in {"generator 1 of 2 was lost", "generator 2 of 2 was lost"}
    odd = sum(index % 2 for index in run.samples.index)
    assert 300 < len(run.samples) < 600  # both had sent something by then
    assert 300 in {odd, len(run.samples) - odd}
    found = request_latency.judge(run, limits)
    assert found.outcome is Outcome.INCONCLUSIVE, found
    assert run.cut.why in found.why


@pytest.mark.whole
def test_a_master_that_is_killed_takes_its_crew_along(plan, target, limits):
    """What had been handed over is kept; nothing goes on loading the service."""

    def kill(progress):
        if progress.answered:
            for each in generators("--master"):
                each.kill()

    run = run_load(replace(plan, seconds=20), target=target, crew=Crew(2, 2), progress=kill)
    assert 0 < len(run.samples) < 3_000
    assert request_latency.judge(run, limits).outcome is Outcome.INCONCLUSIVE
    assert "exit code -9" in run.cut.why


@pytest.mark.whole
def test_a_generator_may_join_from_elsewhere(plan, target):
    """At the port that progress tells, as another machine's would; it ends with the run."""
    joined = []

    def join(progress):
        if progress.port and not joined:
            command = [sys.executable, "-P", "-m", "capliquify_ops.load.worker", MEMBER, f"127.0.0.1:{progress.port}"]
            joined.append(subprocess.Popen(command, stdin=subprocess.PIPE))

    try:
        run = run_load(plan, target=target, crew=Crew(1, 2), progress=join)
        assert sorted(run.samples.index) == list(range(150))
        assert joined[0].wait(10) == 0
    finally:
        for process in joined:
            process.stdin.close()
            process.wait(10)


@pytest.mark.whole
def test_a_generator_elsewhere_ends_soon_after_its_master(server, plan, target):
    """Nothing closes its input there: it hears no more of the master, in mid-run, and stops loading the service."""
    joined = []

    def join_and_kill(progress):
        if progress.port and not joined:
            command = [sys.executable, "-P", "-m", "capliquify_ops.load.worker", MEMBER, f"127.0.0.1:{progress.port}"]
            joined.append(subprocess.Popen(command, stdin=subprocess.PIPE))
        if progress.answered:
            for each in generators("--master"):
                each.kill()

    try:
        run_load(replace(plan, seconds=30), target=target, crew=Crew(0, 1), progress=join_and_kill)
        assert joined[0].wait(12) == 1
        assert server.served < 2_500
    finally:
        for process in joined:
            process.kill()
            process.stdin.close()
            process.wait(10)


@pytest.mark.whole
def test_two_generators_measure_what_one_does(server, plan, target):
    """Against answers that take 200 ms both see them, in every percentile, as late as they came."""
    server.delay = 0.2
    plan = replace(plan, seconds=3)
    one, two = (figures(run_load(plan, target=target, crew=crew)) for crew in (Crew(), Crew(2, 2)))
    for key in ("p50_ms", "p95_ms"):
        assert one[key] >= 200 <= two[key]
        assert abs(one[key] - two[key]) < 100


def test_a_crew_that_cannot_be_is_refused_before_anything_is_started(server):
    """No generator and no request."""
    with pytest.raises(UsageError, match="3 of 2 generators"):
        Crew(3, 2)
    assert server.served == 0
