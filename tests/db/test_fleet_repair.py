"""fleet repair: each kind is broken, planned, repaired and healthy again; what needs a person is left as it was."""

import json
import os
import uuid
from types import SimpleNamespace

import pytest
import typer
from typer.testing import CliRunner

from capliquify_ops.cli import fleet_repair
from capliquify_ops.configuration import load_limits
from capliquify_ops.configuration.system import SystemClock
from capliquify_ops.database import fill, observer, operator
from capliquify_ops.integrity import (
    access_rights,
    function_safety,
    registry_catalogue,
    sequence_health,
    structure_equality,
    unfinished_objects,
)
from capliquify_ops.model.errors import OpsError, PrivilegeMissing, TenantConflict, UsageError
from capliquify_ops.model.outcome import Outcome as Verdict
from capliquify_ops.remedies import repair_worker
from capliquify_ops.remedies.measuring import Scope, measured
from capliquify_ops.remedies.repair import _judged, repair
from capliquify_ops.remedies.repair_job import Archiving, Job, Outcome, State
from capliquify_ops.remedies.repair_plan import Fact, Plan, Step
from capliquify_ops.tenants.archive.opening import open_archive
from capliquify_ops.tenants.create import NewTenant, create
from capliquify_ops.tenants.migration_ledger import take_run_lock
from capliquify_ops.tenants.ownership import as_owner
from capliquify_ops.tenants.waves import Retry

WHO = {"observer": "database", "operator": "operator", "superuser": "superuser", "app": "app"}
NAMES = {"a": "", "b": 'T"wo 😀', "c": "x.y" + "z" * 60}
"""One of a plain name, which is what the others are compared with, and two that need quotes."""
BROKEN = """
ALTER TABLE :"s".products DROP COLUMN description;
ALTER TABLE :"s".companies DROP COLUMN currency;
ALTER TABLE :"s".sales DROP COLUMN quantity CASCADE;
ALTER TABLE :"s".sales DROP COLUMN sold_on;
ALTER TABLE :"s".products DROP CONSTRAINT products_sku_key;
ALTER TABLE :"s".scenarios DROP CONSTRAINT scenarios_pkey;
ALTER TABLE :"s".inventory DROP CONSTRAINT inventory_product_id_fkey;
DROP INDEX :"s".inventory_reorder_idx, :"s".user_preferences_company_id_user_id_key;
DROP TABLE :"s".forecasts
"""
GROWN = """
CREATE TYPE :"s".mood AS ENUM ('glad', 'sad');
CREATE SEQUENCE :"s".numbers START WITH 7;
CREATE FUNCTION :"s".stamp() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = :"s", pg_temp
  AS 'BEGIN NEW.name := NEW.name; RETURN NEW; END';
CREATE FUNCTION :"s".count_sales() RETURNS bigint LANGUAGE sql STABLE BEGIN ATOMIC SELECT count(*) FROM :"s".sales; END;
CREATE TRIGGER stamped BEFORE UPDATE ON :"s".products FOR EACH ROW EXECUTE FUNCTION :"s".stamp();
CREATE VIEW :"s".cheap AS SELECT p.id, p.name FROM :"s".products AS p WHERE p.unit_price < 1;
ALTER TABLE :"s".products ADD COLUMN feels :"s".mood DEFAULT 'glad', ADD COLUMN counted bigserial;
ALTER TABLE :"s".products ADD CONSTRAINT named CHECK (name <> ''), ADD CONSTRAINT priced EXCLUDE USING btree (sku WITH =);
CREATE TABLE :"s".notes (
  id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, number bigint NOT NULL DEFAULT nextval('numbers'), serial serial,
  product_id uuid REFERENCES :"s".products, body text NOT NULL CHECK (body <> ''), UNIQUE NULLS NOT DISTINCT (number, body));
CREATE INDEX ON :"s".notes (lower(body)) WHERE number > 3;
ALTER TABLE :"s".notes ENABLE ROW LEVEL SECURITY;
CREATE POLICY mine ON :"s".notes USING (number > 0);
CREATE TRIGGER stamped BEFORE UPDATE ON :"s".notes FOR EACH ROW EXECUTE FUNCTION :"s".stamp();
GRANT SELECT ON :"s".notes TO :"app"
"""


@pytest.fixture(scope="module")
def made(server):
    """A database with three tenants; gives their schemas by key."""
    name = f"three_{os.environ.get('PYTEST_XDIST_WORKER', 'main')}_{os.getpid()}"
    with operator(server.url("superuser", "postgres"), "test database") as session:
        text = 'CREATE DATABASE :"name" TEMPLATE capliquify OWNER :"owner"'
        session.outside_transaction(fill(text, {"name": name, "owner": server.roles.owner}))
    with operator(server.url("operator", name), "test") as session:
        tenants = {
            key: create(session, server.roles, NewTenant(uuid.uuid4(), key, key, f"org_{key}", schema_name=schema), actor="test")
            for key, schema in NAMES.items()
        }
    yield name, {key: tenant.schema_name for key, tenant in tenants.items()}
    with operator(server.url("superuser", "postgres"), "test database") as session:
        session.outside_transaction(fill('DROP DATABASE :"name" WITH (FORCE)', {"name": name}))


@pytest.fixture
def database(server, made):
    """The database of all tests here, which costs less than one for each."""
    urls = {f"{who}_url": server.url(key, made[0]) for who, key in WHO.items()}
    return SimpleNamespace(name=made[0], roles=server.roles, **urls)


@pytest.fixture
def touched():
    """The schemas that a test has changed through `owner`; empty where it went another way."""
    return set()


@pytest.fixture
def three(database, made, roles, touched):
    """The schemas of the three tenants. What a test has changed is made anew after it, whatever else it made is dropped."""
    yield made[1]
    kept = set(made[1].values()) - touched if touched else set()
    with operator(database.operator_url, "test") as session, session.transaction(), as_owner(session, roles):
        query = "SELECT n.nspname::text FROM pg_catalog.pg_namespace AS n WHERE n.nspname !~ '^pg_|^(public|information_schema|capliquify_ops)$'"
        for schema in set(session.rows(query, str)) - kept:
            session.execute(fill('DROP SCHEMA :"s" CASCADE', {"s": schema}))
        for table in ("quarantine", "sequence", "tenant_migration"):
            session.execute(fill('DELETE FROM capliquify_ops.:"table"', {"table": table}))
        again = "SELECT public.create_tenant_schema(id) FROM public.tenants WHERE schema_name <> ALL (%(kept)s) ORDER BY slug"
        session.execute(again, {"kept": list(kept)})


@pytest.fixture
def owner(operator_url, roles, touched):
    """Runs a script as the owner, with the schema on the path, so that bare names in it are the schema's."""

    def run(schema, script):
        touched.add(schema)
        with operator(operator_url, "test") as session, session.transaction(), as_owner(session, roles):
            session.apply({"search_path": fill(':"s"', {"s": schema}).as_string(None)})
            session.script(fill(script, {"s": schema, "app": roles.app, "observer": roles.observer}))

    return run


@pytest.fixture
def plan(observer_url, roles, profile):
    """Measures as the observer."""

    with observer(observer_url, "test") as session:
        yield lambda *checks, **given: measured(session, Scope(profile, roles, load_limits(), SystemClock(), checks, **given))


@pytest.fixture
def repaired(operator_url, roles, plan):
    """Plans and repairs; waits between attempts are counted and not waited for."""

    def run(*checks, shown=None, waits=None, measure=None, archiving=None, template=None, **given):
        def again():
            return plan(*checks, template=template, archived=archiving is not None)

        sleep = (lambda _: None) if waits is None else waits
        job = Job(operator_url, "tester", "run-1", Retry(3, lambda: 0.5), sleep, archiving=archiving, **{"lock_ms": 80, **given})
        return repair(shown or again(), measure or again, job, roles, SystemClock())

    return run


def _whys(result):
    return [f"{outcome.step.fact.kind} {outcome.step.fact.object}: {outcome.why}" for outcome in result.outcomes if outcome.why]


def _states(result):
    return {(outcome.step.fact.kind, outcome.step.fact.object): outcome.state for outcome in result.outcomes}


def _value(url, query, **names):
    with operator(url, "test") as session, session.transaction():
        return session.value(fill(query, names))


def _outcomes(found):
    return {finding.outcome for finding in found.values()}


def test_what_was_lost_comes_back_as_the_others_have_it(three, owner, plan, repaired, checked, operator_url):
    """Columns, keys, foreign keys, indexes and a table: red, planned, repaired in order, and healthy; nothing is left."""
    owner(three["b"], BROKEN)
    assert _outcomes(checked(structure_equality)) == {Verdict.FAILING}
    found = plan("structure_equality")
    assert not found.for_people
    result = repaired("structure_equality", shown=found)
    assert {outcome.state for outcome in result.outcomes} == {State.REPAIRED}, _whys(result)
    assert not result.now.steps
    assert result.waves == (1,)
    assert _outcomes(checked(structure_equality)) == {Verdict.HEALTHY}
    audited = "SELECT count(*) FROM capliquify_ops.audit WHERE verb = 'fleet repair' AND run = 'run-1' AND schema_name = :'s'"
    assert _value(operator_url, audited, s=three["b"]) >= len(result.outcomes)


def test_what_only_the_others_were_given_is_added(three, touched, owner, repaired, checked, operator_url, app_sees):
    """Types, sequences, functions on a path of their own, triggers, views, and a table with all that belongs to it."""
    for key in "ab":
        owner(three[key], GROWN)
    touched.add(three["c"])
    result = repaired("structure_equality")
    assert not _whys(result)
    assert {outcome.state for outcome in result.outcomes} == {State.REPAIRED}, _whys(result)
    assert not result.now.steps
    assert _outcomes(checked(structure_equality)) == {Verdict.HEALTHY}
    assert app_sees(three["c"], "notes")
    path = "SELECT proconfig::text FROM pg_catalog.pg_proc WHERE proname = 'stamp' AND pronamespace = to_regnamespace(quote_ident(:'s'))"
    assert three["c"] in _value(operator_url, path, s=three["c"])


@pytest.fixture
def app_sees(database):
    """Whether the service's role can read a table."""

    def look(schema, table):
        with operator(database.app_url, "test") as session, session.transaction():
            return session.value(fill('SELECT count(*) FROM :"s".:"t"', {"s": schema, "t": table})) == 0

    return look


def test_columns_get_their_default_where_there_are_rows_and_a_person_where_none_is_known(
    three, owner, plan, repaired, operator_url
):
    """A column with a default fills old rows; one that must not be NULL and has none is left to a person, with the statement."""
    owner(three["b"], "INSERT INTO companies (name) VALUES ('x'); ALTER TABLE companies DROP COLUMN currency, DROP COLUMN name")
    found = plan("structure_equality")
    people = {step.fact.object: step for step in found.for_people}
    assert set(people) == {"companies.name"}
    assert "ADD COLUMN" in people["companies.name"].advice
    result = repaired("structure_equality", shown=found)
    # The index on the column cannot come before the column.
    assert _states(result) == {("column", "companies.currency"): State.REPAIRED, ("index", "companies_name_idx"): State.FAILED}
    owner(three["b"], "ALTER TABLE companies ADD CONSTRAINT filled CHECK (currency = 'USD')")


def test_what_differs_or_is_extra_is_left_alone(three, owner, plan, repaired):
    """Another type, another index, a table of one's own: a person, and what that person might run; nothing is changed."""
    owner(
        three["c"],
        "ALTER TABLE products ALTER COLUMN name TYPE varchar(99); DROP INDEX sales_customer_idx;"
        " CREATE INDEX sales_customer_idx ON sales (customer DESC); CREATE TABLE mine (n int)",
    )
    found = plan("structure_equality")
    assert not found.repairs
    advice = {step.fact.object: step.advice for step in found.for_people}
    assert advice["products.name"].endswith('ALTER COLUMN "name" TYPE text')
    assert advice["sales_customer_idx"].startswith("DROP INDEX CONCURRENTLY")
    assert advice["mine"].startswith("DROP TABLE")
    assert repaired("structure_equality").outcomes == ()
    assert plan("structure_equality") == found


def test_without_a_majority_a_template_has_to_be_named(three, owner, plan, repaired):
    """Three structures, none of most tenants: nothing is done by itself; with a template the same faults are repaired."""
    owner(three["b"], "DROP INDEX sales_customer_idx")
    owner(three["c"], "DROP INDEX sales_channel_idx")
    assert not plan("structure_equality").repairs
    assert "--template" in plan("structure_equality").for_people[0].needs_person
    result = repaired("structure_equality", template=three["a"])
    assert len(result.of(State.REPAIRED)) == 2
    assert not result.now.steps
    assert result.waves == (1, 1)


def test_a_routine_that_names_the_schema_it_comes_from_is_no_repair(three, owner, plan):
    """Copied, it would read another tenant's rows: a person."""
    owner(three["a"], f"CREATE FUNCTION f() RETURNS bigint LANGUAGE sql AS 'SELECT count(*) FROM {three['a']}.sales'")
    found = plan("structure_equality", template=three["a"])
    assert not found.repairs
    assert [(step.fact.object, "names the schema" in step.needs_person) for step in found.for_people] == [("f()", True)] * 2


def _concurrently(url, roles, statement, **names):
    with operator(url, "test") as session:
        session.outside_transaction(fill('SET ROLE :"owner"', {"owner": roles.owner}))
        session.outside_transaction(fill(statement, names))


def test_invalid_indexes_are_built_again_and_leftovers_dropped(three, owner, repaired, checked, operator_url, roles):
    """An index over duplicates: while they are there the rebuild fails, says what it is and leaves nothing; then it works."""
    owner(three["b"], "CREATE TABLE t AS SELECT 1 AS n FROM generate_series(1, 2)")
    for statement in ('CREATE UNIQUE INDEX CONCURRENTLY alone ON :"s".t (n)', 'REINDEX INDEX CONCURRENTLY :"s".alone'):
        with pytest.raises(OpsError):
            _concurrently(operator_url, roles, statement, s=three["b"])
    assert set(checked(unfinished_objects)) == {"invalid index t.alone", "invalid index t.alone_ccnew"}
    failed = repaired("unfinished_objects")
    assert _states(failed) == {("invalid index", "t.alone"): State.FAILED}
    assert "(n)" in failed.outcomes[0].why
    assert set(checked(unfinished_objects)) == {"invalid index t.alone", "invalid index t.alone_ccnew"}
    owner(three["b"], "DELETE FROM t WHERE ctid = '(0,1)'")
    result = repaired("unfinished_objects")
    assert set(_states(result).values()) == {State.REPAIRED}
    assert _outcomes(checked(unfinished_objects)) == {Verdict.HEALTHY}


def test_constraints_are_validated_and_the_rest_is_for_people(three, owner, repaired, checked):
    """VALIDATE CONSTRAINT where rows keep it; a trigger that somebody switched off and an index twice stay as they are."""
    owner(
        three["c"],
        "ALTER TABLE sales ADD CONSTRAINT cheap CHECK (channel <> 'x') NOT VALID; CREATE INDEX again ON sales (channel)",
    )
    result = repaired("unfinished_objects")
    assert _states(result) == {("unvalidated constraint", "sales.cheap"): State.REPAIRED}
    assert [step.fact.kind for step in result.now.for_people] == ["duplicate index"]
    assert set(checked(unfinished_objects)) == {"duplicate index sales.again"}


def test_a_missing_schema_is_made_again_unless_there_were_rows(
    three, operator_url, superuser_url, roles, plan, repaired, checked
):
    """A tenant whose schema was never made gets one; one that has a backup, or whose schema has another name, needs a person."""
    with operator(operator_url, "test") as session, session.transaction(), as_owner(session, roles):
        session.execute("UPDATE public.tenants SET created_at = now() - interval '1 day'")
        session.execute(fill('DROP SCHEMA :"s" CASCADE', {"s": three["b"]}))
        session.execute(fill('ALTER SCHEMA :"s" RENAME TO elsewhere', {"s": three["c"]}))
        session.execute(
            "INSERT INTO capliquify_ops.audit (actor, verb, tenant_id) SELECT 'x', 'tenant backup', id FROM public.tenants"
            " WHERE slug = 'b'"
        )
    found = plan("registry_catalogue")
    assert not found.repairs
    whys = {step.fact.schema: f"{step.needs_person} {step.advice}" for step in found.for_people}
    assert "backup" in whys[three["b"]]
    assert 'ALTER SCHEMA "elsewhere" RENAME' in whys[three["c"]]
    assert "is of the tenant" in whys["elsewhere"]
    with operator(superuser_url, "test") as session, session.transaction():
        session.execute("ALTER TABLE capliquify_ops.audit DISABLE TRIGGER append_only")
        session.execute("DELETE FROM capliquify_ops.audit WHERE verb = 'tenant backup'")
        session.execute("ALTER TABLE capliquify_ops.audit ENABLE ALWAYS TRIGGER append_only")
        session.execute(fill('ALTER SCHEMA elsewhere RENAME TO :"s"', {"s": three["c"]}))
    result = repaired("registry_catalogue", "structure_equality")
    assert [outcome.state for outcome in result.outcomes] == [State.REPAIRED]
    assert _outcomes(checked(registry_catalogue)) == {Verdict.HEALTHY}


def test_an_orphan_is_archived_and_put_away(three, operator_url, roles, plan, repaired, checked, tmp_path):
    """Without a folder a person; with one the archive is whole, the schema is in quarantine, and nobody has rights on it."""
    with operator(operator_url, "test") as session, session.transaction(), as_owner(session, roles):
        session.script(
            fill('CREATE SCHEMA :"o"; CREATE TABLE :"o".products AS SELECT 7 AS n; CREATE SCHEMA hollow', {"o": 'Or"phan'})
        )
        session.execute(fill('GRANT USAGE ON SCHEMA :"o" TO :"app"', {"o": 'Or"phan', "app": roles.app}))
    whys = {step.fact.schema: step.needs_person for step in plan("registry_catalogue").for_people}
    assert "--archive-dir" in whys['Or"phan']
    assert "empty" in whys["hollow"]
    archiving = Archiving(tmp_path, "20260101T000000Z", "test", uuid.uuid4, SystemClock().now)
    assert not plan("registry_catalogue", archived=True, template='Or"phan').repairs
    result = repaired("registry_catalogue", archiving=archiving)
    assert [outcome.state for outcome in result.outcomes] == [State.REPAIRED], result.outcomes
    (path,) = tmp_path.iterdir()
    with open_archive(path) as archive:
        assert (archive.manifest.schema, archive.manifest.rows) == ('Or"phan', 1)
        known = "SELECT after ->> 'sha256' FROM capliquify_ops.audit WHERE verb = 'fleet repair' AND schema_name = :'s'"
        assert _value(operator_url, known, s='Or"phan') == archive.sha256
    assert _value(operator_url, "SELECT original_name FROM capliquify_ops.quarantine") == 'Or"phan'
    assert {step.fact.schema for step in result.now.for_people} == {"hollow"}


def test_an_orphan_that_is_needed_from_outside_stays_and_leaves_no_archive(three, operator_url, roles, repaired, tmp_path):
    """A view elsewhere reads it: refused by name, nothing is renamed, no file is left."""
    with operator(operator_url, "test") as session, session.transaction(), as_owner(session, roles):
        session.script(
            fill(
                'CREATE SCHEMA o; CREATE TABLE o.products AS SELECT 7 AS n; CREATE VIEW :"a".v AS SELECT * FROM o.products', three
            )
        )
    archiving = Archiving(tmp_path, "20260101T000000Z", "test", uuid.uuid4, SystemClock().now)
    (outcome,) = repaired("registry_catalogue", archiving=archiving).outcomes
    assert outcome.state is State.FAILED
    assert "needed from outside" in outcome.why
    assert list(tmp_path.iterdir()) == []


def test_a_lock_is_waited_for_again(three, owner, repaired, superuser_url):
    """While another session holds the table an attempt ends at the limit; it is tried again and works once the lock is gone."""
    owner(three["b"], "ALTER TABLE products DROP COLUMN description")
    with operator(superuser_url, "holder") as holder:
        held = holder.transaction()
        held.__enter__()
        holder.execute(fill('SELECT count(*) FROM :"s".products', {"s": three["b"]}))
        waited = []

        def wait(seconds):
            waited.append(seconds)
            if len(waited) == 2:
                held.__exit__(None, None, None)

        (outcome,) = repaired("structure_equality", waits=wait).outcomes
    assert (outcome.state, outcome.attempts) == (State.REPAIRED, 3)
    assert waited[0] < waited[1]


def test_a_lock_that_is_never_given_back_is_a_failure_that_says_who(three, owner, repaired, superuser_url):
    """After the last attempt the step has failed, with the session that holds the lock; nothing is half done."""
    owner(three["b"], "ALTER TABLE products DROP COLUMN description")
    with operator(superuser_url, "holder") as holder, holder.transaction():
        holder.execute(fill('SELECT count(*) FROM :"s".products', {"s": three["b"]}))
        waited = []
        result = repaired("structure_equality", waits=waited.append)
    assert [(outcome.state, outcome.attempts) for outcome in result.outcomes] == [(State.FAILED, 4)]
    assert len(waited) == 3
    assert "holder" in result.outcomes[0].why
    assert result.is_stopped
    assert len(result.now.repairs) == 1


def test_a_failure_stops_the_next_wave_and_running_again_goes_on(three, owner, repaired, checked):
    """The canary fails: the second tenant is not begun. With the reason gone the same command repairs both."""
    for key in "bc":
        owner(three[key], "ALTER TABLE products DROP CONSTRAINT products_sku_key")
    twice = "INSERT INTO products (company_id, sku, name) SELECT c.id, 'same', 'n' FROM companies AS c, generate_series(1, 2)"
    canary, other = sorted((three["b"], three["c"]))
    owner(canary, f"INSERT INTO companies (name) VALUES ('x'); {twice}")
    result = repaired("structure_equality", template=three["a"])
    assert [(outcome.step.fact.schema, outcome.state) for outcome in result.outcomes] == [(canary, State.FAILED)]
    assert result.is_stopped
    assert {step.fact.schema for step in result.now.repairs} == {canary, other}
    assert _outcomes(checked(unfinished_objects)) == {Verdict.HEALTHY}, "the failed build left something"
    more = repaired("structure_equality", template=three["a"], max_failures=1)
    assert not _whys(more)[1:]
    assert [outcome.state for outcome in more.outcomes] == [State.FAILED, State.REPAIRED, State.REPAIRED]
    owner(canary, "DELETE FROM products WHERE ctid = '(0,1)'")
    assert not repaired("structure_equality", template=three["a"]).now.steps


class _Killed(BaseException):
    pass


def test_a_run_that_is_killed_is_resumed_by_running_again(three, owner, repaired, monkeypatch, checked):
    """Killed after the second step: what was done is whole and audited, the rest comes with the next run."""
    owner(three["c"], "ALTER TABLE products DROP COLUMN category, DROP COLUMN description; ALTER TABLE sales DROP COLUMN channel")
    take, count = repair_worker.Worker.take, iter(range(99))

    def killed(self, step):
        if next(count) == 2:
            raise _Killed
        return take(self, step)

    with monkeypatch.context() as patched:
        patched.setattr(repair_worker.Worker, "take", killed)
        with pytest.raises(_Killed):
            repaired("structure_equality")
    result = repaired("structure_equality")
    assert {outcome.state for outcome in result.outcomes} == {State.REPAIRED}, _whys(result)
    assert _outcomes(checked(structure_equality)) == {Verdict.HEALTHY}


def test_a_key_whose_index_was_built_before_the_run_died_gets_its_constraint(three, owner, repaired, checked):
    """Between the concurrent build and the constraint there is an index alone: the next run goes on from it."""
    owner(
        three["b"],
        "ALTER TABLE products DROP CONSTRAINT products_sku_key; CREATE UNIQUE INDEX products_sku_key ON products (sku)",
    )
    result = repaired("structure_equality")
    assert _states(result) == {("constraint", "products.products_sku_key"): State.REPAIRED}
    assert _outcomes(checked(structure_equality)) == {Verdict.HEALTHY}


def test_an_index_that_died_while_it_was_built_is_finished_first(three, owner, plan, repaired, operator_url, roles):
    """An invalid index in a key's place: named alone, structure_equality says whose it is; together both are repaired in one run."""
    owner(three["b"], "ALTER TABLE products DROP CONSTRAINT products_sku_key; INSERT INTO companies (name) VALUES ('x')")
    twice = "INSERT INTO products (company_id, sku, name) SELECT c.id, 'same', 'n' FROM companies AS c, generate_series(1, 2)"
    owner(three["b"], twice)
    with pytest.raises(OpsError):
        _concurrently(
            operator_url, roles, 'CREATE UNIQUE INDEX CONCURRENTLY products_sku_key ON :"s".products (sku)', s=three["b"]
        )
    owner(three["b"], "DELETE FROM products WHERE ctid = '(0,1)'")
    alone = {step.fact.kind: step.needs_person for step in plan("structure_equality").steps}
    assert "unfinished_objects" in alone["index"]
    result = repaired("structure_equality", "unfinished_objects")
    assert [(outcome.step.fact.kind, outcome.state) for outcome in result.outcomes] == [
        ("invalid index", State.REPAIRED),
        ("constraint", State.REPAIRED),
    ], _whys(result)
    assert not result.now.steps


def test_a_key_that_rows_break_is_there_for_new_rows_and_a_failure(three, owner, repaired):
    """A foreign key is added, cannot be validated and says so: the next run tries no more than that."""
    owner(
        three["b"], "ALTER TABLE inventory DROP CONSTRAINT inventory_product_id_fkey, DROP CONSTRAINT inventory_company_id_fkey"
    )
    owner(three["b"], "INSERT INTO inventory (company_id, product_id) VALUES (gen_random_uuid(), gen_random_uuid())")
    result = repaired("structure_equality", "unfinished_objects")
    assert [outcome.state for outcome in result.outcomes] == [State.FAILED]
    assert "violates foreign key" in result.outcomes[0].why
    assert {step.fact.kind for step in result.now.repairs} == {"unvalidated constraint", "constraint"}, result.now.repairs


def test_two_at_once(three, owner, plan, repaired, operator_url):
    """A second run is refused while one is on; what somebody else has repaired meanwhile is nobody's failure."""
    owner(three["b"], "ALTER TABLE products DROP COLUMN description")
    old = plan("structure_equality")
    with operator(operator_url, "other") as other, other.transaction():
        take_run_lock(other)
        with pytest.raises(TenantConflict, match="another repair"):
            repaired("structure_equality")
    measures = iter([old])

    def measure():
        found = next(measures, None)
        if found is not None:  # what a run saw just before somebody else did it
            owner(three["b"], "ALTER TABLE products ADD COLUMN description text")
            return found
        return plan("structure_equality")

    result = repaired("structure_equality", shown=old, measure=measure)
    assert [outcome.state for outcome in result.outcomes] == [State.ELSEWHERE]
    assert not result.is_stopped


def test_only_what_was_shown_is_done(three, owner, plan, repaired):
    """What breaks between the plan and its application is left to the next run."""
    owner(three["b"], "DROP INDEX sales_customer_idx")
    shown = plan("structure_equality")
    owner(three["b"], "DROP INDEX sales_channel_idx")
    result = repaired("structure_equality", shown=shown)
    assert [outcome.step.fact.object for outcome in result.outcomes] == ["sales_customer_idx"]
    assert [step.fact.object for step in result.now.repairs] == ["sales_channel_idx"]


def test_definers_are_pinned(three, owner, plan, repaired, checked):
    """Without a path, and with temporary objects first; names need quotes, and another function of the name is left alone."""
    owner(
        three["b"],
        """CREATE FUNCTION "we(ird"(a int, b text) RETURNS int LANGUAGE sql SECURITY DEFINER AS 'SELECT 1';
        CREATE FUNCTION "we(ird"(a int) RETURNS int LANGUAGE sql AS 'SELECT 1';
        CREATE PROCEDURE early() LANGUAGE sql SECURITY DEFINER SET search_path = pg_temp, :"s" AS 'SELECT 1'""",
    )
    assert _outcomes(checked(function_safety)) == {Verdict.FAILING}
    assert len(plan("function_safety").repairs) == 2
    assert not repaired("function_safety").now.steps
    assert _outcomes(checked(function_safety)) == {Verdict.HEALTHY}


def test_sequences_are_set_past_their_keys(three, owner, plan, repaired, checked):
    """Ascending and descending ones; one that has no values left behind its keys needs a person; a second run has nothing to do."""
    owner(
        three["b"],
        """CREATE TABLE t (id serial PRIMARY KEY, "up'" bigserial UNIQUE, down int GENERATED BY DEFAULT AS IDENTITY
          (INCREMENT -1 MAXVALUE 100 START 100) UNIQUE, small smallserial UNIQUE);
        INSERT INTO t (id, "up'", down, small) VALUES (1, 700, 100, 1), (2, 1, 90, 32767);
        GRANT SELECT ON t TO :"observer"; GRANT SELECT ON ALL SEQUENCES IN SCHEMA :"s" TO :"observer" """,
    )
    assert _outcomes(checked(sequence_health)) == {Verdict.FAILING}
    found = plan("sequence_health")
    assert {step.fact.object for step in found.repairs} == {"t.id", "t.up'", "t.down"}
    assert any("widen it first" in step.needs_person for step in found.for_people)
    assert {outcome.state for outcome in repaired("sequence_health").outcomes} == {State.REPAIRED}
    owner(
        three["b"],
        'INSERT INTO t (small) VALUES (7); DO $$BEGIN ASSERT (SELECT (id, "up\'", down) = (3, 701, 89) FROM t WHERE small = 7); END$$',
    )
    assert not plan("sequence_health").repairs


def test_stray_grants_are_revoked_unless_the_service_lives_on_them(three, owner, plan, repaired, checked, superuser_url, roles):
    """PUBLIC and a stranger lose what they were given, columns too; where the application has nothing else a person is asked."""
    stranger = f"strange r {os.getpid()}"
    with operator(superuser_url, "test") as session:
        session.outside_transaction(fill('CREATE ROLE :"r"', {"r": stranger}))
        try:
            for key in "bc":
                owner(
                    three[key],
                    'GRANT USAGE ON SCHEMA :"s" TO PUBLIC; GRANT SELECT ON products TO PUBLIC; GRANT UPDATE (name) ON sales TO PUBLIC;'.replace(
                        "(name)", "(customer)"
                    )
                    + f' GRANT SELECT (sku), INSERT ON products TO "{stranger}"',
                )
            owner(three["c"], "CREATE TABLE late (n int); GRANT SELECT ON late TO PUBLIC")
            assert Verdict.FAILING in _outcomes(checked(access_rights))
            result = repaired("access_rights")
            assert {outcome.state for outcome in result.outcomes} == {State.REPAIRED}
            assert [(step.fact.object, step.advice) for step in result.now.for_people] == [
                ("late", fill('GRANT SELECT ON TABLE :"c"."late" TO :"app"', {**three, "app": roles.app}).as_string(None))
            ]
            owner(three["c"], "DROP TABLE late")
            assert _outcomes(checked(access_rights)) == {Verdict.HEALTHY}
        finally:
            for key in "bc":
                owner(three[key], f'REVOKE ALL ON ALL TABLES IN SCHEMA :"s" FROM "{stranger}"')
            session.outside_transaction(fill('DROP ROLE :"r"', {"r": stranger}))


def test_what_has_no_remedy_is_told_to_people(three, owner, plan):
    """Checks without remedies are asked too, and what they find needs a person; accepted findings are left out and counted."""
    assert not plan().steps, [step.fact for step in plan().steps]
    owner(three["b"], fill('CREATE VIEW other AS SELECT id FROM :"a".products', three).as_string(None))
    found = plan("cross_references")
    assert [(step.fact.kind, step.fact.schema) for step in found.for_people] == [("view", three["b"])]
    accepted = found.without({step.fact.finding for step in found.steps})
    assert (accepted.steps, accepted.accepted) == ((), 1)


def test_a_tenant_that_is_being_migrated_or_moved_is_left_alone(three, owner, plan, repaired, operator_url, roles):
    """A migration that failed somewhere makes what is missing by itself; an unfinished verb owns its tenant."""
    owner(three["b"], "DROP INDEX sales_customer_idx")
    owner(three["c"], "ALTER TABLE sales ADD CONSTRAINT cheap CHECK (channel <> 'x') NOT VALID")
    with operator(operator_url, "test") as session, session.transaction(), as_owner(session, roles):
        session.execute(
            "INSERT INTO capliquify_ops.tenant_migration (sha256, tenant_id, file_name, schema_name, run, is_canary, state, started_at,"
            " error) SELECT 'x', id, 'one.sql', schema_name, 'r', false, CASE slug WHEN 'c' THEN 'failed' ELSE 'done' END, now(),"
            " CASE slug WHEN 'c' THEN 'e' END FROM public.tenants WHERE slug <> 'b'"
        )
        session.execute(
            "INSERT INTO capliquify_ops.sequence (verb, tenant_id, slug, schema_name, actor, plan_digest, plan, steps)"
            " SELECT 'tenant restore', id, slug, schema_name, 'x', 'x', '{}', '{one}' FROM public.tenants WHERE slug = 'c'"
        )
    found = plan("structure_equality", template=three["a"])
    people = [step for step in found.for_people if step.fact.schema == three["b"]]
    assert "one.sql" in people[0].needs_person
    result = repaired("unfinished_objects")
    assert [(outcome.state, "unfinished" in outcome.why) for outcome in result.outcomes] == [(State.LEFT, True)]
    assert not result.is_stopped


def _ran(session, file, sha256, state, slugs):
    session.execute(
        "INSERT INTO capliquify_ops.tenant_migration (sha256, tenant_id, file_name, schema_name, run, is_canary, state, started_at,"
        " error) SELECT %(sha256)s, id, %(file)s, schema_name, 'r', false, %(state)s, now(), nullif(%(state)s, 'done')"
        " FROM public.tenants WHERE slug = ANY (%(slugs)s)",
        {"file": file, "sha256": sha256, "state": state, "slugs": list(slugs)},
    )


def test_a_migration_that_was_killed_is_finished_first(three, owner, plan, operator_url, roles):
    """It ran in most tenants and failed in none: what the others lack may be its work, and its rows would never be filled."""
    owner(three["b"], "ALTER TABLE products DROP COLUMN description")
    with operator(operator_url, "test") as session, session.transaction(), as_owner(session, roles):
        _ran(session, "one.sql", "x", "done", "ac")
    found = plan("structure_equality")
    assert not found.repairs
    assert "one.sql" in found.for_people[0].needs_person


def test_a_migration_that_was_mended_or_is_older_than_the_tenant_is_none_of_it(three, owner, plan, operator_url, roles):
    """Its first text failed, the second ran everywhere; one that ran before the tenant was made is not missing in it."""
    owner(three["b"], "ALTER TABLE products DROP COLUMN description")
    with operator(operator_url, "test") as session, session.transaction(), as_owner(session, roles):
        _ran(session, "one.sql", "x", "failed", "c")
        _ran(session, "one.sql", "y", "done", "abc")
        _ran(session, "old.sql", "z", "done", "ac")
        session.execute("UPDATE capliquify_ops.tenant_migration SET started_at = now() - interval '1 year' WHERE sha256 = 'z'")
    assert [step.fact.object for step in plan("structure_equality").repairs] == ["products.description"]


def test_a_stranger_who_gave_rights_on_is_a_matter_for_people(three, owner, plan, repaired, superuser_url, roles):
    """What the application has from him alone would go with his own: it is left, and said."""
    stranger = f"giver {os.getpid()}"
    with operator(superuser_url, "test") as session:
        session.outside_transaction(fill('CREATE ROLE :"r"', {"r": stranger}))
        try:
            owner(
                three["b"],
                f"""CREATE TABLE given (n int); REVOKE ALL ON given FROM :"app";
                GRANT USAGE ON SCHEMA :"s" TO "{stranger}"; GRANT SELECT ON given TO "{stranger}" WITH GRANT OPTION""",
            )
            owner(three["c"], f'GRANT USAGE ON SCHEMA :"s" TO "{stranger}"; GRANT SELECT ON sales TO "{stranger}"')
            with session.transaction():
                session.execute(fill('SET LOCAL ROLE :"r"', {"r": stranger}))
                session.execute(fill('GRANT SELECT ON :"s".given TO :"app"', {"s": three["b"], "app": roles.app}))
            assert [(step.fact.schema, "given" in step.needs_person) for step in plan("access_rights").for_people] == [
                (three["b"], True)
            ]
            repaired("access_rights")
            with session.transaction():
                query = "SELECT has_table_privilege(:'app', format('%I.given', :'s'), 'SELECT')"
                assert session.value(fill(query, {"s": three["b"], "app": roles.app}))
        finally:
            with session.transaction():
                session.execute(fill('DROP OWNED BY :"r"', {"r": stranger}))
            session.outside_transaction(fill('DROP ROLE :"r"', {"r": stranger}))


def test_what_somebody_else_builds_meanwhile_is_not_dropped(three, owner, repaired, operator_url, roles, monkeypatch):
    """A build fails while another session builds an index in the same schema: that one is left alone."""
    owner(
        three["b"],
        "DROP INDEX sales_customer_idx; CREATE TABLE t AS SELECT 1 AS n FROM generate_series(1, 2);"
        " INSERT INTO companies (name) VALUES ('x')",
    )
    owner(three["b"], "ALTER TABLE products DROP CONSTRAINT products_sku_key")
    owner(
        three["b"],
        "INSERT INTO products (company_id, sku, name) SELECT c.id, 'same', 'n' FROM companies AS c, generate_series(1, 2)",
    )
    before = repair_worker._invalid
    seen = []

    def invalid(session, schema):
        found = before(session, schema)
        if not seen:  # begun just after the first look; invalid as long as it is under way
            with pytest.raises(OpsError):
                _concurrently(operator_url, roles, 'CREATE UNIQUE INDEX CONCURRENTLY theirs ON :"s".t (n)', s=three["b"])
        seen.append(found)
        return found

    monkeypatch.setattr(repair_worker, "_invalid", invalid)
    result = repaired("structure_equality", template=three["a"], max_failures=9)
    assert State.FAILED in {outcome.state for outcome in result.outcomes}
    assert _value(operator_url, "SELECT count(*) FROM pg_catalog.pg_class WHERE relname = 'theirs'") == 1


def test_an_orphan_that_is_registered_meanwhile_stays(three, operator_url, roles, plan, repaired, tmp_path):
    """Between the look and the archive somebody gives it its row back: it is a tenant's, and serves."""
    with operator(operator_url, "test") as session, session.transaction(), as_owner(session, roles):
        session.script("CREATE SCHEMA o; CREATE TABLE o.products AS SELECT 7 AS n")
    archiving = Archiving(tmp_path, "20260101T000000Z", "test", uuid.uuid4, SystemClock().now)
    shown = plan("registry_catalogue", archived=True)
    looks = iter([shown])

    def measure():
        found = next(looks, None)
        with operator(operator_url, "test") as session, session.transaction(), as_owner(session, roles):
            session.execute("UPDATE public.tenants SET schema_name = 'o' WHERE slug = 'c'")
        return found or plan("registry_catalogue", archived=True)

    try:
        (outcome,) = repaired("registry_catalogue", shown=shown, measure=measure, archiving=archiving).outcomes
        assert _value(operator_url, "SELECT count(*) FROM pg_catalog.pg_namespace WHERE nspname = 'o'") == 1
        assert list(tmp_path.iterdir()) == []
        assert outcome.state is not State.REPAIRED
    finally:
        with operator(operator_url, "test") as session, session.transaction(), as_owner(session, roles):
            session.execute("UPDATE public.tenants SET schema_name = %(c)s WHERE slug = 'c'", {"c": three["c"]})


@pytest.fixture
def command(tmp_path, database):
    """Runs the command with a configuration whose target `here` is this database: exit code, stdout, stderr."""
    lines = {"class": "loopback", "database_url": database.observer_url.reveal(), "operator_url": database.operator_url.reveal()}
    lines |= {"app_role": database.roles.app}
    named = {name: getattr(database.roles, name) for name in ("owner", "observer", "operator")}
    text = "[targets.here]\n" + "".join(f"{key} = {json.dumps(value)}\n" for key, value in lines.items())
    text += "[targets.here.roles]\n" + "".join(f"{key} = {json.dumps(value)}\n" for key, value in named.items())
    (tmp_path / "c.toml").write_text(text)
    app = typer.Typer()
    app.command()(fleet_repair.repair)

    def run(*arguments):
        done = CliRunner().invoke(app, [*arguments, "--config", str(tmp_path / "c.toml"), "--target", "here"])
        if done.exception and not isinstance(done.exception, SystemExit):
            raise done.exception
        return done.exit_code, done.stdout, done.stderr

    return run


def test_the_command_plans_first_and_acts_with_yes_alone(three, owner, command):
    """0 with nothing to do; a plan ends with 1 and changes nothing; without --yes and a terminal it is refused; then it is done."""
    check = "structure_equality"
    assert command(check)[0] == 0
    owner(three["b"], "DROP INDEX sales_customer_idx")
    code, out, _ = command(check, "--plan")
    assert (code, "CREATE INDEX CONCURRENTLY" in out, "which 2 of 3 tenants equal" in out) == (1, True, True)
    with pytest.raises(UsageError, match="no terminal"):
        command(check)
    with pytest.raises(UsageError, match="duration"):
        command(check, "--lock-timeout", "2")
    code, out, err = command(check, "--yes", "--json")
    told = json.loads(out)
    assert (code, told["stopped"], told["left"], told["for_people"]) == (0, False, [], [])
    assert [(step["object"], step["state"]) for step in told["steps"]] == [("sales_customer_idx", "repaired")]
    assert "wave 1: 1 schema, 1 repaired; checked again" in err
    owner(three["b"], "CREATE TABLE mine (n int)")
    code, out, _ = command(check, "--yes")
    assert (code, "0 repaired, 0 failed, 0 to be done by another run, 1 need a person" in out) == (1, True)


def test_a_strangers_last_right_goes_too(three, owner, command, superuser_url):
    """With rights in one schema alone no check names him: what the plan showed is revoked in both, and looked at again."""
    stranger = f"last {os.getpid()}"
    with operator(superuser_url, "test") as session:
        session.outside_transaction(fill('CREATE ROLE :"r"', {"r": stranger}))
        try:
            for key in "bc":
                owner(three[key], f'GRANT SELECT ON products TO "{stranger}"')
            code, out, _ = command("access_rights", "--yes", "--json")
            told = json.loads(out)
            assert sorted((step["schema"], step["state"]) for step in told["steps"]) == [
                (three[key], "repaired") for key in sorted("bc", key=three.get)
            ]
            assert code == 0
            with session.transaction():
                held = "SELECT count(*) FROM pg_catalog.pg_class, aclexplode(relacl) AS x WHERE x.grantee = :'r'::regrole"
                assert session.value(fill(held, {"r": f'"{stranger}"'})) == 0
        finally:
            with session.transaction():
                session.execute(fill('DROP OWNED BY :"r"', {"r": stranger}))
            session.outside_transaction(fill('DROP ROLE :"r"', {"r": stranger}))


def test_what_the_template_was_changed_to_meanwhile_is_not_done(three, owner, plan, repaired):
    """Shown was a text without a default: an integer with one is another repair, which nobody said yes to."""
    owner(three["b"], "ALTER TABLE products DROP COLUMN description")
    shown = plan("structure_equality", template=three["a"])
    owner(three["a"], "ALTER TABLE products DROP COLUMN description; ALTER TABLE products ADD COLUMN description int DEFAULT 5")
    result = repaired("structure_equality", shown=shown, template=three["a"])
    assert result.outcomes == ()
    assert [step.fact.object for step in result.now.repairs] == ["products.description"]


def test_a_failure_that_can_no_longer_be_looked_at_stays_one():
    """Too many structures differ to be compared word by word: what is not seen any more is not repaired by that."""
    step = Step(Fact(structure_equality.CHECK, "column", "t.a", "s"))
    unread = Step(Fact(structure_equality.CHECK, "structure", "", "s"), needs_person="unread")
    assert _judged(Outcome(step, State.FAILED), Plan((unread,))).state is State.FAILED
    assert _judged(Outcome(step, State.FAILED), Plan()).state is State.ELSEWHERE


def test_a_later_stage_is_tried_again_without_the_earlier_ones(three, owner, repaired, superuser_url, checked, monkeypatch):
    """A foreign key is added, and then somebody else's maintenance keeps its validation waiting: trying again begins with that."""
    owner(three["b"], "ALTER TABLE inventory DROP CONSTRAINT inventory_product_id_fkey")
    hold, stages, waited = repair_worker._hold, iter(range(99)), []
    with operator(superuser_url, "holder") as holder:
        held = holder.transaction()

        def holding(session, whose):
            if next(stages) == 1:
                held.__enter__()
                holder.execute(fill('LOCK TABLE :"s".inventory IN SHARE UPDATE EXCLUSIVE MODE', {"s": three["b"]}))
            hold(session, whose)

        def wait(seconds):
            waited.append(seconds)
            held.__exit__(None, None, None)

        monkeypatch.setattr(repair_worker, "_hold", holding)
        monkeypatch.setattr(repair_worker, "WEAK_LOCK_MS", 80)
        (outcome,) = repaired("structure_equality", waits=wait).outcomes
    assert (outcome.state, outcome.attempts) == (State.REPAIRED, 2), outcome.why
    assert _outcomes(checked(structure_equality)) == {Verdict.HEALTHY}


def test_a_check_that_rows_break_is_taken_back(three, owner, plan, repaired):
    """Left unvalidated it would refuse every update of those rows, whatever the update is about: the service would feel it."""
    for key in "ac":
        owner(three[key], "ALTER TABLE companies ADD CONSTRAINT named CHECK (name <> 'old')")
    owner(three["b"], "INSERT INTO companies (name) VALUES ('old')")
    result = repaired("structure_equality", "unfinished_objects")
    assert [outcome.state for outcome in result.outcomes] == [State.FAILED]
    assert "violated" in result.outcomes[0].why
    owner(three["b"], "UPDATE companies SET currency = 'EUR'")
    assert [step.fact.kind for step in plan("structure_equality", "unfinished_objects").repairs] == ["constraint"]


def test_without_a_look_at_the_migrations_nothing_is_planned(three, owner, plan, operator_url, roles):
    """Who may not read whether a migration is half-way cannot say that what is missing is a fault."""
    owner(three["b"], "ALTER TABLE products DROP COLUMN description")
    names = {"observer": roles.observer}
    with operator(operator_url, "test") as session:
        with session.transaction(), as_owner(session, roles):
            session.execute(fill('REVOKE SELECT ON capliquify_ops.tenant_migration FROM :"observer"', names))
        try:
            with pytest.raises(PrivilegeMissing):
                plan("structure_equality")
        finally:
            with session.transaction(), as_owner(session, roles):
                session.execute(fill('GRANT SELECT ON capliquify_ops.tenant_migration TO :"observer"', names))
