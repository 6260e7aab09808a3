"""The check shadowed_objects: each kind provoked on a real database, 0 to 1 to 0, and what only looks like one."""

import dataclasses
import uuid

import pytest

from capliquify_ops.configuration import load_limits, load_profile
from capliquify_ops.configuration.system import SystemClock
from capliquify_ops.database import fill, observer, operator
from capliquify_ops.integrity import shadowed_objects
from capliquify_ops.integrity.shadowed_objects import LEDGERS, RULES
from capliquify_ops.model.outcome import Outcome, Severity
from capliquify_ops.model.secret import Secret
from capliquify_ops.reference import stack as embedded
from capliquify_ops.tenants.create import NewTenant, create
from capliquify_ops.tenants.ownership import as_owner

LONG = "ü" * 31 + "x"
KINDS = {
    "fall-through sales": 'DROP TABLE :"b".sales; CREATE TABLE public.sales (id int)',
    "covered shared table users": 'CREATE TABLE :"b".users (id int)',
    "covered shared table audit_logs": 'CREATE VIEW :"b".audit_logs AS SELECT 1 AS id',
    "relation in both notes": 'CREATE TABLE public.notes (id int); CREATE VIEW :"b".notes AS SELECT 1 AS id',
    "relation in both numbers": 'CREATE SEQUENCE public.numbers; CREATE SEQUENCE :"b".numbers',
    "relation in both totals": 'CREATE MATERIALIZED VIEW public.totals AS SELECT 1; CREATE TABLE :"b".totals (id int) PARTITION BY LIST (id)',
    'relation in both O"dd 😀': 'CREATE TABLE public."O""dd 😀" (id int); CREATE TABLE :"b"."O""dd 😀" (id int)',
    f"relation in both {LONG}": f'CREATE TABLE public."{LONG}" (id int); CREATE TABLE :"b"."{LONG}" (id int)',
    "function in both price(integer, text)": (
        "CREATE FUNCTION public.price(int, text) RETURNS int LANGUAGE sql AS 'SELECT 1';"
        " CREATE FUNCTION :\"b\".price(int, text) RETURNS int LANGUAGE sql AS 'SELECT 2'"
    ),
    "function in both act()": (
        "CREATE FUNCTION public.act() RETURNS int LANGUAGE sql AS 'SELECT 1';"
        " CREATE FUNCTION :\"b\".act() RETURNS int LANGUAGE sql SECURITY DEFINER AS 'SELECT 1'"
    ),
    "function in both bound()": (
        "CREATE FUNCTION public.bound() RETURNS bigint LANGUAGE sql RETURN (SELECT count(*) FROM public.users);"
        ' CREATE FUNCTION :"b".bound() RETURNS bigint LANGUAGE sql RETURN (SELECT count(*) FROM :"b".products)'
    ),
    "type in both mood": "CREATE TYPE public.mood AS ENUM ('a'); CREATE TYPE :\"b\".mood AS ENUM ('a', 'b')",
    "type in both part": 'CREATE TYPE public.part AS (a int); CREATE DOMAIN :"b".part AS int[]',
}
"""By the subject of the finding: what the owner runs."""
HARMLESS = (
    # Of indexes, row types, arrays, ranges of ranges and the sequences of columns, no name is looked for.
    "CREATE TABLE public.apart (sku int); CREATE INDEX sales_channel_idx ON public.apart (sku)",
    'CREATE TYPE public.far AS ENUM (); CREATE TABLE :"a".far (a int)',
    'CREATE TABLE public.some (id serial); CREATE TABLE :"a".thing (some_id_seq int); CREATE SEQUENCE :"a".some_id_seq',
    "CREATE TABLE public.p (a int) PARTITION BY LIST (a); CREATE TABLE public.p_1 PARTITION OF public.p FOR VALUES IN (1);"
    ' CREATE TABLE :"a".q (a int) PARTITION BY LIST (a); CREATE TABLE :"a".p_1 PARTITION OF :"a".q FOR VALUES IN (1)',
    # Overloads, and copies that do the same.
    "CREATE FUNCTION public.f(int) RETURNS int LANGUAGE sql AS 'SELECT 1'; CREATE FUNCTION :\"a\".f(text) RETURNS int LANGUAGE sql AS 'SELECT 2'",
    "CREATE FUNCTION public.f(int) RETURNS int LANGUAGE sql AS 'SELECT 1'; CREATE FUNCTION :\"a\".f(int) RETURNS int LANGUAGE sql AS 'SELECT 1'",
    # What only one side has, what no tenant has to have, and what stands elsewhere.
    'CREATE TABLE public.lone (id int); CREATE TABLE :"a".other (id int)',
    'CREATE SCHEMA elsewhere; CREATE TABLE elsewhere.sales (id int); DROP TABLE :"a".sales',
    *(f'CREATE TABLE public."{name}" (id int); CREATE TABLE :"a"."{name}" (id int)' for name in LEDGERS[:3]),
)
"""What only looks like a fault."""


def test_every_kind_is_found_and_gone(provoked, two):
    """Nothing is found in two tenants, then exactly what was made, then nothing again."""
    for subject, statement in KINDS.items():
        before, found, after = provoked(shadowed_objects, statement)
        assert [(each.outcome, each.examined) for each in (*before.values(), *after.values())] == [(Outcome.HEALTHY, 2)] * 2
        kind = next(kind for kind in RULES if subject.startswith(kind))
        # One tenant's sales is then a second fault: that the other one still has it.
        assert set(found) - {"relation in both sales"} == {subject}
        assert found[subject].tenants.sample == (two["b"],)
        assert found[subject].severity is RULES[kind].severity


def test_what_hides_nothing_is_no_fault(provoked):
    """Other names, overloads, copies that are alike, partitions, ledgers and what no schema in the path holds are left alone."""
    for statement in HARMLESS:
        _, found, _ = provoked(shadowed_objects, statement)
        assert {each.outcome for each in found.values()} == {Outcome.HEALTHY}, statement


def test_an_extension_in_a_tenants_schema_is_found(provoked, two):
    """It is one finding, of high severity; in public only its relations can be hidden."""
    before, found, after = provoked(shadowed_objects, 'CREATE EXTENSION citext SCHEMA :"b"', by="superuser")
    assert set(found) == {"extension citext"}
    assert found["extension citext"].tenants.sample == (two["b"],)
    assert found["extension citext"].severity is Severity.HIGH
    assert {each.outcome for each in (*before.values(), *after.values())} == {Outcome.HEALTHY}
    same = (
        'CREATE EXTENSION citext SCHEMA public; CREATE DOMAIN :"a".citext AS text;'
        " CREATE FUNCTION :\"a\".citext_eq(public.citext, public.citext) RETURNS bool LANGUAGE sql AS 'SELECT true'"
    )
    _, found, _ = provoked(shadowed_objects, same, by="superuser")
    assert {each.outcome for each in found.values()} == {Outcome.HEALTHY}
    hidden = 'CREATE EXTENSION pg_buffercache SCHEMA public; CREATE TABLE :"a".pg_buffercache (id int)'
    _, found, _ = provoked(shadowed_objects, hidden, by="superuser")
    assert set(found) == {"relation in both pg_buffercache"}


def test_what_most_tenants_have_is_missing_in_the_others(as_the_owner, checked, operator_url, roles, two):
    """A table that no profile names, in two of three tenants and in public, is read from public by the third; in one of three it is not."""
    with operator(operator_url, "test") as session:
        create(session, roles, NewTenant(uuid.uuid4(), "c", "c", "org_c", schema_name=LONG), actor="test")
    names = two | {"c": LONG}
    as_the_owner('CREATE TABLE public.t (a int); CREATE TABLE :"a".t (a int)', **names)
    assert set(checked(shadowed_objects)) == {"relation in both t"}
    as_the_owner('CREATE TABLE :"b".t (a int); INSERT INTO public.t VALUES (1), (2); ANALYZE public.t', **names)
    found = checked(shadowed_objects)
    assert set(found) == {"fall-through t", "relation in both t"}
    assert found["fall-through t"].severity is Severity.CRITICAL
    assert found["fall-through t"].tenants.sample == (LONG,)
    assert f"missing in the schema {LONG}, and public.t (about 2 rows) answers" in found["fall-through t"].why
    assert found["relation in both t"].tenants.count == 2
    as_the_owner("DROP TABLE public.t", **names)
    assert [each.outcome for each in checked(shadowed_objects).values()] == [Outcome.HEALTHY]


@pytest.fixture
def findings(observer_url, roles, profile):
    """Runs the check as the observer with a profile that says something else: its findings by subject."""

    def run(registry=None, **changes):
        other = dataclasses.replace(profile, **changes)
        other = dataclasses.replace(other, registry=dataclasses.replace(profile.registry, **registry)) if registry else other
        with observer(observer_url, "test") as session:
            found = shadowed_objects.run(session, load_limits(), SystemClock(), profile=other, roles=roles)
        return {finding.subject.name: finding for finding in found}

    return run


def test_a_deleted_tenant_reads_nothing(as_the_owner, checked, two):
    """What a soft-deleted tenant lacks nobody reads: only the live one's table falls through."""
    as_the_owner('DROP TABLE :"b".sales; ALTER TABLE :"a".sales RENAME TO sold; CREATE TABLE public.sales (id int)', **two)
    assert checked(shadowed_objects)["fall-through sales"].tenants.count == 2
    as_the_owner("UPDATE public.tenants SET deleted_at = now() WHERE slug = 'b'")
    assert checked(shadowed_objects)["fall-through sales"].tenants.sample == (two["a"],)


def test_what_the_profile_lists_in_both_is_meant(as_the_owner, findings, profile, two):
    """A table, function or type of both lists is in both on purpose; a tenant that lacks the table still reads the shared one."""
    as_the_owner(
        'CREATE TABLE public.members (id int); CREATE TABLE :"a".members (id int); CREATE TABLE :"b".members (id int);'
        " CREATE TYPE public.mood AS ENUM ('a'); CREATE TYPE :\"a\".mood AS ENUM ();"
        " CREATE FUNCTION public.f() RETURNS int LANGUAGE sql AS 'SELECT 1'; CREATE FUNCTION :\"b\".f() RETURNS int LANGUAGE sql AS 'SELECT 2'",
        **two,
    )
    both = {
        "shared_tables": (*profile.shared_tables, "members", "mood", "f"),
        "tenant_tables": (*profile.tenant_tables, "members", "mood", "f"),
    }
    assert set(findings()) == {"relation in both members", "type in both mood", "function in both f()"}
    assert [each.outcome for each in findings(**both).values()] == [Outcome.HEALTHY]
    as_the_owner('DROP TABLE :"b".members', **two)
    assert set(findings(**both)) == {"fall-through members"}
    # Listed as shared alone, it is the tenant that has one who is at fault.
    assert "covered shared table members" in findings(shared_tables=both["shared_tables"])
    # A migration ledger is in all schemas on purpose; the tool of a tenant without one reads what was done to public.
    as_the_owner('CREATE TABLE public.django_migrations (id int); CREATE TABLE :"a".django_migrations (id int)', **two)
    ledger = {name: (*names, "django_migrations") for name, names in both.items()}
    assert set(findings(tenant_tables=ledger["tenant_tables"])) >= {"fall-through django_migrations"}
    assert "relation in both django_migrations" not in findings()


def test_further_shared_schemas_count(as_the_owner, findings, two):
    """A schema that the profile calls shared is searched too, and is no tenant's even where the registry names it."""
    as_the_owner('CREATE SCHEMA common; CREATE TABLE common.sales (id int); DROP TABLE :"a".sales', **two)
    assert [each.outcome for each in findings().values()] == [Outcome.HEALTHY]
    found = findings({"shared_schemas": ("common",)})
    assert set(found) == {"fall-through sales", "relation in both sales"}
    as_the_owner("INSERT INTO public.tenants (slug, name, schema_name, clerk_organization_id) VALUES ('x', 'x', 'common', 'x')")
    assert {each.examined for each in findings({"shared_schemas": ("common",)}).values()} == {2}


def test_the_worst_comes_first_and_without_the_right_it_cannot_tell(
    as_the_owner, checked, monkeypatch, superuser_url, roles, two
):
    """Where more is found than is read, a read of shared rows is among it; without SELECT on the registry there is a grant to give."""
    as_the_owner(
        'CREATE TABLE public.aaa (id int); CREATE TABLE :"a".aaa (id int); DROP TABLE :"a".sales; CREATE TABLE public.sales ()',
        **two,
    )
    monkeypatch.setattr("capliquify_ops.integrity.faults.AT_MOST", 1)
    assert set(checked(shadowed_objects)) == {"fall-through sales"}
    with operator(superuser_url, "test") as session, session.transaction():
        session.execute(fill('REVOKE SELECT ON public.tenants FROM :"observer"', {"observer": roles.observer}))
    [finding] = checked(shadowed_objects).values()
    assert finding.outcome is Outcome.INCONCLUSIVE
    assert f'GRANT SELECT ON public.tenants TO "{roles.observer}"' in finding.why


def test_an_empty_registry_is_no_pass(checked):
    """Without a tenant nothing was examined, so nothing passes."""
    [finding] = checked(shadowed_objects).values()
    assert finding.outcome is Outcome.INCONCLUSIVE


@pytest.mark.whole
def test_it_finds_the_same_on_15(postgres_15, tmp_path):
    """On the other tested version: nothing, then all kinds that the owner can make, at once."""
    profile, limits = load_profile("capliquify", tmp_path), load_limits()
    with (
        embedded.start(service=False, postgres_bin=postgres_15) as running,
        operator(Secret(running.operator_url), "test") as session,
        observer(Secret(running.database_url), "test") as seen,
    ):

        def subjects():
            found = shadowed_objects.run(seen, limits, SystemClock(), profile=profile, roles=running.roles)
            return {each.subject.name for each in found if each.outcome is not Outcome.HEALTHY}

        for slug, name in (("a", "plain"), ("b", LONG)):
            new = NewTenant(uuid.uuid4(), slug, slug, f"org_{slug}", schema_name=name)
            create(session, running.roles, new, actor="test")
        assert subjects() == set()
        with session.transaction(), as_owner(session, running.roles):
            for statement in reversed(KINDS.values()):
                session.script(fill(statement, {"b": LONG}))
        assert subjects() == {*KINDS, "relation in both sales"}
