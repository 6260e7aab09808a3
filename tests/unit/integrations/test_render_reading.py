"""Whatever Render answers, reading it gives a record or IntegrationFailed, and no secret with either."""

import re
from dataclasses import fields, is_dataclass
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from capliquify_ops.integrations import render_logs, render_metrics
from capliquify_ops.integrations.render_reading import deploy_of, event_of, instance_of, service_of, variable_of
from capliquify_ops.integrations.shape import Shape
from capliquify_ops.model.errors import IntegrationFailed

from .anything import read_or_refused, spoilt

SERVICE = {
    "id": "srv-1", "name": "web", "ownerId": "tea-1", "type": "web_service", "suspended": "not_suspended", "suspenders": [],
    "autoDeploy": "yes", "serviceDetails": {"plan": "free", "region": "ohio", "numInstances": 1, "url": "", "healthCheckPath": ""},
}  # fmt: skip
FAILURE = {"evicted": False, "earlyExit": True, "nonZeroExit": 1, "oomKilled": {"memoryLimit": "1Gi"}, "timedOutSeconds": 3}
EVENT = {
    "id": "evt-1", "type": "deploy_ended", "timestamp": "2030-01-01T00:00:00Z",
    "details": {"deployId": "dep-1", "instanceID": "x", "deployStatus": "failed", "reason": {"failure": FAILURE}},
}  # fmt: skip
DEPLOY = {
    "id": "dep-1", "status": "live", "trigger": "api", "commit": {"id": "c", "message": "m"}, "image": {"sha": "s", "ref": "r"},
    "createdAt": "2030-01-01T00:00:00Z", "startedAt": "2030-01-01T00:00:00Z", "finishedAt": "2030-01-01T00:00:00Z",
}  # fmt: skip
LINE = {"id": "1", "timestamp": "2030-01-01T00:00:00Z", "message": "m", "labels": [{"name": "type", "value": "app"}]}
PAGE = {"hasMore": True, "nextStartTime": "2030-01-01T00:00:00Z", "nextEndTime": "2030-01-01T00:00:00Z", "logs": [LINE]}
SERIES = {
    "labels": [{"field": "f", "value": "v"}],
    "unit": "cpu",
    "values": [{"timestamp": "2030-01-01T00:00:00Z", "value": 1}],
}
READERS = {
    "service": (service_of, SERVICE),
    "deploy": (deploy_of, DEPLOY),
    "instance": (instance_of, {"id": "x", "createdAt": "2030-01-01T00:00:00Z"}),
    "event": (event_of, EVENT),
    "variable": (variable_of, {"key": "A", "value": "h1dden"}),
    "logs": (render_logs._page_of, PAGE),
    "series": (render_metrics._series_of, SERIES),
}


def _texts(record):
    if isinstance(record, str):
        yield record
    elif isinstance(record, tuple):
        for each in record:
            yield from _texts(each)
    elif is_dataclass(record):
        for each in fields(record):
            yield from _texts(getattr(record, each.name))


@pytest.mark.parametrize("name", READERS)
@given(data=st.data())
def test_any_answer_gives_a_record_or_a_refusal(name, data):
    """Any JSON, in place of the whole answer or of any part of a good one; texts of a record can be written to a file."""
    read, good = READERS[name]
    record = read_or_refused(read, "Render", data.draw(spoilt(good)))
    assert all(text.encode() is not None for text in _texts(record))


@pytest.mark.parametrize("name", READERS)
def test_fields_that_nobody_knows_are_no_trouble(name):
    """Render adds fields: a good answer with more of them, in every object, is as good as before."""
    read, good = READERS[name]

    def more(value):
        if isinstance(value, dict):
            return {**{key: more(inner) for key, inner in value.items()}, "added": {"later": [1]}}
        return [more(inner) for inner in value] if isinstance(value, list) else value

    assert read(Shape("Render", "x", more(good))) == read(Shape("Render", "x", good))


REQUIRED = {
    "service": ["id", "name", "ownerId", "type", "suspended", "autoDeploy"],
    "deploy": ["id", "status", "createdAt"],
    "instance": ["id", "createdAt"],
    "event": ["id", "type", "timestamp"],
    "variable": ["key", "value"],
    "logs": ["hasMore", "nextStartTime", "nextEndTime"],
    "series": ["unit"],
}


@pytest.mark.parametrize(("name", "key"), [(name, key) for name, keys in REQUIRED.items() for key in keys])
def test_what_must_be_there_is_asked_for_by_name(name, key):
    """Without it there is no record, and the sentence says what is missing."""
    read, good = READERS[name]
    with pytest.raises(IntegrationFailed, match=rf"Render's answer to x is not understood: the answer\.{key} is missing, not "):
        read(Shape("Render", "x", {inner: value for inner, value in good.items() if inner != key}))


@pytest.mark.parametrize(("name", "key"), [
    (name, key) for name, (_, good) in READERS.items() for key in good if key not in REQUIRED[name]
])  # fmt: skip
def test_what_may_be_missing_may(name, key):
    """Without it, or with null in its place, there is a record."""
    read, good = READERS[name]
    without = {inner: value for inner, value in good.items() if inner != key}
    assert read(Shape("Render", "x", without)) == read(Shape("Render", "x", {**good, key: None}))


@pytest.mark.parametrize(("name", "key", "value", "place"), [
    ("service", "serviceDetails", {"numInstances": True}, "serviceDetails.numInstances is true or false, not a whole number"),
    ("service", "serviceDetails", {"numInstances": 1.5}, "serviceDetails.numInstances is a number, not a whole number"),
    ("logs", "nextEndTime", "soon", "nextEndTime is a text, not a time"),
    ("logs", "nextStartTime", "2030-01-01T00:00:00", "nextStartTime is a text, not a time with an offset"),
    ("deploy", "finishedAt", 1, "finishedAt is a number, not a text"),
    ("deploy", "createdAt", "0001-01-01T00:00:00+23:59", "createdAt is a text, not a time"),
])  # fmt: skip
def test_what_is_of_another_kind_is_told_by_its_place(name, key, value, place):
    """A truth is no number, half an instance is none, and a time is one that can be found on a clock."""
    read, good = READERS[name]
    with pytest.raises(IntegrationFailed, match=re.escape(f"is not understood: the answer.{place}.")):
        read(Shape("Render", "x", {**good, key: value}))


def test_a_refusal_does_not_say_the_value():
    """A value that is not understood may be a secret: only its place and its kind are told."""
    with pytest.raises(IntegrationFailed) as caught:
        variable_of(Shape("Render", "x", {"key": "A", "value": ["h1dden"]}))
    assert caught.value.what == "Render's answer to x is not understood: the answer.value is a list, not a text."
    assert "h1dden" not in repr(Shape("Render", "x", "h1dden"))
    assert "s3cret line" not in repr(
        render_logs._page_of(Shape("Render", "x", {**PAGE, "logs": [{**LINE, "message": "s3cret line"}]}))
    )


def test_times_are_read_in_utc_with_all_digits_that_fit():
    """Render writes nanoseconds and may write an offset; the moment is the same."""
    found = Shape("Render", "x", "2030-01-01T02:00:00.123456789+02:00").time()
    assert found.isoformat() == "2030-01-01T00:00:00.123456+00:00"
    assert found.utcoffset() == timedelta(0)
