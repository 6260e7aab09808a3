"""The server of a stack: unprivileged, set up for tests, with the four roles as they should be. On 18 and 15."""

import os
import pwd
from pathlib import Path

import pytest

from capliquify_ops.database import fill, observer, operator
from capliquify_ops.model.errors import PrivilegeMissing
from capliquify_ops.model.secret import Secret
from capliquify_ops.reference import stack

DEBIAN_15 = Path("/usr/lib/postgresql/15/bin")
SERVERS = {"18": None} | ({"15": DEBIAN_15} if DEBIAN_15.exists() else {})


@pytest.fixture(scope="module", params=SERVERS)
def server(request, own_base):
    with stack.start(base=own_base(), service=False, postgres_bin=SERVERS[request.param]) as started:
        yield int(request.param), started


def test_version_is_the_one_asked_for(server):
    """The wheel gives 18; a folder of programs gives its own version."""
    major, started = server
    with observer(Secret(started.database_url), "test") as session:
        assert session.server_major == major


def test_server_runs_without_rights(server):
    """Started by root, the server has a user id that nobody has; started by an ordinary user, that user's."""
    _, started = server
    uid = Path(f"/proc/{started.processes['postgres']}").stat().st_uid
    if os.geteuid() == 0:
        assert uid != 0
        assert uid not in {entry.pw_uid for entry in pwd.getpwall()}
    else:
        assert uid == os.geteuid()


def test_settings_are_those_of_a_throwaway_server(server):
    """Nothing is made durable, statements are counted, and a fleet's locks fit."""
    _, started = server
    wanted = {
        "fsync": "off",
        "jit": "off",
        "max_connections": "100",
        "max_locks_per_transaction": "256",
        "track_functions": "all",
    }
    wanted |= {"TimeZone": "UTC", "lc_messages": "C", "password_encryption": "scram-sha-256"}
    with operator(Secret(started.superuser_url), "test") as session, session.transaction():
        assert {name: session.value(f"SELECT current_setting('{name}')") for name in wanted} == wanted
        assert session.value("SELECT count(*) > 0 FROM public.pg_stat_statements")


def test_text_sorts_by_code_point(server):
    """Upper case sorts before lower case and non-ASCII last: no locale of the machine has a say."""
    _, started = server
    with observer(Secret(started.database_url), "test") as session, session.transaction():
        assert session.value("SELECT string_agg(w, '' ORDER BY w) FROM unnest('{b,a,B,é,A}'::text[]) AS w") == "ABabé"


def test_owner_cannot_log_in_and_owns_the_database(server):
    """The owner is a role to become, not one to connect as."""
    _, started = server
    with observer(Secret(started.database_url), "test") as session, session.transaction():
        owner = {"owner": started.roles.owner}
        assert session.value("SELECT rolcanlogin FROM pg_roles WHERE rolname = %(owner)s", owner) is False
        assert (
            session.value("SELECT pg_get_userbyid(datdba) FROM pg_database WHERE datname = current_database()") == owner["owner"]
        )


def test_no_role_of_the_product_is_privileged(server):
    """None of the four is superuser, bypasses row security, or makes roles and databases."""
    _, started = server
    roles = {"roles": [getattr(started.roles, name) for name in ("owner", "app", "observer", "operator")]}
    query = """SELECT count(*) FROM pg_roles WHERE rolname = ANY(%(roles)s)
               AND NOT (rolsuper OR rolbypassrls OR rolcreaterole OR rolcreatedb OR rolreplication)"""
    with observer(Secret(started.database_url), "test") as session, session.transaction():
        assert session.value(query, roles) == 4


def test_operator_becomes_owner_by_name_only(server):
    """The operator may SET ROLE owner and has none of its rights before."""
    _, started = server
    create = fill("CREATE SCHEMA made", {})
    with operator(Secret(started.operator_url), "test") as session:
        with pytest.raises(PrivilegeMissing), session.transaction():
            session.execute(create)
        with session.transaction():
            session.execute(fill('SET LOCAL ROLE :"owner"', {"owner": started.roles.owner}))
            session.execute(create)
            session.execute(fill("DROP SCHEMA made", {}))


def test_app_cannot_become_owner(server):
    """The service's role owns nothing and becomes nobody else."""
    _, started = server
    become = fill('SET LOCAL ROLE :"owner"', {"owner": started.roles.owner})
    for url in (started.app_url, started.database_url):
        with operator(Secret(url), "test") as session, pytest.raises(PrivilegeMissing), session.transaction():
            session.execute(become)


HAS_PRODUCT = "SELECT pg_catalog.to_regclass('public.tenants') IS NOT NULL"


def test_product_is_installed(server):
    """The product's tables are there by default."""
    _, started = server
    with observer(Secret(started.database_url), "test") as session, session.transaction():
        assert session.value(HAS_PRODUCT) is True


def test_settings_can_be_laid_over_and_the_product_declined(own_base):
    """A test may change a setting of its server, quotes and all; the product's tables are absent when they are not wanted."""
    settings = {"max_connections": "20", "cluster_name": "it's \\ a test"}
    started = stack.start(base=own_base(), service=False, product=False, postgres_settings=settings)
    with started, operator(Secret(started.superuser_url), "test") as session, session.transaction():
        assert {name: session.value(f"SHOW {name}") for name in settings} == settings
        assert session.value(HAS_PRODUCT) is False
