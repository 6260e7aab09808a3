"""failed-deployment over a Render that keeps state: each kind of failure caused, named with its next step, and gone after a deploy that goes well."""

import dataclasses
import time
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.unit.integrations.conftest import Fake
from tests.unit.integrations.fake_render import TOKEN, FakeRender

from capliquify_ops.configuration import Integration, Target, TargetClass, load_limits, load_profile
from capliquify_ops.diagnostics import failed_deployment, memory, service_down
from capliquify_ops.diagnostics.diagnose import diagnose
from capliquify_ops.diagnostics.failed_deployment_deploys import FAILED, GOOD, between, named, standing_of
from capliquify_ops.diagnostics.failed_deployment_ledgers import Applied, rollback_lines
from capliquify_ops.diagnostics.failed_deployment_questions import APP_LOG, BUILD_LOG, DEPLOYS, ENVIRONMENT, LEDGERS
from capliquify_ops.diagnostics.inquiry import Inquiry
from capliquify_ops.integrations.render_records import Deploy
from capliquify_ops.model.finding import Level
from capliquify_ops.model.secret import Secret

SECRET = "sk-only-here-1234567890"


class WorldClock:
    def __init__(self, world):
        self.world = world

    def now(self):
        return self.world.now

    def monotonic(self):
        return time.monotonic()


@pytest.fixture
def world():
    state = FakeRender()
    yield state
    assert state.wrong == []


@pytest.fixture
def service(world):
    service_id = world.add()
    world.variables[service_id] = {"DATABASE_URL": SECRET, "CLERK_SECRET_KEY": SECRET}
    world.push(service_id, "a1")
    world.push(service_id, "b2")
    return service_id


@pytest.fixture
def fails(world, service):
    """Makes a deploy that fails at a stage, with what is written meanwhile."""

    def run(status, *lines, commit="c3", kind="build", reason=None):
        deploy = world._new_deploy(
            service, "new_commit", {"id": commit, "message": f"Change {commit}\n\nbody {SECRET}"}, "build_in_progress"
        )
        for line in lines:
            world.say(service, line, kind)
        world.now += timedelta(seconds=5)
        deploy.update(status=status, finishedAt=world._stamp())
        details = {"deployId": deploy["id"], "deployStatus": "failed", "status": 3}
        world._event(service, "deploy_ended", {**details, "reason": {"failure": reason} if reason else {}})
        return deploy

    return run


@pytest.fixture
def found(world, service, tmp_path):
    fake = Fake(world)
    integration = Integration({"base_url": f"{fake.url}/v1", "service": service}, {"token": Secret(TOKEN)})
    target = Target("here", TargetClass.LOOPBACK, load_profile("capliquify", tmp_path), integrations={"render": integration})

    def run(*issues, **changes):
        inquiry = Inquiry(dataclasses.replace(target, **changes), load_limits(), WorldClock(world), lambda: 0.5)
        found = diagnose(inquiry, issues or [failed_deployment.NAME])
        assert SECRET not in repr(found)
        return found if issues else found[0]

    yield run
    fake.close()


def names(diagnosis):
    return [cause.name for cause in diagnosis.causes]


def source(diagnosis, name):
    return next(each for each in diagnosis.sources if each.name == name)


def test_deploys_that_go_well_are_nothing(found):
    """Two deploys that went live: one question, nothing found, certain."""
    diagnosis = found()
    assert (names(diagnosis), diagnosis.is_certain) == ([], True)
    assert [each.name for each in diagnosis.sources] == [DEPLOYS]
    assert "last that went well" in diagnosis.sources[0].says
    assert "b2 Make b2" in diagnosis.sources[0].says


def test_without_render_nothing_is_certain(found):
    """The line names the setting; it is no all-clear."""
    diagnosis = found(integrations={})
    assert (names(diagnosis), diagnosis.is_certain) == ([], False)
    assert "integrations.render" in diagnosis.sources[0].says


def test_a_compiler_error(world, service, fails, found):
    """Named with file and line, the last good deploy, and what is not live; gone after a deploy that goes well."""
    fails("build_failed", "src/app.ts(12,5): error TS2322: Type 'sk' is not assignable", "npm ERR! code ELIFECYCLE")
    diagnosis = found()
    [cause] = diagnosis.causes
    assert (cause.name, cause.level) == ("TypeScript error", Level.L1)
    assert "(c3 Change c3) did not build: TypeScript error, TS2322 in src/app.ts:12." in cause.why
    good = world.deploys[service][1]
    assert any(line.startswith(f"last good deploy: {good['id']}, b2 Make b2") for line in cause.evidence)
    assert "not live: c3 Change c3 (build_failed)" in cause.evidence
    assert "pnpm run build" in cause.next_command
    assert "remedy plan roll-back-deploy" in cause.next_command
    assert 0 < cause.since_s < 60
    assert source(diagnosis, LEDGERS).is_configured is False
    world.push(service, "d4")
    assert names(found()) == []


@pytest.mark.parametrize(
    ("line", "is_set", "said"),
    [
        ("Error: Missing required environment variable: MAIL_KEY", False, "MAIL_KEY is not set for the service"),
        ("KeyError: 'MAIL_KEY'", True, "MAIL_KEY is set for the service: is it empty"),
    ],
)
def test_a_variable_by_the_log(world, service, fails, found, line, is_set, said):
    """The name that the service writes is compared with what is set; the next command sets it."""
    if is_set:
        world.variables[service]["MAIL_KEY"] = SECRET
    fails("update_failed", line, kind="app")
    diagnosis = found()
    [cause] = diagnosis.causes
    assert cause.name == "missing environment variable"
    assert "was built and did not start: missing environment variable, MAIL_KEY." in cause.why
    assert any(line.startswith(said) for line in cause.evidence)
    assert cause.next_command.startswith("capliquify-ops remedy plan set-environment-variable MAIL_KEY;")
    assert "1 lines: missing environment variable" in source(diagnosis, APP_LOG).says


def test_a_variable_by_the_profile(world, service, fails, found):
    """What the profile requires and nobody has set is named without any log; set again it is no cause any more."""
    value = world.variables[service].pop("CLERK_SECRET_KEY")
    assert names(found()) == []
    fails("update_failed")
    diagnosis = found()
    [cause] = diagnosis.causes
    assert cause.name == "missing environment variable"
    assert "and CLERK_SECRET_KEY, which the service requires, is not set." in cause.why
    assert "CLERK_SECRET_KEY" in cause.next_command
    assert "not among them: CLERK_SECRET_KEY" in source(diagnosis, ENVIRONMENT).says
    world.variables[service]["CLERK_SECRET_KEY"] = value
    assert names(found()) == ["failed deploy"]


def test_a_migration(fails, found):
    """The statement without its values, the state and the migration; a rollback's effect cannot be told without a database."""
    fails(
        "pre_deploy_failed",
        "Flyway: Migration V3__sku.sql failed",
        "SQL State  : 42703",
        'Message    : ERROR: column "skuu" does not exist',
        f"Statement  : UPDATE products SET skuu = '{SECRET}'",
        kind="app",
    )
    [cause] = found().causes
    assert cause.name == "migration failure"
    assert "failed in its pre-deploy command" in cause.why
    assert "statement: UPDATE products SET skuu = ?" in cause.evidence
    assert "SQLSTATE 42703" in cause.evidence
    assert "fleet check migration_ledgers" in cause.next_command


def test_two_causes_of_one_deploy(world, service, fails, found):
    """A migration that failed and a variable that is not set: both, the one that the log tells first."""
    world.variables[service].pop("DATABASE_URL")
    fails("pre_deploy_failed", "error: Dirty database version 7. Fix and force version.", kind="app")
    assert names(found()) == ["migration failure", "missing environment variable"]


def test_no_words_for_it(fails, found):
    """A log that says nothing known: the stage, what the event tells, and where to read on."""
    fails("update_failed", "hello", reason={"evicted": False, "nonZeroExit": 3})
    [cause] = found().causes
    assert cause.name == "failed deploy"
    assert "deploy_ended: ended with exit code 3" in cause.evidence
    fails("build_failed", "hello")
    assert "nothing that answered says why in words that are known here" in found().causes[0].evidence


def test_commits_between_and_what_is_on_its_way(world, service, fails, found):
    """Two that failed, the newest is the cause and both are not live; one in progress is to be waited for, and hangs in the end."""
    fails("build_failed", "error TS1005: x", commit="c3")
    fails("build_failed", "Error: Cannot find module 'express'", commit="d4")
    world._new_deploy(service, "new_commit", {"id": "e5", "message": ""}, "build_in_progress")
    [cause] = found().causes
    assert cause.name == "missing module"
    assert [line for line in cause.evidence if line.startswith("not live: ")] == [
        "not live: e5 (build_in_progress)",
        "not live: d4 Change d4 (build_failed)",
        "not live: c3 Change c3 (build_failed)",
    ]
    assert any("(e5) is build_in_progress: wait for it first" in line for line in cause.evidence)
    world.now += timedelta(minutes=16)
    assert names(found()) == ["missing module", "deploy hangs"]


def test_a_deploy_that_hangs(world, service, found):
    """In progress for a few minutes is nothing; for a quarter of an hour it hangs; live, it is nothing again."""
    deploy = world._new_deploy(service, "new_commit", {"id": "c3", "message": "x"}, "update_in_progress")
    world.now += timedelta(minutes=14)
    assert names(found()) == []
    world.now += timedelta(minutes=2)
    diagnosis = found()
    assert names(diagnosis) == ["deploy hangs"]
    assert "is update_in_progress since 16 min: it hangs" in diagnosis.headline
    world._advance(service, deploy)
    assert names(found()) == []


def test_a_canceled_deploy(world, service, found):
    """Canceled and nothing since: what was pushed does not run. Another one in progress, or live: nothing."""
    deploy = world._new_deploy(service, "new_commit", {"id": "c3", "message": "x"}, "canceled")
    assert deploy["status"] == "canceled"
    diagnosis = found()
    assert [(cause.name, cause.level) for cause in diagnosis.causes] == [("canceled deploy", Level.L1)]
    world._new_deploy(service, "new_commit", {"id": "d4", "message": "x"}, "build_in_progress")
    assert names(found()) == []
    world.push(service, "e5")
    assert names(found()) == []


def test_no_deploy_ever_went_well(world, found):
    """Without any good deploy there is nothing to go back to, and somebody is woken who can mend it."""
    service_id = world.add(name="new")
    world.variables[service_id] = {"DATABASE_URL": SECRET, "CLERK_SECRET_KEY": SECRET}
    world._new_deploy(service_id, "new_commit", {"id": "a1", "message": "x"}, "build_failed")
    fake = Fake(world)
    integration = Integration({"base_url": f"{fake.url}/v1", "service": service_id}, {"token": Secret(TOKEN)})
    [cause] = found(integrations={"render": integration}).causes
    fake.close()
    assert cause.level is Level.L2
    assert "no deploy of those listed went well" in cause.evidence
    assert "roll-back" not in cause.next_command


def test_a_failed_deploy_and_a_service_out_of_memory(world, service, fails, found):
    """Two faults at once are both named, each in its issue."""
    before = found(service_down.NAME, memory.NAME, failed_deployment.NAME)
    assert [names(each) for each in before] == [[], [], []]
    fails("build_failed", "error TS2322: x")
    world.crash(service, oomKilled={"memoryLimit": "512Mi"})
    down, full, failed = found(service_down.NAME, memory.NAME, failed_deployment.NAME)
    assert names(down) == ["out of memory"]
    assert "out of memory" in names(full)
    assert names(failed) == ["TypeScript error"]


def test_a_log_that_may_not_be_read_is_no_certainty(fails, found, world, service):
    """What Render refuses is said by its source; the deploy is named all the same."""
    fails("build_failed", "error TS2322: x")
    world.services[service]["ownerId"] = "tea-bbbbbbbbbbbbbbbbbbbb"
    assert names(found()) == ["TypeScript error"]
    answered = world._answered

    def refused(asked):
        return (403, {"id": "1", "message": "no"}) if asked.path == "/v1/logs" else answered(asked)

    world._answered = refused
    diagnosis = found()
    assert names(diagnosis) == ["failed deploy"]
    assert (source(diagnosis, BUILD_LOG).answered, diagnosis.is_certain) == (False, False)


AT = datetime(2030, 1, 1, tzinfo=UTC)


def deploys_of(statuses):
    """Deploys of these statuses, the oldest first."""
    return [
        Deploy(f"dep-{number}", status, "new_commit", f"r{number}", "m", AT + timedelta(minutes=number), None, None)
        for number, status in enumerate(statuses)
    ]


STATUSES = st.lists(
    st.sampled_from([*sorted(FAILED | GOOD), "canceled", "build_in_progress", "created", "brand_new"]), max_size=12
)


@given(STATUSES, st.randoms())
def test_any_deploys_are_told(statuses, dice):
    """In any order: what failed is newer than the last good one, and with a good one as the newest nothing is wrong."""
    deploys = deploys_of(statuses)
    shuffled = deploys[:]
    dice.shuffle(shuffled)
    standing = standing_of(shuffled)
    assert standing == standing_of(deploys)
    if standing.failed and standing.good:
        assert standing.failed.created_at > standing.good.created_at
    assert not (standing.failed and standing.canceled)
    if statuses and statuses[-1] in GOOD:
        assert (standing.failed, standing.canceled, standing.running, standing.commits) == (None, None, None, ())
    if statuses and statuses[-1] in FAILED:
        assert standing.failed is deploys[-1]
    assert between(standing)


def test_commits_are_counted_once_and_cut():
    """The same commit deployed again is one; of many ten are listed; a message is its first line without control characters."""
    again = [dataclasses.replace(each, revision="same") for each in deploys_of(["build_failed"] * 4)]
    assert len(standing_of(again).commits) == 1
    lines = between(standing_of(deploys_of(["live", *["build_failed"] * 14])))
    assert (len(lines), lines[-1]) == (12, "and 4 commits more")
    [odd] = deploys_of(["live"])
    assert named(dataclasses.replace(odd, message="\x1b[31mred\nsecond", revision="f" * 40)) == "ffffffffffff  [31mred"
    assert named(dataclasses.replace(odd, message=None, revision=None)) == "no revision known"


NO_LEDGER = Applied({}, (), (), 0, 0)


@pytest.mark.parametrize(
    ("applied", "lines"),
    [
        (None, ()),
        (NO_LEDGER, ("no ledger of migrations was found in this database",)),
        (dataclasses.replace(NO_LEDGER, ledgers=3), ("no migration was applied since the last good deploy, by 3 ledgers",)),
        (
            Applied({"m1": ("public",), "m2": ("a", "b")}, (), (), 2, 0),
            ("a rollback leaves these 2 migrations applied, which the older code does not know: m1 in public, m2 in 2 schemas",),
        ),
        (
            dataclasses.replace(NO_LEDGER, timeless=("Alembic",)),
            ("whether migrations of Alembic were applied since cannot be told: it keeps no times",),
        ),
        (
            Applied({"m1": ("public",)}, (), ("GRANT x",), 1, 7),
            (
                "a rollback leaves this migration applied, which the older code does not know: m1 in public",
                "1 ledgers could not be read: GRANT x",
                "7 ledgers more were not read",
            ),
        ),
    ],
)
def test_what_a_rollback_would_leave(applied, lines):
    """Migrations stay; what cannot be told is said."""
    assert rollback_lines(applied) == lines
