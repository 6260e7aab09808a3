"""Prometheus as a client sees it: numbers with their times, rules, alerts and targets, and every fault told."""

import math
from datetime import UTC, datetime, timedelta

import pytest

from capliquify_ops.integrations import prometheus
from capliquify_ops.integrations.caller import Caller
from capliquify_ops.integrations.prometheus import Prometheus, prometheus_service
from capliquify_ops.integrations.prometheus_model import Build, Kind
from capliquify_ops.model.errors import (
    ConfigurationInvalid,
    CredentialRefused,
    IntegrationFailed,
    ServiceBroken,
    UsageError,
)
from capliquify_ops.model.secret import Secret

from .conftest import FAULTS, REFUSALS, Fault
from .fake_prometheus import NOW, FakePrometheus, mend
from .published import published

TOKEN = "prom-only-for-this-test"
MINUTE = timedelta(minutes=1)
FAKE = FakePrometheus


@pytest.fixture
def client(running, patience):
    with Caller(prometheus_service(running.url), patience) as caller:
        yield Prometheus(caller)


def test_a_query_gives_one_number_for_each_series(client, state):
    """Each series has its labels, an aware time and a number; a target that goes down is seen in the next answer."""
    found = client.query("up")
    assert (found.kind, found.is_complete, found.warnings) == (Kind.VECTOR, True, ())
    assert [(each.labels["job"], each.at, each.value) for each in found.samples] == [("api", NOW, 1.0), ("db", NOW, 1.0)]
    state.down.add("db")
    assert [each.value for each in client.query("up").samples] == [1.0, 0.0]


def test_a_query_at_a_time(client, running):
    """The value of then is asked for; a time without a zone is nobody's time."""
    at = datetime(2029, 6, 1, 14, 0, 0, 500_000, tzinfo=UTC)
    assert client.query("up", at).samples[0].at == at
    with pytest.raises(UsageError, match="no zone"):
        client.query("up", datetime(2029, 6, 1))
    assert len(running.asked) == 1


def test_every_kind_of_result_is_read(client):
    """A scalar is one sample without labels, a string its text, and a range selector gives series."""
    scalar, string, matrix = client.query("1"), client.query('"text"'), client.query("up[1m]")
    assert (scalar.kind, [(each.labels, each.value) for each in scalar.samples]) == (Kind.SCALAR, [({}, 1.0)])
    assert (string.kind, string.text) == (Kind.STRING, "text")
    assert (matrix.kind, [len(each.points) for each in matrix.series]) == (Kind.MATRIX, [2, 2])


def test_numbers_that_are_none_are_kept(client, state):
    """NaN and the infinities come as they are: a ratio without a divisor is no zero."""
    state.queries["odd"] = [({"n": str(number)}, value) for number, value in enumerate((math.nan, math.inf, -math.inf))]
    nothing, most, least = (each.value for each in client.query("odd").samples)
    assert math.isnan(nothing)
    assert (most, least) == (math.inf, -math.inf)


def test_native_histograms_are_counted(client):
    """A native histogram has no single number: it is left out, and the result says so."""
    found = client.query("histogram")
    assert ([each.value for each in found.samples], found.histograms) == ([60.0], 1)


def test_nothing_found_is_an_empty_result(client):
    """An expression that matches nothing is a success without samples."""
    assert client.query("absent_metric").samples == ()


def test_too_many_series_are_cut_by_the_server(client, state, monkeypatch):
    """The server leaves out what is behind the limit, and the result is not complete."""
    monkeypatch.setattr(prometheus, "MOST_SERIES", 1)
    for found in (client.query("up"), client.query_range("up", NOW - MINUTE, NOW, MINUTE)):
        assert not found.is_complete
        assert len(found.samples) + len(found.series) == 1


def test_a_range_gives_points_in_order(client):
    """Start and end are included, each point has its time and number."""
    found = client.query_range("up", NOW - 2 * MINUTE, NOW, MINUTE)
    assert found.kind is Kind.MATRIX
    assert [series.labels["job"] for series in found.series] == ["api", "db"]
    assert found.series[0].points == ((NOW - 2 * MINUTE, 1.0), (NOW - MINUTE, 1.0), (NOW, 1.0))


def test_a_range_that_the_server_would_refuse_is_not_asked_for(client, running):
    """11000 points are taken; one more, an end before the start, no step, and a time without a zone are errors of the call."""
    step = timedelta(seconds=1)
    assert len(client.query_range("up", NOW - 10_999 * step, NOW, step).series[0].points) == 11_000
    for start, end, wrong in (
        (NOW - 11_000 * step, NOW, step),
        (NOW, NOW - step, step),
        (NOW, NOW, timedelta(0)),
        (NOW, NOW, timedelta(microseconds=10)),
        (NOW.replace(tzinfo=None), NOW, step),
    ):
        with pytest.raises(UsageError):
            client.query_range("up", start, end, wrong)
    assert len(running.asked) == 1


def test_rules_follow_their_targets(client, state):
    """A rule is inactive, and fires with one alert for each target that is down."""
    found = client.alerting_rules()
    assert ([group.name for group in found.groups], found.is_complete) == (["tenants", "database"], True)
    group = found.groups[0]
    assert (group.file, group.interval_s, group.evaluation_s) == ("/etc/tenants.yml", 30.0, 0.002)
    assert group.last_evaluation == NOW
    rule = group.rules[0]
    assert (rule.name, rule.kind, rule.state, rule.health, rule.active_alerts) == ("TargetDown", "alerting", "inactive", "ok", 0)
    assert (dict(rule.labels), rule.last_error) == ({"severity": "critical"}, "")
    state.down |= {"db", "api"}
    rule = client.alerting_rules(["database"]).groups[0].rules[0]
    assert (rule.state, rule.active_alerts) == ("firing", 2)


def test_rules_of_named_groups(client, running):
    """Only the groups of these names are given, and only alerting rules are asked for."""
    assert [group.name for group in client.alerting_rules(["database"]).groups] == ["database"]
    assert ("type", "alert") in running.asked[0].query


def test_all_groups_are_read(client, state, running):
    """More groups than fit on a page are all given, in order; a server that knows no pages gives all at once."""
    state.groups = [(f"group{number}", 1) for number in range(250)]
    for pages, requests in ((True, 3), (False, 1)):
        state.pages = pages
        running.asked.clear()
        found = client.alerting_rules()
        assert ([group.name for group in found.groups], found.is_complete) == ([name for name, _ in state.groups], True)
        assert len(running.asked) == requests


def test_pages_of_groups_end(client, state, monkeypatch):
    """Behind the stated bound nothing is read, and the answer says that there was more."""
    monkeypatch.setattr(prometheus, "MOST_PAGES", 2)
    state.groups = [(f"group{number}", 1) for number in range(201)]
    found = client.alerting_rules()
    assert (len(found.groups), found.is_complete) == (200, False)


def test_alerts_are_those_that_are_active(client, state):
    """An alert has its name, state, labels, annotations, number and the time since when."""
    assert client.alerts() == ()
    state.down.add("db")
    (alert,) = client.alerts()
    assert (alert.name, alert.state, alert.value) == ("TargetDown", "firing", 0.0)
    assert (alert.labels["job"], alert.annotations["summary"]) == ("db", "db is down")
    assert alert.active_at == NOW - 5 * MINUTE


def test_targets_tell_their_health(client, state):
    """Health, time and fault of the last scrape are given; what was dropped is counted; a target never scraped has no time."""
    state.queries["up"].append(({"job": "new"}, 0.0))
    state.down.add("db")
    found = client.active_targets()
    assert found.dropped == 4
    assert [(each.pool, each.health) for each in found.active] == [("api", "up"), ("db", "down"), ("new", "unknown")]
    assert [each.last_scrape for each in found.active] == [NOW - timedelta(seconds=10)] * 2 + [None]
    assert found.active[1].last_error == 'Get "http://db:9090/metrics": dial tcp: connection refused'
    assert found.active[1].labels["instance"] == "db:9090"


def test_keys_in_scrape_addresses_are_left_out(client, state):
    """A scrape address carries keys in its query: none is in what is given, not even in the fault of the scrape."""
    state.down.add("db")
    found = client.active_targets()
    assert [each.url for each in found.active] == ["http://api:9090/metrics", "http://db:9090/metrics"]
    assert "scrape-secret" not in repr(found)


def test_a_server_that_does_not_count_what_it_dropped(client, state):
    """Not counted is not zero."""
    state.has_dropped_counts = False
    assert client.active_targets().dropped is None


def test_the_version_is_known(client):
    """The server says which it is."""
    assert client.build() == Build("3.11.0", "abcdef")


@pytest.mark.parametrize(
    ("query", "said"),
    [
        ("up(", "with 400: invalid parameter"),
        ("up + on() up", "with 422: found duplicate"),
        ("slow", "with 503: query timed out"),
    ],
)
def test_prometheus_says_what_is_wrong_with_a_query(client, query, said):
    """The error has Prometheus' own words, and not the expression."""
    with pytest.raises(IntegrationFailed, match=f"Prometheus answered GET /api/v1/query {said}"):
        client.query(query)


@pytest.mark.parametrize(
    ("status", "kind"),
    REFUSALS.items(),
)
def test_refusals_of_a_proxy_are_told_by_kind(client, running, status, kind):
    """A proxy may answer anything, such as a page: each refusal has its error."""
    running.faults += [Fault(status, b"<html>no</html>")] * 3
    with pytest.raises(kind, match=f"Prometheus answered GET /api/v1/alerts with {status}"):
        client.alerts()


def test_a_read_survives_faults(client, running, slept):
    """A rate limit with a time, an error of the server, a broken connection, and half an answer do not end a read."""
    for fault in FAULTS:
        running.faults[:] = [fault]
        assert len(client.query("up").samples) == 2
    assert slept[0] == pytest.approx(2.025)


def test_a_slow_answer_ends(running, hasty):
    """Prometheus that hangs costs the budget of one operation and no more; it is told itself not to work longer than that."""
    running.faults.append(Fault(after_s=0.6))
    with Caller(prometheus_service(running.url), hasty) as caller, pytest.raises(ServiceBroken, match="in time"):
        Prometheus(caller).query("up")
    assert ("timeout", "8s") in running.asked[0].query


@pytest.mark.parametrize(("user", "header"), [("", f"Bearer {TOKEN}"), ("ops", "Basic b3BzOnByb20tb25seS1mb3ItdGhpcy10ZXN0")])
def test_the_credential_arrives_and_is_nowhere_else(fake, patience, caplog, user, header):
    """A token or a password goes to the proxy, and into no representation, log or error, even where the proxy repeats it."""
    caplog.set_level("DEBUG")
    running = fake(lambda asked: (401, {"error": f"{asked.headers['authorization']} with {TOKEN} is unknown"}))
    service = prometheus_service(running.url, Secret(TOKEN), user=user)
    with Caller(service, patience) as caller, pytest.raises(CredentialRefused) as caught:
        Prometheus(caller).build()
    assert running.asked[0].headers["authorization"] == header
    for shown in (str(caught.value), repr(caught.value), repr(service), repr(caller), caplog.text):
        assert TOKEN not in shown
        assert header.split()[1] not in shown


def test_an_address_with_a_password_is_refused():
    """The address is in every log: a credential in it is an error of the configuration, which does not repeat it."""
    with pytest.raises(ConfigurationInvalid) as caught:
        prometheus_service(f"https://ops:{TOKEN}@prometheus.test")
    assert TOKEN not in str(caught.value)


def test_prometheus_behind_a_path(fake, state, patience):
    """A base address with a path of its own is kept."""
    running = fake(lambda asked: (200, {"status": "success", "data": {"version": "1", "revision": asked.path}}))
    with Caller(prometheus_service(f"{running.url}/prom"), patience) as caller:
        assert Prometheus(caller).build().revision == "/prom/api/v1/status/buildinfo"


def test_requests_and_answers_are_as_published(client, state, running):
    """Each request of the client, and each answer of the fake that the other tests rely on, passes the published document."""
    document = published("prometheus.yaml", patch=mend)
    state.down.add("db")
    client.query("up")
    for query in ("1", '"text"', "up[1m]", "histogram"):
        client.query(query, NOW)
    client.query_range("up", NOW - MINUTE, NOW, MINUTE)
    client.alerting_rules(["database", "tenants"])
    client.alerts()
    client.active_targets()
    client.build()
    for query in ("up(", "up + on() up"):
        with pytest.raises(IntegrationFailed):
            client.query(query)
    assert {asked.path for asked in running.asked} == {
        f"/api/v1/{name}" for name in ("query", "query_range", "rules", "alerts", "targets", "status/buildinfo")
    }
    for asked in running.asked:
        document.check_request(asked, asked.path.removeprefix("/api/v1"))
    assert len(state.answers) == 12
    for answer in state.answers:
        document.check_answer(*answer)
