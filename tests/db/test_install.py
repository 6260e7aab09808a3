"""Installing: idempotent, one transaction, one at a time, never over somebody else's tables."""

import secrets
import threading

import pytest

from capliquify_ops.database import SessionLimits, fill, operator
from capliquify_ops.model.errors import (
    ConfigurationInvalid,
    OpsError,
    PrivilegeMissing,
    StatementTimedOut,
    TargetUnreachable,
    UsageError,
)
from capliquify_ops.model.roles import Roles
from capliquify_ops.model.secret import Secret
from capliquify_ops.tenants.install import install, plan_install, role_script
from capliquify_ops.tenants.migrations import MigrationSet, migrations_of

PATIENT = SessionLimits(lock_ms=30_000)
OPS, PRODUCT = (tuple(migration.title for migration in migrations_of(which)) for which in MigrationSet)
EVERYTHING = (*OPS, *PRODUCT)
OURS = (
    "SELECT count(*) FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace"
    " WHERE n.nspname = 'capliquify_ops' OR (n.nspname = 'public' AND c.relname IN ('tenants', 'users'))"
)


@pytest.fixture
def empty(new_database):
    """A database without any of our names."""
    return new_database("template1")


def _value(url, query, params=None):
    with operator(url, "test") as session, session.transaction():
        return session.value(query, params)


def test_installing_twice_changes_nothing(empty, roles):
    """A second installation finds everything in place, plans nothing and applies nothing."""
    with operator(empty.superuser_url, "install") as session:
        planned = plan_install(session, roles)
        first = install(session, roles)
        second = install(session, roles)
        assert plan_install(session, roles).steps == ()
    assert first.applied == EVERYTHING
    assert [step.action for step in planned.steps] == [f"apply {title}" for title in EVERYTHING]
    assert second.applied == ()


def test_ops_only_goes_beside_a_product_of_somebody_elses(empty, roles):
    """Where a product's name exists, every such name is told, nothing is touched, and --ops-only still works."""
    with operator(empty.superuser_url, "install") as session:
        with session.transaction():
            session.execute("CREATE TABLE public.tenants (id int)")
            session.execute("CREATE TYPE public.user_role AS ENUM ('x')")
        with pytest.raises(UsageError, match=r"table public\.tenants.*type public\.user_role") as caught:
            install(session, roles)
        assert "--ops-only" in str(caught.value)
        assert install(session, roles, ops_only=True).applied == OPS
        with pytest.raises(UsageError, match=r"public\.tenants"):
            install(session, roles)


def test_the_product_can_follow_ops(empty, roles):
    """A database that began with --ops-only gets only what is missing when the product is installed later."""
    with operator(empty.superuser_url, "install") as session:
        install(session, roles, ops_only=True)
        assert install(session, roles).applied == PRODUCT


def test_an_operator_upgrades_what_an_administrator_installed(database, roles):
    """The operator, who may become the owner and nothing more, finds an installed database in place."""
    with operator(database.operator_url, "install") as session:
        assert install(session, roles).applied == ()


def test_a_migration_that_was_changed_after_it_was_applied_is_refused(empty, roles):
    """A ledger that disagrees with our files, or knows more than we do, stops the installation with the migration's name."""
    with operator(empty.superuser_url, "install") as session:
        install(session, roles, ops_only=True)
        with session.transaction():
            session.execute("UPDATE capliquify_ops.migration SET digest = 'other'")
        with pytest.raises(ConfigurationInvalid, match="ops/0001_ledgers was changed"):
            install(session, roles)
        with session.transaction():
            session.execute("UPDATE capliquify_ops.migration SET number = number + 900")
        with pytest.raises(ConfigurationInvalid, match="ops/0901"):
            install(session, roles)


def test_a_foreign_schema_of_our_name_is_left_alone(empty, roles):
    """A schema capliquify_ops that is not ours is an error, not a place to write to."""
    with operator(empty.superuser_url, "install") as session:
        with session.transaction():
            session.execute("CREATE SCHEMA capliquify_ops")
        with pytest.raises(UsageError, match="not ours"):
            install(session, roles)


def _install_behind(holder, url, roles, outcome):
    """Start an installation in a thread that gets stuck half-way, and return it with its server process."""
    started = threading.Event()
    pids = []

    def work():
        try:
            with operator(url, "stuck install", limits=PATIENT) as session:
                pids.append(session.backend_pid)
                started.set()
                outcome.append(install(session, roles))
        except OpsError as error:
            outcome.append(error)

    thread = threading.Thread(target=work)
    thread.start()
    assert started.wait(20)
    _until_waiting(holder, pids[0])
    return thread, pids[0]


def _until_waiting(session, pid):
    """Poll until the process waits for a lock; the statement itself blocks the poll for a moment on the server."""
    query = "SELECT wait_event_type = 'Lock' FROM pg_stat_activity WHERE pid = %(pid)s"
    for _ in range(2000):
        with session.transaction():
            # Within one transaction pg_stat_activity is a snapshot.
            session.execute("SELECT pg_stat_clear_snapshot()")
            if session.value(query, {"pid": pid}):
                return
            session.execute("SELECT pg_sleep(0.01)")
    raise AssertionError("the installation never waited")


def test_an_installation_killed_half_way_leaves_nothing(empty, roles):
    """A backend that is terminated between two tables leaves no table, no schema and no ledger."""
    outcome = []
    with operator(empty.superuser_url, "holder") as holder, operator(empty.superuser_url, "killer") as killer:
        with holder.transaction():
            # An uncommitted table of the same name: the installation gets past tenants and users, and waits there.
            holder.execute("CREATE TABLE public.audit_logs ()")
            thread, pid = _install_behind(killer, empty.superuser_url, roles, outcome)
            with killer.transaction():
                killer.value("SELECT pg_terminate_backend(%(pid)s)", {"pid": pid})
            thread.join(20)
            with killer.transaction():
                assert killer.value(OURS) == 0
            holder.execute("DROP TABLE public.audit_logs")
        with killer.transaction():
            assert killer.value(OURS) == 0
        assert install(killer, roles).applied == EVERYTHING
    assert isinstance(outcome[0], TargetUnreachable)


def test_two_installations_at_once_give_one(empty, roles):
    """The second installer waits for the first and then finds nothing to do; an impatient one is told, cleanly."""
    outcome = []
    with operator(empty.superuser_url, "first", limits=PATIENT) as first, operator(empty.superuser_url, "watch") as watch:
        with first.transaction():
            assert install(first, roles).applied == EVERYTHING
            thread, _ = _install_behind(watch, empty.superuser_url, roles, outcome)
            impatient = SessionLimits(lock_ms=50)
            with operator(empty.superuser_url, "impatient", limits=impatient) as session, pytest.raises(StatementTimedOut):
                install(session, roles)
        thread.join(20)
    assert outcome[0].applied == ()


@pytest.fixture
def new_roles(server):
    """Names of four roles that do not exist, and of an installer who may create them; all removed afterwards."""
    token = secrets.token_hex(4)
    names = Roles(f'Own"er {token}', f"app'{token}", f"obs-{token}", f"Opérator {token}")
    installer = f"installer_{token}"
    with operator(server.url("superuser", "postgres"), "roles") as session:
        with session.transaction():
            query = "CREATE ROLE :\"installer\" LOGIN CREATEROLE CREATEDB PASSWORD :'installer'"
            session.execute(fill(query, {"installer": installer}))
        yield names, installer
        for role in (names.observer, names.app, names.operator, names.owner, installer):
            with session.transaction():
                if session.value("SELECT count(*) FROM pg_roles WHERE rolname = %(role)s", {"role": role}):
                    session.execute(fill('DROP ROLE :"role"', {"role": role}))


def _url_of(url, role, password):
    address = url.reveal().split("@", 1)[1].split("?")[0]
    quoted = "".join(f"%{byte:02X}" for byte in role.encode())
    return Secret(f"postgresql://{quoted}:{password}@{address}")


def test_missing_roles_are_printed_without_passwords(empty, new_roles):
    """Without --roles nothing is done, and the SQL for an administrator is complete."""
    names, _ = new_roles
    with operator(empty.superuser_url, "install") as session:
        with pytest.raises(ConfigurationInvalid, match="CREATE ROLE") as caught:
            install(session, names)
        script = role_script(session, names)
        assert _value(empty.superuser_url, OURS) == 0
        with session.transaction():
            session.script(fill(script, {}))
        assert install(session, names).applied == EVERYTHING
        _drop_everything(session, names)
    assert "PASSWORD" not in script
    assert "--roles" in str(caught.value)


def test_an_ordinary_installer_makes_roles_that_can_log_in(server, empty, new_roles):
    """A CREATEROLE role that owns the database installs everything; a password given works, and no statement carries it."""
    names, installer = new_roles
    with operator(empty.superuser_url, "owner") as session:
        with session.transaction():
            session.execute(
                fill('ALTER DATABASE :"database" OWNER TO :"installer"', {"database": empty.name, "installer": installer})
            )
        with operator(_url_of(empty.superuser_url, installer, installer), "install") as own:
            result = install(own, names, create_roles=True, passwords={names.observer: Secret("pa55-word")})
            again = install(own, names)
        with operator(_url_of(empty.superuser_url, names.observer, "pa55-word"), "observer") as seen, seen.transaction():
            assert seen.value("SELECT count(*) FROM public.tenants") == 0
        with (
            pytest.raises(TargetUnreachable, match="password"),
            operator(_url_of(empty.superuser_url, names.observer, "wrong"), "x"),
        ):
            pass
        _drop_everything(session, names, installer)
    assert set(result.roles_created) == {names.owner, names.app, names.observer, names.operator}
    assert result.applied == EVERYTHING
    assert again.applied == ()


def test_who_may_not_create_roles_is_told_which_statement(empty, new_roles, roles):
    """Without the right to create roles nothing is installed, and the first missing statement is named."""
    names, installer = new_roles
    with operator(empty.superuser_url, "owner") as session, session.transaction():
        session.execute(fill('ALTER ROLE :"installer" NOCREATEROLE', {"installer": installer}))
    with (
        operator(_url_of(empty.superuser_url, installer, installer), "install") as own,
        pytest.raises(PrivilegeMissing, match="administrator"),
    ):
        install(own, names, create_roles=True)
    assert _value(empty.superuser_url, OURS) == 0


def _drop_everything(session, names, installer=None):
    """Give up what the roles own here, so that they can be dropped."""
    with session.transaction():
        for role in (names.owner, names.app, names.observer, names.operator, *([installer] if installer else [])):
            session.execute(fill('REASSIGN OWNED BY :"role" TO CURRENT_USER', {"role": role}))
            session.execute(fill('DROP OWNED BY :"role"', {"role": role}))


def test_an_observer_session_installs_nothing(database, roles):
    """The verb that changes things refuses a read-only session with a sentence."""
    from capliquify_ops.database import observer

    with observer(database.superuser_url, "x") as session, pytest.raises(UsageError, match="observer"):
        install(session, roles)
