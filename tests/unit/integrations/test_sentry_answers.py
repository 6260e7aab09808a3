"""Sentry's answers: whatever JSON stands in their place gives a record or one error, and what is new does no harm."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from capliquify_ops.integrations import sentry_answers as answers
from capliquify_ops.integrations.shape import Shape
from capliquify_ops.model.errors import IntegrationFailed

from .anything import JSON, read_or_refused, spoilt
from .fake_sentry import NOW, FakeSentry


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


def issue_with(**over):
    """An issue, with something else in some of its fields."""
    return Shape("Sentry", "GET x", FULL._issues(QUERY)[0] | over)


@pytest.mark.parametrize("name", WHOLE)
@given(data=st.data())
def test_any_json_is_read_or_refused(name, data):
    """Whatever stands in place of an answer, or of anything in a good one, gives a record or one IntegrationFailed."""
    read, whole = WHOLE[name]
    assert read(Shape("Sentry", "GET x", whole)) is not None
    read_or_refused(read, "Sentry", data.draw(spoilt(whole)))


@given(JSON | st.lists(st.lists(JSON, max_size=3), max_size=3) | st.lists(st.tuples(st.integers(), st.integers()).map(list)))
def test_any_json_is_read_as_counts_or_refused(value):
    """Pairs of times and counts come out in the order of time; anything else is refused."""
    found = read_or_refused(answers.received, "Sentry", value) or ()
    assert [point.at for point in found] == sorted(point.at for point in found)
    assert [point.count for point in found if point.count < 0] == []


@given(link=st.text() | st.from_regex(r'<[^>]*>; rel="next"; results="true"(; cursor="[^"]*")?', fullmatch=True))
def test_any_link_header_is_read_or_refused(link):
    """A header that nobody can read ends the pages; none of them breaks."""
    try:
        assert answers.next_cursor({"link": link}, Shape("Sentry", "GET x", [])) != ""
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
    assert answers.next_cursor({} if link is None else {"link": link}, Shape("Sentry", "GET x", [])) == cursor


@pytest.mark.parametrize(
    ("count", "read"),
    [
        *[("150", 150), (150, 150), (150.0, 150), ("", None), ("1.5k", None), (1.5, None), (-1, None), (True, None), ("²", None)],
        *[("9" * 5000, None), (float("nan"), None), (float("inf"), None), (None, None), (10**400, None)],
    ],
)
def test_counts_are_numbers_however_they_are_written(count, read):
    """Text, whole numbers and 150.0 count alike; what is no count is refused, never taken for none."""
    if read is None:
        with pytest.raises(IntegrationFailed, match=r"the answer\.count is .*, not a"):
            answers.issue(issue_with(count=count))
    else:
        assert answers.issue(issue_with(count=count)).count == read


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
    assert answers.issue(issue_with(firstSeen=text)).first_seen == at


@pytest.mark.parametrize("text", ["2030-01-01T00:00:00", "yesterday", "0001-01-01T00:00:00+14:00", 5])
def test_a_time_without_a_zone_is_none(text):
    """What could be any hour of a day is refused."""
    with pytest.raises(IntegrationFailed, match=r"the answer\.lastSeen is .*, not a t"):
        answers.issue(issue_with(lastSeen=text))


def test_fields_and_words_that_are_new_do_no_harm():
    """A field or a status that nobody knew yet is no reason to fail."""
    row = issue_with(status="hibernating", level="whisper", substatus="dreaming", brandNew={"x": 1})
    found = answers.issue(row)
    assert (found.status, found.level, found.substatus) == ("hibernating", "whisper", "dreaming")


def test_a_series_out_of_order_is_put_in_order():
    """Points follow each other in time, whatever order they arrive in."""
    values = [{"timestamp": at, "value": 1.0, "incomplete": False} for at in (180_000, 60_000, 120_000)]
    found = answers.series(Shape("Sentry", "GET x", {"timeSeries": [{"values": values}]}))
    assert [point.at.minute for point in found.points] == [1, 2, 3]
    assert found.bucket == timedelta(minutes=1)
