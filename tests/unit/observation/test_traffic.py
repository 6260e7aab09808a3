"""Two looks at a metrics page: what happened between them, by route and status, and how long it took."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

from capliquify_ops.model.errors import IntegrationFailed
from capliquify_ops.observation.exposition import read_exposition
from capliquify_ops.observation.traffic import Durations, added, traffic_between

METRICS = {
    "requests_total": "http_requests_total",
    "request_duration": "http_request_duration_seconds",
    "middleware_latency": "middleware_latency_seconds",
    "query_duration": "database_query_duration_seconds",
    "connections_active": "database_connections_active",
    "connections_waiting": "database_connections_waiting",
    "session_verifications": "clerk_session_verifications_total",
    "memory": "process_resident_memory_bytes",
}
BOUNDS = (0.005, 0.01, 0.05, 0.1, 0.5, 1.0)


class Service:
    """A service that counts with the library that services count with."""

    def __init__(self):
        self.registry = CollectorRegistry()
        self.requests = Counter("http_requests", "n", ["method", "route", "status"], registry=self.registry)
        self.durations = Histogram("http_request_duration_seconds", "n", ["route"], buckets=BOUNDS, registry=self.registry)
        self.steps = Histogram("middleware_latency_seconds", "n", ["middleware_name"], buckets=BOUNDS, registry=self.registry)
        self.verified = Counter("clerk_session_verifications", "n", ["result"], registry=self.registry)
        self.active = Gauge("database_connections_active", "n", registry=self.registry)
        self.memory = Gauge("process_resident_memory_bytes", "n", registry=self.registry)

    def answer(self, route, status, seconds, method="GET"):
        self.requests.labels(method, route, status).inc()
        self.durations.labels(route).observe(seconds)

    def page(self):
        return read_exposition(generate_latest(self.registry).decode())


def test_only_what_lies_between_the_looks_is_counted():
    """Requests before the first look are no part of it; methods of one route are one route; what monitors ask is left out."""
    service = Service()
    service.answer("/api/products", 500, 0.9)
    before = service.page()
    for status, method in ((200, "GET"), (201, "POST"), (503, "GET")):
        service.answer("/api/products", status, 0.02, method)
    service.answer("/api/health", 503, 0.02)
    service.steps.labels("chain").observe(0.02)
    service.verified.labels("failure").inc(3)
    service.active.set(7)
    service.memory.set(1e8)
    found = traffic_between(before, service.page(), 2.0, METRICS, apart={"/api/health"})
    [route] = found.routes
    assert (route.name, dict(route.by_status)) == ("/api/products", {200: 1, 201: 1, 503: 1})
    assert (found.requests, found.errors, found.has_restarted) == (3, 1, False)
    assert 10 < route.durations.quantile_ms(0.95) <= 50
    assert found.durations == route.durations
    assert found.middleware["chain"].count == 1
    assert found.verifications == {"failure": 3}
    assert (found.pool, found.memory_bytes) == ({"active": 7}, 1e8)


def test_a_restart_between_the_looks_is_told():
    """Counters that began anew count from there, and the restart is said."""
    old, new = Service(), Service()
    for _ in range(5):
        old.answer("/a", 200, 0.02)
    new.answer("/a", 200, 0.02)
    found = traffic_between(old.page(), new.page(), 2.0, METRICS)
    assert (found.requests, found.has_restarted) == (1, True)


def test_a_service_that_shows_little():
    """What a profile does not name, or a service does not show, is absent and no zero."""
    found = traffic_between((), Service().page(), 2.0, {"requests_total": "http_requests_total"})
    assert (found.routes, found.durations, found.memory_bytes, found.pool) == ((), None, None, {})


@pytest.mark.parametrize("text", ["", "<html>no</html>", "\0", "a b c d", "# HELP only words\n", "x NaN\n"])
def test_what_is_no_metrics_page_is_refused(text):
    """A login page, nothing, rubbish, only a NaN: a sentence, never an empty traffic that looks healthy."""
    with pytest.raises(IntegrationFailed, match="metrics page"):
        read_exposition(text)


@given(st.lists(st.floats(0.0001, 0.99), min_size=1, max_size=50), st.sampled_from([0.5, 0.95, 0.99]))
def test_a_quantile_is_within_its_bucket(seconds, share):
    """What is told lies in the bucket that holds the true value, for any durations."""
    buckets = [(bound, float(sum(each <= bound for each in seconds))) for bound in BOUNDS]
    told = Durations((*buckets, (float("inf"), float(len(seconds)))), sum(seconds)).quantile_ms(share) / 1000
    rank = -(-len(seconds) * share // 1)
    true = sorted(seconds)[int(rank) - 1]
    low = max((bound for bound in BOUNDS if bound < true), default=0.0)
    high = min(bound for bound in BOUNDS if bound >= true)
    assert low <= told <= high + 1e-9


def test_beyond_the_last_bound():
    """What took longer than the last bound is told as that bound; without any measurement nothing is told."""
    slow = Durations(((1.0, 0.0), (float("inf"), 4.0)), 40.0)
    assert slow.quantile_ms(0.95) == 1000
    assert Durations(((1.0, 0.0), (float("inf"), 0.0)), 0.0).quantile_ms(0.5) is None
    assert added([slow, slow]).count == 8
