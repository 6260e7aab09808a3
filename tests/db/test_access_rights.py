"""The check access_rights: each kind provoked on a real database, 0 to 1 to 0, and what only looks like one."""

import contextlib
import dataclasses
import uuid

import pytest
from hypothesis import given
from hypothesis import strategies as st

from capliquify_ops.configuration import Registry, load_limits
from capliquify_ops.configuration.system import SystemClock
from capliquify_ops.database import fill, observer, operator
from capliquify_ops.integrity import access_rights
from capliquify_ops.integrity.access_rights import RULES, judge
from capliquify_ops.integrity.faults import FINDINGS, Fault, Faults
from capliquify_ops.model.finding import Evidence
from capliquify_ops.model.outcome import Outcome
from capliquify_ops.model.secret import Secret
from capliquify_ops.reference import stack as embedded
from capliquify_ops.tenants.create import NewTenant, create

LIMITS = load_limits()
EVIDENCE = Evidence("access_rights", "db", "2026-01-01T00:00:00.000Z", 1.0)
NOTES = (
    'CREATE TABLE public.notes (tenant_id uuid); ALTER TABLE public.notes OWNER TO :"owner"; GRANT SELECT ON public.notes TO :"app";'
    " ALTER TABLE public.notes ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;"
)
"""A shared table of many tenants' rows, bound, and without a policy."""
MINE = "tenant_id::text = pg_catalog.current_setting('app.tenant_id', true)"
ATTRIBUTES = {
    "unbound application BYPASSRLS": 'ALTER ROLE :"app" BYPASSRLS',
    "powerful application CREATEROLE": 'ALTER ROLE :"app" CREATEROLE',
    "powerful application REPLICATION": 'ALTER ROLE :"app" REPLICATION',
    "needless attribute CREATEDB": 'ALTER ROLE :"app" CREATEDB',
}
MEMBERSHIPS = {
    "application membership :owner": 'GRANT :"owner" TO :"app" WITH INHERIT FALSE',
    "application membership :operator": 'CREATE ROLE "r""1"; GRANT :"operator" TO "r""1"; GRANT "r""1" TO :"app" WITH INHERIT FALSE',
    "application membership pg_read_server_files": (
        'CREATE ROLE r2; GRANT r2 TO :"app" WITH SET FALSE; GRANT pg_read_server_files TO r2 WITH SET FALSE'
    ),
    "application membership pg_write_server_files": (
        'CREATE ROLE r3; GRANT r3 TO :"app" WITH INHERIT FALSE; GRANT pg_write_server_files TO r3 WITH SET FALSE'
    ),
    "application membership pg_execute_server_program": (
        'GRANT pg_execute_server_program TO :"app" WITH ADMIN TRUE, INHERIT FALSE, SET FALSE'
    ),
    "application membership r4": 'CREATE ROLE r4 SUPERUSER; GRANT r4 TO :"app" WITH INHERIT FALSE',
    "application membership r5": 'CREATE ROLE r5 BYPASSRLS; GRANT r5 TO :"app"',
    "wide membership pg_read_all_data": 'GRANT pg_read_all_data TO :"app"',
    "wide membership pg_write_all_data": 'GRANT pg_write_all_data TO :"app"',
}
OWNERSHIP = {
    "application owns schema": 'ALTER SCHEMA :"b" OWNER TO :"app"',
    "application owns table sales": 'ALTER TABLE :"b".sales OWNER TO :"app"',
    "application owns table scenarios": 'CREATE ROLE r1; GRANT r1 TO :"app"; ALTER TABLE :"b".scenarios OWNER TO r1',
    "application owns table public.plans": 'CREATE TABLE public.plans (n int); ALTER TABLE public.plans OWNER TO :"app"',
    "application owns schema public": 'ALTER SCHEMA public OWNER TO :"app"',
}
EVERYBODY = {
    "open schema USAGE": 'GRANT USAGE ON SCHEMA :"b" TO PUBLIC',
    "open relation sales": 'GRANT SELECT ON :"b".sales TO PUBLIC',
    "open relation products.sku": 'GRANT SELECT (sku), UPDATE (sku) ON :"b".products TO PUBLIC',
    "open relation drawn": 'CREATE SEQUENCE :"b".drawn; GRANT USAGE ON SEQUENCE :"b".drawn TO PUBLIC',
    'open relation v."😀 %s': 'CREATE VIEW :"b"."v.""😀 %s" AS SELECT 1 AS n; GRANT SELECT ON :"b"."v.""😀 %s" TO PUBLIC',
    "open function mighty()": "CREATE FUNCTION :\"b\".mighty() RETURNS int LANGUAGE sql SECURITY DEFINER AS 'SELECT 1'",
    "open shared table public.tenants": "GRANT SELECT ON public.tenants TO PUBLIC",
    "open shared schema public": "GRANT CREATE ON SCHEMA public TO PUBLIC",
}
FOREIGN = {
    "foreign role r1": 'CREATE ROLE r1; GRANT USAGE ON SCHEMA :"a", :"b" TO r1',
    'foreign role r"2 😀': 'CREATE ROLE "r""2 😀"; GRANT SELECT ON :"a".sales, :"b".products TO "r""2 😀"',
    "foreign role r3": 'CREATE ROLE r3; GRANT SELECT (sku) ON :"a".products TO r3; GRANT USAGE ON SCHEMA :"b" TO r3',
    "foreign role r4": 'CREATE ROLE r4; ALTER SCHEMA :"a" OWNER TO r4; ALTER TABLE :"b".sales OWNER TO r4',
    "foreign role r7": (
        "CREATE ROLE r5; CREATE ROLE r6; CREATE ROLE r7 NOINHERIT; GRANT r5, r6 TO r7;"
        ' GRANT USAGE ON SCHEMA :"a" TO r5; GRANT USAGE ON SCHEMA :"b" TO r6'
    ),
    "foreign role r8": "CREATE ROLE r8; GRANT pg_read_all_data TO r8",
    f"foreign role {'r' * 63}": (
        f'CREATE ROLE {"r" * 63}; GRANT USAGE ON SCHEMA :"a" TO {"r" * 63};'
        f' ALTER DEFAULT PRIVILEGES FOR ROLE :"owner" IN SCHEMA :"b" GRANT SELECT ON TABLES TO {"r" * 63}'
    ),
    "default privilege tables to PUBLIC": 'ALTER DEFAULT PRIVILEGES FOR ROLE :"owner" GRANT SELECT ON TABLES TO PUBLIC',
    "default privilege sequences to PUBLIC": (
        'ALTER DEFAULT PRIVILEGES FOR ROLE :"owner" IN SCHEMA :"b" GRANT USAGE ON SEQUENCES TO PUBLIC'
    ),
    "default privilege schemas to r9": (
        'CREATE ROLE r9; ALTER DEFAULT PRIVILEGES FOR ROLE :"owner" GRANT USAGE ON SCHEMAS TO r9'
    ),
}
ROWS = {
    "row security off public.users": "ALTER TABLE public.users DISABLE ROW LEVEL SECURITY",
    "row security off public.notes": f"{NOTES} ALTER TABLE public.notes DISABLE ROW LEVEL SECURITY",
    "row security not forced public.subscriptions": "ALTER TABLE public.subscriptions NO FORCE ROW LEVEL SECURITY",
    "open policy public.audit_logs.all": 'CREATE POLICY "all" ON public.audit_logs USING (true)',
    "open policy public.audit_logs.add": 'CREATE POLICY add ON public.audit_logs FOR INSERT TO :"app" WITH CHECK (true)',
}
VIEWS = {
    "view past row security public.v1": 'CREATE VIEW public.v1 AS SELECT * FROM public.users; GRANT SELECT ON public.v1 TO :"app"',
    "view past row security v2": 'CREATE VIEW :"b".v2 AS SELECT * FROM public.users; GRANT SELECT (id) ON :"b".v2 TO :"app"',
    "view past row security public.v3": (
        'CREATE MATERIALIZED VIEW public.v3 AS SELECT * FROM public.users; GRANT SELECT ON public.v3 TO :"app"'
    ),
    "view past row security public.v5": (
        'CREATE VIEW public.v4 AS SELECT * FROM public.users; GRANT SELECT ON public.v4 TO :"owner";'
        ' CREATE VIEW public.v5 AS SELECT * FROM public.v4; ALTER VIEW public.v5 OWNER TO :"owner"; GRANT SELECT ON public.v5 TO :"app"'
    ),
    "view past row security public.v7": (
        "CREATE VIEW public.v6 WITH (security_invoker) AS SELECT * FROM public.users;"
        ' CREATE VIEW public.v7 WITH (security_invoker = off) AS SELECT * FROM public.v6; GRANT SELECT ON public.v6, public.v7 TO :"app"'
    ),
}
KINDS = (
    ATTRIBUTES,
    MEMBERSHIPS,
    OWNERSHIP,
    EVERYBODY,
    FOREIGN,
    ROWS,
    VIEWS,
    {"unbound application SUPERUSER": 'ALTER ROLE :"app" SUPERUSER'},
)
"""By the subject of the finding: what a superuser runs."""
SOUND = (
    # A role for each tenant, with members, future rights, an administrator of all, and an application that becomes each by SET ROLE.
    'CREATE ROLE t1; CREATE ROLE t2; GRANT ALL ON SCHEMA :"a" TO t1; GRANT ALL ON ALL TABLES IN SCHEMA :"a" TO t1;'
    ' ALTER SCHEMA :"b" OWNER TO t2; ALTER TABLE :"b".sales OWNER TO t2; CREATE ROLE t3 LOGIN; GRANT t1 TO t3;'
    ' ALTER DEFAULT PRIVILEGES FOR ROLE :"owner" IN SCHEMA :"a" GRANT ALL ON TABLES TO t1;'
    " CREATE ROLE t4 CREATEROLE; GRANT t1, t2 TO t4 WITH ADMIN TRUE, INHERIT FALSE, SET FALSE;"
    ' GRANT t1, t2 TO :"app" WITH INHERIT FALSE, SET TRUE',
    # People and programs that are members of the deployment's roles, or of the platform's.
    'CREATE ROLE m1; GRANT :"observer" TO m1; CREATE ROLE m2; GRANT :"app" TO m2; CREATE ROLE m3; GRANT :"owner" TO m3;'
    ' CREATE ROLE m4 CREATEROLE; GRANT pg_read_all_data TO m4, :"observer"; GRANT pg_monitor TO :"app";'
    ' CREATE ROLE m5 BYPASSRLS; GRANT m5 TO :"app" WITH INHERIT TRUE, SET FALSE',
    # Superusers hold every right, granted or not.
    'CREATE ROLE s1 SUPERUSER; GRANT USAGE ON SCHEMA :"a", :"b" TO s1',
    # A role that works elsewhere, and gives away what is its own.
    "CREATE ROLE e1; CREATE SCHEMA elsewhere AUTHORIZATION e1; ALTER DEFAULT PRIVILEGES FOR ROLE e1 GRANT SELECT ON TABLES TO PUBLIC;"
    ' GRANT SELECT ON public.users TO e1; CREATE TABLE elsewhere.t (tenant_id int); GRANT SELECT ON elsewhere.t TO PUBLIC, :"app"',
    # Functions that run with their caller's rights, that nobody can call, or that not everybody may.
    "CREATE FUNCTION :\"b\".f1() RETURNS int LANGUAGE sql AS 'SELECT 1';"
    " CREATE FUNCTION :\"b\".f2() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS 'BEGIN RETURN NEW; END';"
    ' CREATE FUNCTION :"b".f3() RETURNS int LANGUAGE sql SECURITY DEFINER AS \'SELECT 1\'; REVOKE ALL ON FUNCTION :"b".f3() FROM PUBLIC;'
    ' CREATE TYPE :"b".mood AS ENUM (\'x\'); ALTER DEFAULT PRIVILEGES FOR ROLE :"owner" GRANT EXECUTE ON FUNCTIONS TO :"observer"',
    # Tables that are not the application's, hold no rows of tenants any more, or never did.
    "CREATE TABLE public.n1 (tenant_id int); CREATE TABLE public.n2 (tenant_id int); ALTER TABLE public.n2 DROP COLUMN tenant_id;"
    ' CREATE TABLE public.n3 (n int); GRANT SELECT ON public.n2, public.n3 TO :"app", PUBLIC',
    # Policies that open for others, or that restrictive ones narrow.
    f'CREATE POLICY p1 ON public.users TO :"observer" USING (true); {NOTES} CREATE POLICY p2 ON public.notes USING (true);'
    f" CREATE POLICY p3 ON public.notes AS RESTRICTIVE USING ({MINE})",
    # Views that are their invoker's, the bound owner's, not the application's, or over tables without row security.
    "CREATE VIEW public.v1 WITH (security_invoker = yes) AS SELECT * FROM public.users; CREATE VIEW public.v2 AS SELECT * FROM public.users;"
    ' ALTER VIEW public.v2 OWNER TO :"owner"; CREATE VIEW public.v3 AS SELECT * FROM public.users; CREATE VIEW public.v4 AS SELECT * FROM'
    ' public.tenants; CREATE VIEW public.v5 AS SELECT * FROM public.v2; GRANT SELECT ON public.v1 TO :"owner";'
    ' CREATE VIEW public.v6 AS SELECT * FROM public.v1; ALTER VIEW public.v6 OWNER TO :"owner"; GRANT SELECT ON public.v6 TO :"app"; GRANT SELECT ON public.v1, public.v2, public.v4, public.v5 TO :"app"',
)
"""What looks like a fault and is none."""


def test_every_kind_is_found_and_gone(provoked, two, roles):
    """Nothing is found in two tenants, then exactly what was made, then nothing again."""
    for kinds in KINDS:
        before, found, after = provoked(access_rights, ";".join(kinds.values()), by="superuser", **roles.names())
        assert [(each.outcome, each.examined) for each in (*before.values(), *after.values())] == [(Outcome.HEALTHY, 2)] * 2
        assert set(found) == {_named(subject, roles) for subject in kinds}
        for subject, finding in found.items():
            assert finding.severity is next(rule.severity for kind, rule in RULES.items() if subject.startswith(f"{kind} "))
            assert finding.tenants is None or two["b"] in finding.tenants.sample


def _named(subject, roles):
    for role, name in roles.names().items():
        subject = subject.replace(f":{role}", name)
    return subject


def test_every_rule_is_provoked():
    """No kind of fault stands without a test."""
    subjects = [subject for kinds in KINDS for subject in kinds]
    assert {kind for kind in RULES if not any(subject.startswith(f"{kind} ") for subject in subjects)} == set()


def test_what_only_looks_like_a_fault_is_none(provoked, roles):
    """Layouts that are sound stay healthy."""
    for statement in SOUND:
        _, found, _ = provoked(access_rights, statement, by="superuser", **roles.names())
        assert {name: each.why for name, each in found.items() if each.outcome is not Outcome.HEALTHY} == {}


def test_one_fault_of_all_tenants_is_one_finding(as_the_owner, checked, two):
    """The observer finds a grant in both tenants as one finding of two, and nothing once it is revoked."""
    as_the_owner('GRANT SELECT ON :"a".sales, :"b".sales TO PUBLIC', **two)
    [finding] = checked(access_rights).values()
    assert (finding.subject.name, finding.tenants.count, len(finding.witness.lines)) == ("open relation sales", 2, 2)
    as_the_owner('REVOKE SELECT ON :"a".sales, :"b".sales FROM PUBLIC', **two)
    assert [each.outcome for each in checked(access_rights).values()] == [Outcome.HEALTHY]


def test_without_any_row_security(provoked):
    """This product has row security by design: that it is gone everywhere is no sign that nobody wants it."""
    tables = ("users", "subscriptions", "audit_logs")
    gone = (
        "DROP POLICY {0}_of_tenant ON public.{0}; ALTER TABLE public.{0} DISABLE ROW LEVEL SECURITY, NO FORCE ROW LEVEL SECURITY"
    )
    _, found, _ = provoked(access_rights, "; ".join(gone.format(table) for table in tables))
    assert set(found) == {f"row security off public.{table}" for table in tables}


class _Undo(Exception):
    pass


def _judged(url, profile, roles, statement, **names):
    """Make something as a superuser, judge it under other names, and undo it."""
    with operator(url, "test") as session, contextlib.suppress(_Undo), session.transaction():
        session.script(fill(statement, {**roles.names(), **names}))
        rows = access_rights.measure(session, profile=profile, roles=roles)
        raise _Undo
    return {finding.subject.name: finding for finding in judge(rows, LIMITS, EVIDENCE)}


ADOPTED = (
    "DROP TABLE public.tenants, public.users, public.subscriptions, public.audit_logs CASCADE;"
    " CREATE TABLE public.accounts (name text, tenant_id int); CREATE TABLE public.domains (tenant_id int);"
    " CREATE SCHEMA x; CREATE SCHEMA y; CREATE TABLE x.t (n int); INSERT INTO public.accounts VALUES ('x'), ('y');"
    ' ALTER TABLE public.accounts OWNER TO :"app"; ALTER TABLE public.domains OWNER TO :"app"; ALTER TABLE x.t OWNER TO :"app";'
    ' ALTER SCHEMA x OWNER TO :"app"; ALTER SCHEMA y OWNER TO :"app";'
    " DO $$ BEGIN EXECUTE format('ALTER DATABASE %I OWNER TO %I', current_database(), :'app'); END $$;"
)
"""A database of somebody else: the role that serves owns everything, and there is no row security."""


@pytest.fixture
def adopted(superuser_url, profile, roles):
    """Judges such a database, with what is done to it, and roles as its target names them."""
    columns = {"schema_name": "name", "id": "name", "slug": "name", "status": "", "created_at": "", "deleted_at": ""}
    theirs = dataclasses.replace(profile, registry=Registry("public.accounts", **columns))

    def judged(statement="", **named):
        return _judged(superuser_url, theirs, dataclasses.replace(roles, **named), ADOPTED + statement)

    return judged


def test_a_role_that_owns_and_serves_is_declared(adopted, roles):
    """Where the target says that one role owns and serves, owning is no fault; where it does not, it is."""
    [finding] = adopted(owner=roles.app).values()
    assert (finding.outcome, finding.examined) == (Outcome.HEALTHY, 2)
    owned = {"database", "schema", "table t", "table public.accounts", "table public.domains"}
    assert set(adopted()) == {f"application owns {each}" for each in owned}


def test_row_security_is_idle_where_the_application_owns(adopted, roles):
    """A deployment may do without; where it has row security, it must bind also the owner, whom the application is."""
    enabled = "ALTER TABLE public.domains ENABLE ROW LEVEL SECURITY;"
    assert set(adopted(enabled, owner=roles.app)) == {"row security off public.domains"}
    forced = f"{enabled} ALTER TABLE public.domains FORCE ROW LEVEL SECURITY"
    assert [each.outcome for each in adopted(forced, owner=roles.app).values()] == [Outcome.HEALTHY]


def test_an_unknown_application_is_said(superuser_url, profile, roles, two):
    """Without its role nothing is healthy; what does not hang on it is found all the same."""
    nobody = dataclasses.replace(roles, app='no"body')
    found = list(_judged(superuser_url, profile, nobody, "SELECT 1").values())
    # The application's real role is nobody's now, and foreign in both tenants.
    assert [(each.outcome, each.examined) for each in found] == [(Outcome.FAILING, 2), (Outcome.INCONCLUSIVE, 2)]
    assert found[0].subject.name == f"foreign role {roles.app}"
    assert "There is no role 'no\"body'" in found[1].why
    assert "app_role" in found[1].why
    found = _judged(superuser_url, profile, nobody, 'GRANT USAGE ON SCHEMA :"a" TO PUBLIC', **two)
    assert "open schema USAGE" in found


def test_an_unreadable_registry_is_never_healthy(as_the_owner, checked, roles, two):
    """Without SELECT on the registry the check could not tell, and names the grant."""
    as_the_owner('REVOKE SELECT ON public.tenants FROM :"observer"', observer=roles.observer)
    [finding] = checked(access_rights).values()
    assert finding.outcome is Outcome.INCONCLUSIVE
    assert f'GRANT SELECT ON public.tenants TO "{roles.observer}"' in finding.why


def test_no_tenants_are_never_healthy(checked):
    """A database without tenants gives no healthy answer."""
    [finding] = checked(access_rights).values()
    assert finding.outcome is Outcome.INCONCLUSIVE


@pytest.fixture(scope="module")
def fifteen(postgres_15):
    with embedded.start(service=False, postgres_bin=postgres_15) as running:
        yield running


ON_15 = {
    "application membership :owner": 'CREATE ROLE r1; GRANT :"owner" TO r1; ALTER ROLE r1 NOINHERIT; GRANT r1 TO :"app"',
    "application owns table sales": 'CREATE ROLE r2; GRANT r2 TO :"app"; ALTER TABLE :"b".sales OWNER TO r2',
    "open relation sales": 'GRANT SELECT ON :"a".sales TO PUBLIC',
    "foreign role r5": (
        "CREATE ROLE r3; CREATE ROLE r4; CREATE ROLE r5 NOINHERIT; GRANT r3, r4 TO r5;"
        ' GRANT USAGE ON SCHEMA :"a" TO r3; GRANT USAGE ON SCHEMA :"b" TO r4'
    ),
    "row security off public.users": "ALTER TABLE public.users DISABLE ROW LEVEL SECURITY",
    "view past row security public.v2": (
        "CREATE VIEW public.v1 WITH (security_invoker) AS SELECT * FROM public.subscriptions; CREATE VIEW public.v2 AS SELECT * FROM"
        ' public.v1; GRANT SELECT ON public.v1, public.v2 TO :"app"'
    ),
}


@pytest.mark.whole
def test_on_15(fifteen, profile):
    """On PostgreSQL 15, where every member may SET ROLE, a sound fleet is healthy and faults are found."""
    roles, url = fifteen.roles, Secret(fifteen.superuser_url)
    with operator(Secret(fifteen.operator_url), "test") as session:
        made = [create(session, roles, NewTenant(uuid.uuid4(), slug, slug, f"org_{slug}"), actor="test") for slug in ("a", "b")]
    names = {"a": made[0].schema_name, "b": made[1].schema_name}
    with observer(Secret(fifteen.database_url), "test") as session:
        [finding] = access_rights.run(session, LIMITS, SystemClock(), profile=profile, roles=roles)
    assert (finding.outcome, finding.examined) == (Outcome.HEALTHY, 2)
    found = _judged(url, profile, roles, ";".join(ON_15.values()), **names)
    assert set(found) == {_named(subject, roles) for subject in ON_15}


faults = st.builds(
    Fault,
    st.sampled_from(["a", "b", ""]),
    st.sampled_from([*RULES, "unknown application"]),
    st.text("xyz", max_size=2),
    st.text(max_size=2),
)


@given(st.lists(faults, max_size=60), st.integers(0, 3))
def test_judging_is_total_and_never_silent(found, tenants):
    """Every fault is in a finding, findings stay few, and without the application's role nothing is healthy."""
    findings = judge(Faults(tenants, tuple(found)), LIMITS, EVIDENCE)
    outcomes = {finding.outcome for finding in findings}
    assert 1 <= len(findings) <= FINDINGS + 2
    if tenants:
        kinds = {each.kind for each in found}
        assert (Outcome.FAILING in outcomes) == bool(kinds - {"unknown application"})
        assert (Outcome.INCONCLUSIVE in outcomes) == ("unknown application" in kinds)
        assert (Outcome.HEALTHY in outcomes) == (not found)
    else:
        assert outcomes == {Outcome.INCONCLUSIVE}
