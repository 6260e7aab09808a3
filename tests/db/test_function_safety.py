"""The check function_safety: each kind provoked on a real database, 0 to 1 to 0, and what only looks like one."""

import dataclasses
import uuid

import pytest

from capliquify_ops.configuration import load_limits
from capliquify_ops.configuration.system import SystemClock
from capliquify_ops.database import fill, observer, operator
from capliquify_ops.integrity import function_safety
from capliquify_ops.integrity.function_safety import RULES
from capliquify_ops.model.errors import OpsError
from capliquify_ops.model.outcome import Grade, Outcome
from capliquify_ops.tenants.create import NewTenant, create
from capliquify_ops.tenants.ownership import as_owner

DEFINER = "CREATE FUNCTION :\"b\".f(int) RETURNS int LANGUAGE sql SECURITY DEFINER {} AS 'SELECT 1'"
PURGE = """CREATE FUNCTION :"b".purge(tenant uuid) RETURNS void LANGUAGE plpgsql AS $f$
DECLARE
  schema_name text; -- of the tenant
BEGIN
  SELECT t.schema_name INTO schema_name FROM public.tenants AS t WHERE t.id = tenant;
  IF EXISTS (SELECT 1 FROM information_schema.schemata WHERE schema_name = schema_name) THEN
    EXECUTE format('DROP SCHEMA %I CASCADE', schema_name);
  END IF;
END $f$"""
BODY = 'CREATE FUNCTION :"b".f(sku text) RETURNS void LANGUAGE plpgsql {} AS $f${}$f$'
CANNOT = "function that cannot run f(sku text)"
KINDS = {
    "unpinned definer f(integer)": DEFINER.format(""),
    "unpinned definer public.g()": "CREATE FUNCTION public.g() RETURNS int LANGUAGE sql SECURITY DEFINER AS 'SELECT 1'",
    "unpinned definer else.where()": (
        'CREATE SCHEMA "else"; CREATE PROCEDURE "else"."where"() LANGUAGE sql SECURITY DEFINER AS \'SELECT 1\''
    ),
    "unpinned definer f(s status, many status[])": (
        'CREATE TYPE :"b".status AS ENUM (); CREATE FUNCTION :"b".f(s :"b".status, many :"b".status[]) RETURNS int'
        " LANGUAGE sql SECURITY DEFINER AS 'SELECT 1'"
    ),
    "definer with temporary objects first f(integer)": DEFINER.format('SET search_path = :"b"'),
    "open path the schema public for PUBLIC": (
        DEFINER.format("SET search_path = public, pg_temp") + "; GRANT CREATE ON SCHEMA public TO PUBLIC"
    ),
    "open path its own schema for :app": (
        DEFINER.format('SET search_path = :"b", pg_temp') + '; GRANT CREATE ON SCHEMA :"b" TO :"app"'
    ),
    "open path a schema of a tenant for :app": (
        DEFINER.format('SET search_path = :"a", pg_temp') + '; GRANT CREATE ON SCHEMA :"a" TO :"app"'
    ),
    "function that cannot run purge(tenant uuid)": PURGE,
    CANNOT: BODY.format("", "BEGIN RETURN QUERY SELECT sku FROM products AS p; END").replace("void", "SETOF text"),
    "unquoted schema name f(sku text)": BODY.format("", "BEGIN EXECUTE format('DROP SCHEMA %s', sku); END"),
}
"""By the subject of the finding: what a superuser runs."""
TEMPORARY_FIRST = ("pg_temp, public, pg_temp", "pg_catalog", "'public, pg_temp'", '"PG_TEMP"', 'pg_temp, "a, ""pg_temp"')
FINE = (
    DEFINER.format('SET search_path = :"b", pg_temp'),
    DEFINER.format("SET search_path = ''"),
    DEFINER.format('SET search_path = public, "pg_temp"'),
    DEFINER.format('SET search_path = "a, pg_temp, ""b", PG_TEMP'),
    "CREATE FUNCTION :\"b\".f() RETURNS int LANGUAGE sql AS 'SELECT 1'",
    # CREATE on a schema that no definer looks into, or to who may be the owner anyway.
    'GRANT CREATE ON SCHEMA public, :"b" TO PUBLIC',
    DEFINER.format('SET search_path = :"b", pg_temp')
    + '; ALTER FUNCTION :"b".f(int) OWNER TO :"owner"; GRANT :"owner" TO :"app"; GRANT CREATE ON SCHEMA :"b" TO :"app"',
    BODY.format("", "BEGIN DELETE FROM products AS p WHERE p.sku = f.sku; END"),
    BODY.format("", "#variable_conflict use_column\nBEGIN DELETE FROM products WHERE sku = $1; END"),
    BODY.format("SET plpgsql.variable_conflict = use_column", "BEGIN DELETE FROM products WHERE sku = $1; END"),
    BODY.format("", "BEGIN UPDATE products SET sku = $1; DELETE FROM companies WHERE name = sku; END"),
    BODY.format("", "BEGIN FOR i IN SELECT 1 FROM products LOOP DELETE FROM companies WHERE name = sku; END LOOP; END").replace(
        "BEGIN", "DECLARE i record; BEGIN", 1
    ),
    # Where such a table is looked for elsewhere.
    'CREATE TABLE public.products (n int); CREATE FUNCTION :"b".f(sku text) RETURNS void LANGUAGE plpgsql SET search_path = public'
    " AS $f$BEGIN DELETE FROM products WHERE n::text = sku; END$f$",
    BODY.format("", "BEGIN DELETE FROM pg_class WHERE relname = sku; END"),
    BODY.format("", "BEGIN EXECUTE format('DROP SCHEMA %I', sku); END"),
)


@pytest.fixture
def renamed(roles):
    return lambda subject: subject.replace(":app", roles.app)


def test_every_kind_is_found_and_gone(provoked, two, roles, renamed):
    """Nothing is found in two tenants, then exactly what was made, then nothing again."""
    for subject, statement in KINDS.items():
        before, found, after = provoked(function_safety, statement, by="superuser", app=roles.app)
        assert [(each.outcome, each.examined) for each in (*before.values(), *after.values())] == [(Outcome.HEALTHY, 2)] * 2
        assert set(found) == {renamed(subject)}
        [finding] = found.values()
        kind = next(kind for kind in RULES if subject.startswith(kind))
        assert (finding.severity, finding.grade) == (RULES[kind].severity, RULES[kind].grade)
        assert finding.tenants is None or finding.tenants.sample == (two["b"],)
        assert not any(name in finding.subject.name for name in two.values())


def test_temporary_objects_come_first_unless_named_last_alone(provoked):
    """Named twice, not at all, within a text, or in another letter case: it does not count."""
    for path in TEMPORARY_FIRST:
        _, found, _ = provoked(function_safety, DEFINER.format(f"SET search_path = {path}"))
        assert set(found) == {"definer with temporary objects first f(integer)"}, path


def test_one_text_of_all_tenants_is_one_finding(provoked, two):
    """A text that holds its tenant's name is alike in all of them, as is a type of their own: one finding of two tenants."""
    made = (
        'CREATE TYPE :"{0}".status AS ENUM (); CREATE FUNCTION :"{0}".f(s :"{0}".status, sku text) RETURNS void LANGUAGE plpgsql'
        ' SECURITY DEFINER AS $f$BEGIN DELETE FROM :"{0}".products WHERE sku = $2; END$f$;'
    )
    _, found, _ = provoked(function_safety, made.format("a") + made.format("b"))
    assert set(found) == {f"{kind} f(s status, sku text)" for kind in ("unpinned definer", "function that cannot run")}
    assert {each.tenants.sample for each in found.values()} == {tuple(sorted(two.values()))}


def test_what_cannot_run_really_cannot(operator_url, as_the_owner, two, named, checked, roles):
    """The server refuses what the check calls ambiguous, and runs what it leaves alone."""
    as_the_owner(PURGE, **two)
    as_the_owner(BODY.format("", "#variable_conflict use_column\nBEGIN DELETE FROM products WHERE sku = $1; END"), **two)
    assert set(checked(function_safety)) == {"function that cannot run purge(tenant uuid)"}
    with operator(operator_url, "test") as session, session.transaction():
        session.script(named('SET LOCAL ROLE :"o"; SET LOCAL search_path = :"b"', {"o": roles.owner, **two}))
        session.script(named("SELECT :\"b\".f('x')", two))
        with pytest.raises(OpsError, match="ambiguous"):
            session.script(named('SELECT :"b".purge(gen_random_uuid())', two))


def test_what_only_looks_like_a_fault_is_none(provoked, roles):
    """Pinned paths, closed schemas, other tables, and names that mean one thing are left alone."""
    for statement in FINE:
        _, found, _ = provoked(function_safety, statement, by="superuser", app=roles.app, owner=roles.owner)
        assert {each.outcome for each in found.values()} == {Outcome.HEALTHY}, statement


def test_where_columns_and_variables_may_meet_no_text_is_bound_to_fail(provoked, superuser_url):
    """A setting of the database decides for every function."""
    with operator(superuser_url, "test") as session, session.transaction():
        name = session.value("SELECT pg_catalog.current_database()")
    setting = '; ALTER DATABASE :"name" SET plpgsql.variable_conflict = use_column'
    _, found, _ = provoked(function_safety, PURGE + setting, by="superuser", name=name)
    assert {each.outcome for each in found.values()} == {Outcome.HEALTHY}


def test_without_the_application_only_everybody_is_asked(provoked, roles, observer_url, profile, two):
    """A role that is not there can plant nothing; a registry that is not readable makes it inconclusive, with the grant."""
    unknown = dataclasses.replace(roles, app="nobody_of_that_name")
    with observer(observer_url, "test") as session:
        [finding] = function_safety.run(session, load_limits(), SystemClock(), profile=profile, roles=unknown)
    assert finding.outcome is Outcome.HEALTHY
    _, found, _ = provoked(
        function_safety, 'REVOKE ALL ON public.tenants FROM :"o"; SET LOCAL ROLE :"o"', by="superuser", o=roles.observer
    )
    [finding] = found.values()
    assert finding.outcome is Outcome.INCONCLUSIVE
    assert f'GRANT SELECT ON public.tenants TO "{roles.observer}"' in finding.why


def test_it_says_the_same_on_15(database_15, profile):
    """Clean, then two kinds of it, in a schema of 63 bytes."""
    roles = database_15.roles
    with operator(database_15.operator_url, "test") as session, observer(database_15.observer_url, "test") as seen:
        made = create(session, roles, NewTenant(uuid.uuid4(), "t", "t", "org_t", schema_name='x"y' * 21), actor="t")

        def found():
            return function_safety.run(seen, load_limits(), SystemClock(), profile=profile, roles=roles)

        assert [each.outcome for each in found()] == [Outcome.HEALTHY]
        with session.transaction(), as_owner(session, roles):
            for statement in (PURGE, DEFINER.format("")):
                session.script(fill(statement, {"b": made.schema_name}))
        assert [each.grade for each in found()] == [Grade.STRONG, Grade.PROOF]
