"""Sessions on a real server: limits, read-only, typed errors."""

import dataclasses

import pytest

from capliquify_ops.database import Session, SessionLimits, describe, observer, operator
from capliquify_ops.model.errors import PrivilegeMissing, ServerUnsupported, StatementFailed, StatementTimedOut, TargetUnreachable
from capliquify_ops.model.secret import Secret


def test_an_observer_cannot_write(database):
    """Every transaction of an observer session is READ ONLY, whoever the role is."""
    with (
        observer(database.superuser_url, "test") as session,
        session.transaction(),
        pytest.raises(StatementFailed, match="read-only"),
    ):
        session.execute("CREATE TABLE public.t ()")


def test_limits_are_the_servers(database):
    """A statement over its limit is stopped by the server, and the session is usable afterwards."""
    with observer(database.observer_url, "test", limits=SessionLimits(statement_ms=50)) as session:
        with session.transaction(), pytest.raises(StatementTimedOut):
            session.value("SELECT pg_catalog.pg_sleep(5)")
        with session.transaction():
            assert session.value("SELECT 1") == 1


def test_settings_hold_in_the_transaction_only(database):
    """search_path, time zone and timeouts are set for a transaction and gone after it: a pooled connection keeps nothing."""
    with operator(database.operator_url, "test") as session:
        with session.transaction():
            inside = session.value("SELECT pg_catalog.current_setting('search_path')")
        session.outside_transaction("CREATE TEMPORARY TABLE after_it AS SELECT pg_catalog.current_setting('search_path') AS path")
        with session.transaction():
            after = session.value("SELECT path FROM pg_temp.after_it")
    assert inside == "pg_catalog, pg_temp"
    assert after != inside


def test_a_statement_outside_a_transaction_is_refused(database):
    """Nothing runs without the session's limits: a statement outside `transaction()` is a programming error."""
    with observer(database.observer_url, "test") as session:
        with pytest.raises(RuntimeError, match="transaction"):
            session.value("SELECT 1")
        with pytest.raises(RuntimeError, match="read-only"):
            session.outside_transaction("SELECT 1")


def test_the_server_is_described(database, roles):
    """Version, role and extensions are read by the least-privileged observer."""
    with observer(database.observer_url, "test") as session:
        server = describe(session)
    assert (server.role, server.database, server.is_superuser) == (roles.observer, database.name, False)
    assert server.major >= 15
    assert "pg_stat_statements" in server.extensions
    assert server.why_not() is None
    assert server.system_identifier.isdigit()


def _with(url, **changes):
    text = url.reveal()
    for old, new in changes.items():
        text = text.replace(old, new)
    return Secret(text)


@pytest.mark.parametrize(
    ("url", "says"),
    [
        ("postgresql://nobody:wr0ngpassword@127.0.0.1:1/x", "cannot be reached"),
        ("postgresql://nobody:wr0ngpassword@no-such-host.invalid/x", "cannot be reached"),
    ],
)
def test_a_dead_server_is_one_sentence(url, says):
    """An address that nobody answers at is TargetUnreachable, and the password is not in the text or its chain."""
    with pytest.raises(TargetUnreachable, match=says) as caught, observer(Secret(url), "test"):
        pass
    assert "wr0ngpassword" not in repr(caught.value)
    assert caught.value.__cause__ is None
    assert caught.value.__context__ is None


def test_a_wrong_password_is_named_as_such(database):
    """A wrong password says so, names the address and never the password."""
    address = database.observer_url.reveal().split("@")[1].split("?")[0]
    wrong = f"postgresql://{database.roles.observer}:wr0ngpassword@{address}"
    with pytest.raises(TargetUnreachable, match="password") as caught, observer(Secret(wrong), "test"):
        pass
    assert "wr0ngpassword" not in str(caught.value)


def test_an_unknown_database_is_named_as_such(database, server):
    """A database that does not exist says so."""
    with pytest.raises(TargetUnreachable, match="no such database"), observer(server.url("superuser", "not_there"), "test"):
        pass


def test_a_missing_privilege_is_its_own_error(database):
    """A role without rights gets PrivilegeMissing."""
    with operator(database.app_url, "test") as session, session.transaction(), pytest.raises(PrivilegeMissing):
        session.value("SELECT count(*) FROM public.tenants")


def test_a_missing_function_is_its_own_error(database):
    """A function that the server lacks is ServerUnsupported."""
    with observer(database.observer_url, "test") as session, session.transaction(), pytest.raises(ServerUnsupported):
        session.value("SELECT pg_catalog.not_there()")


def test_a_session_ended_by_the_server_is_unreachable(database):
    """A backend that an administrator ends is TargetUnreachable, not a traceback of the driver."""
    with observer(database.observer_url, "test") as victim, operator(database.superuser_url, "test") as killer:
        with killer.transaction():
            killer.value("SELECT pg_catalog.pg_terminate_backend(%(pid)s)", {"pid": victim.backend_pid})
        with pytest.raises(TargetUnreachable), victim.transaction():
            victim.value("SELECT 1")


def test_errors_carry_no_rows(database):
    """A violated constraint's DETAIL, which quotes the row, is not in our error."""
    with operator(database.operator_url, "test") as session, session.transaction():
        session.execute("CREATE TEMPORARY TABLE u (secret text UNIQUE)")
        session.execute("INSERT INTO pg_temp.u VALUES ('the-row-itself')")
        with pytest.raises(StatementFailed) as caught, session.transaction():
            session.execute("INSERT INTO pg_temp.u VALUES ('the-row-itself')")
    assert caught.value.sqlstate == "23505"
    assert "the-row-itself" not in str(caught.value)


def test_the_environments_password_does_not_win(database, monkeypatch):
    """A URL with a password file connects although PGPASSWORD holds somebody else's password."""
    monkeypatch.setenv("PGPASSWORD", "of-another-server")
    assert "passfile" in database.observer_url.reveal()
    with observer(database.observer_url, "test") as session, session.transaction():
        assert session.value("SELECT 1") == 1


def test_an_old_server_is_refused(database, monkeypatch):
    """A server older than 14 is refused with its version by every session, before any statement is sent."""
    monkeypatch.setattr(Session, "server_major", 13)
    for opened in (observer, operator):
        with pytest.raises(ServerUnsupported, match="PostgreSQL 13; 14") as caught, opened(database.operator_url, "test"):
            pass
        assert caught.value.exit_code == 69


def test_a_newer_server_is_not_judged(database):
    """A server newer than the newest known one gives a reason why checks that read catalogues cannot judge it."""
    with observer(database.observer_url, "test") as session:
        server = describe(session)
    assert "19" in dataclasses.replace(server, major=19).why_not()
