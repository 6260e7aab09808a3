"""Runs made of plain numbers."""

from array import array

import pytest

from capliquify_ops.configuration import load_limits
from capliquify_ops.load.operations import reads
from capliquify_ops.load.plan import arrivals
from capliquify_ops.load.result import Health, LoadRun, Sender
from capliquify_ops.load.samples import Samples, Verdict
from capliquify_ops.load.watched import Watched


def make_run(latencies_us=None, *, rate=300, seconds=30, verdict=Verdict.OK, status=200, slip_us=0, lag_us=100, **more):
    """A whole run: one sample for each arrival, or as many as there are latencies given."""
    planned = arrivals(rate, seconds)
    latencies = [5_000] * planned if latencies_us is None else latencies_us
    many = len(latencies)
    samples = Samples(
        index=array("i", range(many)),
        slip_us=array("i", [slip_us]) * many,
        latency_us=array("i", latencies),
        service_us=array("i", [latency - slip_us for latency in latencies]),
        status=array("H", [status]) * many,
        verdict=array("B", [verdict]) * many,
    )
    asked = planned + arrivals(rate, 2.0)
    values = {
        "base_url": "http://127.0.0.1:8000",
        "rate": rate,
        "seconds": seconds,
        "warmup_s": 2.0,
        "connections": 100,
        "senders": tuple(Sender(f"sku-{letter}-") for letter in "abcdefghij"),
        "operations": reads("/api/products"),
        "order": (0,),
        "started_at": "2026-01-01T00:00:00+00:00",
        "elapsed_s": seconds + 2.5,
        "offered": planned,
        "samples": samples,
        "watched": Watched(seconds, calls=asked * 3, commits=asked),
        "health": Health(3.0, 30.0, 60_000_000, 0, array("i", [lag_us] * 100), 100),
    }
    return LoadRun(**values | more)


@pytest.fixture(name="make_run", scope="session")
def _make_run():
    return make_run


@pytest.fixture(scope="session")
def limits():
    return load_limits()
