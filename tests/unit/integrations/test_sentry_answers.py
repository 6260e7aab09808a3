"""Sentry's answers: whatever JSON stands in their place gives a record or one error, and what is new does no harm."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from capliquify_ops.integrations import sentry_answers as answers
from capliquify_ops.integrations.sentry_shape import Shape
from capliquify_ops.model.errors import IntegrationFailed

from .fake_sentry import NOW, FakeSentry

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5) | st.datetimes().map(str),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
)


def example():
    """An organisation with one of everything."""
    running = FakeSentry()
    running.release("shop@1", 7200, deployed=True, sessions=200, crashed=5)
    running.capture("TypeError", times=3)
    running.add_key(1, limit={"window": 60, "count": 100})
    return running


FULL = example()
QUERY = {
    "project": "shop",
    "statsPeriod": "2h",
    "dataset": "errors",
    "yAxis": "count()",
    "health": "true",
    "comparisonDelta": "60",
}
SESSIONS = FULL._sessions([("field", answers.CRASH_FREE), ("field", answers.SESSIONS)])[1]["groups"][0]
WHOLE = {
    "series": (answers.series, FULL._timeseries(QUERY)[1]),
    "issue": (answers.issue, FULL._issues(QUERY)[0]),
    "release": (lambda shape: answers.release(shape, "shop"), FULL._release("shop@1", QUERY)),
    "crash_free": (answers.crash_free, SESSIONS),
    "top_error": (answers.top_error, {"title": "x", "count()": 3}),
    "project_key": (answers.project_key, FULL.keys[0]),
}


def spoilt(data, whole, value):
    """A good answer with that value somewhere in it: in a field, or in a field of a field."""
    key = data.draw(st.sampled_from(sorted(whole)))
    inner = whole[key]
    if isinstance(inner, dict) and inner and data.draw(st.booleans()):
        return whole | {key: spoilt(data, inner, value)}
    if isinstance(inner, list) and inner and isinstance(inner[0], dict) and data.draw(st.booleans()):
        return whole | {key: [*inner[1:], spoilt(data, inner[0], value)]}
    return whole | {key: value}


@pytest.mark.parametrize("name", WHOLE)
@given(data=st.data())
def test_any_json_is_read_or_refused(name, data):
    """Whatever stands in place of an answer, or of anything in a good one, gives a record or one IntegrationFailed."""
    read, whole = WHOLE[name]
    assert read(Shape.of(whole, "GET x")) is not None
    value = data.draw(JSON)
    for each in (value, spoilt(data, whole, value)):
        try:
            read(Shape.of(each, "GET x"))
        except IntegrationFailed as fault:
            assert fault.what.startswith("Sentry's answer to GET x ")


@given(
    value=JSON | st.lists(st.lists(JSON, max_size=3), max_size=3) | st.lists(st.tuples(st.integers(), st.integers()).map(list))
)
def test_any_json_is_read_as_counts_or_refused(value):
    """Pairs of times and counts come out in the order of time; anything else is refused."""
    try:
        found = answers.received(value, "GET x")
    except IntegrationFailed as fault:
        assert fault.what.startswith("Sentry's answer to GET x ")
        return
    assert [point.at for point in found] == sorted(point.at for point in found)
    assert [point.count for point in found if point.count < 0] == []


@given(link=st.text() | st.from_regex(r'<[^>]*>; rel="next"; results="true"(; cursor="[^"]*")?', fullmatch=True))
def test_any_link_header_is_read_or_refused(link):
    """A header that nobody can read ends the pages; none of them breaks."""
    try:
        assert answers.next_cursor({"link": link}, "GET x") != ""
    except IntegrationFailed as fault:
        assert "next page without a cursor" in fault.what


@pytest.mark.parametrize(
    ("link", "cursor"),
    [
        (None, None),
        ('<https://x/?a=1,2>; rel="previous"; results="true"; cursor="0:0:1"', None),
        ('<https://x/?a=1,2>; rel="next"; results="false"; cursor="0:100:0"', None),
        ('<https://x/?a=1,2;b>; rel="next"; results="true"; cursor="0:100:0"', "0:100:0"),
        ('<x>; rel="previous"; results="true"; cursor="p", <y>; cursor="n"; results="true"; rel="next"', "n"),
    ],
)
def test_the_next_cursor_is_that_of_a_page_with_results(link, cursor):
    """A next link is always there; only one that says so leads on, whatever its address and the order of its marks."""
    assert answers.next_cursor({} if link is None else {"link": link}, "GET x") == cursor


@pytest.mark.parametrize(
    ("count", "read"),
    [
        *[("150", 150), (150, 150), (150.0, 150), ("", None), ("1.5k", None), (1.5, None), (-1, None), (True, None), ("²", None)],
        *[("9" * 5000, None), (float("nan"), None), (float("inf"), None), (None, None), (10**400, None)],
    ],
)
def test_counts_are_numbers_however_they_are_written(count, read):
    """Text, whole numbers and 150.0 count alike; what is no count is refused, never taken for none."""
    row = FULL._issues(QUERY)[0] | {"count": count}
    if read is None:
        with pytest.raises(IntegrationFailed, match="has no usable count"):
            answers.issue(Shape.of(row, "GET x"))
    else:
        assert answers.issue(Shape.of(row, "GET x")).count == read


@pytest.mark.parametrize(
    ("text", "at"),
    [
        ("2030-01-01T02:02:10+02:00", datetime.fromtimestamp(NOW, UTC)),
        ("2030-01-01T00:02:10.500000Z", datetime.fromtimestamp(NOW, UTC) + timedelta(seconds=0.5)),
        (None, None),
    ],
)
def test_times_are_aware_and_utc(text, at):
    """Whatever zone they are written in."""
    assert answers.issue(Shape.of(FULL._issues(QUERY)[0] | {"firstSeen": text}, "GET x")).first_seen == at


@pytest.mark.parametrize("text", ["2030-01-01T00:00:00", "yesterday", "0001-01-01T00:00:00+14:00", 5])
def test_a_time_without_a_zone_is_none(text):
    """What could be any hour of a day is refused."""
    with pytest.raises(IntegrationFailed, match="has no usable lastSeen"):
        answers.issue(Shape.of(FULL._issues(QUERY)[0] | {"lastSeen": text}, "GET x"))


def test_fields_and_words_that_are_new_do_no_harm():
    """A field or a status that nobody knew yet is no reason to fail."""
    row = FULL._issues(QUERY)[0] | {"status": "hibernating", "level": "whisper", "substatus": "dreaming", "brandNew": {"x": 1}}
    found = answers.issue(Shape.of(row, "GET x"))
    assert (found.status, found.level, found.substatus) == ("hibernating", "whisper", "dreaming")


def test_a_series_out_of_order_is_put_in_order():
    """Points follow each other in time, whatever order they arrive in."""
    values = [{"timestamp": at, "value": 1.0, "incomplete": False} for at in (180_000, 60_000, 120_000)]
    found = answers.series(Shape.of({"timeSeries": [{"values": values}]}, "GET x"))
    assert [point.at.minute for point in found.points] == [1, 2, 3]
    assert found.bucket == timedelta(minutes=1)
