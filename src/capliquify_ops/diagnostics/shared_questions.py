"""Questions that several issues have in common: each is asked once, whatever issues want its answer."""

import time
from collections.abc import Iterator, Mapping
from datetime import timedelta

from capliquify_ops.configuration import Target
from capliquify_ops.diagnostics.inquiry import Answers, Inquiry, Question, value_of
from capliquify_ops.diagnostics.outside import ask_prometheus, ask_render
from capliquify_ops.http_client import Client
from capliquify_ops.integrations.prometheus import Prometheus
from capliquify_ops.integrations.render_records import ServiceStatus
from capliquify_ops.model.errors import IntegrationFailed
from capliquify_ops.observation.exposition import Sample, read_exposition
from capliquify_ops.observation.traffic import Traffic, traffic_between

METRICS, PROMETHEUS, RENDER = "metrics", "Prometheus", "Render"
SCRAPE_TIMEOUT_S = 4.0
RECENT = timedelta(minutes=5)
"""The alert rules look back for five minutes."""
FAILURES_SINCE = timedelta(hours=1)
_HTTP_OK = 200


def metrics_question(inquiry: Inquiry) -> Question | str:
    """Look at the service's metrics twice, `watch_s` apart. Gives a Traffic."""
    target, route = inquiry.target, inquiry.target.profile.routes.get("metrics")
    if not target.base_url:
        return f"the target has no base_url: {target.how_to_set('base_url')}"
    if route is None:
        return "the profile has no route named metrics"

    def question() -> tuple[Traffic, str]:
        with Client(target.base_url, timeout_s=SCRAPE_TIMEOUT_S) as client:
            before, started = _scraped(client, route.path), inquiry.clock.monotonic()
            time.sleep(inquiry.watch_s)
            after, ended = _scraped(client, route.path), inquiry.clock.monotonic()
        found = traffic_between(before, after, ended - started, target.profile.metrics, apart=_watched(target))
        return found, says(found)

    return question


def prometheus_question(inquiry: Inquiry) -> Question | str:
    """Ask Prometheus for the last five minutes. Gives a Traffic, None where it does not have the service's metrics."""
    metrics = inquiry.target.profile.metrics

    def ask(prometheus: Prometheus) -> tuple[Traffic | None, str]:
        samples = [each for query in _queries(metrics) for each in _samples(prometheus, *query)]
        if not any(each.name == metrics.get("requests_total") for each in samples):
            return None, f"has no metric {metrics.get('requests_total', 'requests_total')} of the last five minutes"
        found = traffic_between((), samples, RECENT.total_seconds(), metrics, apart=_watched(inquiry.target))
        return found, says(found)

    return ask_prometheus(inquiry, ask)


def render_question(inquiry: Inquiry) -> Question | str:
    """Ask Render how the service is. Gives a ServiceStatus with the failures of the last hour."""
    return ask_render(
        inquiry,
        lambda render, service: _status(render.status(service, inquiry.clock.now() - FAILURES_SINCE)),
    )


def traffic_of(answers: Answers) -> Traffic | None:
    """Return the traffic to judge by: of the last minutes where Prometheus has it, else of the last seconds."""
    found: Traffic | None = value_of(answers, PROMETHEUS) or value_of(answers, METRICS)
    return found


def says(found: Traffic) -> str:
    """Say in one line how much traffic there was and how it went."""
    p95 = found.durations.quantile_ms(0.95) if found.durations else None
    slow = "" if p95 is None else f", p95 {p95:.0f} ms"
    restarted = "; the service has restarted meanwhile" if found.has_restarted else ""
    return f"{found.requests:.0f} requests in {found.over_s:.0f} s, {found.errors:.0f} of them failed{slow}{restarted}"


def _scraped(client: Client, path: str) -> tuple[Sample, ...]:
    answer = client.require_same_host(client.request("GET", path))
    if answer.status != _HTTP_OK:
        raise IntegrationFailed(f"GET {path} answered {answer.status}, no metrics.", hint="Check routes.metrics of the profile.")
    return read_exposition(answer.body.decode("utf-8", "replace"))


def _watched(target: Target) -> frozenset[str]:
    """Return the routes that monitors ask, and this diagnosis."""
    return frozenset(target.profile.routes[name].path for name in ("health", "metrics") if name in target.profile.routes)


def _queries(metrics: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    """Yield for each metric the name of its samples and the expression: growth of what counts, the last value of what stands."""
    recent = f"[{RECENT.total_seconds():.0f}s]"
    for key, labels in (("requests_total", "route, status"), ("session_verifications", "result")):
        if name := metrics.get(key):
            yield name, f"sum by ({labels}) (increase({name}{recent}))"
    for key, label in (("request_duration", "route, "), ("middleware_latency", "middleware_name, "), ("query_duration", "")):
        if name := metrics.get(key):
            yield f"{name}_bucket", f"sum by ({label}le) (increase({name}_bucket{recent}))"
    for key in ("connections_active", "connections_idle", "connections_waiting", "memory"):
        if name := metrics.get(key):
            yield name, f"sum({name})"


def _samples(prometheus: Prometheus, name: str, query: str) -> list[Sample]:
    return [Sample(name, each.labels, each.value) for each in prometheus.query(query).samples]


def _status(found: ServiceStatus) -> tuple[ServiceStatus, str]:
    deploy = f"last deploy {found.latest_deploy.status}" if found.latest_deploy else "no deploy"
    suspended = "suspended, " if found.service.is_suspended else ""
    many = f"{len(found.instances)} of {found.service.wanted_instances or '?'} instances"
    return found, f"{suspended}{deploy}, {many}, {len(found.failures.items)} failures in the last hour"
