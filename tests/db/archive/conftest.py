"""Tenants with awkward rows, archives of them, and what a database looks like from outside."""

import json
import subprocess
import uuid
from pathlib import Path

import pytest

from capliquify_ops.cli.app import run as run_command
from capliquify_ops.database import fill, observer, operator
from capliquify_ops.database.dsn import program_arguments
from capliquify_ops.reference.postgres_programs import locate
from capliquify_ops.tenants.archive.frames import script_of
from capliquify_ops.tenants.archive.opening import open_archive
from capliquify_ops.tenants.backup import backup
from capliquify_ops.tenants.create import FirstUser, NewTenant, create
from capliquify_ops.tenants.ownership import as_owner

AWKWARD = [
    "\\.",
    "\\N",
    "a\tb\\c",
    "line\nfeed\r\n\\! touch /tmp/x",
    'it\'s "quoted" $$',
    "☃ 😀",
    "\x01\x1f\x7f",
    "",
    " ",
    "NULL",
]


@pytest.fixture
def session(database):
    with operator(database.operator_url, "test") as opened:
        yield opened


@pytest.fixture
def seen(database):
    with observer(database.observer_url, "test") as opened:
        yield opened


@pytest.fixture(scope="session")
def furnished_with_acme(furnish, roles):
    def fill_it(database):
        with operator(database.operator_url, "test") as session:
            return make_tenant(session, roles, "acme", schema_name='Acme\'s "x" 😀')

    return furnish(fill_it)


@pytest.fixture
def tenant(furnished_with_acme, database):
    """A tenant whose names, rows and memberships are full of what breaks scripts."""
    return furnished_with_acme.content


def make_tenant(session, roles, slug, **changes):
    new = NewTenant(
        uuid.uuid4(),
        slug,
        "Acme \\! 'n' \t Co",
        f"org_{slug}",
        owner=FirstUser("user_'\\1", "a@example.com", "A\tB\n\\."),
        **changes,
    )
    made = create(session, roles, new, actor="test")
    with session.transaction(), as_owner(session, roles):
        query = fill(
            'INSERT INTO :"schema".companies (name, legal_name) VALUES (%(name)s, %(name)s)', {"schema": made.schema_name}
        )
        for text in AWKWARD:
            session.execute(query, {"name": text})
        session.execute(
            fill(
                'INSERT INTO :"schema".products (company_id, sku, name, unit_cost)'
                " SELECT c.id, 'sku' || g, c.name, g FROM (SELECT * FROM :\"schema\".companies LIMIT 1) AS c, generate_series(1, 50) AS g",
                {"schema": made.schema_name},
            )
        )
        session.execute("SELECT set_config('app.tenant_id', %(id)s, true)", {"id": str(made.id)})
        session.execute(
            "INSERT INTO public.users (clerk_user_id, email, full_name, tenant_id)"
            " SELECT 'u' || g, 'e', %(name)s, %(id)s FROM generate_series(1, 1200) AS g",
            {"id": made.id, "name": "tab\tquote' back\\slash\nline"},
        )
    return made


@pytest.fixture
def archive_of(seen, tmp_path):
    """Backs a tenant up and returns the receipt."""

    def make(key, name="archive.sql.zst"):
        return backup(seen, key, tmp_path / name, tool="test")

    return make


@pytest.fixture
def psql():
    """Runs a script through the wheel's psql, as the runbook does, and returns what it said."""

    def run(url, script: bytes):
        arguments, environment = program_arguments(url)
        command = [str(locate(None) / "psql"), "-X", "-1", "-q", "-v", "ON_ERROR_STOP=1", *arguments]
        return subprocess.run(command, input=script, env=environment, capture_output=True, check=False, timeout=120)

    return run


@pytest.fixture
def command_on(tmp_path, monkeypatch, capfd):
    """Makes a `run` for a database: runs capliquify-ops in this process, in a folder of its own, and returns what it printed."""
    monkeypatch.chdir(tmp_path)

    def make(observer_url, operator_url, roles):
        lines = ["[targets.here]", 'class = "loopback"', f'app_role = "{roles.app}"']
        lines += [f"database_url = {json.dumps(observer_url.reveal())}", f"operator_url = {json.dumps(operator_url.reveal())}"]
        lines += ["[targets.here.roles]", *(f'{name} = "{getattr(roles, name)}"' for name in ("owner", "observer", "operator"))]
        (tmp_path / "capliquify-ops.toml").write_text("\n".join(lines))

        def run(*arguments, code=0):
            capfd.readouterr()
            ended = run_command([*arguments, "--target", "here"])
            done = capfd.readouterr()
            assert ended == code, done.out + done.err
            assert "Traceback" not in done.err
            return done

        return run

    return make


def script(path: Path) -> bytes:
    with open_archive(path) as archive, script_of(archive.file) as file:
        return file.read()


def rows(session, roles, schema):
    """Every row of every table of a schema, and the tenant's users, as text."""
    found = {}
    with session.transaction(), as_owner(session, roles):
        tables = session.rows(
            "SELECT c.relname::text FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace"
            " WHERE n.nspname = %(schema)s AND c.relkind = 'r' ORDER BY 1",
            str,
            {"schema": schema},
        )
        for table in tables:
            query = fill('SELECT t::text FROM :"schema".:"relation" AS t ORDER BY 1', {"schema": schema, "relation": table})
            found[table] = session.rows(query, str)
    return found


def world(session):
    """A digest of all schemas, relations and registry rows: what must not change when something is refused."""
    with session.transaction():
        return session.value(
            "SELECT md5(string_agg(x, '|' ORDER BY x)) FROM ("
            " SELECT n.nspname || coalesce(n.nspacl::text, '') AS x FROM pg_namespace AS n WHERE n.nspname NOT LIKE 'pg\\_%%'"
            " UNION ALL SELECT c.oid::text || c.relname || c.relnamespace || coalesce(c.relacl::text, '') FROM pg_class AS c WHERE c.oid >= 16384"
            " UNION ALL SELECT t::text FROM public.tenants AS t) AS w",
        )
