"""What is relied on when Render does not answer well, or is asked for what cannot be."""

from datetime import datetime, timedelta

import pytest

from capliquify_ops.integrations.caller import Caller
from capliquify_ops.integrations.render import Render, render_service
from capliquify_ops.integrations.render_metrics import Window
from capliquify_ops.model.errors import (
    CredentialRefused,
    IntegrationFailed,
    NotThere,
    OperationForbidden,
    RateLimited,
    ServiceBroken,
    UsageError,
)
from capliquify_ops.model.secret import Secret

from . import fake_render
from .conftest import Fault
from .fake_render import START, TOKEN

world, server, render, web = fake_render.world, fake_render.server, fake_render.render, fake_render.web


READS = {
    "service": lambda render, web: render.service(web),
    "find_services": lambda render, web: render.find_services("web"),
    "deploys": lambda render, web: render.deploys(web),
    "deploy": lambda render, web: render.deploy(web, "dep-1"),
    "instances": lambda render, web: render.instances(web),
    "events": lambda render, web: render.events(web),
    "environment_variables": lambda render, web: render.environment_variables(web),
    "cpu": lambda render, web: render.metrics.cpu(web, Window(START, START + timedelta(hours=1))),
}
CHANGES = {
    "restart": lambda render, web: render.restart(web),
    "roll_back": lambda render, web: render.roll_back(web, "dep-1"),
    "deploy_again": lambda render, web: render.deploy_again(web),
}
REPEATABLE = {
    "turn_autodeploy_off": lambda render, web: render.turn_autodeploy_off(web),
    "set_environment_variable": lambda render, web: render.set_environment_variable(web, "A", Secret("1")),
}
ALL = READS | CHANGES | REPEATABLE
BREAKS = [Fault(500), Fault(503), Fault(reset=True), Fault(200, {"long": "x" * 999}, cut=True)]
SHAPES = [None, b"<html>", b"[{", b"null", 1, "x", [1], [[]], [None], [{"cursor": "x"}], {"id": 1}]


@pytest.mark.parametrize("name", ALL)
def test_a_refusal_is_told_once(render, server, web, name):
    """Each operation tells a refusal by its kind, and asks no second time."""
    kinds = {401: CredentialRefused, 403: OperationForbidden, 404: NotThere, 410: NotThere, 400: IntegrationFailed}
    for status, kind in kinds.items():
        server.asked.clear()
        server.faults.append(Fault(status, {"id": "r", "message": "no"}))
        with pytest.raises(IntegrationFailed) as caught:
            ALL[name](render, web)
        assert type(caught.value) is kind
        assert len(server.asked) == 1


def test_a_service_of_others_is_told(render, world, web):
    """A service that the key may not see, and one that is not there, are not the same."""
    world.denied.add("srv-theirs")
    with pytest.raises(OperationForbidden):
        render.service("srv-theirs")
    with pytest.raises(NotThere, match="not found: service: srv-gone"):
        render.service("srv-gone")


@pytest.mark.parametrize("name", sorted(READS.keys() | REPEATABLE.keys()))
def test_what_can_be_repeated_is(render, server, world, web, name):
    """A read, and a change that is the same when it is made twice, is asked again after a fault and then succeeds."""
    world.deploys[web] = [{"id": "dep-1", "status": "live", "createdAt": "2030-01-01T00:00:00Z"}]
    for fault in BREAKS:
        server.asked.clear()
        server.faults.append(fault)
        ALL[name](render, web)
        assert len(server.asked) == 2


@pytest.mark.parametrize("name", CHANGES)
def test_what_must_not_be_repeated_is_not(render, server, web, name):
    """After a fault nobody knows whether a restart or a deploy was made: it is not sent again."""
    for fault in BREAKS:
        server.asked.clear()
        server.faults.append(fault)
        with pytest.raises(ServiceBroken):
            CHANGES[name](render, web)
        assert len(server.asked) == 1


def test_a_rate_limit_is_waited_for_or_told(render, server, web, slept):
    """A short wait is waited, also before a change, which Render then did not make; a long one is told."""
    server.faults.append(Fault(429, {"message": "slow down"}, {"Retry-After": "2"}))
    render.restart(web)
    assert slept == [pytest.approx(2.025)]
    server.faults.append(Fault(429, {"message": "slow down"}, {"Retry-After": "51", "Ratelimit-Reset": "45"}))
    with pytest.raises(RateLimited, match="slow down") as caught:
        render.deploys(web)
    assert caught.value.retry_after_s == 51


def test_a_slow_render_costs_the_patience_and_no_more(server, web, hasty):
    """An answer that does not come is given up."""
    server.faults.append(Fault(after_s=3))
    service = render_service(Secret(TOKEN), base_url=f"{server.url}/v1")
    with (
        Caller(service, hasty) as caller,
        pytest.raises(ServiceBroken, match="in time"),
    ):
        Render(caller).service(web)


@pytest.mark.parametrize("name", sorted(READS.keys() | REPEATABLE.keys() | {"roll_back"}))
def test_an_answer_of_another_shape_is_told_by_its_operation(render, server, web, name):
    """One sentence names Render and the operation; nothing else than IntegrationFailed leaves."""
    for body in SHAPES:
        server.faults.append(Fault(200, body))
        with pytest.raises(IntegrationFailed, match=r"^Render's answer to [a-z ]+ is not understood: the answer\S* is .+\."):
            ALL[name](render, web)


@pytest.mark.parametrize("wrong", ["", ".", "..", "../srv-1", "srv-1/deploys", "srv-1?x=1", "srv 1", "srv-1\n", "ä"])
def test_an_id_cannot_lead_to_another_place(render, server, wrong):
    """An id that would change the path is refused, and nothing is sent."""
    for name in ("service", "deploys", "instances", "events", "environment_variables", "cpu"):
        with pytest.raises(UsageError):
            READS[name](render, wrong)
    for change in (render.restart, lambda each: render.roll_back("srv-1", each), render.turn_autodeploy_off):
        with pytest.raises(UsageError):
            change(wrong)
    with pytest.raises(UsageError):
        render.set_environment_variable("srv-1", wrong, Secret("x"))
    assert server.asked == []


def test_a_time_without_an_offset_is_refused(render, server, web):
    """Nobody knows when that is."""
    naive = datetime(2030, 1, 1)
    for wrong in (lambda: render.events(web, start=naive), lambda: render.deploys(web, created_after=naive)):
        with pytest.raises(UsageError, match="offset"):
            wrong()
    assert server.asked == []


def test_times_of_any_offset_are_sent_as_they_are(render, server, world, web):
    """A time of another offset is the same moment for Render."""
    world.push(web, "c1")
    end = datetime.fromisoformat("2030-01-01T02:00:00+02:00")
    assert render.events(web, end=end).items == ()
    assert server.asked[0].query[0] == ("endTime", "2030-01-01T02:00:00+02:00")
