"""The check registry_catalogue: each kind of disagreement provoked on a real database, 0 to 1 to 0, and judged without one."""

import uuid

import pytest
from hypothesis import given
from hypothesis import strategies as st

from capliquify_ops.configuration import load_limits, load_profile
from capliquify_ops.configuration.system import SystemClock
from capliquify_ops.database import Server, fill, observer, operator
from capliquify_ops.integrity import observing
from capliquify_ops.integrity.registry_catalogue import judge, run
from capliquify_ops.integrity.registry_disagreements import Registered, RegistryRows, Unregistered, folded
from capliquify_ops.model.errors import ConfigurationInvalid
from capliquify_ops.model.finding import Evidence
from capliquify_ops.model.outcome import Outcome
from capliquify_ops.tenants.create import NewTenant, create
from capliquify_ops.tenants.delete import delete
from capliquify_ops.tenants.ownership import as_owner
from capliquify_ops.tenants.purge import PurgeOptions, purge

LIMITS = load_limits()
EVIDENCE = Evidence("registry_catalogue", "db", "2026-01-01T00:00:00.000Z", 1.0)


@pytest.fixture(scope="module")
def profile(tmp_path_factory):
    return load_profile("capliquify", tmp_path_factory.mktemp("profile"))


@pytest.fixture
def fleet(operator_url, roles):
    """Makes tenants that are older than the grace of provisioning."""
    made = {}
    with operator(operator_url, "test") as session:

        def add(slug, schema=""):
            new = NewTenant(uuid.uuid4(), slug, slug, f"org_{slug}", schema_name=schema)
            made[slug] = create(session, roles, new, actor="test")
            _as_owner(operator_url, roles, "UPDATE public.tenants SET created_at = now() - interval '1 day'")
            return made[slug]

        yield add


def _as_owner(url, roles, statement, **names):
    with operator(url, "test") as session, session.transaction(), as_owner(session, roles):
        session.script(fill(statement, names))


def _check(url, roles, profile):
    with observer(url, "test") as session:
        return run(session, LIMITS, SystemClock(), profile=profile, roles=roles)


def _outcomes(findings):
    return {(finding.subject.name, finding.outcome.value) for finding in findings}


def _healthy(findings):
    return len(findings) == 1 and findings[0].outcome is Outcome.HEALTHY


def test_an_empty_registry_is_never_healthy(observer_url, roles, profile):
    """A database without tenants is inconclusive: nothing was examined."""
    (finding,) = _check(observer_url, roles, profile)
    assert (finding.outcome, finding.examined) == (Outcome.INCONCLUSIVE, 0)


def test_tenants_that_agree_are_healthy(observer_url, roles, profile, fleet):
    """Tenants of any storable name agree with the catalogue, and the finding says how many were examined."""
    for number, schema in enumerate(("", 'quo"te', "Tenant_😀", "x" * 63, "tenantXfoo", "apo's")):
        fleet(f"t{number}", schema)
    (finding,) = _check(observer_url, roles, profile)
    assert (finding.outcome, finding.examined, finding.eligible) == (Outcome.HEALTHY, 6, 6)
    assert finding.evidence.of.startswith("test_")


@pytest.mark.parametrize("schema", ["", 'quo"te', "tenantX", "Tenant_😀"])
def test_a_missing_schema_is_found_and_gone(database, roles, profile, fleet, schema):
    """0, 1, 0: a schema dropped by hand makes exactly one failing finding, until it is provisioned again."""
    tenant = fleet("acme", schema)
    fleet("other")
    assert _healthy(_check(database.observer_url, roles, profile))
    _as_owner(database.operator_url, roles, 'DROP SCHEMA :"schema" CASCADE', schema=tenant.schema_name)
    (finding,) = _check(database.observer_url, roles, profile)
    assert (finding.subject.name, finding.outcome) == ("missing_schema", Outcome.FAILING)
    assert finding.tenants.sample == (tenant.schema_name,)
    assert str(tenant.id) in finding.witness.lines[0]
    with operator(database.operator_url, "test") as session, session.transaction():
        session.value("SELECT public.create_tenant_schema(%(id)s)", {"id": tenant.id})
    assert _healthy(_check(database.observer_url, roles, profile))


def test_a_row_that_is_just_being_provisioned_is_told_apart(database, roles, profile, fleet):
    """A young row without a schema is in progress, not a fault; once it is older than the grace it is one."""
    fleet("acme")
    _as_owner(
        database.operator_url,
        roles,
        "INSERT INTO public.tenants (slug, name, clerk_organization_id) VALUES ('young', 'x', 'org_young')",
    )
    (finding,) = _check(database.observer_url, roles, profile)
    assert (finding.outcome, finding.measured["in_progress"], finding.examined) == (Outcome.HEALTHY, 1, 1)
    _as_owner(database.operator_url, roles, "UPDATE public.tenants SET created_at = now() - interval '10 minutes'")
    assert _outcomes(_check(database.observer_url, roles, profile)) == {("missing_schema", "failing")}


@pytest.mark.parametrize("name", ["orphan", "tenantXorphan", 'or"phan', "TENANT_ORPHAN", "x" * 63])
def test_an_orphan_schema_is_found_whatever_its_name(database, roles, profile, fleet, name):
    """0, 1, 0: a schema with tenant tables and no row is an orphan, named like a tenant or not."""
    fleet("acme")
    fleet("lost", name)
    assert _healthy(_check(database.observer_url, roles, profile))
    _as_owner(database.operator_url, roles, "DELETE FROM public.tenants WHERE slug = 'lost'")
    (finding,) = _check(database.observer_url, roles, profile)
    assert (finding.subject.name, finding.outcome, finding.tenants.sample) == ("orphan_schema", Outcome.FAILING, (name,))
    _as_owner(database.operator_url, roles, 'DROP SCHEMA :"name" CASCADE', name=name)
    assert _healthy(_check(database.observer_url, roles, profile))


def test_other_schemas_are_no_orphans(database, roles, profile, fleet):
    """A schema that only looks like a tenant's by name, an extension's, and one of the owner's with other tables are left alone."""
    fleet("acme")
    with operator(database.superuser_url, "test") as session, session.transaction():
        session.script(fill("CREATE SCHEMA tenant_lookalike; CREATE TABLE tenant_lookalike.notes (id int)", {}))
    _as_owner(database.operator_url, roles, "CREATE SCHEMA reporting; CREATE TABLE reporting.totals (id int)")
    (finding,) = _check(database.observer_url, roles, profile)
    assert finding.outcome is Outcome.HEALTHY
    assert finding.measured["unregistered_schemas"] >= 2


def test_an_empty_schema_of_the_owner_is_an_orphan(database, roles, profile, fleet):
    """Provisioning that stopped after CREATE SCHEMA is found by its owner."""
    fleet("acme")
    _as_owner(database.operator_url, roles, "CREATE SCHEMA half_way")
    assert _outcomes(_check(database.observer_url, roles, profile)) == {("orphan_schema", "failing")}


def test_a_quarantined_schema_is_no_orphan(database, roles, profile, fleet):
    """A schema that a purge put away is told apart, by the ledger: the same schema without its line there is an orphan."""
    fleet("a"), fleet("b")
    with operator(database.operator_url, "test") as session:
        delete(session, roles, "a", confirm="a", actor="test")
        purge(session, roles, "a", PurgeOptions(None), confirm="a without archive", actor="test")
    assert _healthy(_check(database.observer_url, roles, profile))
    _as_owner(database.operator_url, roles, "UPDATE capliquify_ops.quarantine SET schema_name = 'quarantine_other'")
    assert _outcomes(_check(database.observer_url, roles, profile)) == {("orphan_schema", "failing")}


def test_another_owner_is_found_and_gone(database, roles, profile, fleet):
    """0, 1, 0: a tenant's schema that belongs to somebody else is found; the verbs could not act there."""
    tenant = fleet("acme")
    names = {"schema": tenant.schema_name, "owner": roles.owner}
    assert _healthy(_check(database.observer_url, roles, profile))
    for owner, expected in (("CURRENT_USER", {("wrong_owner", "failing")}), (':"owner"', None)):
        with operator(database.superuser_url, "test") as session, session.transaction():
            session.execute(fill(f'ALTER SCHEMA :"schema" OWNER TO {owner}', names))
        findings = _check(database.observer_url, roles, profile)
        assert _outcomes(findings) == expected if expected else _healthy(findings)


def test_names_that_meet_after_folding_are_found(database, roles, profile, fleet):
    """Two schemas that differ in letter case only are one name for whoever does not quote."""
    fleet("a", "Ten")
    assert _healthy(_check(database.observer_url, roles, profile))
    _as_owner(
        database.operator_url,
        roles,
        "INSERT INTO public.tenants (slug, name, clerk_organization_id, schema_name) VALUES ('b', 'b', 'org_b', 'ten');"
        " CREATE SCHEMA ten",
    )
    (finding,) = _check(database.observer_url, roles, profile)
    assert (finding.subject.name, finding.tenants.sample) == ("colliding_names", ("Ten", "ten"))
    _as_owner(database.operator_url, roles, "DELETE FROM public.tenants WHERE slug = 'b'; DROP SCHEMA ten")
    assert _healthy(_check(database.observer_url, roles, profile))


def test_two_tenants_of_one_schema_are_found(database, roles, profile, fleet):
    """In a registry that allows it, two rows that name one schema are the worst kind of fault."""
    first = fleet("a")
    names = {"schema": first.schema_name}
    _as_owner(database.operator_url, roles, "ALTER TABLE public.tenants DROP CONSTRAINT tenants_schema_name_key")
    assert _healthy(_check(database.observer_url, roles, profile))
    query = "INSERT INTO public.tenants (slug, name, clerk_organization_id, schema_name) VALUES ('b', 'b', 'org_b', :'schema')"
    _as_owner(database.operator_url, roles, query, **names)
    (finding,) = _check(database.observer_url, roles, profile)
    assert (finding.subject.name, finding.severity.value) == ("shared_schema", "critical")
    _as_owner(database.operator_url, roles, "DELETE FROM public.tenants WHERE slug = 'b'")
    assert _healthy(_check(database.observer_url, roles, profile))


def test_the_runbooks_first_procedure_is_caught(database, roles, profile, fleet):
    """Procedure 1, executed as it stands against a provisioning function that names schemas by the row's id, leaves a row that
    points nowhere and an orphan beside it: both are named."""
    fleet("acme")
    _as_owner(
        database.operator_url,
        roles,
        """
        INSERT INTO public.tenants (id, name, slug, schema_name, clerk_organization_id, subscription_tier, subscription_status,
          max_users, max_entities, features)
        VALUES (
          gen_random_uuid(), 'New Tenant Name', 'new-tenant-slug', 'tenant_' || replace(gen_random_uuid()::text, '-', ''),
          'org_clerk_id_here', 'professional', 'trial', 25, 5000,
          '{"basic_forecasting": true, "ai_forecasting": true, "what_if_analysis": true}'::jsonb
        );
        UPDATE public.tenants SET created_at = now() - interval '1 hour' WHERE slug = 'new-tenant-slug';
        """,
    )
    # The company's own function: the schema is named after the id, whatever the row says.
    with operator(database.operator_url, "test") as session, session.transaction(), as_owner(session, roles):
        row = session.mappings("SELECT id, schema_name FROM public.tenants WHERE slug = 'new-tenant-slug'")[0]
        orphan = f"tenant_{row['id'].hex}"
        session.script(fill('CREATE SCHEMA :"schema"; CREATE TABLE :"schema".products (id uuid PRIMARY KEY)', {"schema": orphan}))
    found = {finding.subject.name: finding.tenants.sample for finding in _check(database.observer_url, roles, profile)}
    assert found == {"missing_schema": (row["schema_name"],), "orphan_schema": (orphan,)}


def test_the_runbooks_first_procedure_is_sound_with_our_function(database, roles, profile):
    """The same procedure with this product's create_tenant_schema gives a tenant that agrees: the row decides the name."""
    _as_owner(
        database.operator_url,
        roles,
        """
        INSERT INTO public.tenants (name, slug, schema_name, clerk_organization_id)
        VALUES ('New', 'new-tenant-slug', 'tenant_' || replace(gen_random_uuid()::text, '-', ''), 'org_clerk_id_here')
        """,
    )
    with operator(database.operator_url, "test") as session, session.transaction():
        session.value("SELECT public.create_tenant_schema((SELECT id FROM public.tenants WHERE slug = 'new-tenant-slug'))")
    assert _healthy(_check(database.observer_url, roles, profile))


def test_a_role_that_may_not_read_the_registry_is_told_the_grant(database, roles, profile, fleet):
    """Without SELECT the check is inconclusive and names the grant: no tenant seen is not no tenant broken."""
    fleet("acme")
    _as_owner(database.operator_url, roles, 'REVOKE SELECT ON public.tenants FROM :"observer"', observer=roles.observer)
    (finding,) = _check(database.observer_url, roles, profile)
    assert finding.outcome is Outcome.INCONCLUSIVE
    assert f'GRANT SELECT ON public.tenants TO "{roles.observer}"' in finding.why
    _as_owner(database.operator_url, roles, 'GRANT SELECT ON public.tenants TO :"observer"', observer=roles.observer)
    assert _healthy(_check(database.observer_url, roles, profile))


def test_a_registry_behind_row_security_is_not_taken_for_empty(database, roles, profile, fleet):
    """Row security that hides rows makes the check inconclusive, whatever few rows are seen."""
    fleet("acme")
    _as_owner(database.operator_url, roles, "ALTER TABLE public.tenants ENABLE ROW LEVEL SECURITY")
    (finding,) = _check(database.observer_url, roles, profile)
    assert finding.outcome is Outcome.INCONCLUSIVE
    assert "Row security" in finding.why


def test_the_observer_sees_schemas_that_it_may_not_use(database, roles, profile, fleet):
    """Without any right on a tenant's schema it is still known to exist: information_schema would hide it."""
    tenant = fleet("acme")
    names = {"schema": tenant.schema_name, "observer": roles.observer}
    _as_owner(database.operator_url, roles, 'REVOKE USAGE ON SCHEMA :"schema" FROM :"observer"', **names)
    assert _healthy(_check(database.observer_url, roles, profile))


def test_a_database_without_a_registry_is_a_wrong_configuration(new_database, roles, profile):
    """Where the profile's registry does not exist the check does not run at all, and says which setting is wrong."""
    with pytest.raises(ConfigurationInvalid, match=r"public\.tenants"):
        _check(new_database("template1").observer_url, roles, profile)


def test_a_server_newer_than_known_is_inconclusive(observer_url, roles, profile, fleet, monkeypatch):
    """Catalogues of a version that nobody has tested are not judged."""
    fleet("acme")
    real = observing.describe

    def newer(session):
        server = real(session)
        values = {name: getattr(server, name) for name in Server.__slots__}
        return Server(**(values | {"major": 99}))

    monkeypatch.setattr(observing, "describe", newer)
    (finding,) = _check(observer_url, roles, profile)
    assert finding.outcome is Outcome.INCONCLUSIVE
    assert "99" in finding.why


def test_an_unknown_owner_role_is_not_a_thousand_wrong_owners(observer_url, profile, fleet):
    """When the configured owner role does not exist, owners are not judged, and that is said."""
    fleet("acme")
    from capliquify_ops.model.roles import Roles

    (finding,) = _check(observer_url, Roles(owner="nobody_at_all"), profile)
    assert finding.outcome is Outcome.INCONCLUSIVE
    assert "nobody_at_all" in finding.why


NAME = st.sampled_from(["a", "A", "b", "é" * 32, "é" * 31 + "x", "x" * 63, "x" * 64, "x" * 70, 'q"', "tenant_1", "tenantX1"])
REGISTERED = st.builds(
    Registered,
    id=st.uuids().map(str),
    slug=NAME,
    schema_name=NAME,
    status=st.sampled_from(["trial", "active", "cancelled", "suspended"]),
    is_deleted=st.booleans(),
    age_s=st.floats(0, 1000),
    has_schema=st.booleans(),
    owner=st.sampled_from(["owner", "other", None]),
)
UNREGISTERED = st.builds(
    Unregistered, name=NAME, owner=st.sampled_from(["owner", "x"]), objects=st.integers(0, 3), tenant_tables=st.integers(0, 3)
)
ROWS = st.builds(
    RegistryRows,
    tenants=st.lists(REGISTERED, max_size=30).map(tuple),
    unregistered=st.lists(UNREGISTERED, max_size=30).map(tuple),
    owner=st.just("owner"),
    owner_exists=st.booleans(),
)


@given(ROWS)
def test_judging_is_total_and_never_silent(rows):
    """Any rows give at least one finding; healthy stands alone and has examined something; one finding for each kind of fault."""
    findings = judge(rows, LIMITS, EVIDENCE)
    assert findings
    assert len({finding.subject.name for finding in findings}) == len(findings)
    healthy = [finding for finding in findings if finding.outcome is Outcome.HEALTHY]
    assert not healthy or (len(findings) == 1 and healthy[0].examined >= 1)
    for finding in findings:
        if finding.tenants:
            assert len(finding.tenants.sample) <= 20
            assert finding.tenants.count >= len(finding.tenants.sample)


@given(ROWS)
def test_healthy_exactly_when_both_sides_agree(rows):
    """The verdict equals a direct reading of the rules, row by row."""
    grace = LIMITS.number("provisioning_grace_s")
    live = [t for t in rows.tenants if not t.is_deleted]
    young = [t for t in live if not t.has_schema and t.status != "cancelled" and t.age_s < grace]
    wrong = (
        any(not t.has_schema and t.status != "cancelled" and t.age_s >= grace for t in live)
        or any(s.tenant_tables or (s.owner == "owner" and not s.objects) for s in rows.unregistered)
        or len({folded(t.schema_name) for t in rows.tenants}) < len(rows.tenants)
        or any(len(t.schema_name.encode()) > 63 for t in rows.tenants)
        or (rows.owner_exists and any(t.has_schema and t.owner != "owner" for t in live))
    )
    outcomes = {finding.outcome for finding in judge(rows, LIMITS, EVIDENCE)}
    assert (Outcome.FAILING in outcomes) == wrong
    sound = not wrong and rows.owner_exists and len(rows.tenants) > len(young)
    assert (outcomes == {Outcome.HEALTHY}) == sound


@given(st.text(st.characters(blacklist_categories=["Cs"]), max_size=80))
def test_a_folded_name_fits_and_is_stable(name):
    """Names that are equal in their first 63 bytes and in lower case fold alike; a name that fits folds to its lower case."""
    if len(name.encode()) <= 63:
        assert folded(name) == name.lower()
    if len(name.encode()) == 63:
        assert folded(name) == folded(name + "anything") == folded(name + "é")
