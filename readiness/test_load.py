"""Box: load tests passed. One run of open arrivals, measured once, answers two questions."""

from collections.abc import Callable
from typing import NoReturn

import pytest

from capliquify_ops.configuration import EMBEDDED, Limits, Target
from capliquify_ops.load import LoadRun, Traffic, api_load, plan_of, raw_document, request_latency
from capliquify_ops.model.finding import Finding
from capliquify_ops.pytest_plugin import check

NotRun = Callable[[str], NoReturn]
Require = Callable[..., None]
KeepRaw = Callable[[bytes], str]


@pytest.fixture(scope="module")
def run(target: Target, traffic: Traffic, limits: Limits) -> LoadRun:
    """The first load check's run, shared by the tests below."""
    plan = plan_of(traffic, rate=limits.number("latency_load_rate"), seconds=limits.number("latency_load_seconds"))
    return request_latency.measure(plan, target=target)


@check("request_latency")
def test_request_latency(run: LoadRun, limits: Limits, require: Require, keep_raw: KeepRaw) -> None:
    """At 300 requests/s over ten tenants p95 < 200 ms, errors < 0.1 %, and every answer holds its own tenant's rows."""
    found: Finding = request_latency.judge(run, limits, raw=keep_raw(raw_document(run, limits["p95_ms"])))
    require(found)


@check("api_load")
def test_api_load(run: LoadRun, target: Target, limits: Limits, require: Require, keep_raw: KeepRaw) -> None:
    """1,000 requests/s (embedded target: 500) are sustained for 10 min with p50 < 50 ms, p95 < 100 ms, errors < 0.1 %."""
    rate = api_load.REQUIRED_RATE_EMBEDDED if target.name == EMBEDDED else api_load.REQUIRED_RATE
    found: Finding = api_load.judge(run, limits, required_rate=rate, raw=keep_raw(raw_document(run, limits["load_p95_ms"])))
    require(found)


@check("tenant_creation_storm")
def test_tenant_creation_storm(not_run: NotRun) -> None:
    """50 tenants a minute are created with p95 < 2,000 ms, failures < 1 %, and each can be read back within 500 ms."""
    not_run("this version has no tenant creation storm")


@check("mixed_load")
def test_mixed_load(not_run: NotRun) -> None:
    """70 % reads, 20 % writes and 10 % analytics of 100 users over 100 tenants keep p95 < 200 ms and p99 < 500 ms."""
    not_run("this version has no mixed load")


@check("latency_baseline")
def test_latency_baseline(not_run: NotRun) -> None:
    """The middleware chain takes p95 < 10 ms, tenant resolution < 8, feature and role checks < 1 each."""
    not_run("this version does not read the middleware's latencies from the service's metrics")
