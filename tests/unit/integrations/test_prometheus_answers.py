"""Prometheus' answers, whatever they are, give a value or one sentence that names the operation."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from capliquify_ops.integrations import prometheus_answers as answers
from capliquify_ops.integrations.caller import Caller
from capliquify_ops.integrations.prometheus import Prometheus, prometheus_service
from capliquify_ops.integrations.shape import Shape
from capliquify_ops.model.errors import IntegrationFailed

from .anything import read_or_refused, spoilt
from .fake_prometheus import FakePrometheus

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


def shape(value):
    return Shape("Prometheus", "query", value)


def result(kind, value):
    return {"status": "success", "data": {"resultType": kind, "result": value}}


SAMPLE = {"metric": {"a": "b"}, "value": [1, "1"], "values": [[1, "NaN"]], "histograms": [], "histogram": []}
RESULTS = {"vector": [SAMPLE], "matrix": [SAMPLE], "scalar": [1, "1"], "string": [1, "x"], "new": []}


@pytest.mark.parametrize("kind", RESULTS)
@given(data=st.data())
def test_any_result_is_a_value_or_an_error(kind, data):
    """No result whatever ends in another error than IntegrationFailed."""
    read_or_refused(answers.query_result, "Prometheus", data.draw(spoilt(result(kind, RESULTS[kind]))))


@pytest.mark.parametrize("name", LISTS)
@given(data=st.data())
def test_any_row_is_a_value_or_an_error(name, data):
    """No group, rule, alert or target with anything in one of its fields ends in another error than IntegrationFailed."""
    row, read, around = LISTS[name]
    read_or_refused(read, "Prometheus", data.draw(spoilt(around(row))))


@pytest.mark.parametrize(("name", "lost"), NEEDED)
def test_a_row_has_what_it_must_have(name, lost):
    """Without one of these fields the answer is refused; the whole one is read."""
    row, read, around = LISTS[name]
    read(shape(around(row)))
    with pytest.raises(
        IntegrationFailed, match=rf"Prometheus's answer to query is not understood: the answer\S*\.{lost} is missing"
    ):
        read(shape(around({key: value for key, value in row.items() if key != lost})))


@pytest.mark.parametrize(
    ("document", "said"),
    [
        (None, " is missing, not an object"),
        ([], " is a list, not an object"),
        ({}, ".status is missing, not a text"),
        ({"status": "error", "error": "broken"}, ".status is 'error': broken"),
        ({"status": "success"}, ".data is missing, not an object"),
        (result("vector", None), ".data.result is missing, not a list"),
        (result("vector", [{"metric": {}}]), ".data.result[0].value is missing, not a list"),
        (result("vector", [{"metric": {"a": 1}, "value": [1, "1"]}]), ".data.result[0].metric.* is a number, not a text"),
        (result("scalar", [1]), ".data.result is no pair"),
        (result("scalar", [1, 1]), ".data.result[1] is a number, not a text"),
        (result("scalar", [1, "one"]), ".data.result[1] is a text, not a number in a text"),
        (result("scalar", [True, "1"]), ".data.result[0] is true or false, not a number"),
        (result("scalar", [float("nan"), "1"]), ".data.result[0] is a number, not a finite number"),
        (result("scalar", [10**400, "1"]), ".data.result[0] is a number, not a finite number"),
        (result("scalar", [1e300, "1"]), ".data.result[0] is a number, not a time"),
        (result("brand_new", []), ".data.resultType is 'brand_new', which is no known kind of result"),
    ],
)
def test_what_is_wrong_is_said(document, said):
    """Each way to be wrong has its words."""
    with pytest.raises(IntegrationFailed) as caught:
        answers.query_result(shape(document))
    assert caught.value.what == f"Prometheus's answer to query is not understood: the answer{said}."


def test_what_is_new_or_left_out_is_tolerated():
    """An unknown state, a missing time or set of annotations, and new fields are no reason to fail."""
    row = {key: value for key, value in ALERT.items() if key not in {"annotations", "activeAt"}}
    (alert,) = answers.alerts(shape({"alerts": [row | {"state": "dreaming", "new": 1}]}))
    assert (alert.state, dict(alert.annotations), alert.active_at) == ("dreaming", {}, None)


@pytest.mark.parametrize("at", ["soon", 7, "9999-12-31T23:59:59-14:00", []])
def test_a_time_that_is_none_is_said(at):
    """What no calendar holds is a wrong answer."""
    with pytest.raises(IntegrationFailed, match=r"activeAt is .*, not a t(ime|ext)\."):
        answers.alerts(shape({"alerts": [ALERT | {"activeAt": at}]}))


def test_go_times_are_read():
    """Nine digits behind the second, an offset, and the zero time are times, and none."""
    read = lambda at: answers.alerts(shape({"alerts": [ALERT | {"activeAt": at}]}))[0].active_at  # noqa: E731 -- three times the same words
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
    assert answers.without_secrets(text) == shown


def test_a_range_is_a_matrix(fake, patience):
    """A range query that gives something else is a wrong answer."""
    running = fake(lambda _: (200, result("vector", [])))
    at = datetime(2030, 1, 1, tzinfo=UTC)
    with (
        Caller(prometheus_service(running.url), patience) as caller,
        pytest.raises(IntegrationFailed, match="answer to query_range is not understood: the answer is a vector, not a matrix"),
    ):
        Prometheus(caller).query_range("up", at, at, timedelta(seconds=1))
