"""Backup of one tenant: whole, consistent, private, and nothing at all when it fails."""

import errno
import io
import signal
import stat
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from tests.db.archive.conftest import make_tenant, rows, script

from capliquify_ops.database import fill, load, operator
from capliquify_ops.model.errors import (
    ArchiveUnwritable,
    DefinitionsRefused,
    PrivilegeMissing,
    SchemaChanged,
    StatementFailed,
    TenantConflict,
    TenantNotFound,
)
from capliquify_ops.tenants import backup as backups
from capliquify_ops.tenants.archive import script as scripts
from capliquify_ops.tenants.archive.opening import open_archive
from capliquify_ops.tenants.audit import audit_of
from capliquify_ops.tenants.backup import backup
from capliquify_ops.tenants.backup_record import record_backups
from capliquify_ops.tenants.ownership import as_owner


def test_psql_alone_restores_it(tenant, archive_of, new_database, psql, session, roles, database):
    """The script in the file, through psql in one transaction, brings schema and shared rows back in another database."""
    receipt = archive_of("acme")
    other = new_database()
    done = psql(other.superuser_url, script(Path(receipt.path)))
    assert done.returncode == 0, done.stderr
    with operator(other.operator_url, "test") as there:
        assert rows(there, roles, tenant.schema_name) == rows(session, roles, tenant.schema_name)
        users = "SELECT count(*)::text || min(full_name) || max(clerk_user_id) FROM public.users"
        for one in (there, session):
            with one.transaction():
                one.execute("SELECT set_config('app.tenant_id', %(id)s, true)", {"id": str(tenant.id)})
                assert one.value(users).startswith("1201A\tB\n\\.")
        registry = "SELECT t::text FROM public.tenants AS t"
        with there.transaction(), session.transaction():
            assert there.value(registry) == session.value(registry)


def test_the_manifest_tells_what_is_inside(tenant, archive_of, session, roles):
    """Counts, fingerprint, roles and origin stand in the manifest; the file is its owner's alone."""
    receipt = archive_of("acme")
    with open_archive(Path(receipt.path)) as archive:
        manifest = archive.manifest
        assert archive.sha256 == receipt.sha256
    assert manifest == receipt.manifest
    counts = {table.table.rsplit(".", 1)[1]: table.rows for table in manifest.tables}
    assert counts['"companies"'] == 10
    assert counts['"products"'] == 50
    assert sum(section.rows for section in manifest.sections if section.kind == "shared" and "users" in section.table) == 1201
    assert manifest.tenant["slug"] == "acme"
    assert roles.owner in manifest.needs.roles
    assert manifest.origin.server_major == 18
    assert stat.S_IMODE(Path(receipt.path).stat().st_mode) == 0o600


def test_the_digest_goes_into_the_audit(tenant, archive_of, session, roles):
    """What the audit keeps of a backup is enough to know the archive again."""
    receipt = archive_of("acme")
    record_backups(session, roles, [(tenant, receipt)], actor="me")
    with session.transaction():
        row = audit_of(session, tenant.id)[-1]
    assert (row.verb, row.actor, row.after["sha256"], row.after["rows"]) == ("tenant backup", "me", receipt.sha256, 60)


def test_nothing_is_replaced(tenant, archive_of, seen, tmp_path):
    """A file that exists is refused and stays; so are a missing and a read-only place, without a trace."""
    (tmp_path / "mine").write_text("precious")
    with pytest.raises(ArchiveUnwritable, match="never replaces"):
        backup(seen, "acme", tmp_path / "mine", tool="test")
    assert (tmp_path / "mine").read_text() == "precious"
    with pytest.raises(ArchiveUnwritable, match="No such file"):
        backup(seen, "acme", tmp_path / "no" / "such", tool="test")
    with pytest.raises(ArchiveUnwritable):
        backup(seen, "acme", tmp_path / "mine" / "below", tool="test")
    assert [path.name for path in tmp_path.iterdir()] == ["mine"]


def test_what_cannot_be_backed_up_leaves_no_file(tenant, seen, session, roles, tmp_path):
    """An unknown tenant, a registry row without its schema, and a schema without rights are three different errors."""
    with pytest.raises(TenantNotFound):
        backup(seen, "nobody", tmp_path / "a", tool="test")
    with session.transaction(), as_owner(session, roles):
        session.execute(fill('REVOKE ALL ON SCHEMA :"s" FROM :"o"', {"s": tenant.schema_name, "o": roles.observer}))
    with pytest.raises(PrivilegeMissing):
        backup(seen, "acme", tmp_path / "a", tool="test")
    with session.transaction(), as_owner(session, roles):
        session.execute(fill('ALTER SCHEMA :"s" RENAME TO gone', {"s": tenant.schema_name}))
    with pytest.raises(TenantConflict, match="registry names it"):
        backup(seen, "acme", tmp_path / "a", tool="test")
    assert list(tmp_path.iterdir()) == []


def test_row_security_is_never_obeyed_silently(tenant, seen, session, roles, tmp_path):
    """Rows that a policy hides from the observer are an error, not an archive without them."""
    with session.transaction(), as_owner(session, roles):
        session.execute(fill('ALTER TABLE :"s".companies ENABLE ROW LEVEL SECURITY', {"s": tenant.schema_name}))
    with pytest.raises((PrivilegeMissing, StatementFailed), match="row-level security"):
        backup(seen, "acme", tmp_path / "a", tool="test")
    assert list(tmp_path.iterdir()) == []


def test_a_row_that_copy_cannot_carry_is_named_before_anything_is_written(tenant, seen, session, roles, tmp_path, monkeypatch):
    """With the limit lowered to 2 MB, a longer value refuses the table by name."""
    with session.transaction(), as_owner(session, roles):
        big = "UPDATE :\"s\".products SET description = (SELECT string_agg(md5(g::text), '') FROM generate_series(1, 70000) AS g) WHERE sku = 'sku1'"
        session.execute(fill(big, {"s": tenant.schema_name}))
    receipt = backup(seen, "acme", tmp_path / "fits", tool="test")
    assert receipt.bytes > 1 << 20
    monkeypatch.setattr(scripts, "LINE_LIMIT", 2_000_000)
    with pytest.raises(DefinitionsRefused, match=r'"products" has a row'):
        backup(seen, "acme", tmp_path / "a", tool="test")
    assert [path.name for path in tmp_path.iterdir()] == ["fits"]


@pytest.mark.parametrize(
    "statement",
    ['ALTER TABLE :"s".companies ADD COLUMN more int', 'TRUNCATE :"s".products CASCADE', 'CREATE VIEW :"s".v AS SELECT 1'],
)
def test_a_schema_that_changes_meanwhile(tenant, seen, session, roles, tmp_path, monkeypatch, statement):
    """A change between reading the definitions and the rows is noticed: once is tried again, always is an error without a file."""
    real, changed = backups.define, []

    def define(reader, schema):
        definition = real(reader, schema)
        if len(changed) < limit:
            changed.append(1)
            with session.transaction(), as_owner(session, roles):
                session.execute(
                    fill(
                        statement.replace("more", f"more{len(changed)}").replace(".v ", f".v{len(changed)} "),
                        {"s": tenant.schema_name},
                    )
                )
        return definition

    monkeypatch.setattr(backups, "define", define)
    limit = 1
    backup(seen, "acme", tmp_path / "once", tool="test")
    limit = 100
    with pytest.raises(SchemaChanged, match="changed while it was read"):
        backup(seen, "acme", tmp_path / "always", tool="test")
    assert [path.name for path in tmp_path.iterdir()] == ["once"]


def test_what_is_dropped_between_snapshot_and_definition(tenant, seen, session, roles, tmp_path, monkeypatch):
    """An index that was there when the backup began and is gone when its definition is asked for: the backup is taken again."""
    real, dropped = type(seen).ask, []

    def ask(reader, query, row, params=None):
        if query.name == "relations" and not dropped:
            dropped.append(1)
            with session.transaction(), as_owner(session, roles):
                session.execute(fill('DROP INDEX :"s".companies_name_idx', {"s": tenant.schema_name}))
        return real(reader, query, row, params)

    monkeypatch.setattr(type(seen), "ask", ask)
    receipt = backup(seen, "acme", tmp_path / "a", tool="test")
    assert dropped
    assert receipt.manifest.rows == 60
    assert "companies_name_idx" not in script(tmp_path / "a").decode()


def test_one_moment(session, roles, seen, database, tmp_path):
    """Rows that move between tables while the backup runs are in exactly one of them in every archive."""
    tenant = make_tenant(session, roles, "moving")
    stop = threading.Event()

    def move():
        with operator(database.operator_url, "mover") as mover:
            while not stop.is_set():
                with mover.transaction(), as_owner(mover, roles):
                    one = {"s": tenant.schema_name}
                    mover.execute(fill("WITH gone AS (DELETE FROM :\"s\".products WHERE sku = 'sku7' RETURNING name)"
                        ' INSERT INTO :"s".companies (name) SELECT \'moved\' FROM gone', one))  # fmt: skip
                with mover.transaction(), as_owner(mover, roles):
                    mover.execute(fill("WITH gone AS (DELETE FROM :\"s\".companies WHERE name = 'moved' RETURNING id)"
                        " INSERT INTO :\"s\".products (company_id, sku, name) SELECT (SELECT id FROM :\"s\".companies WHERE name <> 'moved' LIMIT 1), 'sku7', 'x' FROM gone", one))  # fmt: skip

    thread = threading.Thread(target=move)
    thread.start()
    try:
        for number in range(15):
            receipt = backup(seen, "moving", tmp_path / f"{number}", tool="test")
            assert receipt.manifest.rows == 60
    finally:
        stop.set()
        thread.join()


KILLED = """
import sys, signal, os
from pathlib import Path
from capliquify_ops.database import observer
from capliquify_ops.model.secret import Secret
from capliquify_ops.tenants import backup as backups
from capliquify_ops.tenants.archive.frames import ArchiveWriter
real, seen = ArchiveWriter.write, []
def write(self, script):
    seen.append(1)
    if len(seen) == 4:
        ACTION
    real(self, script)
ArchiveWriter.write = write
with observer(Secret(sys.argv[1]), "t") as session:
    backups.backup(session, "acme", Path(sys.argv[2]), tool="t")
"""


@pytest.mark.parametrize(
    ("action", "code"),
    [
        ("os.kill(os.getpid(), signal.SIGKILL)", -signal.SIGKILL),
        ("import resource; resource.setrlimit(resource.RLIMIT_FSIZE, (1, 1))", 1),
    ],
)
def test_a_killed_or_full_one_leaves_nothing_that_looks_like_an_archive(tenant, observer_url, tmp_path, action, code):
    """SIGKILL half-way and a disk that takes no more: no file under the archive's name."""
    done = subprocess.run(
        [sys.executable, "-c", KILLED.replace("ACTION", action), observer_url.reveal(), str(tmp_path / "a.sql.zst")],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == code, done.stderr
    assert not (tmp_path / "a.sql.zst").exists()
    assert not list(tmp_path.glob("*.sql.zst"))
    if code == 1:
        assert "cannot be written" in done.stderr
        assert list(tmp_path.iterdir()) == []


class Full(io.BytesIO):
    """A file on a disk that takes 200 KB, or a pipe whose reader has gone."""

    def __init__(self, error):
        super().__init__()
        self.error = error

    def write(self, content):
        if self.tell() + len(content) > 200_000:
            raise self.error
        return super().write(content)


@pytest.mark.parametrize("error", [OSError(errno.ENOSPC, "No space left on device"), BrokenPipeError()])
def test_a_disk_that_fills_up_in_the_middle_of_a_table(tenant, seen, session, roles, error):
    """With rows still to come, the error arrives at once, and the session can go on."""
    with session.transaction(), as_owner(session, roles):
        rows = 'INSERT INTO :"s".companies (name) SELECT md5(g::text) || g FROM generate_series(1, 30000) AS g'
        session.execute(fill(rows, {"s": tenant.schema_name}))
    ended = []

    def run():
        try:
            backups.write_archive(seen, lambda: backups.Source(tenant.schema_name, tenant), Full(error), tool="test")
        except OSError as caught:
            ended.append(caught)
            with seen.transaction():
                ended.append(seen.value("SELECT 1"))

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    thread.join(30)
    assert ended == [error, 1]


def test_a_registry_with_row_security(seen, tenant, roles, superuser_url, tmp_path):
    """A registry whose policy shows this role every row is read through it."""
    with operator(superuser_url, "test") as session, session.transaction():
        session.script(
            fill(
                "ALTER TABLE public.tenants ENABLE ROW LEVEL SECURITY;"
                ' CREATE POLICY all_rows ON public.tenants FOR SELECT TO :"observer" USING (true)',
                {"observer": roles.observer},
            )
        )
    assert backup(seen, tenant.slug, tmp_path / "a.sql.zst", tool="test", shared=()).manifest.rows == 60


def test_what_may_have_rows(session, roles):
    """Only an ordinary heap without a page is known to be empty: of an unlogged table a standby has no file at all."""
    with session.transaction(), as_owner(session, roles):
        session.script(
            fill("CREATE SCHEMA s; CREATE TABLE s.a (n int); CREATE UNLOGGED TABLE s.b (n int); CREATE TABLE s.c (n int)", {})
        )
        session.execute("INSERT INTO s.c VALUES (1)")
        oids = [session.value(f"SELECT 's.{name}'::regclass::oid") for name in "abc"]
        statement = load("capliquify_ops.tenants.archive", "sizes")
        found = session.mappings(statement, {"tables": oids, "at_least": 1})
        assert [row["has_pages"] for row in found] == [False, True, True]
