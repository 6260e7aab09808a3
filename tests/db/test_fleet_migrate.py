"""Migrating a fleet: canary, waves, ledger, resume, refusals; killed, locked, twice at once, and tried without a trace."""

import hashlib
import json
import os
import signal
import subprocess
import sys
import threading
import time
import uuid
from dataclasses import replace

import pytest

from capliquify_ops.cli import main
from capliquify_ops.configuration.system import SystemClock
from capliquify_ops.database import fill, load, operator
from capliquify_ops.model.errors import ConfigurationInvalid, TenantConflict, UsageError
from capliquify_ops.model.secret import Secret
from capliquify_ops.reference import stack as embedded
from capliquify_ops.tenants.audit import audit_of
from capliquify_ops.tenants.create import FirstUser, NewTenant, create
from capliquify_ops.tenants.delete import delete
from capliquify_ops.tenants.fleet_migration import migrate_fleet
from capliquify_ops.tenants.migration_fleet import plan_migration
from capliquify_ops.tenants.migration_job import Access, Job, State
from capliquify_ops.tenants.migration_ledger import MigrationFile
from capliquify_ops.tenants.migration_rules import Script, read_script
from capliquify_ops.tenants.migration_trial import try_migration
from capliquify_ops.tenants.ownership import as_owner
from capliquify_ops.tenants.registry import find
from capliquify_ops.tenants.suspend import suspend
from capliquify_ops.tenants.waves import Retry

ADD = "ALTER TABLE products ADD COLUMN region text NOT NULL DEFAULT 'eu';\nCREATE TABLE region (code text PRIMARY KEY);"
OWN_ROWS = "CREATE TABLE people AS SELECT clerk_user_id FROM public.users"
CLOCK = SystemClock()
HOSTILE = ('T"wo 😀', "it's; DROP TABLE x --", "x" * 63, '%s $1 "', "public2")
HAS_COLUMN = (
    "SELECT pg_catalog.count(*) FROM pg_catalog.pg_attribute AS a JOIN pg_catalog.pg_class AS c ON c.oid = a.attrelid"
    " JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace"
    " WHERE n.nspname = %(schema)s AND c.relname = 'products' AND a.attname = 'region'"
)


def job_of(text, name="0001_region.sql", **given):
    digest = hashlib.sha256(text.encode()).hexdigest()
    given = {"retry": Retry(0, lambda: 0.5, 0.001), **given}
    return Job(MigrationFile(name, digest, "run"), read_script(text), "test", **given)


KEEPERS = (
    "SELECT a.backend_xmin::text AS backend_xmin FROM pg_catalog.pg_stat_activity AS a"
    " WHERE a.datname = pg_catalog.current_database() AND a.application_name LIKE '%%fleet migrate, run'"
)


@pytest.fixture
def fleet(operator_url, roles):
    """Makes tenants a, b, c ... in this order; schema names by slug."""

    def make(number, names=()):
        with operator(operator_url, "test") as session:
            made = [
                create(session, roles, _new(chr(97 + each), names[each] if each < len(names) else ""), actor="test")
                for each in range(number)
            ]
        return {tenant.slug: tenant.schema_name for tenant in made}

    return make


def _new(slug, schema=""):
    owner = FirstUser(f"user_{slug}", f"{slug}@example.test")
    return NewTenant(uuid.uuid4(), slug, slug, f"org_{slug}", schema_name=schema, owner=owner, company=slug)


@pytest.fixture
def migrate(operator_url, roles):
    """Runs a file over the fleet."""
    return lambda text=ADD, told=lambda _: None, **given: migrate_fleet(
        Access(operator_url), roles, job_of(text, **given), CLOCK, told
    )


@pytest.fixture
def value(superuser_url):
    """Asks the server one thing."""

    def ask(query, **params):
        with operator(superuser_url, "test") as session, session.transaction():
            return session.value(query, params)

    return ask


@pytest.fixture
def migrated(value):
    """Which schemas have the column, of those given, and that the ledger says the same."""

    def which(schemas):
        have = {slug for slug, schema in schemas.items() if value(HAS_COLUMN, schema=schema)}
        noted = value(
            "SELECT coalesce(array_agg(m.schema_name), '{}') FROM capliquify_ops.tenant_migration AS m WHERE m.state = 'done'"
        )
        assert {schemas[slug] for slug in have} == set(noted)
        return have

    return which


def test_a_fleet_is_migrated_canary_first(fleet, migrate, migrated, operator_url, roles, value):
    """All tenants have it, the canary first and alone; suspended ones too, deleted ones not; again there is nothing to do."""
    schemas = fleet(7, HOSTILE)
    with operator(operator_url, "test") as session:
        suspend(session, roles, "d", actor="test", reason="x")
        delete(session, roles, "e", confirm="e", actor="test")
    told = []
    result = migrate(told=told.append, wave=2, canary="c")
    assert (result.done, result.failed, result.unequal, result.stopped, result.remaining) == (6, [], [], "", 0)
    assert told[0].tenant.slug == "c"
    assert migrated(schemas) == set("abcdfg")
    assert value("SELECT array_agg(m.schema_name) FROM capliquify_ops.tenant_migration AS m WHERE m.is_canary") == [schemas["c"]]
    again = migrate()
    assert (again.done, again.before, again.outcomes, again.canary.slug) == (0, 6, [], "c")
    assert migrate(OWN_ROWS, name="0002.sql").done == 6
    assert value(fill('SELECT pg_catalog.count(*) FROM :"s".people', {"s": schemas["a"]})) == 1
    with operator(operator_url, "test") as session, session.transaction():
        row, _ = [row for row in audit_of(session, told[0].tenant.id) if row.verb == "fleet migrate"]
    assert row.after == {"file": "0001_region.sql", "sha256": job_of(ADD).file.sha256}
    assert row.run == "run"


def test_a_failure_stops_the_run_and_leaves_no_half(fleet, migrate, migrated, as_the_owner, value):
    """A tenant where the second statement fails is as it was; no later wave begins; once repaired the same call goes on."""
    schemas = fleet(5)
    as_the_owner('CREATE TABLE :"s".region ()', s=schemas["b"])
    result = migrate(canary="a", wave=2, workers=1)
    assert [outcome.tenant.slug for outcome in result.failed] == ["b"]
    assert "Line 2" in result.failed[0].why
    assert "already exists" in result.failed[0].why
    assert (result.stopped, result.remaining) == ("Failed by the end of wave 1: 1, of at most 0.", 4)
    assert migrated(schemas) == {"a"}
    assert "already exists" in value("SELECT m.error FROM capliquify_ops.tenant_migration AS m WHERE m.state = 'failed'")
    beyond = migrate(max_failures=1, wave=1)
    assert (beyond.done, len(beyond.failed), beyond.stopped) == (3, 1, "")
    as_the_owner('DROP TABLE :"s".region', s=schemas["b"])
    assert migrate().done == 1
    assert migrated(schemas) == set("abcde")


def test_a_tenant_that_is_built_otherwise_stops_the_run(fleet, migrate, migrated, as_the_owner, operator_url):
    """A wave is compared with the canary: the difference is named, later waves wait; a plan says it before; allowed, it goes on."""
    schemas = fleet(4)
    as_the_owner('CREATE INDEX odd ON :"s".sales (channel)', s=schemas["b"])
    with operator(operator_url, "test") as session:
        plan = plan_migration(session, job_of(ADD))
    assert ["b: has an extra index" in warning for warning in plan.warnings] == [True]
    result = migrate(canary="a", wave=1)
    assert "not built as the canary a" in result.stopped
    assert "b: has an extra index" in result.unequal[0].sentence()
    assert migrated(schemas) == {"a", "b"}
    assert "from earlier runs" in migrate(wave=1).stopped
    assert migrate(wave=1, may_differ=True).done == 2
    as_the_owner('DROP INDEX :"s".odd', s=schemas["b"])
    assert migrate().stopped == ""


def test_a_lock_is_waited_for_again(fleet, migrate, migrated, operator_url, superuser_url):
    """While somebody reads in a transaction the statement gives up soon, says who it is, and has the lock at a later attempt."""
    schemas = fleet(1)
    with operator(superuser_url, "reader") as reader:
        with reader.transaction():
            reader.execute(fill('SELECT FROM :"s".products', {"s": schemas["a"]}))
            result = migrate(retry=Retry(1, lambda: 0.5, 0.001), lock_ms=20)
            assert result.failed[0].attempts == 2
            assert f"session {reader.backend_pid} (capliquify_ops reader)" in result.failed[0].why
            assert migrated(schemas) == set()
            ended, waits = [], threading.Event()

            def draw():
                waits.set()
                return 0.5

            attempts = threading.Thread(target=lambda: ended.append(migrate(retry=Retry(500, draw, 0.01, 0.02), lock_ms=20)))
            attempts.start()
            assert waits.wait(30)
            # Who only holds the lock of the run must not hold vacuum back.
            keepers = reader.mappings(KEEPERS)
            assert [keeper["backend_xmin"] for keeper in keepers] == [None]
        attempts.join(30)
    assert ended[0].outcomes[0].state is State.DONE
    assert ended[0].outcomes[0].attempts > 1
    assert migrated(schemas) == {"a"}


def test_one_run_at_a_time(fleet, migrate, migrated, superuser_url):
    """A second run is refused while one is on its way. An empty fleet and a missing ledger are errors that say what to do."""
    with pytest.raises(UsageError, match="No tenant"):
        migrate()
    schemas, refused = fleet(2), []

    def second(outcome):
        with pytest.raises(TenantConflict, match="Another migration"):
            migrate()
        refused.append(outcome.tenant.slug)

    assert migrate(told=second, workers=1).done == 2
    assert refused == ["b", "a"]
    assert migrated(schemas) == {"a", "b"}
    with operator(superuser_url, "test") as session, session.transaction():
        session.execute("DROP TABLE capliquify_ops.tenant_migration")
    with pytest.raises(ConfigurationInvalid, match="tenant install"):
        migrate()


def test_a_file_that_ran_is_not_changed(fleet, migrate, migrated, as_the_owner):
    """A text that only failed may be mended; once a tenant has it, the name is taken. The canary, the youngest, may not fail."""
    schemas = fleet(3)
    as_the_owner('CREATE TABLE :"s".region ()', s=schemas["c"])
    assert migrate(max_failures=9).stopped == "The canary c was not migrated."
    assert migrated(schemas) == set()
    assert migrate("ALTER TABLE products ADD COLUMN region text", workers=3).done == 3
    with pytest.raises(TenantConflict, match=r"Another text called 0001_region.sql ran in 3 tenants"):
        migrate()
    assert migrate("ALTER TABLE products ADD COLUMN region text", name="renamed.sql").done == 0
    assert migrated(schemas) == set("abc")


def test_who_comes_meanwhile_is_told(fleet, migrate, operator_url, roles, superuser_url):
    """Tenants that are created, deleted or lose their schema during a run, or had none before: each is told as what it is."""
    fleet(3)
    with operator(superuser_url, "test") as session, session.transaction():
        session.execute("UPDATE public.tenants SET schema_name = 'nowhere' WHERE slug = 'a'")

    def meanwhile(outcome):
        if outcome.tenant.slug == "c":
            with operator(operator_url, "test") as session:
                delete(session, roles, "b", confirm="b", actor="test")
                create(session, roles, _new("new"), actor="test")

    result = migrate(told=meanwhile)
    assert (result.homeless, result.created, result.remaining) == (("a",), ("new",), 0)
    assert [(one.tenant.slug, one.state) for one in result.outcomes] == [("c", State.DONE), ("b", State.GONE)]


def test_nothing_is_kept_of_what_may_not_be(fleet, migrate, migrated, operator_url, roles):
    """A refused file never runs; a block let pass that changes the session is found out; the statement's own limit is no lock."""
    schemas = fleet(1)
    for text in (f'{ADD} DROP SCHEMA "{schemas["a"]}"', "", f"COMMIT; {ADD}"):
        with pytest.raises(UsageError, match="refused"):
            migrate(text)
    for said in ("SET LOCAL search_path = public", "RESET ROLE"):
        job = job_of(f"{ADD} DO $$BEGIN EXECUTE '{said}'; END$$")
        job = replace(job, script=Script(job.script.statements, ()))
        result = migrate_fleet(Access(operator_url), roles, job, CLOCK)
        assert "role or search_path" in result.failed[0].why
    result = migrate(f"{ADD} SELECT pg_sleep(5)", statement_ms=50, retry=Retry(5, lambda: 0.5, 0.001))
    assert [(outcome.state, outcome.attempts) for outcome in result.outcomes] == [(State.FAILED, 1)]
    assert migrated(schemas) == set()


def test_a_trial_leaves_nothing(fleet, operator_url, roles, value):
    """A dry run says what changes, with rows, time and locks; a file that fails says why; the database is as before."""
    schemas = fleet(1, HOSTILE)
    catalogue = "SELECT pg_catalog.count(*)::text || pg_catalog.max(oid) FROM pg_catalog.pg_class"
    before = value(catalogue), value("SELECT pg_catalog.count(*) FROM pg_catalog.pg_namespace")
    with operator(operator_url, "test") as session:
        tenant = _tenant(session, "a")
        trial = try_migration(session, roles, job_of(ADD), tenant, unique=uuid.uuid4(), clock=CLOCK)
        broken = try_migration(session, roles, job_of(ADD + "SELECT 1/0"), tenant, unique=uuid.uuid4(), clock=CLOCK)
        other = job_of("INSERT INTO products (name) SELECT 1; UPDATE companies SET name = 'gone'")
        try_migration(session, roles, other, tenant, unique=uuid.uuid4(), clock=CLOCK)
    assert trial.error == ""
    assert (trial.rows, trial.locks > 0, trial.seconds > 0) == (1, True, True)
    phrases = {one.phrase() for one in trial.changes}
    assert {"has an extra column products.region", "has an extra table region"} <= phrases
    assert broken.changes == ()
    assert "division by zero" in broken.error
    assert (value(catalogue), value("SELECT pg_catalog.count(*) FROM pg_catalog.pg_namespace")) == before
    with operator(operator_url, "test") as session, session.transaction(), as_owner(session, roles):
        assert session.value(fill('SELECT name FROM :"s".companies', {"s": schemas["a"]})) == "a"


def _tenant(session, slug):
    with session.transaction():
        return find(session, slug)


@pytest.fixture
def run(tmp_path, forked, database):
    """Runs capliquify-ops with this test's database as its target."""
    lines = {"class": "loopback", "database_url": database.observer_url.reveal(), "operator_url": database.operator_url.reveal()}
    lines["app_role"] = database.roles.app
    roles = {name: getattr(database.roles, name) for name in ("owner", "observer", "operator")}
    text = "[targets.here]\n" + "".join(f"{key} = {json.dumps(each)}\n" for key, each in lines.items())
    text += "[targets.here.roles]\n" + "".join(f"{key} = {json.dumps(each)}\n" for key, each in roles.items())
    (tmp_path / "capliquify-ops.toml").write_text(text)
    env = {key: each for key, each in os.environ.items() if not key.startswith(("CAPLIQUIFY", "DATABASE_URL", "PG"))}

    def command(*arguments, program=False):
        if program:
            started = [sys.executable, "-m", "capliquify_ops.cli", *arguments]
            return subprocess.Popen(started, cwd=tmp_path, env=env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        done = forked(lambda: main(arguments), cwd=tmp_path, env=env)
        assert "Traceback" not in done.stderr, done.stderr
        return done

    command.folder = tmp_path
    return command


def test_killed_and_gone_on_with(fleet, run, migrated, value):
    """kill -9 in the middle of a wave: each tenant has it whole with its row or not at all, and the same command does the rest."""
    schemas = fleet(6)
    text = "ALTER TABLE products ADD COLUMN region text; SELECT pg_sleep(0.1); CREATE TABLE region (code text)"
    (run.folder / "m.sql").write_text(text)
    running = run("fleet", "migrate", "m.sql", "--yes", "--workers", "1", program=True)
    done = "SELECT pg_catalog.count(*) FROM capliquify_ops.tenant_migration AS m"
    deadline = time.monotonic() + 30
    while value(done) < 2:
        assert running.poll() is None, running.stdout.read()
        assert time.monotonic() < deadline
        time.sleep(0.01)
    time.sleep(0.05)
    running.send_signal(signal.SIGKILL)
    running.communicate()
    _until_alone(value)
    before = len(migrated(schemas))
    assert 2 <= before < 6
    again = run("fleet", "migrate", "m.sql", "--yes", "--json")
    assert again.returncode == 0, again.stderr
    found = json.loads(again.stdout)["migration"]
    assert (found["before"], found["migrated"], found["remaining"]) == (before, 6 - before, 0)
    assert migrated(schemas) == set(schemas)


def _until_alone(value):
    """Wait until the server has noticed that the killed process is gone."""
    query = "SELECT pg_catalog.count(*) FROM pg_catalog.pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"
    deadline = time.monotonic() + 30
    while value(query):
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_the_command(fleet, run, migrated):
    """Without --yes a plan; refused files end with 1 and say the rule; allowed ones run; a dry run and a second run change nothing."""
    schemas = fleet(2, HOSTILE)
    (run.folder / "m.sql").write_text("\ufeff" + ADD)
    plan = run("fleet", "migrate", "m.sql")
    assert plan.returncode == 0, plan.stderr
    assert "migrate the canary b alone" in plan.stdout
    assert "concerns to migrate: 2" in plan.stdout
    (run.folder / "bad.sql").write_text("CREATE INDEX ON sales (channel);\nTRUNCATE public.tenants")
    bad = run("fleet", "migrate", "bad.sql", "--yes")
    assert bad.returncode == 1, bad.stderr
    assert "REFUSED line 1, require-concurrent-index-creation: sales" in bad.stdout
    assert "REFUSED line 2, shared-table: public.tenants" in bad.stdout
    assert "the file is refused" in bad.stdout
    (run.folder / "names.sql").write_text(
        "SELECT '" + schemas["a"].replace("'", "''") + '\'; SELECT \'"T""wo 😀".products\'::regclass'
    )
    named = json.loads(run("fleet", "migrate", "names.sql", "--json").stdout)
    assert [(one["rule"], one["line"]) for one in named["refusals"]] == [("other-schema", 1)]
    tried = run("fleet", "migrate", "m.sql", "--dry-run")
    assert tried.returncode == 0, tried.stderr
    assert "adds column products.region" in tried.stdout
    assert migrated(schemas) == set()
    ran = run("fleet", "migrate", "m.sql", "--yes")
    assert ran.returncode == 0, ran.stderr
    assert "2 tenants migrated, 0 failed, 0 remain" in ran.stdout
    assert migrated(schemas) == {"a", "b"}
    (run.folder / "index.sql").write_text("CREATE INDEX sales_channel ON sales (channel)")
    allowed = run("fleet", "migrate", "index.sql", "--yes", "--json", "--allow", "require-concurrent-index-creation")
    assert json.loads(allowed.stdout)["migration"]["migrated"] == 2
    for wrong in (["m.sql", "--allow", "syntax-error"], ["m.sql", "--lock-timeout", "0s"], ["absent.sql"]):
        assert run("fleet", "migrate", *wrong).returncode == 64


SEEN_THROUGH = {
    "SET LOCAL app.tenant_id = '7'": "session-setting",
    "CREATE FUNCTION f() RETURNS int LANGUAGE sql SET app.tenant_id = '7' AS 'SELECT 1'": "session-setting",
    "UPDATE pg_settings SET setting = '0' WHERE name = 'lock_timeout'": "session-setting",
    "CREATE TEMP TABLE t (a int) ON COMMIT DROP; DROP TABLE t": "ban-drop-table",
    "CREATE TEMP TABLE t ON COMMIT DROP AS SELECT 1; TRUNCATE t": "ban-truncate",
    "ANALYZE": "database-wide",
    "CREATE TABLE p PARTITION OF t DEFAULT": "rewriting-table",
    "ALTER TABLE t ALTER CONSTRAINT k ENFORCED": "adding-foreign-key-constraint",
    "CREATE POLICY p ON t USING (true); UPDATE t SET a = 1": "backfill-under-lock",
    "CREATE TRIGGER g BEFORE UPDATE ON t EXECUTE FUNCTION f(); DELETE FROM t": "backfill-under-lock",
    "DROP TRIGGER g ON t; UPDATE t SET a = 1": "backfill-under-lock",
    "ALTER TABLE t RENAME CONSTRAINT a TO b; UPDATE t SET a = 1": "backfill-under-lock",
    "ALTER TABLE t ADD COLUMN a int; UPDATE u SET a = 1": "backfill-under-lock",
    "CREATE TRIGGER g BEFORE UPDATE ON t EXECUTE FUNCTION f('b.u')": "other-schema",
}
"""What locks, empties or leads elsewhere without looking like it."""


@pytest.mark.parametrize("text", SEEN_THROUGH)
def test_what_looks_harmless_is_refused(text):
    """Each text is met by exactly its rule."""
    assert {one.rule for one in read_script(text, ["b"]).refusals} == {SEEN_THROUGH[text]}


def test_a_temporary_table_named_as_a_live_one_is_found_out(fleet, migrate, migrated, as_the_owner):
    """The path finds the tenant's own table first, so the rows would go there: nothing is kept."""
    schemas = fleet(1)
    text = f"{ADD} CREATE TEMP TABLE companies (name text) ON COMMIT DROP; INSERT INTO companies (name) VALUES ('no')"
    result = migrate(text)
    assert "temporary table 'companies'" in result.failed[0].why
    assert migrated(schemas) == set()
    assert migrate(text.replace("companies", "mine")).done == 1


def test_what_is_checked_at_the_commit_is_checked_in_a_trial(fleet, operator_url, roles, migrate):
    """A trial never commits: a deferred key that the file breaks is found out all the same, and where the file still counts."""
    fleet(1)
    text = "CREATE TABLE p (id int PRIMARY KEY); CREATE TABLE q (p int REFERENCES p DEFERRABLE INITIALLY DEFERRED);"
    text = f"{text} INSERT INTO q VALUES (7)"
    with operator(operator_url, "test") as session:
        trial = try_migration(session, roles, job_of(text), _tenant(session, "a"), unique=uuid.uuid4(), clock=CLOCK)
    assert "violates foreign key" in trial.error
    assert "violates foreign key" in migrate(text).failed[0].why


def test_a_schema_of_the_owner_is_named_by_no_text(fleet, run, as_the_owner):
    """An orphan, a quarantine, our ledgers: the file would run there with their owner's rights; settings are no schemas."""
    fleet(1)
    as_the_owner('CREATE SCHEMA "lost one"; CREATE SEQUENCE "lost one".s; CREATE SCHEMA app')
    texts = (
        "SELECT nextval('\"lost one\".s')",
        "SELECT 'capliquify_ops.audit'::regclass",
        "SELECT current_setting('app.tenant_id')",
    )
    found = []
    for text in texts:
        (run.folder / "m.sql").write_text(text)
        found.append([one["rule"] for one in json.loads(run("fleet", "migrate", "m.sql", "--json").stdout)["refusals"]])
    assert found == [["other-schema"], ["other-schema"], []]


@pytest.mark.whole
def test_on_15(postgres_15):
    """An older server does the same: two tenants, canary and wave, equal afterwards."""
    with embedded.start(service=False, postgres_bin=postgres_15) as server:
        access = Access(Secret(server.operator_url))
        with operator(access.url, "test") as session:
            for slug in "ab":
                create(session, server.roles, _new(slug), actor="test")
            tenant = _tenant(session, "a")
            with session.transaction():
                assert session.rows(load("capliquify_ops.tenants", "lock_holders"), str, {"schema": "public", "at_most": 3}) == []
            trial = try_migration(session, server.roles, job_of(ADD), tenant, unique=uuid.uuid4(), clock=CLOCK)
        result = migrate_fleet(access, server.roles, job_of(ADD), CLOCK)
    assert (result.done, result.unequal, result.stopped, trial.error) == (2, [], "", "")
