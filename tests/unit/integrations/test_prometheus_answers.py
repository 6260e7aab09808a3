"""Prometheus' answers, whatever they are, give a value or one sentence that names the operation."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from capliquify_ops.integrations import prometheus_answers as answers
from capliquify_ops.integrations import prometheus_reading as reading
from capliquify_ops.integrations.caller import Caller
from capliquify_ops.integrations.prometheus import Prometheus, prometheus_service
from capliquify_ops.model.errors import IntegrationFailed

from .fake_prometheus import FakePrometheus

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=10,
)
STATE = FakePrometheus()
GROUP, ALERT, TARGET = STATE._group("tenants", 1), STATE._alert("db"), STATE._target("db")
RULE = GROUP["rules"][0]
LISTS = {
    "group": (GROUP, answers.rule_groups, lambda row: {"groups": [row]}),
    "rule": (RULE, answers.rule_groups, lambda row: {"groups": [GROUP | {"rules": [row]}]}),
    "alert": (ALERT, answers.alerts, lambda row: {"alerts": [row]}),
    "target": (TARGET, answers.targets, lambda row: {"activeTargets": [row], "droppedTargetCounts": {}}),
}
NEEDED = [
    *(("group", key) for key in ("name", "file", "interval", "evaluationTime", "rules")),
    *(("rule", key) for key in ("name", "type", "health")),
    *(("alert", key) for key in ("labels", "state", "value")),
    *(("target", key) for key in ("labels", "scrapePool", "scrapeUrl", "health")),
]


def result(kind, value):
    return {"status": "success", "data": {"resultType": kind, "result": value}}


@given(st.sampled_from(["vector", "matrix", "scalar", "string", "new"]), JSON)
def test_any_result_is_a_value_or_an_error(kind, value):
    """No result whatever ends in another error than IntegrationFailed."""
    inner = {"metric": {}, "value": value, "values": value}
    for document in (value, result(kind, value), result(kind, [value]), result(kind, [inner]), result(value, [])):
        try:
            answers.query_result(document, "a test")
        except IntegrationFailed as fault:
            assert fault.what.startswith("Prometheus: a test answered")


@given(st.sampled_from(sorted(LISTS)), st.data())
def test_any_row_is_a_value_or_an_error(name, data):
    """No group, rule, alert or target with anything in one of its fields ends in another error than IntegrationFailed."""
    row, read, around = LISTS[name]
    changed = row | {data.draw(st.sampled_from(sorted(row))): data.draw(JSON)}
    for document in (around(changed), data.draw(st.dictionaries(st.text(max_size=5), JSON, max_size=2))):
        try:
            read(document, "a test")
        except IntegrationFailed as fault:
            assert fault.what.startswith("Prometheus: a test answered")


@pytest.mark.parametrize(("name", "lost"), NEEDED)
def test_a_row_has_what_it_must_have(name, lost):
    """Without one of these fields the answer is refused; the whole one is read."""
    row, read, around = LISTS[name]
    read(around(row), "a test")
    with pytest.raises(IntegrationFailed, match="Prometheus: a test answered"):
        read(around({key: value for key, value in row.items() if key != lost}), "a test")


@pytest.mark.parametrize(
    ("document", "said"),
    [
        (None, "without the object"),
        ([], "without the object"),
        ({}, "without the text 'status'"),
        ({"status": "error", "error": "broken"}, "with the status 'error': broken"),
        ({"status": "success"}, "without the object"),
        (result("vector", None), "without the list 'result'"),
        (result("vector", [{"metric": {}}]), "a point that is no pair"),
        (result("vector", [{"metric": {"a": 1}, "value": [1, "1"]}]), "a 'metric' whose values are not texts"),
        (result("scalar", [1, 1]), "a value that is no text"),
        (result("scalar", [1, "one"]), "a value that is no number"),
        (result("scalar", [True, "1"]), "a number that is none"),
        (result("scalar", [float("nan"), "1"]), "a number that is not finite"),
        (result("scalar", [10**400, "1"]), "a number that is too large"),
        (result("scalar", [1e300, "1"]), "a point whose time is none"),
        (result("brand_new", []), "a result of the unknown type 'brand_new'"),
    ],
)
def test_what_is_wrong_is_said(document, said):
    """Each way to be wrong has its words."""
    with pytest.raises(IntegrationFailed) as caught:
        answers.query_result(document, "query")
    assert f"Prometheus: query answered {said}" in caught.value.what


def test_what_is_new_or_left_out_is_tolerated():
    """An unknown state, a missing time or set of annotations, and new fields are no reason to fail."""
    row = {key: value for key, value in ALERT.items() if key not in {"annotations", "activeAt"}}
    (alert,) = answers.alerts({"alerts": [row | {"state": "dreaming", "new": 1}]}, "alerts")
    assert (alert.state, dict(alert.annotations), alert.active_at) == ("dreaming", {}, None)


@pytest.mark.parametrize("at", ["soon", 7, "9999-12-31T23:59:59-14:00", []])
def test_a_time_that_is_none_is_said(at):
    """What no calendar holds is a wrong answer."""
    with pytest.raises(IntegrationFailed, match="'activeAt' that is no time"):
        answers.alerts({"alerts": [ALERT | {"activeAt": at}]}, "alerts")


def test_go_times_are_read():
    """Nine digits behind the second, an offset, and the zero time are times, and none."""
    read = lambda at: reading.stamp({"at": at}, "at", "x")  # noqa: E731 -- three times the same words
    assert read("2030-01-01T02:00:00.123456789+02:00").isoformat() == "2030-01-01T00:00:00.123456+00:00"
    assert read("0001-01-01T00:00:00Z") is None
    assert read(None) is None


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("http://u:p@h:1/m?key=x", "http://h:1/m"),
        ('Get "https://h/m?a=b&c=d": EOF', 'Get "https://h/m": EOF'),
        ("context deadline exceeded", "context deadline exceeded"),
    ],
)
def test_urls_lose_what_is_secret(text, shown):
    """The query and the user of an address are left out wherever it stands."""
    assert reading.without_secrets(text) == shown


def test_a_range_is_a_matrix(fake, patience):
    """A range query that gives something else is a wrong answer."""
    running = fake(lambda _: (200, result("vector", [])))
    at = datetime(2030, 1, 1, tzinfo=UTC)
    with (
        Caller(prometheus_service(running.url), patience) as caller,
        pytest.raises(IntegrationFailed, match="query_range answered a vector instead of a matrix"),
    ):
        Prometheus(caller).query_range("up", at, at, timedelta(seconds=1))
