"""The first verbs on a real database: create, find, delete, discard, verify, each with its audit."""

import threading
import uuid
from datetime import timedelta

import pytest

from capliquify_ops.database import SessionLimits, fill, observer, operator
from capliquify_ops.model.errors import OpsError, PrivilegeMissing, StatementTimedOut, TenantConflict, TenantNotFound, UsageError
from capliquify_ops.tenants.audit import audit_of
from capliquify_ops.tenants.create import FirstUser, NewTenant, create, plan_create
from capliquify_ops.tenants.delete import delete, plan_delete
from capliquify_ops.tenants.discard import discard, made_by_run
from capliquify_ops.tenants.ownership import as_owner, lock_tenant
from capliquify_ops.tenants.registry import find, list_tenants
from capliquify_ops.tenants.verify import verify

ACTOR = "tester"


def _new(slug="acme", **changes):
    return NewTenant(**{"id": uuid.uuid4(), "slug": slug, "name": slug.title(), "organization": f"org_{slug}"} | changes)


@pytest.fixture
def session(operator_url):
    with operator(operator_url, "test") as opened:
        yield opened


def _schema_exists(session, name):
    with session.transaction():
        return session.value("SELECT count(*) FROM pg_namespace WHERE nspname::text = %(name)s", {"name": name}) == 1


def test_a_tenant_is_created_whole(session, roles):
    """One verb makes row, schema, limits of the tier, trial, owner, first company and audit."""
    new = _new(tier="professional", owner=FirstUser("user_1", "a@example.com", "A"), company="Acme Ltd")
    assert any("create the schema" in step.action for step in plan_create(session, new).steps)
    tenant = create(session, roles, new, actor=ACTOR)
    assert (tenant.id, tenant.slug, tenant.schema_name) == (new.id, "acme", f"tenant_{new.id.hex}")
    assert (tenant.max_users, tenant.max_entities, tenant.subscription_status) == (25, 5000, "trial")
    assert tenant.trial_ends_at - tenant.created_at == timedelta(days=14)
    with session.transaction():
        with as_owner(session, roles):
            session.execute("SELECT set_config('app.tenant_id', %(id)s, true)", {"id": str(tenant.id)})
            assert session.value("SELECT clerk_user_id || ' ' || role FROM public.users") == "user_1 owner"
            query = fill('SELECT name FROM :"schema".companies', {"schema": tenant.schema_name})
            assert session.value(query) == "Acme Ltd"
        audit = audit_of(session, tenant.id)
    assert [(row.verb, row.actor, row.database_role, row.before) for row in audit] == [
        ("tenant create", ACTOR, roles.operator, None)
    ]  # fmt: skip
    assert audit[0].after["schema_name"] == tenant.schema_name
    assert len(audit[0].plan_digest) == 64


def test_a_tenant_that_starts_active_has_no_trial(session, roles):
    """status active means no end of a trial; enterprise has no limit of entities."""
    tenant = create(session, roles, _new(status="active", tier="enterprise"), actor=ACTOR)
    assert (tenant.trial_ends_at, tenant.max_entities) == (None, None)


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"slug": "acme", "organization": "org_2"}, "slug 'acme' is taken"),
        ({"slug": "other"}, "organisation 'org_acme' belongs to tenant 'acme'"),
        ({"slug": "other", "organization": "org_2", "schema_name": "Acme's"}, "belongs to tenant 'acme'"),
        ({"slug": "other", "organization": "org_2", "schema_name": "acme's"}, "letter case only"),
        ({"slug": "other", "organization": "org_2", "schema_name": "orphan"}, "without being registered"),
        ({"slug": "loud", "organization": "org_2"}, "letter case only"),
    ],
)
def test_collisions_are_told_apart(session, roles, changes, says):
    """A taken slug, organisation, schema name or schema, and one that differs in letter case only, are different sentences."""
    create(session, roles, _new(schema_name="Acme's"), actor=ACTOR)
    with session.transaction(), as_owner(session, roles):
        session.execute("CREATE SCHEMA orphan")
        session.execute("INSERT INTO public.tenants (slug, name, clerk_organization_id) VALUES ('LOUD', 'x', 'org_loud')")
    new = _new(**({"organization": "org_acme"} | changes))
    with pytest.raises(TenantConflict, match=says):
        plan_create(session, new)
    with pytest.raises(TenantConflict, match=says):
        create(session, roles, new, actor=ACTOR)
    with session.transaction():
        assert audit_of(session, new.id) == []


@pytest.mark.parametrize(
    "changes",
    [
        {"slug": "Not A Slug"},
        {"slug": "admin"},
        {"tier": "gold"},
        {"status": "suspended"},
        {"organization": " "},
        {"schema_name": "pg_x"},
        {"schema_name": "é" * 32},
    ],
)
def test_what_cannot_be_a_tenant_is_refused_before_any_statement(changes):
    """Slug, tier, status, organisation and schema name are checked where they enter."""
    with pytest.raises(UsageError):
        _new(**changes)


def test_a_creation_that_fails_leaves_nothing(session, superuser_url, roles):
    """When the schema cannot be made there is no row, no audit, no half tenant."""
    new = _new()
    with operator(superuser_url, "test") as superuser, superuser.transaction():
        query = fill('REVOKE CREATE ON DATABASE :"name" FROM :"owner"', {"name": _database(superuser), "owner": roles.owner})
        superuser.execute(query)
        superuser.execute(fill('ALTER DATABASE :"name" OWNER TO CURRENT_USER', {"name": _database(superuser)}))
    with pytest.raises(PrivilegeMissing):
        create(session, roles, new, actor=ACTOR)
    with session.transaction():
        assert list_tenants(session, deleted=None) == []
        assert audit_of(session, new.id) == []


def _database(session):
    return session.value("SELECT current_database()")


def test_of_two_creations_at_once_one_wins_with_a_sentence(session, operator_url, roles):
    """Two creations of one slug at the same time make one tenant; the other caller learns that the name was taken."""
    outcome = []
    patient = SessionLimits(lock_ms=20_000)

    def second():
        try:
            with operator(operator_url, "second", limits=patient) as other:
                outcome.append(create(other, roles, _new(), actor=ACTOR))
        except OpsError as error:
            outcome.append(error)

    thread = threading.Thread(target=second)
    with operator(operator_url, "watch") as watch:
        with session.transaction():
            create(session, roles, _new(), actor=ACTOR)
            thread.start()
            _until_one_waits(watch)
        thread.join(20)
    assert isinstance(outcome[0], TenantConflict)
    with session.transaction():
        assert len(list_tenants(session)) == 1


def _until_one_waits(session):
    query = "SELECT count(*) FROM pg_locks WHERE NOT granted AND pid IN (SELECT pid FROM pg_stat_activity WHERE datname = current_database())"
    for _ in range(2000):
        with session.transaction():
            if session.value(query):
                return
            session.execute("SELECT pg_sleep(0.01)")
    raise AssertionError("nobody ever waited")


@pytest.mark.parametrize("key", ["id", "slug", "schema_name", "clerk_organization_id"])
def test_a_tenant_is_found_by_any_of_its_names(session, roles, key):
    """id, slug, schema name and organisation all find the same row."""
    tenant = create(session, roles, _new(), actor=ACTOR)
    create(session, roles, _new("other"), actor=ACTOR)
    with session.transaction():
        assert find(session, str(getattr(tenant, key))) == tenant


@pytest.mark.parametrize("key", ["nobody", "", "x' OR true --", "00000000-0000-0000-0000-000000000000", "nul\0", "x" * 5000])
def test_an_unknown_key_is_its_own_error(session, key):
    """A key that names nobody is TenantNotFound with the command that lists tenants, whatever it looks like."""
    with session.transaction(), pytest.raises(TenantNotFound, match="tenant list"):
        find(session, key)


def test_a_key_that_names_two_tenants_is_refused(session, roles):
    """When one tenant's slug is another's organisation, nobody is guessed: both are named."""
    create(session, roles, _new("acme"), actor=ACTOR)
    create(session, roles, _new("other", organization="acme"), actor=ACTOR)
    with session.transaction(), pytest.raises(TenantConflict, match=r"slug of 'acme'.*organisation of 'other'"):
        find(session, "acme")


def test_lists_leave_deleted_tenants_out_unless_asked(session, roles):
    """list_tenants filters by status and by deletion, in the order of creation."""
    create(session, roles, _new("a"), actor=ACTOR)
    create(session, roles, _new("b", status="active"), actor=ACTOR)
    create(session, roles, _new("c"), actor=ACTOR)
    delete(session, roles, "c", confirm="c", actor=ACTOR)
    with session.transaction():
        found = {
            (status, deleted): [tenant.slug for tenant in list_tenants(session, status=status, deleted=deleted)]
            for status in (None, "active")
            for deleted in (False, True, None)
        }
    assert found == {
        (None, False): ["a", "b"], (None, True): ["c"], (None, None): ["a", "b", "c"],
        ("active", False): ["b"], ("active", True): [], ("active", None): ["b"],
    }  # fmt: skip


def test_deleting_marks_and_keeps_everything(session, roles):
    """A soft delete sets the mark and the status, keeps the schema, and writes before and after."""
    tenant = create(session, roles, _new(), actor=ACTOR)
    plan = plan_delete(session, "acme")
    assert plan.destructive
    result = delete(session, roles, tenant.schema_name, confirm="acme", actor="somebody else")
    assert (result.before, result.after.subscription_status) == (tenant, "cancelled")
    assert result.after.deleted_at is not None
    assert _schema_exists(session, tenant.schema_name)
    with session.transaction():
        last = audit_of(session, tenant.id)[-1]
    assert (last.verb, last.actor, last.before["subscription_status"], last.after["subscription_status"]) == (
        "tenant delete", "somebody else", "trial", "cancelled",
    )  # fmt: skip


def test_deleting_wants_the_slug_a_live_tenant_and_a_known_one(session, roles):
    """A wrong confirmation, a second deletion and an unknown tenant are three different errors, and change nothing."""
    tenant = create(session, roles, _new(), actor=ACTOR)
    with pytest.raises(UsageError, match="confirmation"):
        delete(session, roles, "acme", confirm="acm", actor=ACTOR)
    with session.transaction():
        assert find(session, "acme") == tenant
    with pytest.raises(TenantNotFound):
        delete(session, roles, "nobody", confirm="nobody", actor=ACTOR)
    delete(session, roles, "acme", confirm="acme", actor=ACTOR)
    with pytest.raises(TenantConflict, match="already"):
        delete(session, roles, "acme", confirm="acme", actor=ACTOR)
    with pytest.raises(TenantConflict, match="already"):
        plan_delete(session, "acme")
    with session.transaction():
        assert len(audit_of(session, tenant.id)) == 2


def test_a_verb_waits_for_the_tenants_lock_and_gives_up(session, operator_url, roles):
    """While another verb holds the tenant's lock a second one stops at its lock limit and changes nothing."""
    tenant = create(session, roles, _new(), actor=ACTOR)
    with operator(operator_url, "impatient", limits=SessionLimits(lock_ms=50)) as other, session.transaction():
        lock_tenant(session, tenant.id)
        with pytest.raises(StatementTimedOut):
            delete(other, roles, "acme", confirm="acme", actor=ACTOR)
    with session.transaction():
        assert find(session, "acme").deleted_at is None


def test_only_the_run_that_made_a_tenant_discards_it(session, roles):
    """A throwaway tenant goes with schema and row for its own run only; the audit of both stays."""
    mine = create(session, roles, _new("mine", owner=FirstUser("u", "e@example.com")), actor=ACTOR, run="r1")
    create(session, roles, _new("real"), actor=ACTOR)
    for slug, run in (("mine", "r2"), ("real", "r1")):
        with pytest.raises(TenantConflict, match="not created by the run"):
            discard(session, roles, slug, run=run, actor=ACTOR)
    with pytest.raises(UsageError):
        discard(session, roles, "real", run="", actor=ACTOR)
    with session.transaction():
        assert [tenant.slug for tenant in made_by_run(session, "r1")] == ["mine"]
    assert discard(session, roles, "mine", run="r1", actor=ACTOR) == mine
    assert not _schema_exists(session, mine.schema_name)
    with session.transaction():
        assert made_by_run(session, "r1") == []
        assert [tenant.slug for tenant in list_tenants(session, deleted=None)] == ["real"]
        assert [(row.verb, row.run) for row in audit_of(session, mine.id)] == [("tenant create", "r1"), ("tenant discard", "r1")]
        with as_owner(session, roles):
            session.execute("SELECT set_config('app.tenant_id', %(id)s, true)", {"id": str(mine.id)})
            assert session.value("SELECT count(*) FROM public.users") == 0


def test_a_throwaway_tenant_without_its_schema_is_still_discarded(session, roles):
    """A run that lost the schema can still clean up its row."""
    mine = create(session, roles, _new("mine"), actor=ACTOR, run="r1")
    with session.transaction(), as_owner(session, roles):
        session.execute(fill('DROP SCHEMA :"schema" CASCADE', {"schema": mine.schema_name}))
    discard(session, roles, "mine", run="r1", actor=ACTOR)
    with session.transaction(), pytest.raises(TenantNotFound):
        find(session, "mine")


def _answers(verification):
    """What was asked about the tenant itself; what is remembered of it is asked elsewhere."""
    remembered = ("rows", "nothing unfinished", "last backup", "last restore drill")
    return {answer.question: answer.holds for answer in verification.answers if answer.question not in remembered}


def test_verifying_a_sound_tenant(session, observer_url, roles):
    """A tenant like its neighbours is sound, asked by the least-privileged observer."""
    for slug in ("a", "b", "c"):
        create(session, roles, _new(slug), actor=ACTOR)
    with observer(observer_url, "test") as seen:
        verification = verify(seen, roles, "b")
    assert verification.is_sound
    assert _answers(verification) == {"registered": True, "schema exists": True, "owner": True, "structure": True}


def test_verifying_tells_what_is_wrong(session, superuser_url, observer_url, roles):
    """A lost column, another owner and a missing schema are answers with their names, never an exception."""
    tenants = {slug: create(session, roles, _new(slug), actor=ACTOR) for slug in ("a", "b", "c", "d", "e")}
    with session.transaction(), as_owner(session, roles):
        session.execute(fill('ALTER TABLE :"schema".products DROP COLUMN category', {"schema": tenants["b"].schema_name}))
        session.execute(fill('DROP SCHEMA :"schema" CASCADE', {"schema": tenants["d"].schema_name}))
    with operator(superuser_url, "test") as superuser, superuser.transaction():
        superuser.execute(fill('ALTER SCHEMA :"schema" OWNER TO CURRENT_USER', {"schema": tenants["c"].schema_name}))
    with observer(observer_url, "test") as seen:
        column, owner, missing = verify(seen, roles, "b"), verify(seen, roles, "c"), verify(seen, roles, "d")
    assert [answer.detail for answer in column.answers if answer.holds is False] == [
        f"against {column.baseline}: lacks column products.category; lacks index products_category_idx"
    ]
    assert _answers(owner) == {"registered": True, "schema exists": True, "owner": False, "structure": True}
    assert _answers(missing) == {"registered": True, "schema exists": False}
    assert [each.is_sound for each in (column, owner, missing)] == [False, False, False]


def test_the_only_tenant_has_no_baseline(session, observer_url, roles):
    """Without a neighbour the structure is unknown, not sound; with a template it is compared with that."""
    create(session, roles, _new("a"), actor=ACTOR)
    with observer(observer_url, "test") as seen:
        alone = verify(seen, roles, "a")
        assert _answers(alone)["structure"] is None
        assert not alone.is_sound
    template = create(session, roles, _new("template-like"), actor=ACTOR)
    with observer(observer_url, "test") as seen:
        assert verify(seen, roles, "a", template=template.schema_name).is_sound
