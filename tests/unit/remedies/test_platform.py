"""Remedies through Render, against a fake of it that keeps state, over real HTTP."""

import dataclasses
import json
from pathlib import Path

import pytest

from capliquify_ops.configuration import Integration, Target, TargetClass, load_limits, load_profile
from capliquify_ops.configuration.given_secret import given_secret
from capliquify_ops.evidence.redaction import Redactor
from capliquify_ops.model.errors import ConfigurationInvalid, CredentialRefused, IntegrationFailed, UsageError
from capliquify_ops.model.secret import Secret
from capliquify_ops.remedies import taking
from capliquify_ops.remedies.acting import Context, Options, State
from capliquify_ops.remedies.action_log import ActionLog
from capliquify_ops.remedies.platform import RESTART_SERVICE
from capliquify_ops.remedies.platform_rollback import ROLL_BACK_DEPLOY
from capliquify_ops.remedies.platform_variable import SET_ENVIRONMENT_VARIABLE

from ..integrations import conftest as outside  # noqa: TID252 -- tests are no package that has a name
from ..integrations import fake_render  # noqa: TID252 -- as above

fake, world, server, web = outside.fake, fake_render.world, fake_render.server, fake_render.web
Fault, Time = outside.Fault, outside.Time
NOWHERE = Secret("postgresql://u@127.0.0.1:1/x")
VALUE = "5up3r-s3cret-value"


class Health:
    """The service's health address: well, or what it is told to answer next."""

    def __init__(self):
        self.next = []

    def __call__(self, asked):
        status = self.next.pop(0) if self.next else 200
        return status, {"status": "healthy" if status == 200 else "unhealthy"}


@pytest.fixture
def health():
    return Health()


@pytest.fixture
def context(fake, server, web, health, tmp_path, monkeypatch):
    """A context in a time of its own, whose database is down; its service answers by `health`."""
    monkeypatch.setattr(taking, "ISSUES", {})
    own_time = Time()
    options = {"service": web, "base_url": f"{server.url}/v1"}
    target = Target(
        "live",
        TargetClass.PRODUCTION,
        load_profile("capliquify", tmp_path),
        operator_url=NOWHERE,
        base_url=fake(health).url,
        integrations={"render": Integration(options, {"token": Secret(fake_render.TOKEN)})},
    )
    numbers = iter(range(1000))
    return Context(
        target,
        load_limits(),
        own_time,
        lambda: 0.5,
        own_time.sleep,
        "me@here",
        lambda: f"action-{next(numbers)}",
        lambda s, k: "",
    )


@pytest.fixture
def log(tmp_path):
    return ActionLog(tmp_path / "actions.jsonl", Redactor([VALUE]))


@pytest.fixture
def taken(context, log):
    def run(remedy, between=lambda: None, **options):
        prepared = remedy.prepare(context, Options(**options))
        between()
        return prepared.plan, taking.take(remedy, prepared, context, log)

    return run


def running(world, web):
    return {each["id"] for each in world.instances[web]}


def asked(server, method):
    return [each.path for each in server.asked if each.method == method]


def test_a_plan_changes_nothing(context, world, web, server):
    """Plans of all three only read."""
    world.push(web, "c-1")
    world.push(web, "c-2")
    before = running(world, web)
    for remedy, options in (
        (RESTART_SERVICE, Options()),
        (ROLL_BACK_DEPLOY, Options()),
        (SET_ENVIRONMENT_VARIABLE, Options(("KEY",), value=Secret(VALUE), deploy_now=True)),
    ):
        assert remedy.prepare(context, options).plan.steps
    assert {each.method for each in server.asked} == {"GET"}
    assert running(world, web) == before


def test_a_restart_replaces_what_runs_and_is_watched(taken, world, web, health, log, context):
    """All instances are others afterwards; it counts as recovered after three good answers in a row; the audit is here alone, and says so."""
    before = running(world, web)
    health.next = [200, 503, 200, 200, 503]
    plan, report = taken(RESTART_SERVICE)
    assert plan.steps[0].statement == f"POST /services/{web}/restart"
    assert running(world, web) & before == set()
    assert (report.state, report.verified.holds, report.exit_code) == (State.DONE, True, 0)
    assert "well 3 times in a row" in report.verified.says
    assert context.clock.slept.count(2.0) == 7, "five answers, and three good ones after them"
    assert report.database.startswith("not written: 127.0.0.1:1/x cannot be reached")
    assert log.lines()[-1].content["database"] == report.database


def test_a_restart_that_helps_is_said(taken, health, monkeypatch):
    """Unwell before and well afterwards, by the diagnosis itself: it helped."""
    monkeypatch.setattr(taking, "ISSUES", {"service-down": None})
    health.next = [503, 503, 200]
    _, report = taken(RESTART_SERVICE)
    assert report.before == ("service-down: service unwell",)
    assert (report.after, report.helped, report.exit_code) == ((), "helped", 0)


def test_a_restart_that_does_not_help_is_said(taken, health):
    """A service that stays unwell is not verified, with 1, when the time is over."""
    health.next = [503] * 999
    _, report = taken(RESTART_SERVICE, within_s=20)
    assert (report.state, report.verified.holds, report.exit_code) == (State.DONE, False, 1)
    assert report.verified.says.startswith("after 20 s: ")
    assert "answered 503" in report.verified.says


def test_instances_that_were_not_replaced(taken, world, web):
    """Render says yes and does nothing: well as it was, but nobody saw it restart, which is not verified."""
    world.instances[web] = _Kept(world.instances[web])
    _, report = taken(RESTART_SERVICE, within_s=20)
    assert (report.verified.holds, report.exit_code) == (None, 17)
    assert "2 of them from before" in report.verified.says


class _Kept(list):
    def clear(self):
        pass


def test_without_a_health_address_the_instances_tell(context, world, web, log):
    """Where the target has no base_url, new instances are all that is seen, and the plan says so."""
    here = dataclasses.replace(context, target=dataclasses.replace(context.target, base_url=""))
    prepared = RESTART_SERVICE.prepare(here, Options())
    assert "instances" in prepared.plan.steps[1].statement
    report = taking.take(RESTART_SERVICE, prepared, here, log)
    assert (report.verified.holds, report.exit_code) == (True, 0)


def test_somebody_else_has_restarted_it(taken, world, web, server):
    """Where all instances are others by now, it is not restarted once more."""
    _, report = taken(RESTART_SERVICE, between=lambda: (world.instances[web].clear(), world._start(web)))
    assert (report.state, report.exit_code) == (State.REFUSED, 17)
    assert asked(server, "POST") == []


def test_what_cannot_be_restarted(context, world, web):
    """A cron job and a suspended service are refused, with who suspended it."""
    world.services[web]["type"] = "cron_job"
    with pytest.raises(UsageError, match="is a cron job"):
        RESTART_SERVICE.prepare(context, Options())
    world.services[web] |= {"type": "web_service", "suspended": "suspended", "suspenders": ["billing"]}
    with pytest.raises(UsageError, match="is suspended by billing"):
        RESTART_SERVICE.prepare(context, Options())


@pytest.mark.parametrize(
    ("fault", "may", "code"),
    [
        (Fault(500), "It may have been restarted all the same", 69),
        (Fault(reset=True), "It may have been restarted all the same", 69),
        (Fault(403), "Nothing was changed by it", 17),
        (Fault(401), "Nothing was changed by it", 78),
        (Fault(429), "Nothing was changed by it", 75),
    ],
    ids=["500", "reset", "403", "401", "429"],
)
def test_a_fault_at_the_restart_is_recorded(taken, world, server, web, log, fault, may, code):
    """A fault is failed, with what may have happened all the same, on the record and in the exit code."""
    place = {}

    def between():
        place["before"] = len(server.asked)
        answer = server.serve

        def serve(handler, answer_):
            if handler.command == "POST":
                server.faults.append(fault)
            answer(handler, answer_)

        server.serve = serve

    _, report = taken(RESTART_SERVICE, between)
    assert report.state is State.FAILED
    assert may in report.fault
    assert report.exit_code == code
    assert log.lines()[-1].content["state"] == "failed"
    assert may in log.lines()[-1].content["fault"]
    assert len(asked(server, "POST")) == (3 if fault.status == 429 else 1), "repeated only where it did nothing"


def test_faults_while_it_is_watched_are_waited_out(taken, server, web):
    """Render that answers 429 and 500 while the service is watched is asked again, and the restart counts."""

    def serve(handler, answer):
        is_after = bool(asked(server, "POST")) and len(after) < 2
        if is_after and handler.path.endswith("/instances"):
            after.append(handler.path)
            server.faults.append(Fault(500 if len(after) == 1 else 429))
        real(handler, answer)

    real, after = server.serve, []
    server.serve = serve
    _, report = taken(RESTART_SERVICE)
    assert len(after) == 2
    assert (report.verified.holds, report.exit_code) == (True, 0)


def test_a_rollback(taken, world, web, log, server):
    """The deploy before is live again, autodeploy is off first and stays off, a push changes nothing, and all that is said."""
    world.push(web, "c-1")
    world.push(web, "c-bad")
    plan, report = taken(ROLL_BACK_DEPLOY)
    assert plan.steps[0].action.startswith("turn autodeploy off")
    assert "c-1" in plan.steps[1].action
    assert any("autodeploy is off afterwards" in each for each in plan.warnings)
    assert any("migrations that ran since stay" in each for each in plan.warnings)
    live = [each for each in world.deploys[web] if each["status"] == "live"]
    assert [each["commit"]["id"] for each in live] == ["c-1"]
    assert world.services[web]["autoDeploy"] == "no"
    assert [each.method for each in server.asked if each.method in {"PATCH", "POST"}] == ["PATCH", "POST"]
    assert (report.state, report.verified.holds, report.exit_code) == (State.DONE, True, 0)
    assert report.changed["autodeploy"] == "off"
    world.push(web, "c-bad")
    assert [each["commit"]["id"] for each in world.deploys[web] if each["status"] == "live"] == ["c-1"]
    assert log.lines()[-1].content["changed"]["revision"] == "c-1"


def test_a_rollback_to_a_deploy_of_ones_own(taken, world, web, context):
    """--deploy goes back to that one; the live one, or one that never was, is refused."""
    for commit in ("c-1", "c-2", "c-3"):
        world.push(web, commit)
    ids = {each["commit"]["id"]: each["id"] for each in world.deploys[web]}
    with pytest.raises(UsageError, match="is live"):
        ROLL_BACK_DEPLOY.prepare(context, Options(deploy=ids["c-3"]))
    with pytest.raises(IntegrationFailed, match="404"):
        ROLL_BACK_DEPLOY.prepare(context, Options(deploy="dep-none"))
    _, report = taken(ROLL_BACK_DEPLOY, deploy=ids["c-1"])
    assert report.changed["revision"] == "c-1"


def test_no_deploy_to_go_back_to(context, world, web):
    """Where nothing was live before, nothing is rolled back."""
    world.push(web, "c-1")
    with pytest.raises(UsageError, match="which deploy of web was good is not certain"):
        ROLL_BACK_DEPLOY.prepare(context, Options())


def test_another_deploy_went_live_meanwhile(taken, world, web, server):
    """The plan was made for another live deploy: nothing is rolled back, autodeploy stays on."""
    world.push(web, "c-1")
    world.push(web, "c-2")
    _, report = taken(ROLL_BACK_DEPLOY, between=lambda: world.push(web, "c-3"))
    assert report.state is State.REFUSED
    assert "c-3" in report.left[0]
    assert world.services[web]["autoDeploy"] == "yes"


def test_a_rollback_that_stops_half_way(taken, world, web, server):
    """Autodeploy is off, then Render fails: failed, with what is done and what may be."""
    world.push(web, "c-1")
    world.push(web, "c-2")

    def between():
        answer = server.serve

        def serve(handler, answer_):
            server.faults.extend([Fault(500)] if handler.command == "POST" else [])
            answer(handler, answer_)

        server.serve = serve

    _, report = taken(ROLL_BACK_DEPLOY, between)
    assert (report.state, report.changed) == (State.FAILED, {"autodeploy": "off"})
    assert "It may have been rolled back all the same" in report.fault
    assert "Autodeploy was turned off before." in report.fault
    assert report.exit_code == 69


def test_a_rollback_whose_deploy_does_not_end(taken, world, web, monkeypatch):
    """A deploy that is still on its way when the time is over is not verified, which is not a success."""
    world.push(web, "c-1")
    world.push(web, "c-2")
    monkeypatch.setattr(world, "_advance", lambda service, deploy: None)
    _, report = taken(ROLL_BACK_DEPLOY, within_s=30)
    assert (report.state, report.verified.holds, report.exit_code) == (State.DONE, None, 17)


def test_a_variable_is_set_and_its_value_is_nowhere(taken, world, web, log):
    """The variable has its value in Render; plan, report and log do not; a deploy is said to be needed."""
    plan, report = taken(SET_ENVIRONMENT_VARIABLE, arguments=("API_KEY",), value=Secret(VALUE))
    assert world.variables[web] == {"API_KEY": VALUE}
    assert "add API_KEY" in plan.steps[0].action
    assert "--deploy-now" in plan.warnings[0]
    assert (report.verified.holds, report.exit_code) == (True, 0)
    assert "a deploy is needed" in report.verified.says
    assert VALUE not in f"{plan}{report}{log.path.read_text()}"
    plan, _ = taken(SET_ENVIRONMENT_VARIABLE, arguments=("API_KEY",), value=Secret(VALUE + "x"))
    assert "replace API_KEY" in plan.steps[0].action


def test_a_value_that_is_there_already(context, world, web):
    """The same value once more is nothing to do."""
    world.variables[web]["KEY"] = VALUE
    plan = SET_ENVIRONMENT_VARIABLE.prepare(context, Options(("KEY",), value=Secret(VALUE))).plan
    assert plan.steps == ()
    assert "has this value already" in plan.warnings[0]


def test_a_variable_with_a_deploy_takes_the_commit_that_is_live(taken, world, web, server):
    """--deploy-now deploys what is live, not what is newest."""
    world.push(web, "c-1")
    _, report = taken(SET_ENVIRONMENT_VARIABLE, arguments=("KEY",), value=Secret(VALUE), deploy_now=True)
    assert [each["commit"]["id"] for each in world.deploys[web] if each["status"] == "live"] == ["c-1"]
    assert report.verified.says == "KEY is set; the deploy ended as: live"
    assert next(each.body for each in server.asked if each.path.endswith("/deploys") and each.method == "POST") == {
        "commitId": "c-1"
    }


@pytest.mark.parametrize("key", ["", "A B", "1A", "A-B", "../x"])
def test_a_key_that_is_none(context, key):
    """What cannot be a variable's name is refused before anybody is asked."""
    with pytest.raises(UsageError):
        SET_ENVIRONMENT_VARIABLE.prepare(context, Options((key,), value=Secret("1")))


def test_faults_at_a_variable(taken, world, web, server, log):
    """Render that refuses the value quotes it; nobody else does. What may be set is said."""
    body = {"id": "r", "message": f"bad value {VALUE}"}

    def between():
        answer = server.serve

        def serve(handler, answer_):
            server.faults.extend([Fault(400, body)] if handler.command == "PUT" else [])
            answer(handler, answer_)

        server.serve = serve

    _, report = taken(SET_ENVIRONMENT_VARIABLE, between, arguments=("KEY",), value=Secret(VALUE))
    assert report.state is State.FAILED
    assert "Nothing was changed by it." in report.fault
    assert VALUE not in f"{report}{log.path.read_text()}"
    assert world.variables[web] == {}


def test_an_interrupted_restart_is_recorded(context, log, monkeypatch):
    """Whoever interrupts the act leaves a last line that says so."""
    prepared = RESTART_SERVICE.prepare(context, Options())

    def interrupted():
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        taking.take(RESTART_SERVICE, dataclasses.replace(prepared, act=interrupted), context, log)
    assert log.unfinished() == ()
    assert "interrupted" in log.lines()[-1].content["fault"]


@pytest.mark.parametrize("endless", [float("nan"), float("inf"), 1e300])
def test_no_time_without_an_end(context, endless):
    """What never ends is no time to watch for."""
    with pytest.raises(UsageError, match="that is no time"):
        RESTART_SERVICE.prepare(context, Options(within_s=endless))


def test_options_that_a_remedy_does_not_take(context):
    """What a remedy does not take is refused, what it wants is asked for."""
    with pytest.raises(UsageError, match="restart-service takes no --pid PID"):
        RESTART_SERVICE.prepare(context, Options(pid=1))
    with pytest.raises(UsageError, match="wants KEY"):
        SET_ENVIRONMENT_VARIABLE.prepare(context, Options(value=Secret("1")))
    with pytest.raises(UsageError, match="wants --value-file FILE or --value-env VARIABLE"):
        SET_ENVIRONMENT_VARIABLE.prepare(context, Options(("KEY",)))


def test_no_render_and_a_wrong_key(context):
    """Without Render the setting is said; a key that it does not know is its own error."""
    nobody = dataclasses.replace(context, target=dataclasses.replace(context.target, integrations={}))
    with pytest.raises(ConfigurationInvalid, match="has no render"):
        RESTART_SERVICE.prepare(nobody, Options())
    found = context.target.integrations["render"]
    strange = {"render": dataclasses.replace(found, secrets={"token": Secret("rnd_wrong")})}
    with pytest.raises(CredentialRefused):
        RESTART_SERVICE.prepare(
            dataclasses.replace(context, target=dataclasses.replace(context.target, integrations=strange)), Options()
        )


def test_where_a_value_comes_from(tmp_path):
    """A file loses its last line break and nothing else; a variable is itself; whatever is wrong is said without repeating it."""
    file = tmp_path / "value"
    file.write_text(" a\nb \n")
    assert given_secret(file, None) == Secret(" a\nb ")
    assert given_secret(None, "KEY", {"KEY": VALUE}) == Secret(VALUE)
    assert given_secret(None, None) is None
    file.write_bytes(b"a\r\n")
    assert given_secret(file, None) == Secret("a")
    file.write_bytes(b"a\r")
    assert given_secret(file, None) == Secret("a\r")
    file.write_bytes(b"\xff")
    (tmp_path / "empty").write_text("\n")
    (tmp_path / "nul").write_text("a\0b")
    wrong = [
        (file, None),
        (tmp_path / "empty", None),
        (tmp_path / "nul", None),
        (Path("/dev/zero"), None),
        (tmp_path / VALUE, None),
        (tmp_path, None),
        (None, VALUE),
        (None, "BYTES"),
        (file, "KEY"),
    ]
    for given in wrong:
        with pytest.raises(UsageError) as caught:
            given_secret(*given, {"BYTES": f"{VALUE}\udcff"})
        assert VALUE not in str(caught.value)
        assert json.dumps(str(caught.value))


def test_another_deploy_before_a_variable_is_deployed(taken, world, web, server):
    """A deploy goes live after the plan was made: deploying what was live then would undo it. Nothing is set, nothing deployed."""
    world.push(web, "c-1")
    options = {"arguments": ("KEY",), "value": Secret(VALUE), "deploy_now": True}
    _, report = taken(SET_ENVIRONMENT_VARIABLE, lambda: world.push(web, "c-2"), **options)
    assert (report.state, report.exit_code, world.variables[web]) == (State.REFUSED, 17, {})
    assert "another deploy is live by now" in report.left[0]
    assert [each["commit"]["id"] for each in world.deploys[web] if each["status"] == "live"] == ["c-2"]
    assert asked(server, "PUT") == asked(server, "POST") == []


def test_somebody_else_sets_the_variable_meanwhile(taken, world, web, server):
    """The variable has another value than when the plan was made: it is somebody's, and stays."""
    between = lambda: world.variables[web].update(KEY="theirs")  # noqa: E731
    _, report = taken(SET_ENVIRONMENT_VARIABLE, between, arguments=("KEY",), value=Secret(VALUE))
    assert (report.state, report.left) == (State.REFUSED, ("KEY has another value by now than when the plan was made",))
    assert world.variables[web] == {"KEY": "theirs"}


def test_a_rollback_is_verified_by_its_own_deploy(taken, world, web, server):
    """Another deploy of the same commit is live at the end: that is not the rollback's."""
    world.push(web, "c-1")
    world.push(web, "c-2")

    def serve(handler, answer):
        if asked(server, "POST") and "status=live" in handler.path:
            world.services[web]["autoDeploy"] = "yes"
            world.push(web, "c-1")
            world.services[web]["autoDeploy"] = "no"
        real(handler, answer)

    real, server.serve = server.serve, serve
    _, report = taken(ROLL_BACK_DEPLOY)
    assert (report.verified.holds, report.exit_code) == (False, 1)


def test_a_deploy_on_its_way_is_named(context, world, web):
    """A deploy that has not ended may become live after the rollback: the plan says so."""
    world.push(web, "c-1")
    world.push(web, "c-2")
    assert len(ROLL_BACK_DEPLOY.prepare(context, Options()).plan.warnings) == 2
    world._new_deploy(web, "new_commit", {"id": "c-3", "message": "Make c-3"}, "build_in_progress")
    assert "another deploy is on its way" in ROLL_BACK_DEPLOY.prepare(context, Options()).plan.warnings[2]


def test_a_rollback_that_is_interrupted_while_it_is_waited_for(context, world, web, log):
    """Whoever interrupts the waiting has on the record, and reads, what was done: autodeploy is off, the deploy has begun."""
    world.push(web, "c-1")
    world.push(web, "c-2")
    said = []

    def interrupt(_):
        raise KeyboardInterrupt

    here = dataclasses.replace(context, sleep=interrupt, tell=said.append)
    with pytest.raises(KeyboardInterrupt):
        taking.take(ROLL_BACK_DEPLOY, ROLL_BACK_DEPLOY.prepare(here, Options()), here, log)
    content = log.lines()[-1].content
    assert content["changed"]["autodeploy"] == "off"
    assert content["changed"]["deploy"].startswith("dep-")
    assert "autodeploy" in said[-1]


def test_a_rollback_of_a_rollback(taken, world, web, context, server):
    """Where a rollback is live, the next one goes on behind the deploy it returned to; autodeploy, off already, is left so."""
    for commit in ("c-1", "c-2", "c-3"):
        world.push(web, commit)
    assert [taken(ROLL_BACK_DEPLOY)[1].changed["revision"] for _ in range(2)] == ["c-2", "c-1"]
    assert asked(server, "PATCH") == [f"/v1/services/{web}"]
    with pytest.raises(UsageError, match="is not certain"):
        ROLL_BACK_DEPLOY.prepare(context, Options())
