"""connection-exhaustion, each cause provoked on a real server: nothing, then it, then nothing again."""

import contextlib
import json
import threading
import time

import psycopg
import pytest

from capliquify_ops.configuration import Target, TargetClass, load_limits, load_profile
from capliquify_ops.configuration.system import SystemClock, dice
from capliquify_ops.database import fill, observer
from capliquify_ops.diagnostics import connection_exhaustion
from capliquify_ops.diagnostics.diagnose import diagnose
from capliquify_ops.diagnostics.inquiry import Inquiry
from capliquify_ops.model.errors import UsageError
from capliquify_ops.model.finding import Level
from capliquify_ops.model.secret import Secret
from capliquify_ops.reference import stack as embedded

SECRET = "4111-1111-1111-1111"
A_MOMENT = 1e-9
"""Seconds; a server says that a session idles before it answers it, so that nobody has to wait for it."""


class Strict:
    """Limits under which a moment is long."""

    def __init__(self, **numbers):
        self.numbers = numbers

    def number(self, name):
        return self.numbers.get(name) or load_limits().number(name)


@pytest.fixture
def profile(tmp_path):
    return load_profile("capliquify", tmp_path)


@pytest.fixture
def found(database, roles, profile):
    """Diagnoses the test's database as the observer, with limits of one's own."""

    def run(**limits):
        target = Target("here", TargetClass.LOOPBACK, profile, database.observer_url, roles=roles)
        [diagnosis] = diagnose(Inquiry(target, Strict(**limits), SystemClock(), dice), [connection_exhaustion.NAME])
        return diagnosis

    return run


@pytest.fixture
def client(database):
    """Opens a session of the application, with a name of its own; at the end none of them waits for another."""
    made = []

    def connect(name):
        made.append(psycopg.connect(database.operator_url.reveal(), application_name=name, autocommit=False))
        return made[-1]

    yield connect
    for each in made:
        each.cancel_safe(timeout=2)
    for each in made:
        each.close()


def asked(diagnosis):
    """What the database said."""
    return next(source for source in diagnosis.sources if source.name == connection_exhaustion.CONNECTIONS)


def _waits(found, count):
    """Until so many sessions wait for a lock."""
    deadline = time.monotonic() + 20
    while sum(len(cause.evidence) for cause in found().causes if cause.name == "blocked sessions") < count:
        assert time.monotonic() < deadline, "nobody waits"
        time.sleep(0.02)


def test_a_healthy_database_is_told_so(found):
    """Nothing is wrong, the server was asked, and the answer counts who is connected."""
    diagnosis = found()
    assert (diagnosis.is_wrong, diagnosis.is_certain, diagnosis.causes) == (False, True, ())
    assert "connections of the server" in asked(diagnosis).says


def test_leaked_transactions_are_named_with_their_code_and_tenant(found, client, two, roles):
    """Sessions that idle in a transaction are one cause for each piece of code, with tenant, age and no value of the statement."""
    assert found(idle_in_transaction_s=A_MOMENT).causes == ()
    for _ in range(2):
        leak = client("forgetful worker")
        leak.execute(fill('SET LOCAL ROLE :"owner"', {"owner": roles.owner}))
        leak.execute(fill("SELECT 1 FROM :\"a\".products WHERE sku = :'card'", {"a": two["a"], "card": SECRET}))
    other = client("another")
    other.execute("SELECT 1")
    causes = found(idle_in_transaction_s=A_MOMENT).causes
    assert [cause.name for cause in causes] == ["leaked transactions"] * 2
    worst = causes[0]
    assert "2 sessions" in worst.why
    assert "forgetful worker" in worst.why
    assert worst.evidence[0] == "last statement: SELECT ? FROM ~.products WHERE sku = ?"
    assert (worst.tenants, worst.level) == ((two["a"],), Level.L2)
    assert SECRET not in json.dumps([str(cause) for cause in causes])
    assert found().causes == (), "below five minutes it is none"


def test_another_databases_sessions_are_not_this_ones_leaks(found, server):
    """Whoever idles in another database of the server counts among its connections, and is no leak of this one."""
    with psycopg.connect(server.url("superuser", "postgres").reveal(), application_name="elsewhere") as other:
        other.execute("SELECT 1")
        assert [cause for cause in found(idle_in_transaction_s=A_MOMENT).causes if "elsewhere" in cause.why] == []


def test_a_leak_is_ended_after_ten_minutes_and_not_before(found, client, monkeypatch):
    """Until then one waits and looks again; then the remedy is named that looks again itself."""
    client("leak").execute("SELECT 1")
    assert "Wait until it has idled for 10 min" in found(idle_in_transaction_s=A_MOMENT).causes[0].next_command
    monkeypatch.setattr(connection_exhaustion, "END_AFTER_S", A_MOMENT)
    [cause] = found(idle_in_transaction_s=A_MOMENT).causes
    assert cause.next_command == "capliquify-ops remedy plan end-idle-transactions"


def test_only_tenants_are_named_as_tenants(found, client, two, roles, as_the_owner):
    """A session that has locked a shared table beside a tenant's concerns that tenant; without the registry it may be any of both."""
    leak = client("leak")
    leak.execute(fill('SET LOCAL ROLE :"owner"', {"owner": roles.owner}))
    leak.execute(fill('SELECT 1 FROM :"a".products, public.subscriptions', {"a": two["a"]}))
    assert found(idle_in_transaction_s=A_MOMENT).causes[0].tenants == (two["a"],)
    as_the_owner(f'REVOKE SELECT ON public.tenants FROM "{roles.observer}"')
    diagnosis = found(idle_in_transaction_s=A_MOMENT)
    assert diagnosis.causes[0].tenants == ("public", two["a"])
    assert any("which schemas are tenants' is not known" in source.says for source in diagnosis.sources)


def test_what_is_hidden_is_counted_and_said(database, roles, profile, client):
    """A role without pg_monitor sees that sessions are there, not what they do: no all-clear, with the grant; with it all is told."""
    client("leak").execute("SELECT 1")

    def run(url):
        target = Target("here", TargetClass.LOOPBACK, profile, url, roles=roles)
        [diagnosis] = diagnose(Inquiry(target, load_limits(), SystemClock(), dice), [connection_exhaustion.NAME])
        return diagnosis

    diagnosis = run(database.app_url)
    assert (diagnosis.is_wrong, diagnosis.is_certain) == (False, False)
    assert any("GRANT pg_monitor TO" in source.says for source in diagnosis.sources if not source.answered)
    assert " not visible to this role" in asked(diagnosis).says
    assert run(database.observer_url).is_certain


def test_a_root_blocker_is_named_with_its_victims(found, client, two, roles):
    """Who waits behind DDL that waits behind a forgotten transaction waits for that transaction: it is the one that must go."""
    root, ddl, reader = client("forgotten"), client("migration"), client("request")
    names = {"owner": roles.owner, "a": two["a"]}
    for each in (root, ddl, reader):
        each.execute(fill('SET LOCAL ROLE :"owner"', names))
    root.execute(fill('SELECT 1 FROM :"a".sales', names))
    waiting = [
        threading.Thread(target=_ignoring, args=(each, fill(statement, names)))
        for each, statement in ((ddl, 'ALTER TABLE :"a".sales ADD extra int'), (reader, 'SELECT count(*) FROM :"a".sales'))
    ]
    waiting[0].start()
    _waits(found, 3)
    waiting[1].start()
    _waits(found, 4)
    [cause] = found().causes
    assert cause.name == "blocked sessions"
    assert "2 sessions must wait" in cause.why
    assert "forgotten" in cause.why
    assert cause.tenants == (two["a"],)
    assert f"holds AccessShareLock on {two['a']}.sales" in cause.evidence
    root.rollback()
    for thread in waiting:
        thread.join(20)
    assert found().causes == ()


def _ignoring(connection, statement):
    with contextlib.suppress(psycopg.Error):
        connection.execute(statement)
        connection.rollback()


def test_a_limit_that_is_near_says_who_holds_it(found, client):
    """A server that fills up is told with the largest groups of sessions, also where none of them leaks."""
    for _ in range(3):
        client("greedy").rollback()
    diagnosis = found(connections_used_ratio=0.001)
    assert diagnosis.causes[-1].name == "connections of the server"
    assert any("(greedy)" in line for line in diagnosis.causes[-1].evidence)
    assert found().causes == ()


def test_no_slot_left_is_the_answer(tmp_path, profile):
    """On a server whose slots are all taken the diagnosis says so, and what to ask with; with one slot left it works."""
    with embedded.start(
        service=False, postgres_settings={"max_connections": "8", "superuser_reserved_connections": "3"}
    ) as stack:
        target = Target("here", TargetClass.LOOPBACK, profile, Secret(stack.database_url), roles=stack.roles)

        def run():
            [diagnosis] = diagnose(Inquiry(target, load_limits(), SystemClock(), dice), [connection_exhaustion.NAME])
            return diagnosis

        with contextlib.ExitStack() as taken:
            for _ in range(4):
                taken.enter_context(psycopg.connect(Secret(stack.operator_url).reveal(), autocommit=True))
            assert [cause.name for cause in run().causes] == ["connections of the server"]
            taken.enter_context(_last_slot(stack))
            diagnosis = run()
            assert [cause.name for cause in diagnosis.causes] == ["no connection slot left"]
            assert "pg_use_reserved_connections" in diagnosis.causes[0].next_command
            assert asked(diagnosis).answered is False
        deadline = time.monotonic() + 20
        while run().causes:
            assert time.monotonic() < deadline
            time.sleep(0.05)


def _last_slot(stack):
    """The slot that the diagnosis had: its session is over for us a moment before it is for the server."""
    deadline = time.monotonic() + 20
    while True:
        try:
            return psycopg.connect(Secret(stack.operator_url).reveal(), autocommit=True)
        except psycopg.OperationalError:
            assert time.monotonic() < deadline
            time.sleep(0.02)


def test_a_database_that_does_not_answer_is_unknown(profile, roles):
    """Nobody there is not nothing wrong: the answer is that it could not be told, with the reason."""
    target = Target("here", TargetClass.LOOPBACK, profile, Secret("postgresql://u@127.0.0.1:1/x"), roles=roles)
    [diagnosis] = diagnose(Inquiry(target, load_limits(), SystemClock(), dice), [connection_exhaustion.NAME])
    assert (diagnosis.is_wrong, diagnosis.is_certain) == (False, False)
    assert "cannot be reached" in asked(diagnosis).says
    with pytest.raises(UsageError, match="One of: service-down, error-rate, slow-responses, connection-exhaustion, "):
        diagnose(Inquiry(target, load_limits(), SystemClock(), dice), ["nonsense"])


def test_it_holds_one_connection_and_changes_nothing(database, found, monkeypatch):
    """One session, read-only, with short limits: asked of the server while the diagnosis reads."""
    seen = []
    gather = connection_exhaustion.gather

    def watched(session, app_role):
        query = "SELECT current_setting(n) FROM unnest(ARRAY['transaction_read_only', 'statement_timeout', 'lock_timeout']) AS n"
        seen.extend(session.rows(query, str))
        with observer(database.observer_url, "test") as second, second.transaction():
            # Other tests diagnose other databases of this server meanwhile.
            mine = (
                "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND application_name LIKE '% diagnose'"
            )
            seen.append(second.value(mine))
        return gather(session, app_role)

    monkeypatch.setattr(connection_exhaustion, "gather", watched)
    found()
    assert seen == ["on", "2s", "200ms", 1]
