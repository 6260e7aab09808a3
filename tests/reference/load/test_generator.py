"""The generator: open arrivals, honest about itself, and gone when it should be."""

import os
import signal
import subprocess
import sys
import textwrap
import threading
import time
from dataclasses import replace
from pathlib import Path

import psutil
import pytest

from capliquify_ops.configuration import TargetClass
from capliquify_ops.load import request_latency, run_load
from capliquify_ops.load.figures import percentile
from capliquify_ops.load.result import Side
from capliquify_ops.load.samples import Verdict
from capliquify_ops.model.errors import TargetForbids, TargetUnreachable, UsageError
from capliquify_ops.model.outcome import Outcome


def workers(of=None):
    """Return the generators below this process, which in a parallel run has no other test's children."""
    found = []
    for child in psutil.Process(of).children(recursive=True):
        try:
            if "capliquify_ops.load.worker" in child.cmdline():
                found.append(child)
        except psutil.Error:
            continue
    return found


def until(condition, seconds=10.0):
    """Poll a condition until it holds or the time is over, and return what it last gave."""
    deadline = time.monotonic() + seconds
    while not (held := condition()) and time.monotonic() < deadline:
        time.sleep(0.01)
    return held


def once(action):
    """Return a progress callback that acts at its first call, when the generator is ready."""
    pending = [action]
    return lambda progress: pending and pending.pop()()


@pytest.fixture(autouse=True)
def nothing_left():
    yield
    assert until(lambda: not workers())


def test_a_stall_is_seen_by_every_arrival_that_waited_for_it(server, plan, target):
    """Two connections and a stall of 300 ms: a closed loop would record two slow requests, open arrivals record all."""
    server.reply = lambda marker: (server.hold(0.3) if server.served == 60 else None) or server.right(marker)
    run = run_load(replace(plan, connections=2), target=target)
    assert sum(service >= 250_000 for service in run.samples.service_us) <= 2
    assert sum(latency >= 100_000 for latency in run.samples.latency_us) >= 20
    assert percentile(sorted(run.samples.latency_us), 0.99) >= 200_000


def test_requests_start_on_schedule_and_rotate_over_callers_and_paths(good):
    """Each arrival of the plan is sent exactly once, in the plan's mix."""
    run = good.run
    assert sorted(run.samples.index) == list(range(150))
    assert run.offered == 150
    assert run.tenants == 10


def test_a_stopped_generator_makes_the_run_inconclusive(plan, target, packaged):
    """A generator that was stopped for 400 ms blames itself, not the service."""

    def stop():
        (worker,) = workers()
        worker.suspend()
        threading.Timer(0.8, worker.resume).start()

    found = request_latency.judge(run_load(plan, target=target, progress=once(stop)), packaged)
    assert found.outcome is Outcome.INCONCLUSIVE, found
    assert "ms late" in found.why, found


@pytest.mark.whole
def test_a_generator_starved_of_its_core_makes_the_run_inconclusive(plan, target, packaged):
    """Beside a busy loop on the same core, and of lower priority, it cannot keep the schedule and says so."""
    core = min(os.sched_getaffinity(0))
    busy = []

    def starve():
        (worker,) = workers()
        worker.cpu_affinity([core])
        worker.nice(19)
        autogroup = Path(f"/proc/{worker.pid}/autogroup")  # where sessions share the processor, nice counts within one only
        if autogroup.exists():
            autogroup.write_text("19")
        program = f"import os, time; os.sched_setaffinity(0, {{{core}}}); end = time.monotonic() + 4\nwhile time.monotonic() < end: pass"
        busy.extend(subprocess.Popen([sys.executable, "-c", program]) for _ in range(3))

    try:
        run = run_load(replace(plan, warmup_s=0.0, seconds=1.5), target=target, progress=once(starve))
    finally:
        for process in busy:
            process.kill()
            process.wait()
    found = request_latency.judge(run, packaged)
    assert found.outcome is Outcome.INCONCLUSIVE, found
    assert "The generator, not the service" in found.why, found


def test_refusals_are_read_whole_and_keep_their_connection(server, plan, target, answer, rows_of):
    """A 403 is counted as such, and one that carries another tenant's rows as what it is."""
    connected = set()
    leak = answer(403, rows_of("sku-b-"))
    server.reply = lambda marker: connected.update(server.connections) or (leak if marker == "sku-a-" else answer(403, b"{}"))
    run = run_load(plan, target=target)
    assert set(run.samples.status) == {403}
    assert run.samples.verdict.count(Verdict.FOREIGN) == 15
    assert len(connected) <= plan.connections + 1


def test_a_target_that_is_down_is_one_error_before_anything_is_started(server, plan, target):
    """Nobody waits for a load run against an address where nothing listens."""
    server.stop()
    with pytest.raises(TargetUnreachable, match="cannot be reached"):
        run_load(plan, target=target)


def test_a_target_that_dies_half_way_leaves_partial_data_and_a_reason(server, plan, target, limits):
    """The run ends early, keeps what it measured, and is inconclusive with the moment of death."""
    plan = replace(plan, seconds=20)
    killer = threading.Thread(target=lambda: until(lambda: server.served > 150) and server.stop())
    killer.start()
    began = time.monotonic()
    run = run_load(plan, target=target)
    killer.join()
    assert time.monotonic() - began < 15
    assert run.cut.by is Side.TARGET
    assert 100 < list(run.samples.status).count(200) < run.offered < plan.requests
    found = request_latency.judge(run, limits)
    assert found.outcome is Outcome.INCONCLUSIVE
    assert "stopped answering" in found.why


def test_a_generator_that_dies_half_way_is_inconclusive(plan, target, limits):
    """What it had handed over is kept, and the finding says how it ended."""
    plan = replace(plan, seconds=20)

    def kill(progress):
        if progress.answered:
            for worker in workers():
                worker.kill()

    run = run_load(plan, target=target, progress=kill)
    assert 0 < len(run.samples) < plan.requests
    found = request_latency.judge(run, limits)
    assert found.outcome is Outcome.INCONCLUSIVE, found
    assert "exit code -9" in found.why


def test_a_generator_that_measured_nothing_never_passes(plan, target, limits):
    """Zero requests are inconclusive at best."""
    run = run_load(plan, target=target, progress=once(lambda: [worker.kill() for worker in workers()]))
    assert len(run.samples) == 0
    assert request_latency.judge(run, limits).outcome is Outcome.INCONCLUSIVE


def test_killing_the_parent_ends_the_generator(server, plan, tmp_path):
    """SIGKILL of the process that started it leaves no generator loading the service."""
    program = f"""
        from pathlib import Path
        from capliquify_ops.configuration import Target, TargetClass, load_profile
        from capliquify_ops.load import Caller, Plan, reads, run_load
        from capliquify_ops.model.secret import Secret
        caller = Caller(Secret("token"), {{"X-Organization-ID": "org-sku-a-"}}, "sku-a-")
        plan = Plan({server.base_url!r}, 50, 60, (caller,), reads("/api/products"))
        run_load(plan, target=Target("here", TargetClass.LOOPBACK, load_profile("capliquify", Path())))
    """
    parent = subprocess.Popen([sys.executable, "-c", textwrap.dedent(program)])
    try:
        assert until(lambda: server.served > 20)
        (worker,) = workers(parent.pid)
    finally:
        os.kill(parent.pid, signal.SIGKILL)
        parent.wait()
    assert until(lambda: not worker.is_running() or worker.status() == psutil.STATUS_ZOMBIE)


def test_tokens_are_nowhere_but_in_the_requests(good):
    """Neither the command line nor the environment of the generator, nor the run's own text, holds a token."""
    assert "capliquify_ops.load.worker" in good.generator
    assert "token-of-" not in good.generator + repr(good.run) + repr(good.plan)


def test_a_generator_that_cannot_start_says_why(plan, target, tmp_path):
    """A broken interpreter is reported with its own last words, the tokens masked."""
    broken = tmp_path / "python"
    broken.write_text("#!/bin/sh\nread line\necho 'no such thing, token-of-sku-a-' >&2\nexit 3\n")
    broken.chmod(0o755)
    with pytest.raises(Exception, match=r"did not start.*no such thing, \*{8}"):
        run_load(plan, target=target, python=str(broken))


def test_production_is_never_loaded(server, plan, target):
    """A target of class production is refused before any request."""
    with pytest.raises(TargetForbids):
        run_load(plan, target=replace(target, kind=TargetClass.PRODUCTION))
    assert server.served == 0


def test_a_plan_for_another_address_than_the_targets_is_refused(server, plan, target):
    """The class of one target is no licence to load another address."""
    with pytest.raises(UsageError, match="but target"):
        run_load(replace(plan, base_url="http://127.0.0.2:1"), target=target)
    assert server.served == 0


def test_importing_the_library_leaves_sockets_unpatched():
    """`import capliquify_ops.load` brings in neither gevent nor locust."""
    program = "import sys, capliquify_ops.load, capliquify_ops.load.request_latency, capliquify_ops.load.api_load; print({'gevent', 'locust'} & set(sys.modules))"
    assert subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout == "set()\n"
