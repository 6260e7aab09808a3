"""Sessions of others, for real: who is ended, who never is, and what happens when the plan is older than the situation."""

import contextlib
import dataclasses
import threading
import time
from datetime import timedelta

import psycopg
import pytest

from capliquify_ops.database import fill, load
from capliquify_ops.model.errors import ConfigurationInvalid, PrivilegeMissing, UsageError
from capliquify_ops.remedies import sessions
from capliquify_ops.remedies.acting import Options, State
from capliquify_ops.remedies.sessions import CANCEL_STATEMENT, END_BLOCKER, END_IDLE_TRANSACTIONS
from capliquify_ops.remedies.signalling import TERMINATE, Found, Signal, looking, send, signaller

A_MOMENT = 1e-9
SIGNALS = 'GRANT pg_signal_backend, pg_read_all_stats TO :"r"'
AUDITS = 'GRANT USAGE ON SCHEMA capliquify_ops TO :"r"'
INSERTS = 'GRANT INSERT ON capliquify_ops.audit TO :"r"'
SLEEP = "SELECT pg_catalog.pg_sleep(60)"


def idle(connection):
    connection.execute("SELECT 1")
    return connection


def pid_of(connection):
    return connection.info.backend_pid


@pytest.fixture
def working(client):
    """Starts a statement in a session, in a thread; gives the session once the server shows it as active."""
    started = []

    def start(statement, url=None, **more):
        connection = client(url, **more)
        started.append((connection, _begun(connection, statement)))
        return connection

    yield start
    _ended(started)


def _begun(connection, statement):
    thread = threading.Thread(target=_ignoring, args=(connection, statement))
    thread.start()
    return thread


def _ended(started):
    for connection, thread in started:
        with contextlib.suppress(psycopg.Error):
            connection.cancel_safe(timeout=5)
        thread.join(30)


def _ignoring(connection, statement):
    with contextlib.suppress(psycopg.Error):
        connection.execute(statement)


def until(superuser_url, condition, values):
    with psycopg.connect(superuser_url.reveal(), autocommit=True) as session:
        deadline = time.monotonic() + 20
        while not session.execute(f"SELECT EXISTS (SELECT 1 FROM pg_stat_activity AS a WHERE {condition})", values).fetchone()[0]:
            assert time.monotonic() < deadline, condition
            time.sleep(0.02)


def test_only_what_leaks_is_ended(taken, client, lives, database, server, roles, superuser_url, rows, log):
    """Idle transactions of the application here are ended; those of others, of us, elsewhere, and sessions that work are not."""
    leaks = [idle(client()) for _ in range(2)]
    failed = client()
    with pytest.raises(psycopg.Error):
        failed.execute("nonsense")
    kept = [
        idle(client(database.operator_url)),
        idle(client(superuser_url)),
        idle(client(server.url("app", "postgres"))),
        idle(client(name="capliquify_ops fleet migrate")),
        idle(client(name="pg_dump")),
        idle(client(autocommit=True)),
    ]
    plan, report = taken(END_IDLE_TRANSACTIONS, over_s=A_MOMENT)
    assert len(plan.steps) == 3
    assert report.state is State.DONE
    assert report.changed == {"ended": 3, "pids": [pid_of(each) for each in (*leaks, failed)]}
    assert [lives(each) for each in (*leaks, failed)] == [False] * 3
    assert all(lives(each) for each in kept)
    assert report.verified.holds is True
    assert (report.helped, report.exit_code) == ("not helped", 1), "others leak still, by the moment's limit"
    assert [warning for warning in plan.warnings if "maintenance" in warning] != []
    [row] = rows()
    assert (row["verb"], row["actor"], row["run"]) == ("remedy end-idle-transactions", "tester@here", report.action)
    assert row["after"]["changed"]["ended"] == 3
    assert row["plan_digest"] == report.plan_digest == log.lines()[0].plan_digest
    assert [line.kind for line in log.lines()] == ["started", "ended"]
    assert log.lines()[1].content["database"] == report.database == "written"


def test_it_helps_and_the_second_run_has_nothing_to_do(taken, client, context):
    """The diagnosis finds the leak before and none afterwards; a second plan is empty."""
    idle(client())
    _, report = taken(END_IDLE_TRANSACTIONS, over_s=A_MOMENT)
    assert report.before == ("connection-exhaustion: leaked transactions",)
    assert (report.after, report.helped, report.exit_code) == ((), "helped", 0)
    assert END_IDLE_TRANSACTIONS.prepare(context(), Options(over_s=A_MOMENT)).plan.steps == ()


def test_young_ones_stay(client, context):
    """Below ten minutes nothing is ended by default, below the limit of the thresholds not even when it is asked for."""
    idle(client())
    assert END_IDLE_TRANSACTIONS.prepare(context(), Options()).plan.steps == ()
    with pytest.raises(UsageError, match="before 300 s it is no leak"):
        END_IDLE_TRANSACTIONS.prepare(context(limits=_usual()), Options(over_s=299))
    assert END_IDLE_TRANSACTIONS.prepare(context(limits=_usual()), Options(over_s=300)).plan.steps == ()


def _usual():
    from capliquify_ops.configuration import load_limits

    return load_limits()


def test_another_role_may_be_named(taken, client, lives, somebody, context):
    """--role ends that role's sessions and not the application's; a role that does not exist is refused."""
    name, url = somebody()
    other, own = idle(client(url)), idle(client())
    _, report = taken(END_IDLE_TRANSACTIONS, over_s=A_MOMENT, role=name)
    assert report.changed["pids"] == [pid_of(other)]
    assert (lives(other), lives(own)) == (False, True)
    with pytest.raises(UsageError, match="no role 'nobody'"):
        END_IDLE_TRANSACTIONS.prepare(context(), Options(over_s=A_MOMENT, role="nobody"))


def test_superusers_and_replicators_are_never_ended(client, lives, somebody, superuser_url, context, database):
    """Whoever names the role of a superuser, or one that replicates, has nothing ended, and reads why."""
    name, url = somebody(options="REPLICATION")
    with psycopg.connect(superuser_url.reveal()) as superuser:
        me = superuser.execute("SELECT session_user::text").fetchone()[0]
    found = [idle(client(url)), idle(client(superuser_url))]
    for role, why in ((name, "its role replicates"), (me, "its role is a superuser")):
        plan = END_IDLE_TRANSACTIONS.prepare(context(), Options(over_s=A_MOMENT, role=role)).plan
        assert plan.steps == ()
        assert any(why in warning for warning in plan.warnings)
        # Who may not see them is not advised to become a superuser.
        for remedy, options in (
            (END_IDLE_TRANSACTIONS, Options(over_s=A_MOMENT, role=role)),
            (CANCEL_STATEMENT, Options(pid=pid_of(found[role == me]))),
        ):
            with pytest.raises(UsageError, match="left alone"):
                remedy.prepare(context(database.operator_url), options)
    assert all(map(lives, found))


def test_who_has_gone_on_is_left_alone(taken, client, lives):
    """Of three sessions one ends its transaction, one runs another statement in it, after the plan was made: the third is ended."""
    ended, went_on, leak = idle(client()), idle(client()), idle(client())

    def between():
        ended.commit()
        went_on.execute("SELECT 2")

    plan, report = taken(END_IDLE_TRANSACTIONS, between, over_s=A_MOMENT)
    assert len(plan.steps) == 3
    assert report.changed["pids"] == [pid_of(leak)]
    assert sorted(report.left) == sorted(f"pid {pid_of(each)}: it has gone on since" for each in (ended, went_on))
    assert [lives(each) for each in (ended, went_on, leak)] == [True, True, False]


def test_when_nobody_is_as_it_was_nothing_is_done(taken, client, log):
    """Everything of the plan has changed: refused, with 17, and said on the record; who has gone is said to be gone."""
    went_on, gone = idle(client()), idle(client())

    def between():
        went_on.commit()
        gone.close()

    _, report = taken(END_IDLE_TRANSACTIONS, between, over_s=A_MOMENT)
    assert (report.state, report.exit_code, report.changed) == (State.REFUSED, 17, {})
    assert any("gone" in each for each in report.left)
    assert log.lines()[-1].content["state"] == "refused"


CHANGED = {
    "backend_start": lambda one: {"backend_start": one.backend_start - timedelta(microseconds=1)},
    "xact_start": lambda one: {"xact_start": one.xact_start - timedelta(microseconds=1)},
    "state_change": lambda one: {"state_change": one.state_change - timedelta(microseconds=1)},
    "state": lambda one: {"state": "idle in transaction (aborted)"},
    "role": lambda one: {"role": "somebody else"},
    "pid": lambda one: {"pid": 2**30},
}


def test_everything_is_looked_at_again(client, lives, context, roles):
    """One thing about the session is not as it was seen, as when its process id is used again: it is not ended; else it is."""
    leak = idle(client())
    values = {"role": roles.app, "over_s": A_MOMENT, "at_most": 9}
    with signaller(context().target, roles.app) as (session, me):
        with looking(session, me):
            [one] = session.rows(load("capliquify_ops.remedies", "idle_transactions"), Found, values)
        for what, change in CHANGED.items():
            answer = send(session, me, Signal(dataclasses.replace(one, **change(one)), TERMINATE))
            assert not answer.is_done, what
        assert send(session, me, Signal(one, TERMINATE)).says == "ended", "it was still there, and as it was"
    assert not lives(leak)


def test_a_role_that_became_mighty_since_is_left_alone(client, somebody, superuser_url, context):
    """What was an ordinary role when the plan was made may be a superuser's or a replicating one when it is done: looked at again."""
    name, url = somebody()
    leak = idle(client(url))
    with (
        signaller(context().target, name) as (session, me),
        psycopg.connect(superuser_url.reveal(), autocommit=True) as superuser,
    ):
        with looking(session, me):
            [one] = session.rows(load("capliquify_ops.remedies", "session_by_pid"), Found, {"pid": pid_of(leak)})
        for rights, why in (("SUPERUSER", "its role is a superuser"), ("NOSUPERUSER REPLICATION", "its role replicates")):
            superuser.execute(f'ALTER ROLE "{name}" {rights}')
            assert send(session, me, Signal(one, TERMINATE)).says == why
        superuser.execute(f'ALTER ROLE "{name}" NOREPLICATION')
        assert send(session, me, Signal(one, TERMINATE)).says == "ended", "it lived until then, and was as it had been"


def test_our_own_session_is_never_ended(context, superuser_url):
    """The statement does not end the session that it runs in, whatever it is told to."""
    with signaller(context().target, context().target.roles.app) as (session, me):
        with looking(session, me):
            [one] = session.rows(load("capliquify_ops.remedies", "session_by_pid"), Found, {"pid": session.backend_pid})
        assert one.protected == "it is this session"
        assert send(session, me, Signal(one, TERMINATE)).says == "it is this session"


def test_without_the_privilege_the_grant_is_said(client, lives, context, database, roles):
    """An operator that may not end others' sessions is told the exact grant, before anything is done."""
    leak = idle(client())
    with pytest.raises(PrivilegeMissing) as caught:
        END_IDLE_TRANSACTIONS.prepare(context(database.operator_url), Options(over_s=A_MOMENT))
    assert f'GRANT pg_signal_backend, pg_read_all_stats TO "{roles.operator}" WITH INHERIT TRUE;' in str(caught.value)
    assert lives(leak)


def test_the_grant_suffices(taken, client, lives, context, somebody):
    """With that grant a role that is no superuser does it."""
    _, url = somebody(SIGNALS, AUDITS, INSERTS)
    leak = idle(client())
    _, report = taken(END_IDLE_TRANSACTIONS, by=context(url), over_s=A_MOMENT)
    assert (report.state, report.database, lives(leak)) == (State.DONE, "written", False)


def test_a_grant_that_is_taken_back(taken, client, lives, context, somebody, superuser_url):
    """The privilege goes between plan and act: nobody is ended, and the record has the sentence with the grant."""
    name, url = somebody(SIGNALS, AUDITS, INSERTS)
    leak = idle(client())

    def between():
        with psycopg.connect(superuser_url.reveal(), autocommit=True) as superuser:
            superuser.execute(f'REVOKE pg_signal_backend, pg_read_all_stats FROM "{name}"')

    _, report = taken(END_IDLE_TRANSACTIONS, between, by=context(url), over_s=A_MOMENT)
    assert (report.state, report.changed, report.exit_code) == (State.FAILED, {}, 17)
    assert "GRANT pg_signal_backend" in report.fault
    assert lives(leak)


def test_membership_of_the_application_suffices_too(taken, client, lives, context, somebody):
    """An operator that inherits nothing becomes the application's role for it, as on servers before 16; without audit rights it says so."""
    _, url = somebody('GRANT :"app" TO :"r"', options="NOINHERIT")
    leak = idle(client())
    _, report = taken(END_IDLE_TRANSACTIONS, by=context(url), over_s=A_MOMENT)
    assert (report.state, lives(leak)) == (State.DONE, False)
    assert report.database.startswith("not written: ")


def test_the_grant_and_the_act_on_15(context, client, lives, database_15, profile):
    """On a server before 16 the grant is another one; with it the operator, who inherits nothing, ends what idles."""
    here = context()
    target = dataclasses.replace(
        here.target, database_url=database_15.observer_url, operator_url=database_15.operator_url, roles=database_15.roles
    )
    here, roles = dataclasses.replace(here, target=target), database_15.roles
    leak = idle(client(database_15.app_url))
    with pytest.raises(PrivilegeMissing) as caught:
        END_IDLE_TRANSACTIONS.prepare(here, Options(over_s=A_MOMENT))
    grant = f'GRANT "{roles.app}" TO "{roles.operator}";'
    assert grant in str(caught.value)
    with psycopg.connect(database_15.superuser_url.reveal(), autocommit=True) as superuser:
        superuser.execute(grant)
        prepared = END_IDLE_TRANSACTIONS.prepare(here, Options(over_s=A_MOMENT))
        assert prepared.act().changed["pids"] == [pid_of(leak)]
        superuser.execute(grant.replace("GRANT", "REVOKE").replace(" TO ", " FROM "))
    assert not lives(leak)


def test_no_operator_url(context):
    """Without an operator URL every remedy of the database is refused with that sentence."""
    here = context()
    nobody = dataclasses.replace(here, target=dataclasses.replace(here.target, operator_url=None))
    for remedy, options in (
        (END_IDLE_TRANSACTIONS, Options()),
        (CANCEL_STATEMENT, Options(pid=1)),
        (END_BLOCKER, Options(pid=1)),
    ):
        with pytest.raises(ConfigurationInvalid, match="no operator URL"):
            remedy.prepare(nobody, options)


def test_a_statement_is_cancelled_and_its_session_stays(taken, client, lives, working, superuser_url, context):
    """The runaway statement is cancelled, its session goes on; one that idles, or is not there, is refused with what to do."""
    busy = working(SLEEP, autocommit=True)
    until(superuser_url, "a.pid = %s AND a.state = 'active' AND a.wait_event = 'PgSleep'", [pid_of(busy)])
    plan, report = taken(CANCEL_STATEMENT, pid=pid_of(busy))
    assert "pg_sleep(?)" in plan.steps[0].action
    assert (report.state, report.changed, report.verified.holds) == (State.DONE, {"cancelled": 1, "pids": [pid_of(busy)]}, True)
    assert lives(busy)
    with pytest.raises(UsageError, match="runs no statement, it is idle"):
        CANCEL_STATEMENT.prepare(context(), Options(pid=pid_of(busy)))
    with pytest.raises(UsageError, match="no session with the pid"):
        CANCEL_STATEMENT.prepare(context(), Options(pid=2**30))


def test_what_is_not_ours_to_cancel(client, working, superuser_url, server, context, database):
    """A superuser's statement, one in another database, one of our own verbs, and the server's own processes are left alone."""
    made = [
        working(SLEEP, superuser_url, autocommit=True),
        working(SLEEP, server.url("app", "postgres"), autocommit=True),
        working(SLEEP, name="capliquify_ops fleet repair", autocommit=True),
    ]
    for each in made:
        until(superuser_url, "a.pid = %s AND a.wait_event = 'PgSleep'", [pid_of(each)])
    with psycopg.connect(superuser_url.reveal()) as session:
        writer = session.execute("SELECT pid FROM pg_stat_activity WHERE backend_type = 'checkpointer'").fetchone()[0]
    whys = ["its role is a superuser", "another database", "it is maintenance", "no session with the pid|no client"]
    for pid, why in zip([*map(pid_of, made), writer], whys, strict=True):
        with pytest.raises(UsageError, match=why):
            CANCEL_STATEMENT.prepare(context(), Options(pid=pid))
    for each in made:
        each.cancel_safe(timeout=5)


@pytest.fixture
def blocked(client, working, database, superuser_url, two, roles):
    """A root that holds a table, and who waits for it; `idles` says whether the root works meanwhile."""

    started = []

    def make(idles):
        names = {"a": two["a"], "owner": roles.owner}
        lock = fill('LOCK TABLE :"a".products IN ACCESS EXCLUSIVE MODE', names).as_string(None)
        root = client(database.operator_url)
        root.execute(fill('SET LOCAL ROLE :"owner"', names))
        root.execute(lock)
        if not idles:
            started.append((root, _begun(root, SLEEP)))
            until(superuser_url, "a.pid = %s AND a.wait_event = 'PgSleep'", [pid_of(root)])
        victim = working(fill('SELECT 1 FROM :"a".products', names), database.app_url, autocommit=True)
        until(superuser_url, "a.pid = %s AND a.wait_event_type = 'Lock'", [pid_of(victim)])
        return root, victim

    yield make
    _ended(started)


def test_a_blocker_that_idles_is_ended(taken, blocked, lives, superuser_url, context):
    """Who waits is refused as a target, with whom to take instead; the root is ended, and who waited goes on."""
    root, victim = blocked(idles=True)
    with pytest.raises(UsageError, match=f"waits itself, for pid {pid_of(root)}"):
        END_BLOCKER.prepare(context(), Options(pid=pid_of(victim)))
    _, report = taken(END_BLOCKER, pid=pid_of(root))
    assert (report.state, report.changed) == (State.DONE, {"ended": 1, "pids": [pid_of(root)]})
    assert (report.verified.holds, report.helped, report.exit_code) == (True, "helped", 0)
    assert not lives(root)
    with pytest.raises(UsageError, match="keeps nobody waiting"):
        END_BLOCKER.prepare(context(), Options(pid=pid_of(victim)))


def test_a_blocker_that_works_is_cancelled_first(taken, blocked, lives, context):
    """An active root is cancelled, and its session stays; with --terminate it is ended."""
    root, _ = blocked(idles=False)
    assert "--terminate" in END_BLOCKER.prepare(context(), Options(pid=pid_of(root))).plan.warnings[0]
    _, report = taken(END_BLOCKER, pid=pid_of(root))
    assert (report.changed["cancelled"], report.verified.holds) == (1, True)
    assert lives(root)
    root, _ = blocked(idles=False)
    _, report = taken(END_BLOCKER, pid=pid_of(root), terminate=True)
    assert (report.changed["ended"], lives(root)) == (1, False)


def test_a_blocker_that_has_let_go_is_left_alone(taken, blocked, lives, superuser_url):
    """The victim gives up after the plan was made: the root keeps nobody waiting any more, and is not ended."""
    root, victim = blocked(idles=True)

    def between():
        victim.cancel_safe(timeout=5)
        until(superuser_url, "a.pid = %s AND a.wait_event_type IS DISTINCT FROM 'Lock'", [pid_of(victim)])

    _, report = taken(END_BLOCKER, between, pid=pid_of(root))
    assert (report.state, report.left) == (State.REFUSED, (f"pid {pid_of(root)}: it blocks nobody any more",))
    assert lives(root)


def test_a_connection_that_breaks_half_way(taken, client, context, lives, monkeypatch, log):
    """The operator's own session is ended after the first of two: failed, with what was done by then, and logged."""
    leaks = [idle(client()) for _ in range(2)]
    sent = []

    def breaking(session, me, signal):
        answer = send(session, me, signal)
        sent.append(answer)
        with psycopg.connect(context().target.operator_url.reveal(), autocommit=True) as other:
            other.execute("SELECT pg_terminate_backend(%s, 5000)", [session.backend_pid])
        return answer

    monkeypatch.setattr(sessions, "send", breaking)
    _, report = taken(END_IDLE_TRANSACTIONS, over_s=A_MOMENT)
    assert report.state is State.FAILED
    assert report.changed == {"ended": 1, "pids": [pid_of(leaks[0])]}
    assert "connection" in report.fault or "session" in report.fault
    assert report.exit_code == 69
    assert [lives(each) for each in leaks] == [False, True]
    assert log.lines()[-1].content["changed"]["ended"] == 1


def test_no_role_is_not_the_applications(client, context, roles):
    """An empty role, and one that is a role's name only when it is cut off, are no roles: nobody is planned for."""
    idle(client())
    with pytest.raises(UsageError, match="no role ''"):
        END_IDLE_TRANSACTIONS.prepare(context(), Options(over_s=A_MOMENT, role=""))


def test_a_role_is_never_cut_off(context, superuser_url):
    """A name of 64 bytes whose first 63 are a role's is nobody's."""
    name = "r" * 63
    with psycopg.connect(superuser_url.reveal(), autocommit=True) as superuser:
        superuser.execute(f"CREATE ROLE {name}")
        try:
            with pytest.raises(UsageError, match="no role"):
                END_IDLE_TRANSACTIONS.prepare(context(), Options(over_s=A_MOMENT, role=name + "r"))
        finally:
            superuser.execute(f"DROP ROLE {name}")


def test_locks_of_a_session(taken, client, working, superuser_url, database, lives, context):
    """A session that idles outside of a transaction and holds a lock is ended only when that is asked for."""
    root = client(database.operator_url, autocommit=True)
    root.execute("SELECT pg_advisory_lock(42)")
    victim = working("SELECT pg_advisory_lock(42)", database.app_url, autocommit=True)
    until(superuser_url, "a.pid = %s AND a.wait_event_type = 'Lock'", [pid_of(victim)])
    with pytest.raises(UsageError, match=r"outside of any transaction.*--terminate"):
        END_BLOCKER.prepare(context(), Options(pid=pid_of(root)))
    _, report = taken(END_BLOCKER, pid=pid_of(root), terminate=True)
    assert (report.changed["ended"], report.verified.holds, lives(root)) == (1, True, False)


def test_who_waits_for_a_prepared_transaction(client, context, monkeypatch):
    """A prepared transaction has no session that could be ended: its own statement is named, and no pid 0."""
    leak = idle(client())
    here = context()
    one = sessions._by_pid(here, Options(pid=pid_of(leak)))
    for blockers, why in (((0,), "a prepared transaction"), ((0, 7, 5, 7), "for pid 5, 7")):
        monkeypatch.setattr(sessions, "_by_pid", lambda *_, found=blockers: dataclasses.replace(one, blocked_by=found))
        with pytest.raises(UsageError, match=why) as caught:
            END_BLOCKER.prepare(here, Options(pid=pid_of(leak)))
        assert "--pid 0" not in str(caught.value)
    assert "--pid 5" in str(caught.value)
