"""Box: load tests passed. Steady loads of open arrivals, a storm of new tenants, and what one request costs."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import NoReturn

import pytest

from capliquify_ops.configuration import EMBEDDED, Limits, Target
from capliquify_ops.load import (
    LoadRun,
    api_load,
    histogram_log,
    latency_baseline,
    mixed_load,
    nothing_measured,
    raw_document,
    request_latency,
    tenant_creation_storm,
)
from capliquify_ops.load.storm_rows import Storm
from capliquify_ops.load.traffic import Traffic
from capliquify_ops.model.protocols import TokenSource
from capliquify_ops.pytest_plugin import check
from capliquify_ops.rendering.driven import REQUIRED_RATE, REQUIRED_SECONDS

Require = Callable[..., None]
KeepRaw = Callable[[bytes], str]
NotRun = Callable[[str], NoReturn]


@dataclass(frozen=True, slots=True)
class Demands:
    """Which limits say how much load is asked of this target, by their names."""

    rate: str
    seconds: str
    storm_seconds: str


FULL = Demands("load_required_rate", "load_required_seconds", "storm_required_seconds")
DEMONSTRATION = Demands("load_required_rate_embedded", "load_required_seconds_embedded", "storm_required_seconds_embedded")


@pytest.fixture(scope="module")
def demands(target: Target) -> Demands:
    """Of the embedded target, where service, database and generator share two cores, less is asked, and the report says so."""
    return DEMONSTRATION if target.name == EMBEDDED else FULL


@pytest.fixture(scope="module")
def api_run(target: Target, traffic: Traffic, limits: Limits, demands: Demands, load_seconds: float) -> LoadRun:
    """The API load at the rate that the sheet claims, shared by the two tests that judge it."""
    return api_load.measure(traffic.api_plan(limits.number(demands.rate), load_seconds), target=target)


@pytest.fixture
def measured_api_run(api_run: LoadRun, not_run: NotRun) -> LoadRun:
    """The API load, if a single request of it was measured."""
    return _measured(api_run, not_run)


@pytest.fixture
def mixed_run(target: Target, traffic: Traffic, limits: Limits, load_seconds: float, not_run: NotRun) -> LoadRun:
    """The mixed workload, if a single request of it was measured."""
    plan = traffic.mixed_plan(limits.number("mixed_required_rate"), load_seconds)
    return _measured(mixed_load.measure(plan, target=target), not_run)


def _measured(run: LoadRun, not_run: NotRun) -> LoadRun:
    if why := nothing_measured(run):
        not_run(why)
    return run


@pytest.fixture
def storm(target: Target, storm_run: tuple[TokenSource, str], limits: Limits, demands: Demands) -> Storm:
    """The tenant creation storm."""
    rate, seconds = limits.number("storm_required_rate"), limits.number(demands.storm_seconds)
    return tenant_creation_storm.measure(target, *storm_run, rate_per_min=rate, seconds=seconds)


@check("latency_baseline")
def test_latency_baseline(target: Target, traffic: Traffic, limits: Limits, require: Require, keep_raw: KeepRaw) -> None:
    """The middleware chain takes p95 < 10 ms, tenant resolution < 8, feature and role checks < 1 each."""
    found = latency_baseline.measure(target, traffic.crowd[0])
    require(latency_baseline.judge(found, limits, raw=keep_raw(latency_baseline.raw_baseline(found))))


@check("request_latency")
def test_request_latency(measured_api_run: LoadRun, limits: Limits, require: Require, keep_raw: KeepRaw) -> None:
    """At 300 requests/s or more over ten tenants p95 < 200 ms, errors < 0.1 %, and every answer holds its own tenant's rows."""
    require(request_latency.judge(measured_api_run, limits, raw=keep_raw(raw_document(measured_api_run, limits["p95_ms"]))))


@check("api_load")
def test_api_load(measured_api_run: LoadRun, demands: Demands, limits: Limits, require: Require, keep_raw: KeepRaw) -> None:
    """1,000 requests/s for 10 min (embedded target: 500 for 30 s) are sustained with p50 < 50, p95 < 100 ms, errors < 0.1 %."""
    keep_raw(histogram_log(measured_api_run))
    raw = keep_raw(raw_document(measured_api_run, limits["load_p95_ms"]))
    finding = api_load.judge(measured_api_run, limits, required_rate=demands.rate, required_seconds=demands.seconds, raw=raw)
    required = {REQUIRED_RATE: limits.number(demands.rate), REQUIRED_SECONDS: limits.number(demands.seconds)}
    require(replace(finding, measured={**finding.measured, **required}))


@check("mixed_load")
def test_mixed_load(mixed_run: LoadRun, demands: Demands, limits: Limits, require: Require, keep_raw: KeepRaw) -> None:
    """70 % reads, 20 % writes and 10 % analytics of 100 users over 100 tenants keep p95 < 200 ms and p99 < 500 ms."""
    keep_raw(histogram_log(mixed_run))
    raw = keep_raw(raw_document(mixed_run, limits["mixed_p95_ms"], mixed_load.limits_of_kinds(limits)))
    require(mixed_load.judge(mixed_run, limits, required_seconds=demands.seconds, raw=raw))


@check("tenant_creation_storm")
def test_tenant_creation_storm(storm: Storm, demands: Demands, limits: Limits, require: Require, keep_raw: KeepRaw) -> None:
    """50 tenants a minute are created with p95 < 2,000 ms, failures < 1 %, and each can be read back within 500 ms."""
    raw = keep_raw(tenant_creation_storm.raw_storm(storm))
    require(tenant_creation_storm.judge(storm, limits, required_seconds=demands.storm_seconds, raw=raw))
