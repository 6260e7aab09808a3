"""Purging on a real database: nothing goes before it is archived, everything goes then, and half-way it can be undone."""

import json
from datetime import timedelta
from pathlib import Path

import pytest

from capliquify_ops.database import fill, operator
from capliquify_ops.model.errors import EvidenceDamaged, OpsError, TenantConflict, TenantNotFound, UsageError
from capliquify_ops.tenants import drop
from capliquify_ops.tenants.audit import audit_of
from capliquify_ops.tenants.delete import delete
from capliquify_ops.tenants.ownership import as_owner
from capliquify_ops.tenants.purge import PurgeOptions, plan_purge, plan_undo, purge, undo_purge
from capliquify_ops.tenants.quarantine import quarantined, rights_on
from capliquify_ops.tenants.registry import find
from capliquify_ops.tenants.sequence import unfinished
from capliquify_ops.tenants.suspend import suspend

ACTOR = "tester"


@pytest.fixture
def deleted(session, roles, make):
    tenant = make()
    return delete(session, roles, "acme", confirm="acme", actor=ACTOR).after if tenant else None


def _schemas(session):
    with session.transaction():
        return session.rows("SELECT nspname::text FROM pg_namespace WHERE nspname ~ '^(tenant|quarantine)_' ORDER BY 1", str)


def _old(session, roles, days):
    with session.transaction(), as_owner(session, roles):
        session.execute("UPDATE public.tenants SET deleted_at = now() - make_interval(days => %(days)s)", {"days": days})


def test_a_purge_waits_and_goes_on_later(session, roles, archives, deleted, content, make):
    """The first call puts the schema away and waits; after the retention the same call archives, drops and removes everything."""
    other, rows = make("other"), content(deleted.schema_name)
    waiting = purge(session, roles, "acme", PurgeOptions(archives), confirm="acme", actor=ACTOR)
    assert not waiting.is_purged
    assert waiting.retained_until - deleted.deleted_at == timedelta(days=90)
    with session.transaction():
        [entry] = quarantined(session, deleted.id)
    assert len(entry.schema_name) <= 63
    assert _schemas(session) == sorted([entry.schema_name, other.schema_name])
    assert content(entry.schema_name) == rows
    again = purge(session, roles, "acme", PurgeOptions(archives), confirm="acme", actor=ACTOR)
    assert (again.is_purged, archives.contents()) == (False, {})
    done = purge(session, roles, "acme", PurgeOptions(archives, now=True), confirm="acme", actor="later")
    assert done.is_purged
    assert _schemas(session) == [other.schema_name]
    assert archives.contents() == {entry.schema_name: rows}
    assert len(archives.verified) == 2
    with session.transaction():
        with pytest.raises(TenantNotFound):
            find(session, "acme")
        assert (unfinished(session, deleted.id), quarantined(session, deleted.id)) == (None, [])
        trail = audit_of(session, deleted.id)
        assert session.value("SELECT count(*) FROM public.tenants") == 1
    assert [(row.verb, (row.after or {}).get("step")) for row in trail] == [
        ("tenant create", None), ("tenant delete", None), ("tenant purge", "quarantine"), ("tenant purge", "archive"),
        ("tenant purge", "tombstone"),
    ]  # fmt: skip
    receipt = done.archives[0]
    assert trail[-2].after["sha256"] == receipt.sha256
    assert trail[-1].after["archives"][0]["sha256"] == receipt.sha256
    assert len({row.plan_digest for row in trail[2:]}) == 1
    make("acme", organization="org_new")


def test_the_retention_counts_from_the_deletion(session, roles, archives, deleted):
    """A tenant deleted long enough ago is purged at once."""
    _old(session, roles, 91)
    assert purge(session, roles, "acme", PurgeOptions(archives), confirm="acme", actor=ACTOR).is_purged


def test_nobody_reaches_a_quarantined_schema_and_the_undo_restores_every_right(session, roles, archives, deleted, database):
    """While it waits the service's role sees nothing, under either name; undone, name and rights are exactly what they were."""
    with session.transaction(), as_owner(session, roles):
        session.execute(fill('GRANT USAGE ON SCHEMA :"s" TO PUBLIC', {"s": deleted.schema_name}))
        session.execute(
            fill('GRANT CREATE ON SCHEMA :"s" TO :"app" WITH GRANT OPTION', {"s": deleted.schema_name, "app": roles.app})
        )
    acl = "SELECT array_agg(a::text ORDER BY a::text)::text FROM unnest((SELECT nspacl FROM pg_namespace WHERE nspname = %(s)s)) AS a"
    with session.transaction():
        before, rights = session.value(acl, {"s": deleted.schema_name}), rights_on(session, deleted.schema_name)
    purge(session, roles, "acme", PurgeOptions(archives), confirm="acme", actor=ACTOR)
    with session.transaction():
        [entry] = quarantined(session, deleted.id)
        assert rights_on(session, entry.schema_name) == []
    with operator(database.app_url, "service") as service:
        for schema in (deleted.schema_name, entry.schema_name):
            with pytest.raises(OpsError, match=r"permission denied|does not exist"), service.transaction():
                service.execute(fill('SELECT * FROM :"s".companies', {"s": schema}))
        assert undo_purge(session, roles, "acme", actor=ACTOR) == deleted
        with session.transaction():
            assert (session.value(acl, {"s": deleted.schema_name}), rights_on(session, deleted.schema_name)) == (before, rights)
            assert (quarantined(session, deleted.id), unfinished(session, deleted.id)) == ([], None)
            assert audit_of(session, deleted.id)[-1].after["step"] == "undo"
        with service.transaction():
            assert service.execute(fill('SELECT * FROM :"s".companies', {"s": deleted.schema_name})) == 1
    with pytest.raises(TenantConflict, match="No purge"):
        undo_purge(session, roles, "acme", actor=ACTOR)
    assert purge(session, roles, "acme", PurgeOptions(archives, now=True), confirm="acme", actor=ACTOR).is_purged


@pytest.mark.parametrize("archived", [True, False])
def test_the_confirmation_says_whether_there_is_an_archive(session, roles, archives, deleted, everything, archived):
    """With archive the slug is typed, without one `SLUG without archive`; the other word changes nothing."""
    options = PurgeOptions(archives if archived else None, now=True)
    before = everything()
    for wrong in ("acm", "acme without archive" if archived else "acme"):
        with pytest.raises(UsageError, match="confirmation"):
            purge(session, roles, "acme", options, confirm=wrong, actor=ACTOR)
    assert everything() == before
    assert purge(session, roles, "acme", options, confirm=options.phrase("acme"), actor=ACTOR).is_purged
    assert len(archives.contents()) == archived


def test_an_archive_that_cannot_be_verified_stops_before_anything_is_dropped(session, roles, archives, deleted, content):
    """A tampered archive is found before the first chunk; the schema is whole, and can still come back."""
    rows = content(deleted.schema_name)

    class Damaging(type(archives)):
        def archive(self, session, tenant, schema_name):
            receipt = super().archive(session, tenant, schema_name)
            Path(receipt.path).write_text("{}")
            return receipt

    damaging = Damaging(archives.folder, roles)
    with pytest.raises(EvidenceDamaged):
        purge(session, roles, "acme", PurgeOptions(damaging, now=True), confirm="acme", actor=ACTOR)
    undo_purge(session, roles, "acme", actor=ACTOR)
    assert content(deleted.schema_name) == rows


def test_what_is_needed_from_outside_is_named_and_nothing_changes(session, roles, archives, deleted, everything):
    """A view and a foreign key outside the schema stop the purge before it begins; without them it goes."""
    with session.transaction(), as_owner(session, roles):
        session.execute("CREATE SCHEMA reports")
        session.execute(fill('CREATE VIEW reports.names AS SELECT name FROM :"s".companies', {"s": deleted.schema_name}))
        session.execute(fill('CREATE TABLE reports.notes (company uuid REFERENCES :"s".companies)', {"s": deleted.schema_name}))
    before = everything()
    for act in (
        lambda: plan_purge(session, roles, "acme", PurgeOptions(archives)),
        lambda: purge(session, roles, "acme", PurgeOptions(archives), confirm="acme", actor=ACTOR),
    ):
        with pytest.raises(TenantConflict, match=r"constraint .* on table reports\.notes.*view reports\.names"):
            act()
    assert everything() == before
    with session.transaction(), as_owner(session, roles):
        session.execute("DROP SCHEMA reports CASCADE")
    assert purge(session, roles, "acme", PurgeOptions(archives, now=True), confirm="acme", actor=ACTOR).is_purged


def test_only_a_schema_that_says_whose_it_is_goes(session, roles, archives, deleted, everything):
    """A schema without the tenant's own mark, or of another owner, stays."""
    with session.transaction(), as_owner(session, roles):
        session.execute(fill('COMMENT ON SCHEMA :"s" IS NULL', {"s": deleted.schema_name}))
    before = everything()
    with pytest.raises(TenantConflict, match="not made for"):
        purge(session, roles, "acme", PurgeOptions(archives), confirm="acme", actor=ACTOR)
    assert everything() == before


def test_a_row_whose_schema_is_missing_is_purged_without_archive_only(session, roles, archives, deleted):
    """Nothing to archive is an error with the command that removes the rows all the same."""
    with session.transaction(), as_owner(session, roles):
        session.execute(fill('DROP SCHEMA :"s" CASCADE', {"s": deleted.schema_name}))
    with pytest.raises(TenantConflict, match=r"nothing to archive.*--no-archive"):
        purge(session, roles, "acme", PurgeOptions(archives), confirm="acme", actor=ACTOR)
    options = PurgeOptions(None, now=True)
    assert purge(session, roles, "acme", options, confirm="acme without archive", actor=ACTOR).is_purged


def test_other_verbs_are_refused_by_name_while_a_purge_is_unfinished(session, roles, archives, deleted):
    """A quarantined tenant says so, with the command that finishes the purge and the one that goes back."""
    purge(session, roles, "acme", PurgeOptions(archives), confirm="acme", actor=ACTOR)
    for verb in (
        lambda: suspend(session, roles, "acme", actor=ACTOR, reason="x"),
        lambda: delete(session, roles, "acme", confirm="acme", actor=ACTOR),
    ):
        with pytest.raises(TenantConflict, match=r"quarantined since .*tenant purge acme .*--undo"):
            verb()


def test_a_live_tenant_is_not_purged(session, roles, archives, make, everything):
    """Without a soft delete there is no purge."""
    make()
    before = everything()
    with pytest.raises(TenantConflict, match=r"not deleted.*tenant delete acme"):
        purge(session, roles, "acme", PurgeOptions(archives), confirm="acme", actor=ACTOR)
    assert everything() == before


SHAPES = Path(__file__).with_name("shapes.sql").read_text(encoding="utf-8")


@pytest.mark.parametrize("allowed", [10_000, 45])
def test_every_kind_of_object_goes_in_chunks_that_fit(session, roles, archives, deleted, monkeypatch, allowed):
    """Partitions, inheritance, views on views, types, operators: all dropped, in one chunk or in many that stay within the budget."""
    with session.transaction(), as_owner(session, roles):
        session.execute(fill('SET LOCAL search_path = :"s"', {"s": deleted.schema_name}))
        session.script(fill(SHAPES, {"s": deleted.schema_name}))
    monkeypatch.setattr(drop.LockBudget, "allowed", property(lambda self: allowed))
    taken = []
    real = drop.drop_chunk

    def counted(session, schema):
        count = "SELECT count(*) FROM pg_locks WHERE pid = pg_backend_pid() AND NOT fastpath"
        before = session.value(count)
        gone = real(session, schema)
        taken.append(session.value(count) - before)
        return gone

    monkeypatch.setattr("capliquify_ops.tenants.purge_steps.drop_chunk", counted)
    purge(session, roles, "acme", PurgeOptions(archives, now=True), confirm="acme", actor=ACTOR)
    assert _schemas(session) == []
    assert max(taken) <= allowed
    assert len(taken) > 5 if allowed == 45 else len(taken) == 2


def test_a_chunk_that_cannot_fit_is_refused_by_name(session, roles, archives, deleted, monkeypatch):
    """With hardly a free lock the smallest chunk is named with the setting to raise; later the purge goes on."""
    purge(session, roles, "acme", PurgeOptions(archives), confirm="acme", actor=ACTOR)
    with monkeypatch.context() as patch:
        patch.setattr(drop.LockBudget, "allowed", property(lambda self: 3))
        with pytest.raises(TenantConflict, match=r"foreign key .* takes up to \d+ locks.*max_locks_per_transaction"):
            purge(session, roles, "acme", PurgeOptions(archives, now=True), confirm="acme", actor=ACTOR)
    assert purge(session, roles, "acme", PurgeOptions(archives, now=True), confirm="acme", actor=ACTOR).is_purged


def test_the_plan_lists_every_statement(session, roles, archives, deleted):
    """Renaming, revoking, each drop, each deletion stand in the plan, and making it changes nothing."""
    plan = plan_purge(session, roles, "acme", PurgeOptions(archives, now=True))
    statements = [step.statement for step in plan.steps if step.statement]
    for part in (
        "REVOKE ALL ON SCHEMA",
        'RENAME TO "quarantine_',
        "DROP TABLE IF EXISTS",
        "DROP CONSTRAINT",
        "RESTRICT",
        "public.tenants",
    ):
        assert any(part in statement for statement in statements), part
    assert plan.concerns["rows of public.users"] == 1
    assert plan.concerns["tables"] == 9
    assert plan.concerns["bytes_estimated"] > 0
    assert json.dumps(dict(plan.concerns))
    assert _schemas(session) == [deleted.schema_name]


def test_of_two_purges_at_once_one_wins(session, roles, archives, deleted, operator_url):
    """While one session archives, another one learns which session purges, and neither purge nor undo happens twice."""
    told = []

    class Slow(type(archives)):
        def archive(self, session, tenant, schema_name):
            with operator(operator_url, "second") as second:
                for act in (
                    lambda: purge(second, roles, "acme", PurgeOptions(archives, now=True), confirm="acme", actor="second"),
                    lambda: undo_purge(second, roles, "acme", actor="second"),
                    lambda: suspend(second, roles, "acme", actor="second", reason="x"),
                ):
                    with pytest.raises(TenantConflict) as caught:
                        act()
                    told.append(str(caught.value))
            return super().archive(session, tenant, schema_name)

    slow = Slow(archives.folder, roles)
    assert purge(session, roles, "acme", PurgeOptions(slow, now=True), confirm="acme", actor=ACTOR).is_purged
    pid = session.backend_pid
    assert (
        told[:2]
        == [
            f"The session {pid} is running 'tenant purge' of 'acme' right now. Wait until it has ended, then run the command again."
            " Through a pooler: use a direct connection."
        ]
        * 2
    )
    assert "quarantined since" in told[2]
    with session.transaction():
        assert [row.actor for row in audit_of(session, deleted.id)[2:]] == [ACTOR] * 3


def test_a_sequence_of_a_session_that_cannot_be_seen_counts_as_live(session, roles, archives, deleted, database):
    """Owned by a process of another role, whose start this role may not see, a sequence is not taken over."""
    purge(session, roles, "acme", PurgeOptions(archives), confirm="acme", actor=ACTOR)
    with operator(database.superuser_url, "somebody else") as other:
        with session.transaction(), as_owner(session, roles):
            session.execute(
                "UPDATE capliquify_ops.sequence SET owner_pid = %(pid)s, owner_start = now()", {"pid": other.backend_pid}
            )
        with pytest.raises(TenantConflict, match=f"session {other.backend_pid} is running"):
            purge(session, roles, "acme", PurgeOptions(archives, now=True), confirm="acme", actor=ACTOR)
    assert purge(session, roles, "acme", PurgeOptions(archives, now=True), confirm="acme", actor=ACTOR).is_purged


def test_a_purge_without_archive_can_still_be_archived_before_it_drops(session, roles, archives, deleted, content):
    """A call without archive that stopped before dropping leaves the choice: the next one archives after all."""
    rows = content(deleted.schema_name)
    options = PurgeOptions(None)
    assert not purge(session, roles, "acme", options, confirm="acme without archive", actor=ACTOR).is_purged
    with session.transaction(), as_owner(session, roles):
        session.execute("UPDATE capliquify_ops.sequence SET next_step = 3")
    assert purge(session, roles, "acme", PurgeOptions(archives, now=True), confirm="acme", actor=ACTOR).is_purged
    assert list(archives.contents().values()) == [rows]


def test_a_tenant_brought_back_to_life_by_hand_is_not_dropped(session, roles, archives, deleted, content):
    """Somebody took the deletion back while the schema waited in quarantine: the purge stops, and the undo brings it back."""
    rows = content(deleted.schema_name)
    purge(session, roles, "acme", PurgeOptions(archives), confirm="acme", actor=ACTOR)
    with session.transaction(), as_owner(session, roles):
        session.execute("UPDATE public.tenants SET deleted_at = NULL")
    with pytest.raises(TenantConflict, match="is not deleted"):
        purge(session, roles, "acme", PurgeOptions(archives, now=True), confirm="acme", actor=ACTOR)
    undo_purge(session, roles, "acme", actor=ACTOR)
    assert content(deleted.schema_name) == rows


def test_the_copies_that_restores_kept_are_archived_and_dropped_too(session, roles, archives, deleted, database):
    """A schema that a restore put away goes with its tenant, and not without an archive of its own."""
    copy = f"quarantine_{deleted.id.hex}_copy"
    with session.transaction(), as_owner(session, roles):
        session.execute(fill('CREATE SCHEMA :"s"', {"s": copy}))
        session.execute(fill(""" COMMENT ON SCHEMA :"s" IS :'c' """, {"s": copy, "c": f"tenant {deleted.id}"}))
        session.execute(fill('CREATE TABLE :"s".companies AS SELECT 1 AS id', {"s": copy}))
        session.execute(
            "INSERT INTO capliquify_ops.quarantine (schema_name, original_name, tenant_id, reason) VALUES (%(s)s, 'x', %(id)s, 'restore')",
            {"s": copy, "id": deleted.id},
        )
    assert any(
        "drop the empty schema " + copy in step.action
        for step in plan_purge(session, roles, "acme", PurgeOptions(archives)).steps
    )
    assert purge(session, roles, "acme", PurgeOptions(archives, now=True), confirm="acme", actor=ACTOR).is_purged
    assert archives.contents()[copy] == {"companies": ["(1)"]}
    assert _schemas(session) == []


def test_many_rows_of_shared_tables_go_in_batches(session, roles, archives, deleted, monkeypatch):
    """Thousands of audit_logs are no single transaction."""
    monkeypatch.setattr("capliquify_ops.tenants.purge_steps.ROWS", 10)
    with session.transaction(), as_owner(session, roles):
        session.execute("SELECT set_config('app.tenant_id', %(id)s, true)", {"id": str(deleted.id)})
        session.execute(
            "INSERT INTO public.audit_logs (tenant_id, action) SELECT %(id)s, 'x' FROM generate_series(1, 25)", {"id": deleted.id}
        )
    assert purge(session, roles, "acme", PurgeOptions(archives, now=True), confirm="acme", actor=ACTOR).is_purged
    with session.transaction(), as_owner(session, roles):
        session.execute("SELECT set_config('app.tenant_id', %(id)s, true)", {"id": str(deleted.id)})
        assert session.value("SELECT count(*) FROM public.audit_logs") == 0


def test_once_something_is_dropped_there_is_no_way_back_but_a_way_on(session, roles, archives, deleted, monkeypatch):
    """Stopped between two chunks: the undo is refused, and the same call drops the rest."""
    real, calls = drop.drop_chunk, []

    def once(session, schema):
        calls.append(schema)
        if len(calls) > 1:
            raise TenantConflict("stopped by the test")
        return real(session, schema)

    monkeypatch.setattr(drop.LockBudget, "allowed", property(lambda self: 45))
    with monkeypatch.context() as patch:
        patch.setattr("capliquify_ops.tenants.purge_steps.drop_chunk", once)
        with pytest.raises(TenantConflict, match="stopped by the test"):
            purge(session, roles, "acme", PurgeOptions(archives, now=True), confirm="acme", actor=ACTOR)
    for act in (lambda: plan_undo(session, "acme"), lambda: undo_purge(session, roles, "acme", actor=ACTOR)):
        with pytest.raises(
            TenantConflict, match=r"begun to drop: it cannot be undone. Finish it: capliquify-ops tenant purge acme$"
        ):
            act()
    assert purge(session, roles, "acme", PurgeOptions(archives, now=True), confirm="acme", actor=ACTOR).is_purged
    assert _schemas(session) == []
