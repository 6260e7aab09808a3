"""What tests of remedies share: somebody who acts, limits under which a moment is long, sessions of others, and a log."""

import json
import time
import uuid

import psycopg
import pytest
from psycopg.conninfo import make_conninfo

from capliquify_ops.configuration import Target, TargetClass, load_limits
from capliquify_ops.configuration.system import SystemClock, dice, new_id
from capliquify_ops.database import fill, operator
from capliquify_ops.database.dsn import parts
from capliquify_ops.evidence.redaction import Redactor
from capliquify_ops.model.secret import Secret
from capliquify_ops.remedies import taking
from capliquify_ops.remedies.acting import Context, Options
from capliquify_ops.remedies.action_log import ActionLog

A_MOMENT = 1e-9
PASSWORD = "0nly-for-th1s-test"


class Strict:
    """Limits under which a moment is long."""

    def number(self, name):
        return A_MOMENT if name == "idle_in_transaction_s" else load_limits().number(name)


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    """Diagnoses that watch a service for seconds are none of these tests' business."""
    known = {name: taking.ISSUES[name] for name in ("connection-exhaustion", "service-down")}
    monkeypatch.setattr(taking, "ISSUES", known)


@pytest.fixture
def context(database, roles, profile):
    """Makes a context: by a superuser, on this test's database, unless it is told otherwise."""

    def make(operator_url=None, limits=None, **more):
        url = operator_url or database.superuser_url
        target = Target("here", TargetClass.LOOPBACK, profile, database.observer_url, url, roles=roles, **more)
        clock = SystemClock()
        verification = lambda session, key: "nobody asks"  # noqa: E731
        return Context(target, limits or Strict(), clock, dice, time.sleep, "tester@here", new_id, verification)

    return make


@pytest.fixture
def log(tmp_path):
    return ActionLog(tmp_path / "evidence" / "actions.jsonl", Redactor())


@pytest.fixture
def taken(context, log):
    """Plans a remedy and takes it; gives the plan and the report. `between` happens after the plan was made."""

    def run(remedy, between=lambda: None, by=None, **options):
        where = by or context()
        prepared = remedy.prepare(where, Options(**options))
        between()
        return prepared.plan, taking.take(remedy, prepared, where, log)

    return run


@pytest.fixture
def client(database):
    """Opens sessions of the application, or of whoever's URL is given."""
    made = []

    def connect(url=None, name="worker", **more):
        made.append(
            psycopg.connect((url or database.app_url).reveal(), application_name=name, options="-c statement_timeout=60s", **more)
        )
        return made[-1]

    yield connect
    for each in made:
        each.close()


@pytest.fixture
def lives():
    """Says whether a session is still there."""

    def ask(connection):
        try:
            connection.rollback()
            connection.execute("SELECT 1")
        except psycopg.OperationalError:
            return False
        return True

    return ask


@pytest.fixture
def somebody(server, database, superuser_url):
    """Makes a role with the given grants, and gives its name and URL in the test's database."""
    made = []

    def make(*grants, options=""):
        name = f"remedial_{uuid.uuid4().hex[:12]}"
        made.append(name)
        with operator(superuser_url, "test") as session:
            session.outside_transaction(fill(f"CREATE ROLE :\"r\" LOGIN PASSWORD '{PASSWORD}' {options}", {"r": name}))
            for grant in grants:
                session.outside_transaction(fill(grant, {"r": name, "app": database.roles.app}))
        found = parts(superuser_url)
        found.pop("passfile", None)
        return name, Secret(make_conninfo("", **found | {"user": name, "password": PASSWORD}))

    yield make
    with operator(superuser_url, "test") as session:
        for name in made:
            session.outside_transaction(fill('DROP OWNED BY :"r"', {"r": name}))
            session.outside_transaction(fill('DROP ROLE :"r"', {"r": name}))


@pytest.fixture
def rows(superuser_url):
    """The audit of remedies in the database, oldest first."""

    def read():
        with operator(superuser_url, "test") as session, session.transaction():
            query = "SELECT actor, verb, slug, plan_digest, before, after, run FROM capliquify_ops.audit WHERE verb LIKE 'remedy %%' ORDER BY id"
            return session.mappings(query, {"none": None})

    return read


@pytest.fixture
def configured(tmp_path, database):
    """A configuration file whose target `here` is this test's database; `more` is TOML of the target's own."""

    def write(*more, operator_url=None, **pairs):
        lines = {
            "class": "loopback",
            "database_url": database.observer_url.reveal(),
            "operator_url": (operator_url or database.superuser_url).reveal(),
            "app_role": database.roles.app,
        } | pairs
        roles = {name: getattr(database.roles, name) for name in ("owner", "observer", "operator")}
        text = "[targets.here]\n" + "".join(f"{key} = {json.dumps(value)}\n" for key, value in lines.items())
        text += "[targets.here.roles]\n" + "".join(f"{key} = {json.dumps(value)}\n" for key, value in roles.items())
        text += "\n".join(["[limits]", "idle_in_transaction_s = 0.000001", *more])
        (tmp_path / "capliquify-ops.toml").write_text(text)
        return tmp_path / "capliquify-ops.toml"

    return write
