"""Runs made of plain numbers."""

from array import array

import pytest

from capliquify_ops.configuration import load_limits
from capliquify_ops.load.plan import arrivals
from capliquify_ops.load.result import Health, LoadRun
from capliquify_ops.load.samples import Samples, Verdict


def make_run(latencies_us=None, *, rate=300, seconds=30, verdict=Verdict.OK, status=200, slip_us=0, lag_us=100, **more):
    """A whole run: one sample for each arrival, or as many as there are latencies given."""
    planned = arrivals(rate, seconds)
    latencies = [5_000] * planned if latencies_us is None else latencies_us
    samples = Samples()
    for index, latency in enumerate(latencies):
        samples.add(index, slip_us=slip_us, latency_us=latency, service_us=latency - slip_us, status=status, verdict=verdict)
    values = {
        "base_url": "http://127.0.0.1:8000",
        "rate": rate,
        "seconds": seconds,
        "warmup_s": 2.0,
        "connections": 100,
        "tenants": 10,
        "paths": ("/api/products",),
        "started_at": "2026-01-01T00:00:00+00:00",
        "elapsed_s": seconds + 2.5,
        "offered": planned,
        "samples": samples,
        "health": Health(3.0, 30.0, 60_000_000, 0, array("i", [lag_us] * 100)),
    }
    return LoadRun(**values | more)


@pytest.fixture(name="make_run", scope="session")
def _make_run():
    return make_run


@pytest.fixture(scope="session")
def limits():
    return load_limits()
