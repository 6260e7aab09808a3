"""The commands as a person uses them: plan, confirmation, exit codes, documents, the log, and what is left after a kill."""

import json
import os
import resource
import signal

import pytest

from capliquify_ops.cli import main
from capliquify_ops.configuration import Integration
from capliquify_ops.database import operator
from capliquify_ops.evidence.redaction import Redactor
from capliquify_ops.model.secret import Secret
from capliquify_ops.remedies import sessions
from capliquify_ops.remedies.action_log import Action, ActionLog
from capliquify_ops.tenants.ownership import as_owner

from ...unit.integrations import conftest as outside  # noqa: TID252 -- tests are no package that has a name
from ...unit.integrations import fake_render  # noqa: TID252 -- as above

fake, world, server_of_render, web = outside.fake, fake_render.world, fake_render.server, fake_render.web
END = ("end-idle-transactions", "--over", "0.00001")


@pytest.fixture
def server_render(fake, world):
    """The fake Render; `server` is the run's PostgreSQL here."""
    return fake(world)


@pytest.fixture
def run(tmp_path, forked, configured):
    """Runs capliquify-ops remedy in a folder of its own, with a configuration that the test may write before."""
    if not (tmp_path / "capliquify-ops.toml").exists():
        configured()

    def command(*arguments, program=None, **environment):
        own = ("CAPLIQUIFY", "DATABASE_URL", "PG")
        env = {key: value for key, value in os.environ.items() if not key.startswith(own)} | environment
        return forked(program or (lambda: main(["remedy", *arguments])), cwd=tmp_path, env=env)

    return command


@pytest.fixture
def lines(tmp_path):
    def read():
        return ActionLog(tmp_path / ".readiness" / "actions.jsonl", Redactor()).lines()

    return read


@pytest.fixture
def leak(client):
    connection = client()
    connection.execute("SELECT 1")
    return connection


def test_list(run):
    """The remedies with what each needs and takes, as text and as one document."""
    done = run("list")
    assert done.returncode == 0, done.stderr
    assert "restart-service           integrations.render  [--within SECONDS]" in done.stdout
    document = json.loads(run("list", "--json").stdout)
    assert len(document["remedies"]) == 12
    assert set(document["remedies"][0]) == {"name", "text", "issues", "needs", "usage", "changes"}
    assert document["unfinished"] == []


def test_plan_run_and_trail(run, leak, lives, lines):
    """A plan changes nothing; without a yes nothing is done; then it is done, said, logged, and shown in the trail."""
    plan = run("plan", *END)
    assert plan.returncode == 0, plan.stderr
    assert f"end pid {leak.info.backend_pid}" in plan.stdout
    assert "signal_session.sql (pid => " in plan.stdout
    assert set(json.loads(run("plan", *END, "--json").stdout)) == {"plan", "unfinished"}
    refused = run("run", *END)
    assert (refused.returncode, lines()) == (64, ())
    assert "add --yes" in refused.stderr
    leak.commit(), leak.execute("SELECT 1")
    done = run("run", *END, "--yes")
    assert done.returncode == 0, done.stderr + done.stdout
    assert "helped: Gone: connection-exhaustion: leaked transactions." in done.stdout
    assert "verified: " in done.stdout
    assert "database: written" in done.stdout
    assert not lives(leak)
    assert [line.kind for line in lines()] == ["started", "ended"]
    trail = run("trail")
    assert trail.returncode == 0
    assert "end-idle-transactions  here" in trail.stdout
    assert "2 lines, each sealed" in trail.stdout
    again = run("run", *END, "--yes")
    assert (again.returncode, len(lines())) == (0, 2)
    assert "nothing to do" in again.stderr


def test_documents(run, leak):
    """`run --json` prints one document with plan and report, `trail --json` the lines."""
    done = run("run", *END, "--yes", "--json")
    document = json.loads(done.stdout)
    assert set(document) == {"plan", "report"}
    assert document["report"]["changed"]["pids"] == [leak.info.backend_pid]
    assert document["report"]["helped"] == "helped"
    trail = json.loads(run("trail", "--json").stdout)
    assert trail["actions"][0]["ended"]["content"]["helped"] == "helped"
    assert trail["actions"][0]["started"]["content"]["plan"] == document["plan"]


def test_what_is_asked_wrongly(run):
    """An unknown remedy, an option that it does not take, one that is missing: 64, with what there is."""
    for arguments, said in (
        (("plan", "nonsense"), "One of: restart-service"),
        (("plan", "cancel-statement"), "wants --pid PID"),
        (("run", "restart-service", "--pid", "3"), "takes no --pid PID"),
        (("plan", "end-idle-transactions", "--over", "0"), "it is no leak"),
        (("plan", "end-idle-transactions", "--over", "1e300"), "that is no time"),
        (("plan", "end-idle-transactions", "--role", "a\udcff"), "not UTF-8"),
        (("plan", "vacuum-tables", "a\udcff.b"), "not UTF-8"),
    ):
        done = run(*arguments)
        assert done.returncode == 64, done.stderr
        assert said in done.stderr
        assert "Traceback" not in done.stderr
    done = run("plan", "restart-service")
    assert done.returncode == 78
    assert "integrations.render" in done.stderr


def test_killed_before_the_end_is_logged(run, leak, lives, lines):
    """Killed after it has acted: the first line stays, list, plan and trail say so, and the next run closes it as lost."""

    def program():
        send = sessions.send

        def killing(*given):
            send(*given)
            os.kill(os.getpid(), signal.SIGKILL)

        sessions.send = killing
        main(["remedy", "run", *END, "--yes"])

    assert run(program=program).returncode == -signal.SIGKILL
    assert not lives(leak), "it had acted"
    assert [line.kind for line in lines()] == ["started"]
    for words in (("list",), ("plan", *END), ("trail",)):
        done = run(*words)
        assert "UNFINISHED  end-idle-transactions on 'here'" in done.stdout, done.stderr
        assert "what it did is not known" in done.stdout
    assert json.loads(run("list", "--json").stdout)["unfinished"][0]["is_running"] is False


def test_the_next_run_closes_what_was_lost(run, client, lives, lines):
    """The next run of the same remedy says that one is unfinished, does its own work, and the lost one is closed."""
    first = client()
    first.execute("SELECT 1")

    def program():
        sessions._sent = lambda *given: os.kill(os.getpid(), signal.SIGKILL)
        main(["remedy", "run", *END, "--yes"])

    assert run(program=program).returncode == -signal.SIGKILL
    assert lives(first)
    first.rollback(), first.execute("SELECT 1")
    done = run("run", *END, "--yes")
    assert done.returncode == 0, done.stderr
    assert "UNFINISHED" in done.stderr
    assert [line.kind for line in lines()] == ["started", "lost", "started", "ended"]
    assert lines()[1].action == lines()[0].action
    assert "UNFINISHED" not in run("list").stdout
    assert "lost" in run("trail").stdout


def test_two_at_once(run, tmp_path, leak, lives, lines):
    """While another program has the remedy of this target, it is refused and nothing is done."""
    log = ActionLog(tmp_path / ".readiness" / "actions.jsonl", Redactor())
    with log.alone("end-idle-transactions", "here"):
        done = run("run", *END, "--yes")
    assert done.returncode == 64
    assert "at work on 'here' right now" in done.stderr
    assert (lives(leak), lines()) == (True, ())


def test_a_log_that_was_tampered_with(run, tmp_path, leak, lives, client):
    """A log that is not what was written: 15, and nothing is done; with another log it is."""
    other = client()
    other.execute("SELECT 1")
    assert run("run", *END, "--yes").returncode == 0
    path = tmp_path / ".readiness" / "actions.jsonl"
    path.write_bytes(path.read_bytes().replace(b'"here"', b'"gone"'))
    again = client()
    again.execute("SELECT 1")
    for words in (("run", *END, "--yes"), ("trail",), ("list",)):
        done = run(*words)
        assert done.returncode == 15, done.stderr
        assert "broken at line 1" in done.stderr
    assert lives(again)
    again.rollback(), again.execute("SELECT 1")
    assert run("run", *END, "--yes", "--log", str(tmp_path / "other.jsonl")).returncode == 0
    assert not lives(again)


def test_a_log_that_cannot_be_written(run, tmp_path, leak, lives):
    """No room for one more line, and a folder that is none: 73, and nothing is done."""
    path, action = tmp_path / ".readiness" / "actions.jsonl", Action("a", "me", "other", "x", "")
    ActionLog(path, Redactor()).append("started", action, "2030-01-01T00:00:00.000Z", {"long": "x" * 5000})
    (tmp_path / "file").write_text("")

    def program():
        most = path.stat().st_size + 100
        resource.setrlimit(resource.RLIMIT_FSIZE, (most, resource.RLIM_INFINITY))
        try:
            main(["remedy", "run", *END, "--yes"])
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))

    for done in (run(program=program), run("run", *END, "--yes", "--log", "file/actions.jsonl")):
        assert done.returncode == 73, done.stderr
        assert "What is not logged is not done" in done.stderr
    assert lives(leak)
    assert len(ActionLog(path, Redactor()).lines()) == 1


def test_without_ledgers_it_is_done_and_said(run, leak, lives, superuser_url):
    """Where the ledgers are not installed the log alone has it, with how to install them."""
    with operator(superuser_url, "test") as session, session.transaction():
        session.execute("DROP SCHEMA capliquify_ops CASCADE")
    done = run("run", *END, "--yes")
    assert done.returncode == 0, done.stderr
    assert "not written: the ledgers are not installed there" in done.stdout
    assert not lives(leak)


def _render_table(server, web):
    return [
        "[targets.here.integrations.render]",
        f"service = {json.dumps(web)}",
        f"base_url = {json.dumps(server.url + '/v1')}",
        'token_env = "RENDER_KEY"',
    ]


def test_a_value_never_shows(run, configured, server_render, world, web, tmp_path, lines):
    """A variable by command: the value comes from the environment or a file, and is in no output and no log."""
    configured(*_render_table(server_render, web))
    value = "never-to-be-seen-77"
    key = {"RENDER_KEY": fake_render.TOKEN}
    done = run("run", "set-environment-variable", "API_KEY", "--value-env", "GIVEN", "--yes", GIVEN=value, **key)
    assert done.returncode == 0, done.stderr
    assert world.variables[web] == {"API_KEY": value}
    (tmp_path / "value").write_text(f"{value}!\n")
    more = run("run", "set-environment-variable", "API_KEY", "--value-file", "value", "--yes", "--json", **key)
    assert world.variables[web] == {"API_KEY": f"{value}!"}
    log = (tmp_path / ".readiness" / "actions.jsonl").read_text()
    for text in (done.stdout, done.stderr, more.stdout, more.stderr, log):
        assert value not in text
        assert fake_render.TOKEN not in text
    assert run("plan", "set-environment-variable", "A", "--value-file", "nothing", **key).returncode == 64


def test_a_confirmation_is_the_services_name(run, configured, server_render, world, web):
    """Without a terminal a restart is refused, and nothing restarts."""
    configured(*_render_table(server_render, web))
    before = [each["id"] for each in world.instances[web]]
    done = run("run", "restart-service", RENDER_KEY=fake_render.TOKEN)
    assert done.returncode == 64
    assert "plan: remedy restart-service web" in done.stderr
    assert [each["id"] for each in world.instances[web]] == before


def test_migrations_that_stay_are_named(context, operator_url, roles, server_render, world, web, two):
    """A rollback names the migrations that ran after the deploy that it goes back to, and none before one."""
    from capliquify_ops.remedies.acting import Options
    from capliquify_ops.remedies.platform_rollback import ROLL_BACK_DEPLOY

    world.push(web, "c-1")
    world.push(web, "c-2")
    options = {"service": web, "base_url": f"{server_render.url}/v1"}
    here = context(integrations={"render": Integration(options, {"token": Secret(fake_render.TOKEN)})})
    assert "has run none since then" in ROLL_BACK_DEPLOY.prepare(here, Options()).plan.warnings[1]
    insert = (
        "INSERT INTO capliquify_ops.tenant_migration (sha256, tenant_id, file_name, schema_name, run, is_canary, state, started_at,"
        " finished_at) SELECT f.name, t.id, f.name, t.schema_name, 'r', false, 'done', f.at, f.at FROM public.tenants AS t,"
        " (VALUES ('0002_new.sql', timestamptz '2031-01-01'), ('0001_old.sql', '2029-01-01')) AS f (name, at)"
    )
    with operator(operator_url, "test") as session, session.transaction(), as_owner(session, roles):
        session.execute(insert)
    warning = ROLL_BACK_DEPLOY.prepare(here, Options()).plan.warnings[1]
    assert "0002_new.sql in 2 tenants" in warning
    assert "0001_old.sql" not in warning
