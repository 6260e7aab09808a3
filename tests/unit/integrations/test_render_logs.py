"""What Render keeps of a service: its last lines, and its metrics."""

from datetime import timedelta

import pytest

from capliquify_ops.integrations.render_deploys import when_ended
from capliquify_ops.integrations.render_metrics import Window
from capliquify_ops.model.errors import IntegrationFailed, UsageError

from . import fake_render
from .conftest import Fault, Time
from .fake_render import START

world, server, render, web = fake_render.world, fake_render.server, fake_render.render, fake_render.web


def test_the_last_lines_come_the_oldest_first(render, world, web, server):
    """As many as were asked for, of the kinds that were asked for, with where they come from."""
    other = world.add("other")
    for number in range(5):
        world.say(web, f"line {number}")
        world.say(web, "GET /", kind="request")
        world.say(other, "not mine")
    found = render.logs(render.service(web), count=3, start=START)
    assert [line.message for line in found.lines] == ["line 2", "line 3", "line 4"]
    assert found.has_more
    assert (found.lines[0].kind, found.lines[0].level, found.lines[0].instance_id) == ("app", "info", f"{web}-abcde")
    both = render.logs(render.service(web), count=100, kinds=["app", "request"], start=START)
    assert (len(both.lines), both.has_more) == (10, False)


@pytest.mark.parametrize(("written", "count", "told", "requests"), [
    (250, 100, 100, 1), (250, 200, 200, 3), (150, 200, 150, 2), (100, 200, 100, 1), (0, 200, 0, 1),
])  # fmt: skip
def test_more_lines_than_one_answer_holds(render, world, web, server, written, count, told, requests):
    """Answers hold a hundred lines: the next ones are asked for, and the line where two answers meet counts once."""
    for number in range(written):
        world.say(web, f"line {number}")
    service = render.service(web)
    server.asked.clear()
    found = render.logs(service, count=count, start=START)
    assert [line.message for line in found.lines] == [f"line {number}" for number in range(written - told, written)]
    assert found.has_more is (written > told)
    assert len(server.asked) == requests


def test_a_thousand_lines_of_one_moment_end(render, world, web, server):
    """Where the next answer brings nothing new, it is not asked for for ever; more is said to be there."""
    for number in range(150):
        world.say(web, f"line {number}", after=0)
    found = render.logs(render.service(web), count=200, start=START)
    assert (len(found.lines), found.has_more) == (100, True)
    assert len(server.asked) == 3


def test_answers_with_next_to_nothing_end(render, server, world, web):
    """Answers that bring a line each, and always promise more, are not read for ever."""
    service = render.service(web)
    lines = [{"id": str(number), "timestamp": "2030-01-01T00:00:00Z", "message": "m", "labels": []} for number in range(20)]
    more = {"hasMore": True, "nextStartTime": fake_render.ZERO, "nextEndTime": fake_render.ZERO}
    server.faults += [Fault(200, {**more, "logs": [line]}) for line in lines]
    found = render.logs(service, count=200)
    assert (len(found.lines), found.has_more) == (4, True)


def test_no_line_falls_between_two_answers(render, world, web):
    """Render counts nanoseconds: where two answers meet within one microsecond, all lines are told."""
    for number in range(150):
        world.say(web, f"line {number}", after=0, nanosecond=number)
    found = render.logs(render.service(web), count=200, start=START)
    assert [line.message for line in found.lines] == [f"line {number}" for number in range(150)]


def test_a_quiet_service_needs_a_start(render, world, web):
    """Without one, Render looks back for an hour only."""
    world.say(web, "long ago")
    world.now += timedelta(hours=2)
    service = render.service(web)
    assert render.logs(service).lines == ()
    assert [line.message for line in render.logs(service, start=START).lines] == ["long ago"]


@pytest.mark.parametrize("order", [1, -1])
def test_lines_of_one_moment_keep_their_order(render, server, world, web, order):
    """Render may tell them forwards or backwards: the moments decide, and within one moment its own order."""
    stamps = ("01.000000001", "01.000000001", "02")
    lines = [
        {"id": str(number), "timestamp": f"2030-01-01T00:00:{stamp}Z", "message": str(number), "labels": None}
        for number, stamp in enumerate(stamps)
    ]
    service = render.service(web)
    server.faults.append(Fault(200, {"hasMore": False, "logs": lines[::order]}))
    assert [line.message for line in render.logs(service).lines] == ["0", "1", "2"]


def test_build_logs_lie_between_start_and_end_of_a_deploy(render, world, web):
    """Render knows no logs of a deploy: its time bounds them, and one that still builds has no end."""
    world.say(web, "older build", "build")
    started = render.deploy_again(web)
    world.say(web, "this build", "build")
    world.say(web, "not a build")
    service = render.service(web)
    assert [line.message for line in render.build_logs(service, started).lines] == ["this build"]
    ended = when_ended(lambda: render.deploy(web, started.id), Time(), lambda _: None)
    world.say(web, "newer build", "build")
    assert [line.message for line in render.build_logs(service, ended).lines] == ["this build"]


@pytest.mark.parametrize(
    ("metric", "unit", "series", "more"),
    [
        ("cpu", "cpu", 2, [("aggregationMethod", "MAX")]),
        ("cpu_limit", "cpu", 1, []),
        ("memory", "bytes", 2, []),
        ("memory_limit", "bytes", 1, []),
        ("http_latency", "ms", 1, [("quantile", "0.95")]),
        ("http_requests", "requests", 1, [("aggregateBy", "statusCode")]),
        ("instance_count", "instances", 1, []),
    ],
)
def test_metrics_are_series_of_points(render, server, web, metric, unit, series, more):
    """Each metric has its unit, a series for each of what it counts, and points in UTC."""
    window = Window(START, START + timedelta(minutes=10), 120)
    found = getattr(render.metrics, metric)(web, window)
    assert len(found) == series
    assert {each.unit for each in found} == {unit}
    assert found[0].labels[0] == ("resource", web)
    assert [(point.at - START).total_seconds() for point in found[0].points] == [0, 120, 240, 360, 480, 600]
    assert {point.value for point in found[0].points} == {0.25}
    assert server.asked[0].query[3:] == [("resolutionSeconds", "120"), *more]


@pytest.mark.parametrize("window", [Window(START, START), Window(START, START + timedelta(hours=1), 29)])
def test_a_window_without_points_is_refused(render, server, web, window):
    """A window that ends before it begins, or is finer than Render measures, is a mistake of the caller's."""
    with pytest.raises(UsageError):
        render.metrics.memory(web, window)
    with pytest.raises(UsageError, match="quantile"):
        render.metrics.http_latency(web, Window(START, START + timedelta(hours=1)), quantile=95)
    assert server.asked == []


@pytest.mark.parametrize("value", [b"NaN", b"1e999", b"true", b'"1"', b"1" + b"0" * 400])
def test_a_value_that_is_no_number_is_refused(render, server, web, value):
    """No chart is made of what cannot be measured."""
    series = b'[{"labels": [], "unit": "cpu", "values": [{"timestamp": "2030-01-01T00:00:00Z", "value": %s}]}]' % value
    server.faults.append(Fault(200, series, {"Content-Type": "application/json"}))
    with pytest.raises(IntegrationFailed, match=r"metric cpu is not understood: the answer\[0\].values\[0\].value is"):
        render.metrics.cpu(web, Window(START, START + timedelta(hours=1)))
