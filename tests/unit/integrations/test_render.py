"""Services, instances and events of Render, against a Render that keeps state and the document that Render publishes."""

import re

import pytest

from capliquify_ops.integrations.render_records import Listed
from capliquify_ops.model.errors import IntegrationFailed

from . import fake_render
from .conftest import Asked, Fault
from .fake_render import OWNER, START
from .published import published

world, server, render, web = fake_render.world, fake_render.server, fake_render.render, fake_render.web


def test_requests_and_answers_are_compared_with_the_published_document():
    """Where the document is there, the fake holds every request and answer against it."""
    published("render.json")
    assert fake_render.document() is not None


@pytest.mark.parametrize(
    ("method", "path", "query", "body"),
    [
        ("GET", "/v1/services", [("nom", "web")], b""),
        ("GET", "/v1/logs", [("resource", "srv-1")], b""),
        ("GET", "/v1/services/srv-1/deploys", [("limit", "101")], b""),
        ("PATCH", "/v1/services/srv-1", [], {"autoDeploy": "off"}),
        ("POST", "/v1/services/srv-1/rollback", [], {"id": "dep-1"}),
        ("POST", "/v1/services/srv-1/reboot", [], b""),
    ],
)
def test_a_request_that_is_not_allowed_is_noticed(method, path, query, body):
    """A wrong path, parameter, or body does not pass the fake: otherwise the comparison would be worth nothing."""
    published("render.json")
    state = fake_render.FakeRender()
    state(Asked(method, path, query, {}, body))
    assert state.wrong != []


def test_an_answer_that_is_not_allowed_is_noticed(world, render, web):
    """Nor does an answer that Render would not give."""
    published("render.json")
    del world.services[web]["ownerId"]
    with pytest.raises(IntegrationFailed):
        render.service(web)
    assert re.search("ownerId.* is a required property", world.wrong.pop())


def test_a_service_is_found_by_its_name(render, world, web):
    """Exactly that name, in one workspace or in all; an unknown name finds nothing, which is no error."""
    other = world.add("web", owner="tea-bbbbbbbbbbbbbbbbbbbb")
    world.add("worker")
    assert {each.id for each in render.find_services("web").items} == {web, other}
    assert [each.id for each in render.find_services("web", owner_id=OWNER).items] == [web]
    assert render.find_services("nobody") == Listed((), is_complete=True)


def test_a_service_says_how_it_is_set_up(render, web):
    """Who owns it, what it is, where it runs, whether it deploys by itself."""
    found = render.service(web)
    assert (found.id, found.name, found.owner_id, found.kind) == (web, "web", OWNER, "web_service")
    assert (found.is_suspended, found.suspenders) == (False, ())
    assert (found.wanted_instances, found.plan, found.region) == (2, "starter", "frankfurt")
    assert (found.url, found.health_check_path, found.is_autodeployed) == ("https://web.onrender.com", "/health", True)


def test_a_suspended_service_says_who_suspended_it(render, world, web, server):
    """Also where Render has words for it that are new."""
    world.services[web] |= {"suspended": "suspended", "suspenders": ["billing"]}
    assert (render.service(web).is_suspended, render.service(web).suspenders) == (True, ("billing",))
    server.faults.append(Fault(200, {**world.services[web], "suspenders": ["a_new_one"], "type": "new_kind", "new": {"x": [1]}}))
    found = render.service(web)
    assert (found.suspenders, found.kind) == (("a_new_one",), "new_kind")


def test_the_status_holds_what_tells_health(render, world, web):
    """Render has no field for health: the newest deploy, the instances and the failures since a time are read with it."""
    world.push(web, "c1")
    world.crash(web, oomKilled={"memoryLimit": "512Mi"})
    status = render.status(web, START)
    assert status.service.id == web
    assert (status.latest_deploy.status, status.latest_deploy.revision) == ("live", "c1")
    assert len(status.instances) == 2
    assert status.instances[-1].created_at > status.instances[0].created_at
    assert [event.kind for event in status.failures.items] == ["server_failed"]
    assert status.failures.items[0].failure.is_out_of_memory


def test_a_service_without_deploys_has_a_status(render, web):
    """A service that was never deployed is no error."""
    assert render.status(web, START).latest_deploy is None


def test_a_restart_brings_new_instances(render, world, web):
    """All instances are others, and younger; the event says it."""
    before = render.instances(web)
    assert render.restart(web) is None
    after = render.instances(web)
    assert len(after) == len(before) == 2
    assert min(each.created_at for each in after) > max(each.created_at for each in before)
    assert render.events(web, ["server_restarted"]).items[0].at >= START


def test_a_cron_job_cannot_be_restarted(render, world):
    """Render says no, and that is told."""
    with pytest.raises(IntegrationFailed, match="cron jobs cannot be restarted"):
        render.restart(world.add("nightly", "cron_job"))


def test_events_are_chosen_by_kind_and_time(render, world, web):
    """Several kinds are asked for one by one and told together, the newest first."""
    world.push(web, "c1")
    middle = world.now
    world.crash(web, nonZeroExit=137)
    kinds = ["server_failed", "deploy_ended"]
    found = render.events(web, kinds)
    assert [event.kind for event in found.items] == ["server_failed", "deploy_ended"]
    assert [event.kind for event in render.events(web, kinds, start=middle).items] == ["server_failed"]
    assert [event.kind for event in render.events(web, kinds, end=middle).items] == ["deploy_ended"]
    assert "server_available" in {event.kind for event in render.events(web).items}
    assert render.events(web, kinds, at_most=1) == Listed(found.items[:1], is_complete=False)


def test_events_tell_why_something_failed(render, server, world, web):
    """The exit code, the memory limit, the health check, the time; for a deploy its outcome and its failure."""
    world.push(web, "c1")
    world.crash(web, nonZeroExit=137)
    world.crash(web, oomKilled={"memoryLimit": "512Mi"}, earlyExit=True)
    world.crash(web, unhealthy="HTTP health check failed", timedOutSeconds=5)
    unhealthy, memory, exited = (event.failure for event in render.events(web, ["server_failed"]).items)
    assert (unhealthy.unhealthy, unhealthy.timed_out_s) == ("HTTP health check failed", 5)
    assert (memory.memory_limit, memory.is_early_exit, memory.is_out_of_memory) == ("512Mi", True, True)
    assert (exited.exit_code, exited.is_evicted, exited.is_out_of_memory) == (137, False, False)
    deploy = render.events(web, ["deploy_ended"]).items[0]
    assert (deploy.outcome, deploy.failure, deploy.instance_id) == ("succeeded", None, None)
    assert deploy.deploy_id == render.deploys(web).items[0].id
    details = {"deployId": "dep-1", "deployStatus": "failed", "status": 3, "reason": {"failure": {"evicted": True}}}
    world._event(web, "deploy_ended", details)
    failed = render.events(web, ["deploy_ended"]).items[0]
    assert (failed.outcome, failed.failure.is_evicted) == ("failed", True)


@pytest.mark.parametrize("details", [None, {}, {"reason": "other"}, {"reason": {"newBuild": {"id": "x"}}}, {"new": [1]}])
def test_events_of_a_new_kind_are_told(render, server, web, details):
    """What is new has its kind and its time; its details do no harm."""
    event = {"id": "evt-1", "timestamp": "2030-01-01T00:00:00Z", "type": "brand_new", "details": details}
    server.faults.append(Fault(200, [{"event": event, "cursor": "x"}]))
    found = render.events(web).items[0]
    assert (found.kind, found.at, found.failure, found.outcome) == ("brand_new", START, None, None)
