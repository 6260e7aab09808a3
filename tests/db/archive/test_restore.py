"""Restore: compared before it is kept, never over anything, refused before anything is written."""

import json
import threading
import uuid
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
from tests.db.archive.conftest import make_tenant, rows, world

from capliquify_ops.configuration.system import SystemClock
from capliquify_ops.database import fill, observer, operator
from capliquify_ops.evidence.canonical import canonical
from capliquify_ops.model.errors import (
    ArchiveRefused,
    OpsError,
    PrivilegeMissing,
    StatementTimedOut,
    TargetUnreachable,
    TenantConflict,
)
from capliquify_ops.tenants.archive import loading
from capliquify_ops.tenants.archive.frames import ArchiveWriter, script_of
from capliquify_ops.tenants.archive.opening import open_archive
from capliquify_ops.tenants.audit import audit_of
from capliquify_ops.tenants.backup import Source, backup, backup_source
from capliquify_ops.tenants.backup_record import record_backups
from capliquify_ops.tenants.create import NewTenant
from capliquify_ops.tenants.ownership import as_owner
from capliquify_ops.tenants.quarantine import quarantined
from capliquify_ops.tenants.registry import find
from capliquify_ops.tenants.restore import restore_as_new, restore_whole
from capliquify_ops.tenants.restore_drill import restore_drill
from capliquify_ops.tenants.restore_in_place import restore_in_place
from capliquify_ops.tenants.restoring import Trust

TRUSTED, UNKNOWN = Trust("me", is_given=True), Trust("me")
NOW = datetime(2026, 5, 1, tzinfo=UTC)


def new(slug="copy", **changes):
    return NewTenant(uuid.uuid4(), slug, slug, f"org_{slug}", status="active", **changes)


@pytest.fixture(scope="module")
def backed_up(furnished_with_acme, server, tmp_path_factory):
    """The archive of the tenant that every test finds in its own database, made once."""
    path = tmp_path_factory.mktemp("archive") / "archive.sql.zst"
    with observer(server.url("database", furnished_with_acme.name), "test") as session:
        return backup(session, "acme", path, tool="test")


@pytest.fixture
def archive(tenant, backed_up):
    with open_archive(Path(backed_up.path)) as opened:
        yield opened


def altered(archive, path, change=lambda script: script, **manifest):
    """The archive with another script or manifest, sealed again as whoever tampers would."""
    with script_of(archive.file) as file:
        text = change(file.read())
    with path.open("wb") as file:
        writer = ArchiveWriter(file)
        writer.write(text)
        writer.close(canonical(replace(archive.manifest, **manifest)))
    return path


def test_a_drill_leaves_nothing_but_its_audit(session, roles, archive, tenant):
    """A drill loads and compares everything beside the live tenant, and only the audit remembers it."""
    before = world(session)
    done, seconds = restore_drill(session, roles, archive, TRUSTED, clock=SystemClock())
    assert (done.tables, done.rows) == (9, 60)
    assert world(session) == before
    with session.transaction():
        row = audit_of(session, tenant.id)[-1]
    assert (row.verb, row.after["sha256"], row.after["rows"]) == ("tenant restore-drill", archive.sha256, 60)
    assert 0 <= row.after["milliseconds"] - seconds * 1000 < 1 or row.after["milliseconds"] == round(seconds * 1000)


def test_as_a_new_tenant(session, roles, archive, tenant):
    """The copy has the rows, its own name and registry row; the original is untouched, and nothing in the copy points at it."""
    kept = rows(session, roles, tenant.schema_name)
    made = restore_as_new(session, roles, archive, new(schema_name='Copy "of" it'), TRUSTED)
    assert made.schema == 'Copy "of" it'
    assert rows(session, roles, made.schema) == kept == rows(session, roles, tenant.schema_name)
    with session.transaction(), as_owner(session, roles):
        # No foreign key, default or view of the copy reaches into another schema.
        crossing = (
            "SELECT count(*) FROM pg_constraint AS k JOIN pg_class AS c ON c.oid = k.conrelid JOIN pg_class AS r ON r.oid = k.confrelid"
            " WHERE c.relnamespace <> r.relnamespace AND c.relnamespace = (SELECT oid FROM pg_namespace WHERE nspname = %(s)s)"
        )
        assert session.value(crossing, {"s": made.schema}) == 0
        comment = "SELECT obj_description(oid, 'pg_namespace') FROM pg_namespace WHERE nspname = %(s)s"
        assert session.value(comment, {"s": made.schema}) == f"tenant {made.tenant.id}"
    assert find_status(session, "copy") == ("active", tenant.subscription_tier)


def find_status(session, key):
    with session.transaction():
        found = find(session, key)
    return found.subscription_status, found.subscription_tier


def test_what_was_purged_comes_back_as_it_was(session, roles, archive, tenant):
    """With schema and rows gone, the tenant returns under its own id, memberships included, as the owner and not as a superuser."""
    kept = rows(session, roles, tenant.schema_name)
    with session.transaction(), as_owner(session, roles):
        session.execute(fill('DROP SCHEMA :"s" CASCADE', {"s": tenant.schema_name}))
        session.execute("DELETE FROM public.tenants WHERE id = %(id)s", {"id": tenant.id})
    restored = restore_whole(session, roles, archive, TRUSTED)
    assert restored.tenant == tenant
    assert rows(session, roles, tenant.schema_name) == kept
    with session.transaction():
        session.execute("SELECT set_config('app.tenant_id', %(id)s, true)", {"id": str(tenant.id)})
        assert session.value("SELECT count(*) FROM public.users") == 1201
        owners = "SELECT array_agg(DISTINCT pg_get_userbyid(relowner)::text) FROM pg_class AS c WHERE relnamespace = (SELECT oid FROM pg_namespace WHERE nspname = %(s)s)"
        assert session.value(owners, {"s": tenant.schema_name}) == [roles.owner]


@pytest.mark.parametrize("there", ["schema", "row"])
def test_nothing_is_restored_over_anything(session, roles, archive, tenant, there):
    """A schema that exists, and a registry row whose schema is missing, each refuse the restore, and nothing changes."""
    with session.transaction(), as_owner(session, roles):
        if there == "row":
            session.execute(fill('DROP SCHEMA :"s" CASCADE', {"s": tenant.schema_name}))
        else:
            session.execute("DELETE FROM public.tenants WHERE id = %(id)s", {"id": tenant.id})
    before = world(session)
    with pytest.raises(TenantConflict, match="--as SLUG"):
        restore_whole(session, roles, archive, TRUSTED)
    assert world(session) == before


def test_in_place(session, roles, archive, tenant):
    """The restored schema takes the live one's name in one transaction; the old one is kept, written down, without rights."""
    kept = rows(session, roles, tenant.schema_name)
    with session.transaction(), as_owner(session, roles):
        session.execute(fill('DELETE FROM :"s".companies', {"s": tenant.schema_name}))
    done = restore_in_place(session, roles, archive, "acme", TRUSTED, unique=7, now=NOW)
    assert rows(session, roles, tenant.schema_name) == kept
    assert rows(session, roles, done.quarantined)["companies"] == []
    with session.transaction():
        [entry] = quarantined(session, tenant.id)
        assert (entry.schema_name, entry.original_name, entry.reason) == (done.quarantined, tenant.schema_name, "restore")
        rights = "SELECT nspacl::text FROM pg_namespace WHERE nspname = %(s)s"
        assert roles.app not in session.value(rights, {"s": done.quarantined})
        assert roles.app in session.value(rights, {"s": tenant.schema_name})
        row = audit_of(session, tenant.id)[-1]
        assert (row.verb, row.after["quarantined"]) == ("tenant restore", done.quarantined)


def test_writers_lose_nothing_in_the_swap(session, roles, archive, tenant, database):
    """Whoever writes during a restore in place never fails, and each row is in the old schema or in the new one."""
    wrote, stop, failed = [], threading.Event(), []

    def write():
        with operator(database.app_url, "writer") as writer:
            while not stop.is_set():
                name = f"w{len(wrote)}"
                try:
                    with writer.transaction():
                        writer.execute(
                            fill('INSERT INTO :"s".companies (name) VALUES (%(n)s)', {"s": tenant.schema_name}), {"n": name}
                        )
                except OpsError as fault:
                    failed.append(str(fault))
                    return
                wrote.append(name)
                started.set()

    started = threading.Event()
    thread = threading.Thread(target=write)
    thread.start()
    assert started.wait(20)
    done = restore_in_place(session, roles, archive, "acme", TRUSTED, unique=1, now=NOW)
    stop.set()
    thread.join()
    assert failed == []
    with session.transaction(), as_owner(session, roles):
        names = "SELECT name FROM :\"s\".companies WHERE name ~ '^w[0-9]+$'"
        old, fresh = (set(session.rows(fill(names, {"s": schema}), str)) for schema in (done.quarantined, tenant.schema_name))
    assert old | fresh == set(wrote)
    assert not old & fresh


def test_two_restores_in_place_at_once(roles, archive, tenant, database, tmp_path, archive_of):
    """Two operators restoring one tenant: each waits for the other or is refused, and no schema is lost."""
    second, results = archive_of("acme", "second.sql.zst"), []

    def run(path, unique):
        try:
            with operator(database.operator_url, "op") as session, open_archive(Path(path)) as opened:
                results.append(restore_in_place(session, roles, opened, "acme", TRUSTED, unique=unique, now=NOW))
        except OpsError as fault:
            results.append(fault)

    threads = [threading.Thread(target=run, args=(path, unique)) for path, unique in ((archive.path, 1), (second.path, 2))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    won = [result for result in results if not isinstance(result, OpsError)]
    assert won, results
    with operator(database.operator_url, "op") as session:
        with session.transaction():
            assert len(quarantined(session, tenant.id)) == len(won)
        assert len(rows(session, roles, tenant.schema_name)["companies"]) == 10


def refused(session, roles, path, says, trust=TRUSTED, restore=restore_as_new, error=ArchiveRefused):
    before = world(session)
    with pytest.raises(error, match=says), open_archive(path) as opened:
        restore(session, roles, opened, new(), trust)
    assert world(session) == before


def test_an_unknown_archive_needs_trust(session, roles, archive, tenant, archive_of):
    """Without its digest in the audit an archive's SQL is not run; with it, it is."""
    refused(session, roles, archive.path, "does not know an archive.*--trust", UNKNOWN)
    receipt = archive_of("acme", "known.sql.zst")
    record_backups(session, roles, [(tenant, receipt)], actor="me")
    with open_archive(Path(receipt.path)) as opened:
        restore_as_new(session, roles, opened, new(), UNKNOWN)


def test_a_tampered_archive_is_not_the_known_one(session, roles, archive, tenant, tmp_path):
    """Sealed again after a change, with a digest of its own: shown by the audit alone."""
    path = altered(archive, tmp_path / "evil", lambda script: script.replace(b"sku7", b"sku8"))
    refused(session, roles, path, "does not know", UNKNOWN)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda script: script.replace(b"sku11", b"sku99"), "other values"),
        (lambda script: script.replace(b"(customer)", b"(channel )"), "definitions are not those"),
        (lambda script: script[:-400], "ends before|refused|syntax"),
    ],
)
def test_what_does_not_arrive_as_the_manifest_says_is_not_kept(session, roles, archive, tmp_path, change, says):
    """A believed archive whose script makes something else than its manifest says is rolled back, by name."""
    refused(session, roles, altered(archive, tmp_path / "odd", change), says, error=OpsError)


def inserted(archive, path, kind, statement):
    """The archive with a statement at the end of its first section of a kind, whose length the manifest knows."""
    sections, end = list(archive.manifest.sections), 0
    for number, section in enumerate(sections):
        end += section.bytes
        if section.kind == kind:
            sections[number] = replace(section, bytes=section.bytes + len(statement))
            break
    return altered(archive, path, lambda script: script[:end] + statement + script[end:], sections=tuple(sections))


@pytest.mark.parametrize("kind", ["before", "after"])
@pytest.mark.parametrize(
    ("statement", "says"),
    [
        (b"COMMIT;\n", "would end the transaction"),
        (b"ROLLBACK; BEGIN;\n", "would end the transaction"),
        (b"DO 'BEGIN COMMIT; END';\n", "refused|invalid transaction termination"),
        (b"RESET ROLE;\n", "changes the role"),
        (b"SELECT set_config('role', 'none', false);\n", "changes the role"),
        (b"SET SESSION AUTHORIZATION DEFAULT;\n", "changes the role"),
    ],
)
def test_an_archive_does_not_leave_its_transaction_or_its_role(session, roles, archive, tmp_path, kind, statement, says):
    """SQL that would keep a drill's work, or go on as who logged in, ends the restore: the live tenant stands as it was."""
    path = inserted(archive, tmp_path / "odd", kind, statement)
    before = world(session)
    with open_archive(path) as opened, pytest.raises(OpsError, match=says):
        restore_drill(session, roles, opened, TRUSTED, clock=SystemClock())
    assert world(session) == before


def test_a_trigger_that_waits_for_the_commit_runs_as_the_owner(session, roles, archive, tmp_path):
    """What an archive puts off until the commit happens before it, within the role and the transaction."""
    schema = archive.manifest.schema.replace('"', '""')
    statement = (
        "CREATE FUNCTION public.late() RETURNS trigger LANGUAGE plpgsql AS"
        " 'BEGIN PERFORM set_config(''role'', ''none'', false); RETURN NULL; END';\n"
        f'CREATE CONSTRAINT TRIGGER late AFTER INSERT ON "{schema}".companies DEFERRABLE INITIALLY DEFERRED'
        " FOR EACH ROW EXECUTE FUNCTION public.late();\n"
        f"INSERT INTO \"{schema}\".companies (name) VALUES ('late');\n"
    )
    path = inserted(archive, tmp_path / "odd", "after", statement.encode())
    refused(session, roles, path, "changes the role")


def test_names_in_a_manifest_are_names(session, roles, archive, tmp_path):
    """A table in the manifest that is more than a name is refused before it is part of a statement."""
    for said in ('"a"."b" FROM stdin; COMMIT; COPY "a"."c"', "a", '(SELECT 1) TO PROGRAM "x"'):
        sections = tuple(replace(one, table=said) if one.kind == "rows" else one for one in archive.manifest.sections)
        refused(session, roles, altered(archive, tmp_path / f"{len(said)}", sections=sections), "names a table that is none")


def test_the_swap_does_not_wait_behind_a_reader_for_long(session, roles, archive, tenant, database):
    """A reader that does not end makes the restore give up: whoever comes after it would stand in the same queue."""
    before = world(session)
    with operator(database.app_url, "reader") as reader, reader.transaction():
        reader.execute(fill('SELECT 1 FROM :"s".companies', {"s": tenant.schema_name}))
        with pytest.raises(StatementTimedOut, match="lock"):
            restore_in_place(session, roles, archive, "acme", TRUSTED, unique=7, now=NOW)
    assert world(session) == before


def test_an_archive_that_does_not_fit_is_refused_by_name(session, roles, archive, tmp_path):
    """A newer server, a missing role, a missing object elsewhere, a server built without lz4 or ICU: each named, nothing written."""
    manifest = archive.manifest
    needs = manifest.needs
    cases = {
        "from PostgreSQL 19; this server has 18": {"origin": replace(manifest.origin, server_major=19)},
        "role no_such_role": {"needs": replace(needs, roles=(*needs.roles, "no_such_role"))},
        r"function public.gone\(uuid\)": {
            "needs": replace(needs, outside=(json.dumps(["function", ["public", "gone"], ["uuid"]]),))
        },
        "lz4 compression": {"needs": replace(needs, features=("lz4",))},
        "ICU": {"needs": replace(needs, features=("icu",))},
    }
    for number, (says, change) in enumerate(cases.items()):
        refused(session, roles, altered(archive, tmp_path / f"{number}", **change), says)


def test_the_lock_table_is_not_exhausted(session, roles, archive, tmp_path):
    """A schema of more relations than a quarter of the free locks is refused before it is made; a clone likewise."""
    needs = replace(archive.manifest.needs, locks=10**6)
    path = altered(archive, tmp_path / "wide", needs=needs)
    refused(session, roles, path, "1000000 locks in one transaction.*max_locks_per_transaction", error=TenantConflict)
    assert 60 <= archive.manifest.needs.locks <= 100


def test_never_as_a_superuser(database, session, roles, archive):
    """A superuser's session does not run an archive's SQL, trusted or not."""
    with operator(database.superuser_url, "test") as superuser, pytest.raises(PrivilegeMissing, match="superuser"):
        restore_as_new(superuser, roles, archive, new(), TRUSTED)


def test_routines_that_name_their_schema(session, roles, tenant, archive_of):
    """A search_path of a routine follows the copy; a body that names the schema refuses it."""
    with session.transaction(), as_owner(session, roles):
        one = {"s": tenant.schema_name}
        session.execute(fill('CREATE FUNCTION :"s".mine() RETURNS bigint LANGUAGE sql SET search_path TO :"s", pg_temp'
            " AS 'SELECT count(*) FROM companies'", one))  # fmt: skip
    with open_archive(Path(archive_of("acme", "path").path)) as opened:
        made = restore_as_new(session, roles, opened, new(), TRUSTED)
    with session.transaction(), as_owner(session, roles):
        session.execute(fill('DELETE FROM :"s".companies', {"s": made.schema}))
        assert session.value(fill('SELECT :"s".mine()', {"s": made.schema})) == 0
        assert session.value(fill('SELECT :"s".mine()', {"s": tenant.schema_name})) == 10
        relation = fill(':"s".companies', {"s": tenant.schema_name}).as_string(None)
        body = f"SELECT count(*) FROM {relation}"
        session.execute(
            fill("CREATE FUNCTION :\"s\".named() RETURNS bigint LANGUAGE sql AS :'b'", {"s": tenant.schema_name, "b": body})
        )
    before = world(session)
    with open_archive(Path(archive_of("acme", "body").path)) as opened:
        with pytest.raises(TenantConflict, match=r"Routines name the schema.*named\(\)"):
            restore_as_new(session, roles, opened, new("third"), TRUSTED)
        assert world(session) == before
        restore_in_place(session, roles, opened, "acme", TRUSTED, unique=3, now=NOW)


def test_somebody_elses_archive_is_not_restored_in_place(session, roles, archive):
    """An archive goes in place of its own tenant only."""
    make_tenant(session, roles, "other")
    with pytest.raises(TenantConflict, match="archive is of 'acme'"):
        restore_in_place(session, roles, archive, "other", TRUSTED, unique=1, now=NOW)


@pytest.mark.parametrize("restore", ["as_new", "in_place", "drill"])
def test_a_lost_connection_leaves_everything_as_it_was(session, roles, archive, database, monkeypatch, restore):
    """The server ends the session half-way: nothing of the restore is there."""
    before, real, loaded = world(session), loading._load, []

    def load(to, file, section, *, shared):
        loaded.append(section.kind)
        if loaded.count("rows") == 5:
            with operator(database.superuser_url, "killer") as killer, killer.transaction():
                killer.value("SELECT pg_terminate_backend(%(pid)s)", {"pid": to.backend_pid})
        real(to, file, section, shared=shared)

    monkeypatch.setattr(loading, "_load", load)
    with operator(database.operator_url, "victim") as victim, pytest.raises(TargetUnreachable):  # noqa: PT012
        if restore == "as_new":
            restore_as_new(victim, roles, archive, new(), TRUSTED)
        elif restore == "in_place":
            restore_in_place(victim, roles, archive, "acme", TRUSTED, unique=1, now=NOW)
        else:
            restore_drill(victim, roles, archive, TRUSTED, clock=SystemClock())
    assert world(session) == before


def test_what_this_server_was_built_without_on_15(session, roles, database_15, tmp_path):
    """An archive of 15 with ICU collations and lz4 columns is refused here, where neither was built in, by both names."""
    with operator(database_15.superuser_url, "t") as old:
        with old.transaction():
            old.script(fill("CREATE SCHEMA s; CREATE COLLATION s.german (provider = icu, locale = 'de', deterministic = false);"
                " CREATE TABLE s.t (name text COLLATE s.german, long text COMPRESSION lz4); INSERT INTO s.t VALUES ('ß', 'x')", {}))  # fmt: skip
        backup_source(old, Source("s", None), tmp_path / "icu", tool="test")
    refused(session, roles, tmp_path / "icu", r"ICU collations.*lz4 compression")
