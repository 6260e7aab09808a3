"""slow-responses, each cause in the database provoked on real servers: nothing, then it, then nothing again."""

import contextlib
import dataclasses
import re
import threading
import time
import uuid

import psycopg
import pytest
from psycopg.pq import ExecStatus

from capliquify_ops.configuration import Target, TargetClass, load_limits, load_profile
from capliquify_ops.configuration.system import SystemClock, dice
from capliquify_ops.database import operator, quoted
from capliquify_ops.database.identifiers import composed
from capliquify_ops.diagnostics import slow_responses
from capliquify_ops.diagnostics.diagnose import diagnose
from capliquify_ops.diagnostics.inquiry import Inquiry
from capliquify_ops.model.finding import Level
from capliquify_ops.model.secret import Secret
from capliquify_ops.reference import stack as embedded
from capliquify_ops.tenants.create import NewTenant, create
from capliquify_ops.tenants.ownership import as_owner

SECRET = "4111-1111-1111-1111"
HOSTILE = 'T"wo 😀'
ROWS = 12_000
"""A little more than a table has that is too small for an index to matter."""
BY_CATEGORY = "SELECT count(*) FROM {table} WHERE category = %s"
LONG = {"statement_running_s": 1e-9}
SLOW = {"statement_alone_ms": 0.3}
"""Limits under which a moment is long, and a millisecond slow."""


class Strict:
    def __init__(self, **numbers):
        self.numbers = numbers

    def number(self, name):
        return self.numbers.get(name) or load_limits().number(name)


@dataclasses.dataclass
class Place:
    """A database with four tenants, and who diagnoses it."""

    roles: object
    urls: dict
    schemas: dict
    profile: object
    of_server: tuple = ("checkpoint pressure", "waiting for files")
    """What others do on the server too: a database that a test drops makes it write a checkpoint."""

    def found(self, *, analyze=False, watch_s=0.3, url=None, **limits):
        target = Target("here", TargetClass.LOOPBACK, self.profile, url or self.urls["observer"], roles=self.roles)
        inquiry = Inquiry(target, Strict(**limits), SystemClock(), dice, may_analyze=analyze, watch_s=watch_s)
        diagnosis = diagnose(inquiry, [slow_responses.NAME])[0]
        mine = tuple(cause for cause in diagnosis.causes if cause.name not in self.of_server)
        return dataclasses.replace(diagnosis, causes=mine)

    def owner(self, statement):
        with operator(self.urls["operator"], "test") as session, session.transaction(), as_owner(session, self.roles):
            session.script(composed(self.put(statement)))

    def superuser(self, statement):
        with psycopg.connect(self.urls["superuser"].reveal(), autocommit=True) as connection:
            connection.execute(self.put(statement))

    def put(self, statement):
        for key, name in self.schemas.items():
            statement = statement.replace(f":{key}", quoted(name))
        return statement.replace(":observer", quoted(self.roles.observer)).replace(":app", quoted(self.roles.app))

    def connect(self, who="app", **given):
        return psycopg.connect(self.urls[who].reveal(), autocommit=True, **given)

    def fill(self, key):
        self.owner(
            f"INSERT INTO :{key}.companies (name) VALUES ('c');"
            f" INSERT INTO :{key}.products (company_id, sku, name, category)"
            f" SELECT c.id, g::text, g::text, (g % 400)::text FROM :{key}.companies AS c, generate_series(1, {ROWS}) AS g;"
        )
        self.superuser(f"VACUUM ANALYZE :{key}.products")


def _place(roles, urls, profile):
    with operator(urls["operator"], "test") as session:
        made = {
            slug: create(session, roles, NewTenant(uuid.uuid4(), slug, slug, f"org_{slug}", schema_name=name), actor="test")
            for slug, name in (("a", ""), ("b", HOSTILE), ("c", ""), ("d", ""))
        }
    return Place(roles, urls, {slug: tenant.schema_name for slug, tenant in made.items()}, profile)


@pytest.fixture(scope="module")
def profile(tmp_path_factory):
    return load_profile("capliquify", tmp_path_factory.mktemp("profile"))


@pytest.fixture
def place(database, roles, profile):
    """A database of PostgreSQL 18 with four tenants."""
    urls = {"observer": database.observer_url, "operator": database.operator_url}
    return _place(roles, urls | {"superuser": database.superuser_url, "app": database.app_url}, profile)


@pytest.fixture(scope="module")
def fifteen(postgres_15, profile):
    """The same on a server of PostgreSQL 15."""
    with embedded.start(service=False, postgres_bin=postgres_15) as stack:
        names = {"observer": "database", "operator": "operator", "superuser": "superuser", "app": "app"}
        urls = {who: Secret(getattr(stack, f"{name}_url")) for who, name in names.items()}
        yield dataclasses.replace(_place(stack.roles, urls, profile), of_server=())


@contextlib.contextmanager
def busy(work, many=1):
    """Threads that repeat some work on connections of their own until the end."""
    over, faults = threading.Event(), []

    def run():
        try:
            with work() as again:
                while not over.is_set():
                    again()
        except psycopg.Error as fault:
            faults.append(fault)

    threads = [threading.Thread(target=run) for _ in range(many)]
    for each in threads:
        each.start()
    try:
        yield
    finally:
        over.set()
        for each in threads:
            each.join(20)
    assert faults == []


def repeating(place, statement, parameters=None, **given):
    """Work for `busy`: one statement of the application, again and again.

    Without parameters the rows stay in libpq: to make Python of thousands of them takes longer than the server works, and
    whoever looks meanwhile waits for this thread.
    """

    @contextlib.contextmanager
    def work():
        with place.connect(**given) as connection:
            if parameters is not None:
                yield lambda: connection.execute(statement, parameters).fetchall()
                return

            def again():
                assert connection.pgconn.exec_(statement.encode()).status == ExecStatus.TUPLES_OK

            yield again

    return work


def until(look, condition):
    """What a look gives when the condition holds of it."""
    deadline = time.monotonic() + 20
    while not condition(found := look()):
        assert time.monotonic() < deadline, found
    return found


def text(diagnosis):
    return "\n".join(line for cause in diagnosis.causes for line in (cause.why, *cause.evidence, cause.next_command))


def test_a_healthy_database_is_told_so(place):
    """Under light traffic nothing is found, five times, and all that is configured has answered."""
    with busy(repeating(place, place.put("SELECT count(*) FROM :a.products WHERE category = %s"), ["1"])):
        for _ in range(5):
            diagnosis = place.found()
            assert (diagnosis.causes, diagnosis.is_certain) == ((), True), diagnosis
    said = {source.name: source for source in diagnosis.sources}
    assert [name for name, source in said.items() if not source.is_configured] == ["metrics", "Prometheus"]
    assert "statements, counted since" in said["statement statistics"].says
    assert not re.search(r"\b1 calls", said["statements in between"].says)


def test_an_index_that_one_tenant_lacks(place):
    """The slow statement, the index that its tenant lacks and the others have, the plan, and the exact statement; then nothing."""
    place.fill("a")
    statement = place.put(BY_CATEGORY.format(table=":a.products"))
    with busy(repeating(place, statement, [SECRET])):
        before = place.found(statement_alone_ms=50)
        assert before.causes == (), before
        place.owner("DROP INDEX :a.products_category_idx")
        diagnosis = until(lambda: place.found(**SLOW), lambda found: found.causes)
    [cause] = diagnosis.causes
    assert cause.name == "missing index"
    assert cause.tenants == (place.schemas["a"],)
    assert "products_category_idx of products is missing" in cause.why
    assert cause.next_command == (
        f'CREATE INDEX CONCURRENTLY "products_category_idx" ON {quoted(place.schemas["a"], "products")} USING btree (category)'
    )
    assert "SELECT count(*) FROM ~.products WHERE category = ?" in cause.evidence
    assert "products.products_category_idx: 3 of 4 tenants looked at have it" in cause.evidence
    assert any("Seq Scan on products" in line and "Filter: (category = ?)" in line for line in cause.evidence)
    assert SECRET not in str(diagnosis)
    place.owner(cause.next_command.replace("CONCURRENTLY ", ""))
    assert place.found(**SLOW).causes == ()


@pytest.mark.whole
def test_the_tenants_of_a_statement_are_told_on_15(fifteen):
    """One line for a statement of two tenants, with those that it names, the one that took most time first; a plan without values."""
    for key in "ab":
        fifteen.fill(key)
    fifteen.owner("DROP INDEX :b.products_category_idx")
    quick, slow = (fifteen.put(BY_CATEGORY.format(table=f":{key}.products")) for key in "ab")

    @contextlib.contextmanager
    def work():
        with fifteen.connect() as connection:
            yield lambda: [connection.execute(each, [SECRET]).fetchall() for each in (quick, slow)]

    with busy(work):
        diagnosis = until(lambda: fifteen.found(statement_alone_ms=0.1), lambda found: found.causes)
    cause = diagnosis.causes[0]
    assert (cause.name, cause.tenants) == ("missing index", (HOSTILE,))
    assert f"tenants: 2 in 2 of the server's statements, most time for {HOSTILE}" in cause.evidence
    assert cause.next_command.startswith(
        f'CREATE INDEX CONCURRENTLY "products_category_idx" ON {quoted(HOSTILE, "products")} USING'
    )
    assert any("Seq Scan on products" in line and "Filter: (category = ?)" in line for line in cause.evidence), cause
    assert SECRET not in str(diagnosis)


@pytest.mark.whole
def test_a_server_that_is_short_of_room_on_15(fifteen):
    """Checkpoints before their time and sorts on disk are told beside a slow statement, from what was counted meanwhile."""
    sort = "SELECT g FROM generate_series(1, 60000) AS g ORDER BY g::text DESC"

    @contextlib.contextmanager
    def checkpoints():
        with fifteen.connect("superuser") as connection:
            yield lambda: connection.execute("CHECKPOINT")

    given = {**LONG, "temporary_files_mb": 0.5, "watch_s": 1.2}
    with busy(repeating(fifteen, sort, options="-c work_mem=64kB")), busy(checkpoints):
        found = until(lambda: fifteen.found(**given), lambda found: len(found.causes) > 2)
    said = {cause.name: cause for cause in found.causes}
    assert "max_wal_size" in said["checkpoint pressure"].next_command
    assert "MB on disk" in said["temporary files"].why
    assert found.causes[0].name in {"large result", "slow statement"}
    assert fifteen.found(**given).causes == ()


def _waits(place, number):
    """Until so many sessions of the database wait for a lock."""
    waiting = "SELECT count(*) FROM pg_locks AS l JOIN pg_stat_activity AS a USING (pid) WHERE NOT l.granted"
    with place.connect("superuser") as watcher:
        look = f"{waiting} AND a.datname = current_database()"
        until(lambda: watcher.execute(look).fetchone()[0], lambda found: found == number)


def test_a_change_of_a_table_in_the_queue(place):
    """The root, the change that waits for it, and the readers behind the change: one tree, and whom to cancel first; two at once."""
    place.fill("a")
    place.owner("DROP INDEX :a.products_category_idx")
    with contextlib.ExitStack() as open_:
        root = open_.enter_context(place.connect(application_name="forgetful"))
        root.execute("BEGIN")
        root.execute(place.put("SELECT count(*) FROM :b.sales WHERE customer = 'x'"))
        change = open_.enter_context(place.connect("superuser"))
        readers = [open_.enter_context(place.connect()) for _ in range(2)]
        assert place.found(lock_wait_s=1e-9).causes == ()
        open_.callback(root.rollback)  # before the others are closed: whoever waits for it would never be
        statements = [(change, place.put("ALTER TABLE :b.sales ADD COLUMN extra int"))]
        statements += [(reader, place.put("SELECT count(*) FROM :b.sales")) for reader in readers]
        threads = [threading.Thread(target=connection.execute, args=(said,)) for connection, said in statements]
        for number, each in enumerate(threads, 1):
            each.start()
            _waits(place, number)
        found = place.found(lock_wait_s=1e-9)
        assert place.found(lock_wait_s=1e9).causes == ()
        slow = place.put(BY_CATEGORY.format(table=":a.products"))
        with busy(repeating(place, slow, ["7"])):
            both = until(
                lambda: place.found(lock_wait_s=1e-9, statement_mean_ms=0.3),
                lambda found: [cause.name for cause in found.causes][:2] == ["change of a table in the queue", "missing index"],
            )
        root.execute("COMMIT")
        for each in threads:
            each.join(20)
        # Beside it may stand what the server is short of, which other tests on it cause.
        [cause] = [each for each in found.causes if "lock" in each.name or "queue" in each.name]
        assert (cause, cause.name) == (found.causes[0], "change of a table in the queue")
        assert (cause.tenants, cause.level) == ((HOSTILE,), Level.L2)
        assert "3 sessions must wait" in cause.why
        assert "2 of them wait behind a change" in cause.why
        assert cause.next_command.startswith(f"capliquify-ops remedy plan cancel-statement --pid {change.info.backend_pid};")
        assert cause.next_command.endswith(f"remedy plan end-blocker --pid {root.info.backend_pid}")
        assert "SELECT count(*) FROM ~.sales WHERE customer = ?" in cause.evidence[0]
        assert cause.evidence[1] == f"  holds AccessShareLock on {HOSTILE}.sales"
        assert f"for AccessExclusiveLock on {HOSTILE}.sales: ALTER TABLE ~.sales" in cause.evidence[2]
        assert [line.startswith("    pid") for line in cause.evidence] == [False, False, False, True, True]
        assert both.causes[1].tenants == (place.schemas["a"],)
        assert place.found(lock_wait_s=1e-9).causes == ()


def test_a_large_result(place):
    """A statement that runs now and gives more rows than anybody reads is told so; without the grant the exact grant is told."""
    place.fill("c")
    place.superuser("REVOKE SELECT ON :c.products FROM :observer")
    with busy(repeating(place, place.put("SELECT name FROM :c.products WHERE sku <> 'x'"))):
        found = until(lambda: place.found(**LONG), lambda found: [cause.name for cause in found.causes] == ["large result"])
    [cause] = found.causes
    assert f"{ROWS:,} rows" in cause.why
    assert cause.tenants == (place.schemas["c"],)
    grant = f"GRANT SELECT ON ALL TABLES IN SCHEMA {quoted(place.schemas['c'])} TO {quoted(place.roles.observer)}"
    assert any(line.startswith("no plan") and grant in line for line in cause.evidence)
    assert any(source.name == "plans" and source.answered and grant in source.says for source in found.sources)
    assert place.found(**LONG).causes == ()


def test_plans_are_made_by_running_only_when_asked(place):
    """With --analyze a statement that only reads is run again; one with a function that may do more is not; neither shows a value."""
    place.fill("a")
    statement = place.put(f"SELECT count(*) FROM :a.products WHERE description IS DISTINCT FROM '{SECRET}'")

    def lines(**given):
        running = until(
            lambda: place.found(**LONG, **given), lambda found: any("pid" in each for each in text(found).splitlines())
        )
        assert SECRET not in str(running)
        return text(running)

    with busy(repeating(place, statement)):
        assert " in fact" not in lines()
        ran = lines(analyze=True)
    assert f"{ROWS:,} in fact" in ran
    assert "plan, run again in" in ran
    with busy(repeating(place, "SELECT pg_sleep(0.02)")):
        assert "Not run: pg_sleep() may do more than compute" in lines(analyze=True)


def test_statistics_and_rows_that_are_stale(place):
    """A table whose statistics nobody renews, and one full of dead rows: named with the statement that mends it; then nothing."""
    place.fill("a")
    place.owner("ALTER TABLE :a.products SET (autovacuum_enabled = false); UPDATE :a.products SET description = 'x';")
    statement = place.put("SELECT count(*) FROM :a.products WHERE description <> 'y'")
    wanted = ["stale statistics", "dead rows"]
    with busy(repeating(place, statement)):
        found = until(lambda: place.found(**LONG), lambda found: [cause.name for cause in found.causes][1:] == wanted)
        table = quoted(place.schemas["a"], "products")
        assert [cause.next_command for cause in found.causes[1:]] == [f"ANALYZE {table}", f"VACUUM (ANALYZE) {table}"]
        assert all(cause.tenants == (place.schemas["a"],) for cause in found.causes[1:])
        place.superuser("VACUUM (ANALYZE) :a.products")
        until(lambda: place.found(**LONG), lambda found: [cause.name for cause in found.causes] == ["sequential scan"])


def _missing(diagnosis, name):
    [source] = [each for each in diagnosis.sources if each.name == name]
    assert (source.answered, diagnosis.is_certain) == (False, False)
    return source.says


def test_what_cannot_be_asked_is_said_with_the_grant(place, roles):
    """Each right and each setting that is missing leaves it open and is named exactly; with all of them it is certain."""
    role = f"nobody_{uuid.uuid4().hex[:8]}"
    place.superuser(f"CREATE ROLE {role} LOGIN PASSWORD 'x'")
    address = place.urls["observer"].reveal().rpartition("@")[2]
    url = Secret(f"postgresql://{role}:x@{address}".partition("?")[0])
    statements = "statement statistics"
    try:
        assert f'GRANT pg_read_all_stats TO "{role}"' in _missing(place.found(url=url), statements)
        place.superuser(f"GRANT pg_read_all_stats TO {role}")
        place.superuser("CREATE SCHEMA s; ALTER EXTENSION pg_stat_statements SET SCHEMA s")
        assert f'GRANT USAGE ON SCHEMA "s" TO "{role}"' in _missing(place.found(url=url), statements)
        place.superuser(
            f"GRANT USAGE ON SCHEMA s TO {role}; REVOKE EXECUTE ON FUNCTION s.pg_stat_statements(boolean) FROM PUBLIC"
        )
        assert 'GRANT EXECUTE ON FUNCTION "s".pg_stat_statements(boolean)' in _missing(place.found(url=url), statements)
        place.superuser(f"GRANT EXECUTE ON FUNCTION s.pg_stat_statements(boolean) TO {role}")
        found = place.found(url=url)
        assert (found.causes, found.is_certain) == ((), True), found
        assert any("may not read public.tenants" in source.says for source in found.sources)
        place.superuser(f"ALTER ROLE {role} SET pg_stat_statements.track = 'none'")
        assert "track = 'top'" in _missing(place.found(url=url), statements)
        place.superuser("DROP EXTENSION pg_stat_statements")
        assert "CREATE EXTENSION pg_stat_statements" in _missing(place.found(url=url), statements)
        place.superuser("CREATE EXTENSION pg_stat_statements VERSION '1.8'")
        assert "ALTER EXTENSION pg_stat_statements UPDATE" in _missing(place.found(), statements)
    finally:
        place.superuser(f"DROP OWNED BY {role}; DROP ROLE {role}")


def test_a_database_that_does_not_answer_is_unknown(place):
    """Nobody there is not nothing wrong."""
    found = place.found(url=Secret("postgresql://u@127.0.0.1:1/x"))
    assert (found.causes, found.is_certain) == ((), False)
