"""A database that works, and looks busy: nothing is reported of it; and what one session of a diagnosis may cost."""

import contextlib
import os
import signal
import threading
import time

import psycopg
import pytest

from capliquify_ops.configuration import Target, TargetClass, load_limits, load_profile
from capliquify_ops.configuration.system import SystemClock, dice
from capliquify_ops.database import fill
from capliquify_ops.diagnostics import connection_exhaustion, service_down, slow_responses, sources
from capliquify_ops.diagnostics.diagnose import diagnose
from capliquify_ops.diagnostics.inquiry import Inquiry, Questions
from capliquify_ops.model.secret import Secret
from capliquify_ops.observation import activity
from capliquify_ops.reference import stack as embedded

A_MOMENT = 1e-9


class Strict:
    """Limits, some of which are others."""

    def __init__(self, **numbers):
        self.numbers = numbers

    def number(self, name):
        return self.numbers.get(name) or load_limits().number(name)


@pytest.fixture
def profile(tmp_path):
    return load_profile("capliquify", tmp_path)


@pytest.fixture
def found(database, roles, profile):
    """Diagnoses the test's database as the observer: the names of the causes."""

    def run(*issues, url=None, **limits):
        target = Target("here", TargetClass.LOOPBACK, profile, url or database.observer_url, roles=roles)
        told = diagnose(Inquiry(target, Strict(**limits), SystemClock(), dice, watch_s=0.5), issues)
        return [cause.name for each in told for cause in each.causes], told

    return run


@pytest.fixture
def behind():
    """Runs a statement in a thread: it waits for another session."""
    threads = []

    def start(connection, statement):
        def run():
            with contextlib.suppress(psycopg.Error):
                connection.execute(statement)
                if not connection.autocommit:
                    connection.rollback()

        threads.append(threading.Thread(target=run))
        threads[-1].start()

    yield start
    for each in threads:
        each.join(20)


@pytest.fixture
def client(database, behind):
    """Opens sessions, and at the end them first: whoever runs behind them ends then."""
    with contextlib.ExitStack() as open_:

        def connect(url=None, **given):
            made = psycopg.connect((url or database.operator_url).reveal(), **given)
            open_.callback(made.close)
            open_.callback(made.cancel_safe, timeout=2)
            return made

        yield connect


def until(condition):
    deadline = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def waits(watcher, connection):
    """Whether this session waits for a lock."""
    query = "SELECT 1 FROM pg_stat_activity WHERE pid = %s AND wait_event_type = 'Lock'"
    return watcher.execute(query, [connection.info.backend_pid]).fetchone() is not None


def test_a_lock_of_a_moment_is_every_days_work(found, client, behind, two, roles, superuser_url):
    """Who waits for a lock for less than a second is no victim, of any issue; one who waits for longer is one."""
    names, watcher = {"owner": roles.owner, "a": two["a"]}, client(superuser_url, autocommit=True)
    root, waiter = client(), client()
    for each in (root, waiter):
        each.execute(fill('SET LOCAL ROLE :"owner"', names))
    root.execute(fill('LOCK TABLE :"a".sales', names))
    behind(waiter, fill('SELECT 1 FROM :"a".sales', names))
    until(lambda: waits(watcher, waiter))
    assert found(connection_exhaustion.NAME, lock_wait_s=60)[0] == []
    until(lambda: found(connection_exhaustion.NAME)[0] == ["blocked sessions"])
    root.rollback()


def test_an_index_that_is_built_beside_a_backup_blocks_nobody(found, client, behind, two, roles, superuser_url):
    """CREATE INDEX CONCURRENTLY waits for old transactions by its nature: a backup that reads is not to be ended for it."""
    watcher, backup, builder = (
        client(superuser_url, autocommit=True),
        client(superuser_url),
        client(superuser_url, autocommit=True),
    )
    backup.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
    backup.execute(fill('SELECT count(*) FROM :"a".sales', two))
    behind(builder, fill('CREATE INDEX CONCURRENTLY beside ON :"a".sales (id)', two))
    until(lambda: waits(watcher, builder))
    names, told = found(connection_exhaustion.NAME, slow_responses.NAME, lock_wait_s=A_MOMENT)
    assert names == [], [cause for each in told for cause in each.causes]
    backup.rollback()


def test_the_work_of_others_is_no_slow_request(found, client, behind, superuser_url, database):
    """While the application idles, a long statement of an analyst is no fault; one of the application is."""
    watcher = client(superuser_url, autocommit=True)

    def runs(connection):
        query = "SELECT 1 FROM pg_stat_activity WHERE pid = %s AND state = 'active'"
        return watcher.execute(query, [connection.info.backend_pid]).fetchone() is not None

    analyst = client(superuser_url, autocommit=True)
    behind(analyst, "SELECT pg_sleep(60)")
    until(lambda: runs(analyst))
    names, told = found(slow_responses.NAME, statement_running_s=A_MOMENT)
    assert names == [], [cause for each in told for cause in each.causes]
    app = client(database.app_url, autocommit=True)
    behind(app, "SELECT pg_sleep(60)")
    until(lambda: runs(app))
    assert "slow statement" in found(slow_responses.NAME, statement_running_s=A_MOMENT)[0]


def test_one_session_with_many_locks_hides_nobodys(found, client, behind, two, roles, monkeypatch, superuser_url):
    """A backup holds a lock on every table of the fleet: who blocks and who waits is told beside it, with the tenant."""
    monkeypatch.setattr(activity, "LOCKS_OF_EACH", 2)
    monkeypatch.setattr(activity, "MOST_LOCKS", 8)
    backup, watcher = client(superuser_url), client(superuser_url, autocommit=True)
    query = (
        "SELECT c.relname FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = relnamespace WHERE nspname = %s AND relkind = 'r'"
    )
    for [name] in backup.execute(query, [two["b"]]).fetchall():
        backup.execute(fill('LOCK TABLE :"b".:"t" IN ACCESS SHARE MODE', {**two, "t": name}))
    root, waiter = client(), client()
    names = {"owner": roles.owner, "a": two["a"]}
    for each in (root, waiter):
        each.execute(fill('SET LOCAL ROLE :"owner"', names))
    root.execute(fill('LOCK TABLE :"a".sales', names))
    behind(waiter, fill('SELECT 1 FROM :"a".sales', names))
    until(lambda: waits(watcher, waiter))
    [diagnosis] = found(connection_exhaustion.NAME, lock_wait_s=A_MOMENT)[1]
    [cause] = diagnosis.causes
    assert cause.tenants == (two["a"],)
    root.rollback()


def test_a_list_that_is_cut_is_said(found, client, monkeypatch):
    """Where there are more sessions than are read, the answer says so."""
    client(), client()
    assert "more were not read" not in found(connection_exhaustion.NAME)[1][0].sources[-2].says
    monkeypatch.setattr(activity, "AT_MOST", 2)
    assert "more were not read" in "".join(source.says for source in found(connection_exhaustion.NAME)[1][0].sources)


def test_a_refused_observer_is_no_service_that_is_down(found, database):
    """A password that is wrong here says nothing of the service: it is not known, and nobody is woken."""
    where = database.observer_url.reveal().partition("?")[0].rpartition("@")[2].removeprefix("postgresql://")
    url = Secret(f"postgresql://nobody_of_that_name:x@{where}")
    names, [diagnosis] = found(service_down.NAME, url=url)
    assert (names, diagnosis.is_certain) == ([], False)


def test_both_looks_fit_into_the_last_slot(profile):
    """With one slot left the closer look has it too: the session is the same."""
    settings = {"max_connections": "9", "superuser_reserved_connections": "3"}
    with embedded.start(service=False, postgres_settings=settings) as stack:
        target = Target("here", TargetClass.LOOPBACK, profile, Secret(stack.database_url), roles=stack.roles)
        with contextlib.ExitStack() as taken:
            held = [taken.enter_context(psycopg.connect(Secret(stack.operator_url).reveal(), autocommit=True)) for _ in range(5)]
            held[0].execute("SELECT pg_advisory_lock(1)")
            waiter = threading.Thread(target=lambda: held[1].execute("SELECT pg_advisory_lock(1)"))
            waiter.start()
            until(lambda: waits(held[2], held[1]))
            for _ in range(5):
                told = diagnose(
                    Inquiry(target, Strict(lock_wait_s=A_MOMENT), SystemClock(), dice, watch_s=0.0), [slow_responses.NAME]
                )
                said = {source.name: source.says for source in told[0].sources}
                assert "connection slot" not in "".join(said.values()), said
                assert slow_responses.PLANS in said
            held[0].execute("SELECT pg_advisory_unlock(1)")
            waiter.join(20)


def test_a_server_that_stops_between_two_questions(database, roles, profile, client, monkeypatch, superuser_url):
    """It is waited for once, for as long as one question may take, and not asked again over another session."""
    monkeypatch.setattr(sources, "ANSWER_S", 1.0)
    watcher = client(superuser_url, autocommit=True)
    target = Target("here", TargetClass.LOOPBACK, profile, database.observer_url, roles=roles)
    inquiry = Inquiry(target, load_limits(), SystemClock(), dice, watch_s=0.0)
    stopped = []

    def stop(session):
        stopped.append(session.backend_pid)
        os.kill(session.backend_pid, signal.SIGSTOP)
        with session.transaction():
            return session.value("SELECT 1"), "never"

    mine = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND application_name LIKE '%% diagnose'"
    started = time.monotonic()
    try:
        with sources.Sources(inquiry) as asking:
            first = asking.ask(Questions(database={"one": lambda _: (1, "one"), "stops": stop, "three": lambda _: (3, "")}))
            again = asking.ask(Questions(database={"more": lambda _: (4, "")}))
        assert time.monotonic() - started < 5
        assert [each.source.answered for each in first.values()] == [True, False, False]
        assert not again["more"].source.answered
        assert "was not asked" in again["more"].source.says
        assert watcher.execute(mine).fetchone()[0] <= 1
    finally:
        for pid in stopped:
            os.kill(pid, signal.SIGCONT)
