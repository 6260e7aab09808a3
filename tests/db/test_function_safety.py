"""The check function_safety: each kind provoked on a real database, 0 to 1 to 0, and what only looks like one."""

import pytest

from capliquify_ops.database import operator
from capliquify_ops.integrity import function_safety
from capliquify_ops.integrity.function_safety import RULES
from capliquify_ops.model.errors import OpsError
from capliquify_ops.model.outcome import Outcome

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
KINDS = {
    "unpinned definer f(integer)": DEFINER.format(""),
    "definer with temporary objects first f(integer)": DEFINER.format('SET search_path = :"b"'),
    "unpinned definer public.g()": "CREATE FUNCTION public.g() RETURNS int LANGUAGE sql SECURITY DEFINER AS 'SELECT 1'",
    "function that cannot run purge(tenant uuid)": PURGE,
    "function that cannot run sku_of(sku text)": (
        'CREATE FUNCTION :"b".sku_of(sku text) RETURNS text LANGUAGE plpgsql AS'
        " $f$BEGIN RETURN (SELECT p.name FROM products AS p WHERE sku = $1); END$f$"
    ),
    "function that cannot run cheap(channel text)": (
        'CREATE FUNCTION :"b".cheap(channel text) RETURNS void LANGUAGE plpgsql AS'
        " $f$BEGIN UPDATE sales SET quantity = 1 WHERE channel = 'x'; END$f$"
    ),
}
"""By the subject of the finding: what the owner runs."""
BODY = 'CREATE FUNCTION :"b".f(sku text) RETURNS void LANGUAGE plpgsql AS $f${}$f$'
FINE = (
    DEFINER.format('SET search_path = :"b", pg_temp'),
    DEFINER.format("SET search_path = ''"),
    DEFINER.format('SET search_path = public, "pg_temp"'),
    "CREATE FUNCTION :\"b\".f() RETURNS int LANGUAGE sql AS 'SELECT 1'",
    BODY.format("BEGIN DELETE FROM products AS p WHERE p.sku = f.sku; END"),
    BODY.format("#variable_conflict use_column\nBEGIN DELETE FROM products WHERE sku = $1; END"),
    BODY.format("BEGIN DELETE FROM products WHERE name = 'sku' /* sku */; -- sku\n END"),
    BODY.format("BEGIN INSERT INTO products (sku, name) VALUES ($1, 'x'); UPDATE products SET sku = $1; END"),
    BODY.format("BEGIN DELETE FROM companies WHERE name = sku; END"),
    BODY.format("BEGIN PERFORM 1 FROM companies WHERE name IN (SELECT p.name FROM products AS p) AND name = sku; END"),
    BODY.format("BEGIN EXECUTE 'DELETE FROM products WHERE sku = $1' USING sku; END"),
    BODY.format("BEGIN IF sku = 'x' THEN DELETE FROM products WHERE name = ''; END IF; END"),
)


def test_every_kind_is_found_and_gone(provoked, two):
    """Nothing is found in two tenants, then exactly what was made, then nothing again."""
    for subject, statement in KINDS.items():
        before, found, after = provoked(function_safety, statement)
        assert [(each.outcome, each.examined) for each in (*before.values(), *after.values())] == [(Outcome.HEALTHY, 2)] * 2
        assert set(found) == {subject}
        kind = next(kind for kind in RULES if subject.startswith(kind))
        assert found[subject].severity is RULES[kind].severity
        assert found[subject].tenants is None or found[subject].tenants.sample == (two["b"],)


def test_what_cannot_run_really_cannot(operator_url, as_the_owner, two, named, checked, roles):
    """The server refuses what the check calls ambiguous, and runs what it leaves alone."""
    as_the_owner(PURGE, **two)
    as_the_owner(FINE[5], **two)
    assert set(checked(function_safety)) == {"function that cannot run purge(tenant uuid)"}
    with operator(operator_url, "test") as session:
        for call, says in (('SELECT :"b".purge(gen_random_uuid())', "ambiguous"), ("SELECT :\"b\".f('x')", None)):
            with session.transaction():
                session.script(named('SET LOCAL ROLE :"o"; SET LOCAL search_path = :"b"', {"o": roles.owner, **two}))
                if says is None:
                    session.script(named(call, two))
                    continue
                with pytest.raises(OpsError, match=says):
                    session.script(named(call, two))


def test_what_only_looks_like_a_fault_is_none(provoked):
    """Pinned paths, qualified names, texts, comments, targets and columns of other tables are left alone."""
    for statement in FINE:
        _, found, _ = provoked(function_safety, statement)
        assert {each.outcome for each in found.values()} == {Outcome.HEALTHY}, statement
