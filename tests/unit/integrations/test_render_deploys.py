"""Deploys of Render: how long lists are read, what a rollback goes back to, what follows a deploy."""

from datetime import timedelta

import pytest

from capliquify_ops.integrations.render_deploys import deploy_to_go_back_to, when_ended
from capliquify_ops.integrations.render_records import Deploy
from capliquify_ops.model.errors import IntegrationFailed, NotThere, UsageError

from . import fake_render
from .conftest import Fault, Time
from .fake_render import START

world, server, render, web = fake_render.world, fake_render.server, fake_render.render, fake_render.web


def test_deploys_are_listed_the_newest_first(render, world, web):
    """Of any status or of some, of any time or after one, with what they deploy and when."""
    for commit in ("c1", "c2", "c3"):
        world.push(web, commit)
    deploys = render.deploys(web)
    assert [each.revision for each in deploys.items] == ["c3", "c2", "c1"]
    assert [each.status for each in deploys.items] == ["live", "deactivated", "deactivated"]
    newest = deploys.items[0]
    assert (newest.trigger, newest.message, newest.has_ended) == ("new_commit", "Make c3", True)
    assert newest.created_at <= newest.started_at < newest.finished_at
    assert newest.finished_at.utcoffset() == timedelta(0)
    assert [each.revision for each in render.deploys(web, statuses=["live", "canceled"]).items] == ["c3"]
    assert [each.revision for each in render.deploys(web, created_after=deploys.items[1].created_at).items] == ["c3"]


@pytest.mark.parametrize(("count", "at_most", "expected", "complete"), [
    (0, 1000, 0, True), (99, 1000, 99, True), (100, 1000, 100, True), (250, 1000, 250, True),
    (250, 150, 150, False), (160, 150, 150, False), (20, 20, 20, False), (5, 1, 1, False), (1100, 1000, 1000, False),
])  # fmt: skip
def test_long_lists_are_followed_to_their_bound(render, world, web, count, at_most, expected, complete):
    """All pages are read until the bound; a list that may go on behind it says so."""
    world.deploys[web] = [
        {"id": f"dep-{number}", "status": "canceled", "createdAt": "2030-01-01T00:00:00Z"} for number in range(count)
    ]
    found = render.deploys(web, at_most=at_most)
    assert [each.id for each in found.items] == [f"dep-{number}" for number in range(expected)]
    assert found.is_complete is complete


@pytest.mark.parametrize("bound", [0, -1, 1001])
def test_a_bound_that_makes_no_sense_is_refused(render, server, web, bound):
    """Nothing is asked for a bound that Render would not like."""
    with pytest.raises(UsageError, match=f"not {bound}"):
        render.deploys(web, at_most=bound)
    assert server.asked == []


def test_cursors_that_lead_in_a_circle_end(render, server, web):
    """A list that gives the same cursor again is refused, not read for ever."""
    deploy = {"id": "dep-1", "status": "live", "createdAt": "2030-01-01T00:00:00Z"}
    server.faults += [Fault(200, [{"deploy": deploy, "cursor": "same"}] * 100)] * 2
    with pytest.raises(IntegrationFailed, match=r"answer\[99\]\.cursor leads in a circle"):
        render.deploys(web, at_most=1000)


def test_a_list_without_a_cursor_is_not_called_complete(render, server, web):
    """A full page that says no way to the next one may not be all."""
    deploy = {"id": "dep-1", "status": "live", "createdAt": "2030-01-01T00:00:00Z"}
    server.faults.append(Fault(200, [{"deploy": deploy}] * 100))
    assert render.deploys(web, at_most=1000).is_complete is False


def test_a_rollback_makes_the_deploy_before_live(render, world, web):
    """The one that was live before is found, a new deploy brings it back, and autodeploy would still undo it."""
    world.push(web, "good")
    world.push(web, "bad")
    before = render.instances(web)
    target = render.deploy_to_go_back_to(web)
    assert target.revision == "good"
    started = render.roll_back(web, target.id)
    assert (started.trigger, started.revision, started.has_ended) == ("rollback", "good", False)
    time = Time()
    ended = when_ended(lambda: render.deploy(web, started.id), time, time.sleep)
    assert (ended.id, ended.status) == (started.id, "live")
    assert render.deploys(web, statuses=["live"]).items == (ended,)
    assert {each.id for each in before}.isdisjoint(each.id for each in render.instances(web))
    assert render.service(web).is_autodeployed


def test_after_a_rollback_the_bad_deploy_is_not_gone_back_to(render, world, web):
    """What was left for being bad is the newest of the deactivated: the search goes on behind what was returned to."""
    for commit in ("oldest", "good", "bad"):
        world.push(web, commit)
    started = render.roll_back(web, render.deploy_to_go_back_to(web).id)
    when_ended(lambda: render.deploy(web, started.id), Time(), lambda _: None)
    assert render.deploy_to_go_back_to(web).revision == "oldest"


def _deploy(number, status, revision="r", trigger="api"):
    return Deploy(f"dep-{number}", status, trigger, revision, None, START + timedelta(minutes=number), None, None)


TWICE_BAD = [
    _deploy(5, "live", "good", "rollback"),
    _deploy(4, "deactivated", "bad again"),
    _deploy(3, "deactivated", "good", "rollback"),
    _deploy(2, "deactivated", "bad"),
    _deploy(1, "deactivated", "good"),
]


@pytest.mark.parametrize(
    ("deploys", "expected"),
    [
        ([], None),
        ([_deploy(1, "live")], None),
        ([_deploy(1, "deactivated")], None),
        ([_deploy(1, "deactivated"), _deploy(2, "build_failed")], None),
        ([_deploy(3, "live"), _deploy(2, "build_failed"), _deploy(1, "deactivated")], "dep-1"),
        ([_deploy(1, "deactivated"), _deploy(2, "deactivated"), _deploy(3, "live")], "dep-2"),
        ([_deploy(4, "deactivated"), _deploy(2, "live"), _deploy(1, "deactivated")], "dep-1"),
        ([_deploy(2, "live", None, "rollback"), _deploy(1, "deactivated", None)], None),
        ([_deploy(3, "live", "gone", "rollback"), _deploy(2, "deactivated", "bad")], None),
        ([_deploy(3, "live", "a", "rollback"), _deploy(2, "deactivated", "b"), _deploy(1, "deactivated", "a")], None),
        ([*TWICE_BAD, _deploy(0, "deactivated", "oldest")], "dep-0"),
    ],
)
def test_the_deploy_to_go_back_to_is_certain_or_none(deploys, expected):
    """The newest that was live and is older than the live one; where nobody can know, none."""
    found = deploy_to_go_back_to(deploys)
    assert (found and found.id) == expected


def test_only_a_deploy_that_was_live_can_be_rolled_back_to(render, world, web):
    """Render's refusal reaches the caller, and nothing is deployed."""
    world.push(web, "c1")
    with pytest.raises(IntegrationFailed, match="with 400: the deploy cannot be rolled back to"):
        render.roll_back(web, render.deploys(web).items[0].id)
    with pytest.raises(NotThere):
        render.roll_back(web, "dep-unknown")
    assert len(render.deploys(web).items) == 1


def test_with_autodeploy_off_a_push_does_not_undo_a_rollback(render, world, web):
    """Turned off, a pushed commit stays where it is; turning it off twice is the same as once."""
    world.push(web, "c1")
    for _ in range(2):
        assert render.turn_autodeploy_off(web).is_autodeployed is False
    world.push(web, "c2")
    assert [each.revision for each in render.deploys(web).items] == ["c1"]


def test_autodeploy_that_stays_on_is_an_error(render, server, world, web):
    """An answer that is good and yet leaves autodeploy on does not pass for success."""
    server.faults.append(Fault(200, world.services[web]))
    with pytest.raises(IntegrationFailed, match="left autodeploy on for web"):
        render.turn_autodeploy_off(web)


def test_deploying_again_begins_or_waits(render, world, web, server):
    """A deploy begins (201); behind one that is on its way it waits, and Render says nothing more than that (202, no body)."""
    first = render.deploy_again(web, clear_cache=True, commit_id="c9", mode="build_and_deploy")
    assert (first.status, first.trigger, first.revision) == ("build_in_progress", "api", "c9")
    assert server.asked[-1].body == {"clearCache": "clear", "commitId": "c9", "deployMode": "build_and_deploy"}
    assert render.deploy_again(web) is None
    assert server.asked[-1].body == {}
    assert [each.status for each in render.deploys(web).items] == ["queued", "build_in_progress"]
    render.deploy_again(web, image_url="ghcr.io/example/app:1")
    assert server.asked[-1].body == {"imageUrl": "ghcr.io/example/app:1"}


def test_a_deploy_that_began_must_be_told(render, server, web):
    """Created without a deploy is no answer that anybody could follow."""
    server.faults.append(Fault(201, None))
    with pytest.raises(IntegrationFailed, match="deploying is not understood: the answer is missing"):
        render.deploy_again(web)


def test_a_deploy_is_waited_for_and_no_longer_than_agreed(render, world, web):
    """It is asked again until it has ended; one that does not end in time is told by its status."""
    started, time = render.deploy_again(web), Time()
    assert when_ended(lambda: render.deploy(web, started.id), time, time.sleep, every_s=5).status == "live"
    assert time.slept == [5, 5]
    stuck = _deploy(1, "update_in_progress")
    with pytest.raises(IntegrationFailed, match="dep-1 is still update_in_progress after 60 s"):
        when_ended(lambda: stuck, time, time.sleep, timeout_s=60)
    assert sum(time.slept) == 10 + 60


@pytest.mark.parametrize("status", ["live", "deactivated", "build_failed", "update_failed", "pre_deploy_failed", "canceled"])
def test_every_end_of_a_deploy_ends_the_waiting(status):
    """Whether it went well or not, it is not asked again."""
    assert when_ended(lambda: _deploy(1, status), Time(), pytest.fail).status == status


def test_a_deploy_of_an_image_has_a_revision(render, server, web):
    """The digest, or the name where there is no digest; a deploy without either has none."""
    base = {"id": "dep-1", "status": "a_new_status", "createdAt": "2030-01-01T02:00:00+02:00", "commit": None, "finishedAt": ""}
    for image, revision in (({"sha": "sha256:1", "ref": "app:1"}, "sha256:1"), ({"ref": "app:1"}, "app:1"), (None, None)):
        server.faults.append(Fault(200, {**base, "image": image}))
        found = render.deploy(web, "dep-1")
        assert (found.revision, found.created_at, found.finished_at, found.has_ended) == (revision, START, None, False)
