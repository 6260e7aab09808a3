"""The check capacity: each figure provoked on a real server, 0 to 1 to 0, and what only looks like a miss."""

import time
import uuid
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from capliquify_ops.configuration import load_limits, load_profile
from capliquify_ops.configuration.system import SystemClock
from capliquify_ops.database import fill, observer, operator, quoted
from capliquify_ops.integrity import capacity
from capliquify_ops.integrity.capacity import judge
from capliquify_ops.integrity.capacity_rows import (
    Age,
    Capacity,
    Catalogue,
    Connections,
    Gap,
    Holder,
    Relations,
    Server,
    Statements,
    Vacuum,
)
from capliquify_ops.model.errors import StatementFailed
from capliquify_ops.model.finding import Evidence
from capliquify_ops.model.outcome import Outcome, Severity
from capliquify_ops.model.secret import Secret
from capliquify_ops.reference import stack as embedded
from capliquify_ops.tenants.create import NewTenant, create
from capliquify_ops.tenants.ownership import as_owner

SMALL = {
    "max_connections": "24",
    "max_locks_per_transaction": "32",
    "max_prepared_transactions": "2",
    "autovacuum_naptime": "1h",
    "pg_stat_statements.max": "100",
    "wal_level": "replica",
    "max_wal_size": "32MB",
    "min_wal_size": "32MB",
}
HOSTILE = "T\"wo's 😀" + "x" * 51
"""63 bytes."""
OLD = "(((pg_catalog.pg_current_xact_id()::text::bigint - {age} + 4294967296) % 4294967296)::text)::xid"
XIDS = f"UPDATE pg_catalog.pg_database SET datfrozenxid = {OLD} WHERE datname = pg_catalog.current_database()"
TABLE = f"UPDATE pg_catalog.pg_class SET relfrozenxid = {OLD} WHERE oid = 'public.tenants'::pg_catalog.regclass"
MULTIXACTS = "UPDATE pg_catalog.pg_database SET datminmxid = ((4294967296 - {age})::text)::xid WHERE datname = pg_catalog.current_database()"
"""What a superuser may write into the catalogue, and takes back: an age that no test can wait for."""


@pytest.fixture(scope="module")
def small(postgres_15):
    """A server of its own, on 15, with little room and a tenant of a hostile name; nothing but the tests vacuums it."""
    with embedded.start(service=False, postgres_bin=postgres_15, postgres_settings=SMALL) as running:
        with operator(Secret(running.operator_url), "test") as session:
            create(session, running.roles, NewTenant(uuid.uuid4(), "t", "t", "org_t", schema_name=HOSTILE), actor="test")
        yield running


@pytest.fixture
def seen_on(small, tmp_path):
    """Runs the check on the small server as its observer: what is not healthy, by subject."""
    profile = load_profile("capliquify", tmp_path)
    return lambda **limits: _found(Secret(small.database_url), small.roles, profile, limits)


@pytest.fixture
def seen(observer_url, roles, profile):
    """Runs the check on the run's own server as the observer: what is not healthy, by subject."""
    return lambda **limits: _found(observer_url, roles, profile, limits)


def _found(url, roles, profile, limits):
    with observer(url, "test") as session:
        return _unhealthy(capacity.run(session, load_limits(limits), SystemClock(), profile=profile, roles=roles))


def _unhealthy(findings):
    if [finding.outcome for finding in findings] == [Outcome.HEALTHY]:
        return {}
    assert Outcome.HEALTHY not in {finding.outcome for finding in findings}
    return {finding.subject.name: finding for finding in findings}


def _until(condition):
    deadline = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < deadline, "it never came to this"
        time.sleep(0.02)


def _run(url, *statements):
    """Run statements one by one, each for itself."""
    with operator(Secret(url), "test") as session:
        for statement in statements:
            session.outside_transaction(statement)


@contextmanager
def _open(url, count=1):
    with ExitStack() as stack:
        yield [stack.enter_context(operator(url, "held")) for _ in range(count)]


def test_a_transaction_left_open_is_found(seen, superuser_url):
    """A session that idles in a transaction is found by its time, and by the transactions that vacuum cannot pass."""
    tight = {"idle_in_transaction_s": 0.05, "horizon_xids": 50}
    assert seen(**tight) == {}
    with _open(superuser_url, 2) as (holder, other):
        with holder.transaction():
            holder.value("SELECT pg_catalog.pg_current_xact_id()")
            for _ in range(60):
                with other.transaction():
                    other.value("SELECT pg_catalog.pg_current_xact_id()")
            time.sleep(0.1)
            found = seen(**tight)
            assert seen() == {}
        assert set(found) == {"idle transactions", "horizon of vacuum"}
        assert f"pid {holder.backend_pid} of" in found["horizon of vacuum"].witness.lines[0]
        assert found["horizon of vacuum"].severity is Severity.HIGH
        assert seen(**tight) == {}


def test_what_works_or_waits_for_work_is_no_leak(seen, superuser_url):
    """Neither an idle session, nor a pg_dump's snapshot that its workers share, nor our own transaction is idle in one."""
    with _open(superuser_url, 2) as (_, dump), dump.transaction({"application_name": "pg_dump"}):
        dump.value("SELECT pg_catalog.pg_export_snapshot()")
        time.sleep(0.1)
        assert seen(idle_in_transaction_s=0.05) == {}


def test_the_database_and_the_application_have_limits_of_their_own(seen, database, superuser_url, roles):
    """Connections are counted against the limit of the database too, which may be far below the server's."""
    limit = 'ALTER DATABASE :"name" CONNECTION LIMIT 4'
    with _open(superuser_url, 2) as (first, _):
        first.outside_transaction(fill(limit, {"name": database.name}))
        assert seen() == {}
        with _open(superuser_url):
            found = seen()
        assert list(found) == ["connections of the database"]
        assert found["connections of the database"].measured["database_connections_usable"] == 4
        _until(lambda: seen() == {})


def test_old_transaction_ids_are_found(provoked):
    """A database frozen 1.6 thousand million transactions ago is critical, one beyond twice autovacuum's own age is high.

    An age is told from the transaction's first look on, and other tests use up ids of the same server until the catalogue is written: a
    little less than what was written is expected.
    """
    for statement, age, expected in (
        (XIDS + ";" + TABLE, 1_650_000_000, {"transaction ids": Severity.CRITICAL, "freezing": Severity.HIGH}),
        (MULTIXACTS, 1_650_000_000, {"multixact ids": Severity.CRITICAL, "freezing": Severity.HIGH}),
        (XIDS, 500_000_000, {"freezing": Severity.HIGH}),
        (XIDS, 300_000_000, {}),
    ):
        before, found, after = map(_unhealthy_by, provoked(capacity, statement.format(age=age), by="superuser"))
        assert before == after == {}
        assert {name: finding.severity for name, finding in found.items()} == expected
        if statement.endswith(TABLE):
            assert any(line.startswith("public.tenants: 1,6") for line in found["freezing"].witness.lines)


def _unhealthy_by(found):
    return _unhealthy(list(found.values()))


def test_a_role_that_may_not_look_says_what_it_needs(superuser_url, roles, profile):
    """Without rights each part that needs them is inconclusive with its grant, the others are judged; with the grants all is."""
    name = "no'body \"😀"
    grants = (
        ("sessions of other roles", 'GRANT pg_monitor TO :"role"', f"GRANT pg_monitor TO {quoted(name)}"),
        ("lock table", 'GRANT SELECT ON public.tenants TO :"role"', "GRANT SELECT ON public.tenants"),
        ("statistics of statements", 'GRANT USAGE ON SCHEMA "s 😀" TO :"role"', f'USAGE ON SCHEMA "s 😀" TO {quoted(name)}'),
    )
    with _open(superuser_url, 2) as (session, _), suppress(_Undo), session.transaction():
        _script(session, 'CREATE ROLE :"role"; CREATE SCHEMA "s 😀"; ALTER EXTENSION pg_stat_statements SET SCHEMA "s 😀"', name)
        for position, (_, grant, _) in enumerate(grants):
            found = _as(session, name, roles, profile)
            assert {each.outcome for each in found.values()} == {Outcome.INCONCLUSIVE}
            assert [said in found[subject].why for subject, _, said in grants[position:]] == [True] * (3 - position)
            assert set(found) == {subject for subject, _, _ in grants[position:]}
            _script(session, grant, name)
        assert _as(session, name, roles, profile) == {}
        _script(session, "DROP EXTENSION pg_stat_statements", name)
        assert _as(session, name, roles, profile) == {}
        _script(session, "CREATE EXTENSION pg_stat_statements SCHEMA public VERSION '1.8'", name)
        assert _as(session, name, roles, profile) == {}
        raise _Undo


class _Undo(Exception):
    pass


def _script(session, statement, role):
    session.script(fill(statement, {"role": role}))


def _as(session, role, roles, profile):
    _script(session, 'SET LOCAL ROLE :"role"', role)
    found = _unhealthy(capacity.run(session, load_limits(), SystemClock(), profile=profile, roles=roles))
    _script(session, "RESET ROLE", role)
    return found


def test_connections_that_run_out_are_found(seen_on, small):
    """18 of the 21 connections that a server of 24 leaves to its users are too many; 15 are not."""
    with _open(Secret(small.app_url), 14):
        assert seen_on() == {}
        with _open(Secret(small.app_url), 3):
            found = seen_on()
    assert list(found) == ["connections of the server"]
    assert found["connections of the server"].measured["connections_used"] == 18
    _until(lambda: seen_on() == {})


def test_a_prepared_transaction_is_found(seen_on, small):
    """A prepared transaction that nobody ended is found as what keeps locks, and as what vacuum cannot pass."""
    _run(small.superuser_url, "BEGIN", "LOCK TABLE public.tenants IN SHARE MODE", "PREPARE TRANSACTION 'it''s % 😀'")
    time.sleep(0.1)
    assert seen_on() == {}
    found = seen_on(idle_in_transaction_s=0.05)
    _run(small.superuser_url, "ROLLBACK PREPARED 'it''s % 😀'")
    assert list(found) == ["prepared transactions"]
    assert seen_on(idle_in_transaction_s=0.05) == {}


def test_a_slot_without_reader_is_found(seen_on, small):
    """A new slot is no fault; one that keeps more WAL than max_wal_size is, until it is dropped."""
    _run(small.superuser_url, "SELECT pg_catalog.pg_create_physical_replication_slot('gone', true)")
    assert seen_on() == {}
    for _ in range(4):
        _run(small.superuser_url, "CREATE TABLE public.w (); DROP TABLE public.w", "SELECT pg_catalog.pg_switch_wal()")
    found = seen_on()
    _run(small.superuser_url, "SELECT pg_catalog.pg_drop_replication_slot('gone')")
    assert [(name, each.witness.lines) for name, each in found.items()] == [("replication slots", ("replication slot gone",))]
    assert seen_on() == {}


@pytest.mark.parametrize("setting", ["autovacuum", "track_counts"])
def test_autovacuum_that_does_nothing_is_found(seen_on, small, setting):
    """Autovacuum is off by its own setting, or by the one that leaves it nothing to go by."""
    for value, expected in (("off", ["autovacuum"]), ("on", [])):
        _run(small.superuser_url, f"ALTER SYSTEM SET {setting} = {value}", "SELECT pg_catalog.pg_reload_conf()")
        _until(lambda expected=expected: list(seen_on()) == expected)


def test_tables_that_wait_are_counted_by_their_own_thresholds(seen_on, small):
    """Thirty tables that nobody analysed wait, whether autovacuum may take them or not, unless their own settings say otherwise."""
    tight = {"vacuum_backlog_per_worker": 5}
    by_options = {
        "fillfactor = 70": {"backlog of vacuum"},
        "autovacuum_enabled = off": {"backlog of vacuum"},
        "autovacuum_analyze_threshold = 100, autovacuum_vacuum_insert_threshold = 100, autovacuum_vacuum_threshold = 10": set(),
        "autovacuum_vacuum_insert_threshold = 20, autovacuum_analyze_scale_factor = 0, autovacuum_analyze_threshold = 100": {
            "backlog of vacuum"
        },
    }
    for options, expected in by_options.items():
        _run(small.superuser_url, _DO.format(f"CREATE TABLE public.q%s WITH ({options}) AS SELECT generate_series(1, 60)"))
        _until(lambda expected=expected: set(seen_on(**tight)) == expected)
        assert seen_on() == {}
        _run(small.superuser_url, _DO.format("DROP TABLE public.q%s"))
        assert seen_on(**tight) == {}


_DO = "DO $$ BEGIN FOR i IN 1..30 LOOP EXECUTE pg_catalog.format('{}', i); END LOOP; END $$"


def test_dead_rows_of_the_catalogue_are_found(seen_on, small):
    """What a transaction wrote into pg_attribute and took back is dead until a vacuum; few dead rows matter to nobody."""
    tight = {"catalogue_dead_rows": 200, "catalogue_dead_ratio": 0.01}
    _vacuum(small)
    _until(lambda: seen_on(**tight) == {})
    _run(small.superuser_url, "BEGIN", _DO.format("CREATE TABLE public.q%s (a int, b int, c int)"), "ROLLBACK")
    _until(lambda: list(seen_on(**tight)) == ["dead rows of pg_attribute"])
    assert seen_on() == seen_on(catalogue_dead_rows=200) == seen_on(catalogue_dead_ratio=0.01) == {}
    _vacuum(small)
    _until(lambda: seen_on(**tight) == {})


def _vacuum(small):
    _run(
        small.superuser_url,
        "VACUUM (ANALYZE) pg_catalog.pg_attribute, pg_catalog.pg_class, pg_catalog.pg_type, pg_catalog.pg_depend",
    )


def test_a_catalogue_of_empty_pages_is_found(seen_on):
    """Size is judged by what each row takes, once there is much of it: either alone is no fault."""
    assert list(seen_on(catalogue_row_bytes=100, catalogue_bytes=1000)) == ["size of the catalogue"]
    assert seen_on(catalogue_row_bytes=100) == seen_on(catalogue_bytes=1000) == {}


def test_statistics_that_are_thrown_away_are_found(seen_on, small):
    """More statements than there is room for are evictions; they count once the statistics are old enough to mean something."""
    tight = {"statement_statistics_age_s": 0, "statement_evictions_per_h": 1}
    _run(small.superuser_url, "SELECT public.pg_stat_statements_reset()")
    assert seen_on(**tight) == {}
    with operator(Secret(small.superuser_url), "test") as session, session.transaction():
        for number in range(150):
            session.execute(f"SELECT {', '.join(['1'] * (number + 1))}")
    found = seen_on(**tight)
    assert list(found) == ["statistics of statements"]
    assert found["statistics of statements"].measured["statement_fill_ratio"] > 0.5
    assert seen_on() == {}


def test_a_schema_that_the_lock_table_cannot_hold_is_found(seen_on, small):
    """The check is red for the schema that the server then refuses to drop, and green once it is gone."""
    names = {"schema": HOSTILE}
    with operator(Secret(small.operator_url), "test") as session:
        for first in range(1, 800, 80):
            with session.transaction(), as_owner(session, small.roles):
                tables = f"CREATE TABLE {quoted(HOSTILE)}.t%s ()".replace("'", "''")
                session.script(fill(_DO.replace("1..30", f"{first}..{first + 79}").format(tables), names))
        found = seen_on()
        assert list(found) == ["lock table"]
        assert found["lock table"].tenants.sample == (HOSTILE,)
        with pytest.raises(StatementFailed, match="shared memory"), session.transaction(), as_owner(session, small.roles):
            session.execute(fill('DROP SCHEMA :"schema" CASCADE', names))
        for first in range(1, 800, 80):
            with session.transaction(), as_owner(session, small.roles):
                tables = f"DROP TABLE {quoted(HOSTILE)}.t%s".replace("'", "''")
                session.script(fill(_DO.replace("1..30", f"{first}..{first + 79}").format(tables), names))
    assert seen_on() == {}


QUIET = Capacity(
    server=Server("observer", False, 0, 0, 3, 200_000_000, 400_000_000, 6_400, 3, 1e6, "public", True),
    connections=(Connections("server", 10, 97),),
    holders=(),
    databases=(Age("db", 5, 0),),
    oldest=(),
    vacuum=Vacuum(90_000, 0, 20, 0),
    catalogues=(Catalogue("pg_attribute", 2_400_000, 300_000, 900_000_000), Catalogue("pg_class", 640_000, 200_000, 400_000_000)),
    relations=Relations(10_000, 640_000, 700_000, 90_010, 6_000_000_000, "tenant", 1),
    tenant_locks=238,
    statements=Statements(5_000, 5_000, 239, 86_400.0),
    statements_state="on",
)
"""Ten thousand tenants on default settings, as they stand while vacuum is due."""
EVIDENCE = Evidence("capacity", "db", "2026-01-01T00:00:00.000Z", 1.0)


def _judged(**changed):
    return _unhealthy(judge(replace(QUIET, **changed), load_limits(), EVIDENCE))


def test_a_large_fleet_on_default_settings_is_healthy():
    """Ten thousand tenants are no fault, though a pg_dump of all of them needs more locks than there are: that is said."""
    [finding] = judge(QUIET, load_limits(), EVIDENCE)
    assert finding.outcome is Outcome.HEALTHY
    assert (finding.measured["whole_dump_locks"], finding.measured["whole_dump_fits_lock_table"]) == (90_010, False)


@pytest.mark.parametrize(
    ("changed", "expected"),
    [
        ({"connections": (Connections("server", 78, 97), Connections("role", 0, 0))}, ["connections of the server"]),
        ({"connections": (Connections("role", 1, 0),)}, ["connections of the application's role"]),
        ({"holders": (Holder("session", "x", 49_999_999, 299.9, False),)}, []),
        ({"holders": (Holder("replication slot", "x", 50_000_000, 0, False),)}, ["horizon of vacuum"]),
        ({"holders": (Holder("prepared transaction", "x", 1, 300, False),)}, ["prepared transactions"]),
        ({"tenant_locks": 3_199}, []),
        ({"tenant_locks": 3_200}, ["lock table"]),
        ({"vacuum": Vacuum(90_000, 0, 3_000, 9)}, ["backlog of vacuum"]),
        ({"catalogues": (Catalogue("pg_class", 90_000, 99_999, 1),)}, []),
        (
            {"catalogues": (Catalogue("pg_class", 99_999, 100_000, 1), Catalogue("pg_type", 9**9, 10**6, 1))},
            ["dead rows of pg_class"],
        ),
        ({"catalogues": (Catalogue("pg_depend", 10**6, 0, 2**30),)}, ["size of the catalogue"]),
        ({"statements": Statements(5_000, 5_000, 240, 86_400.0)}, ["statistics of statements"]),
        ({"statements": Statements(5_000, 5_000, 9_999, 86_399.0)}, []),
        ({"relations": None, "gaps": (Gap("lock table", "No."),)}, ["lock table"]),
    ],
)
def test_limits_are_met_to_the_number(changed, expected):
    """A value at its limit is found, one just below is not; a small amount excuses a bad share, a good share any amount."""
    assert list(_judged(**changed)) == expected


def test_a_standby_is_not_judged_by_counters_that_it_does_not_have():
    """On a standby no vacuum runs: that is said, and neither autovacuum nor its backlog is judged."""
    server = replace(QUIET.server, is_standby=True, vacuum_settings_off=1)
    found = _judged(server=server, vacuum=Vacuum(9, 0, 90_000, 0), gaps=capacity._unseen(server))
    assert [(name, each.outcome) for name, each in found.items()] == [("vacuum", Outcome.INCONCLUSIVE)]


numbers = st.integers(0, 2**31)
capacities = st.builds(
    Capacity,
    server=st.builds(
        Server,
        st.just("r"),
        st.booleans(),
        st.just(0),
        st.integers(0, 2),
        st.integers(0, 9),
        st.integers(1, 2**31),
        st.integers(1, 2**31),
        st.integers(10, 10**6),
        numbers,
        st.floats(0, 1e9),
        st.just(""),
        st.booleans(),
    ),
    connections=st.lists(
        st.builds(Connections, st.sampled_from(["server", "database", "role"]), numbers, numbers), max_size=3
    ).map(tuple),
    holders=st.lists(
        st.builds(
            Holder,
            st.sampled_from(["session", "prepared transaction", "replication slot"]),
            st.text(max_size=3),
            numbers,
            st.floats(0, 1e9),
            st.booleans(),
        ),
        max_size=9,
    ).map(tuple),
    databases=st.lists(st.builds(Age, st.text(max_size=3), numbers, numbers), max_size=3).map(tuple),
    oldest=st.just(()),
    vacuum=st.builds(Vacuum, numbers, numbers, numbers, numbers),
    catalogues=st.lists(
        st.builds(Catalogue, st.sampled_from(["pg_class", "pg_type"]), numbers, numbers, numbers), max_size=2
    ).map(tuple),
    relations=st.none()
    | st.builds(Relations, numbers, numbers, numbers, numbers, numbers, st.sampled_from(["", "t"]), st.just(1)),
    tenant_locks=numbers,
    statements=st.none() | st.builds(Statements, numbers, numbers, numbers, st.floats(0, 1e9)),
    gaps=st.lists(st.just(Gap("x", "No.")), max_size=1).map(tuple),
)


@given(capacities)
@settings(max_examples=50)
def test_judging_is_total_and_never_silent(rows):
    """There is always an answer; it is healthy alone or not at all, and a gap never passes."""
    findings = judge(rows, load_limits(), EVIDENCE)
    outcomes = [finding.outcome for finding in findings]
    assert outcomes
    assert outcomes == [Outcome.HEALTHY] or Outcome.HEALTHY not in outcomes
    assert (Outcome.INCONCLUSIVE in outcomes) == bool(rows.gaps)
    assert all(finding.limit for finding in findings if finding.outcome is Outcome.FAILING)
