"""The generator alone against a trivial endpoint, beside Locust's own closed loop: what a request costs it."""

import json
import re
import resource
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from capliquify_ops.configuration import Target, TargetClass, load_profile
from capliquify_ops.load import Caller, Plan, reads, run_load
from capliquify_ops.load.figures import figures
from capliquify_ops.model.secret import Secret

HERE = Path(__file__).parent
SECONDS = 4.0
CONNECTIONS = 100
KEPT = ("offered_per_s", "generator_cpu_ratio", "generator_memory_bytes", "slip_p99_ms", "loop_lag_p99_ms", "p99_ms")


def within(run):
    """How many requests ended within the measured seconds, over which the processor time is counted."""
    ends = zip(run.samples.index, run.samples.latency_us, strict=True)
    return sum(index / run.rate + latency / 1e6 <= run.seconds for index, latency in ends)


@pytest.fixture(scope="module")
def base_url():
    command = [sys.executable, HERE / "endpoint.py"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        yield f"http://127.0.0.1:{process.stdout.readline().strip()}"
        process.stdin.close()


@pytest.mark.parametrize("rate", [300, 1000])
def test_open_arrivals(benchmark, claims, base_url, rate):
    """At the rates of both checks the generator keeps its schedule, with most of a core to spare."""
    caller = Caller(Secret("token"), {"X-Organization-ID": "org_a"}, "sku-a-")
    plan = Plan(base_url, rate, SECONDS, (caller,), reads("/api/products"), warmup_s=0.5, connections=CONNECTIONS)
    target = Target("endpoint", TargetClass.LOOPBACK, load_profile("capliquify", Path()), base_url=base_url)
    run = benchmark.pedantic(run_load, args=(plan,), kwargs={"target": target}, rounds=1)
    found = figures(run)
    benchmark.extra_info |= {key: found[key] for key in KEPT}
    benchmark.extra_info["requests_per_cpu_second"] = round(within(run) / run.health.cpu_s)
    assert found["failed"] == 0
    claims.at_most(f"generator at {rate} requests/s: share of one core", found["generator_cpu_ratio"], full=0.5, ci=0.9)
    claims.at_most(f"generator at {rate} requests/s: requests sent late by so many ms (p99)", found["slip_p99_ms"], full=5, ci=50)


def test_peer_closed_loop(benchmark, base_url):
    """Locust's closed loop, which neither keeps a schedule nor looks at the payload, for comparison."""
    command = [sys.executable, HERE / "peer_closed_loop.py", base_url, str(CONNECTIONS), str(SECONDS)]
    done = benchmark.pedantic(subprocess.run, args=(command,), kwargs={"capture_output": True, "check": True}, rounds=1)
    found = json.loads(done.stdout)
    benchmark.extra_info["requests_per_cpu_second"] = round(found["requests"] / found["cpu_s"])
    benchmark.extra_info["requests_per_s"] = round(found["requests"] / found["wall_s"])
    assert found["requests"] > 0


@pytest.mark.skipif(shutil.which("wrk") is None, reason="wrk is not installed here: its figures are not beside the generator's")
def test_peer_wrk(benchmark, base_url):
    """wrk, in C, which keeps no schedule and reads no payload: what a request costs at least, where it is installed."""
    command = ["wrk", "-t1", f"-c{CONNECTIONS}", f"-d{SECONDS:g}s", f"{base_url}/api/products"]
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    done = benchmark.pedantic(
        subprocess.run, args=(command,), kwargs={"capture_output": True, "check": True, "text": True}, rounds=1
    )
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    [requests] = map(int, re.findall(r"(\d+) requests in", done.stdout))
    spent_s = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    benchmark.extra_info["requests_per_cpu_second"] = round(requests / spent_s)
    benchmark.extra_info["requests_per_s"] = round(requests / SECONDS)
    assert requests > 0
