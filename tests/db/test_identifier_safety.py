"""The check identifier_safety: each kind provoked on a real database, 0 to 1 to 0, and what only looks like one."""

import dataclasses
import os
import uuid

import pytest
from hypothesis import given
from hypothesis import strategies as st

from capliquify_ops.configuration import Registry, load_limits, load_profile
from capliquify_ops.configuration.system import SystemClock
from capliquify_ops.database import fill, observer, operator, quoted
from capliquify_ops.database.identifiers import literal
from capliquify_ops.integrity import identifier_safety, registry_catalogue
from capliquify_ops.integrity.identifier_safety import RULES, Named, name_faults
from capliquify_ops.model.outcome import Outcome
from capliquify_ops.model.secret import Secret
from capliquify_ops.reference import stack as embedded
from capliquify_ops.tenants.create import NewTenant, create
from capliquify_ops.tenants.ownership import as_owner

ROLE = f"r_{os.environ.get('PYTEST_XDIST_WORKER', 'main')}_{os.getpid()}"
FAULTY = {
    "system name of a tenant": ["$user"],
    "control character in a name": ["two\nlines", "tab\t", "c1\x85"],
    "invisible character in a name": ["ac\u200bme", "\u202eemca", "soft\u00adhyphen"],
    "blank at an edge of a name": [" acme", "acme\u00a0", "acme\u3000"],
    "mixed script in a name": ["p\u0430ypal", "tenant_\u0410cme", "x_c\u03bfrp_1"],
    "reserved word as a name": ["default", "user", "left"],
}
"""By the subject of the finding: names that are at fault by themselves."""
SOUND = (
    'T"wo 😀 2',
    "a b.c-d/e%f'g\\h,i:j;$k",
    "Acme",
    "ü" * 31 + "x",
    "x" * 63,
    "tenant_москва",
    "москва_ltd",
    "Ελλάδα",
    "日本shop株式会社",
    "شرکت\u200cما",
    "👩\u200d👧\u200d👦",
    "☎\ufe0f",
    "name",
    "between",
    "PG_upper",
    "quarantine_2",
    "1",
    "public2",
)
"""Names that need quotes, or care, and no more."""


def _renamed(name, slug="b"):
    change = f"UPDATE public.tenants SET schema_name = {literal(name)} WHERE slug = '{slug}'"
    return f'ALTER SCHEMA :"{slug}" RENAME TO {quoted(name)}; {change};'


def _assert_one(result, subject, *schemas):
    before, found, after = result
    assert [(each.outcome, each.examined) for each in (*before.values(), *after.values())] == [(Outcome.HEALTHY, 2)] * 2
    assert set(found) == {subject}
    assert found[subject].tenants.sample == tuple(sorted(schemas))
    assert found[subject].severity is RULES[next(kind for kind in RULES if subject.startswith(kind))].severity


def test_every_name_at_fault_is_found_and_gone(provoked):
    """Nothing is found in two tenants, then the one name, then nothing again."""
    for subject, names in FAULTY.items():
        for name in names:
            _assert_one(provoked(identifier_safety, _renamed(name)), subject, name)


def test_a_name_that_only_needs_quotes_is_no_fault(provoked):
    """Quotes, emoji, 63 bytes, capitals, other scripts and words that SQL does not reserve are left alone, also all together."""
    assert list(name_faults([Named(name, str(n), is_reserved=False) for n, name in enumerate(SOUND)])) == []
    for name in (SOUND[0], SOUND[1], "x" * 63, "name", "between", "👩\u200d👧\u200d👦"):
        _, found, _ = provoked(identifier_safety, _renamed(name))
        assert [each.outcome for each in found.values()] == [Outcome.HEALTHY], name


ALIKE = (
    ("caf\u00e9", "cafe\u0301"),
    ("cop", "\u0441\u043e\u0440"),
    ("acme", "\uff41cme"),
    ("a b", "a\u00a0b"),
    ("\u260e", "\u260e\ufe0f"),
    ("ab", "a\u200db"),
)
"""One accent in two ways, letters of another script, wide ones, another blank, another glyph, a joiner."""


def test_two_names_that_look_alike_are_found(provoked):
    """Both tenants are one finding, and what registry_catalogue says is not said twice."""
    for one, other in ALIKE:
        rename = _renamed(one, "a") + _renamed(other)
        _assert_one(provoked(identifier_safety, rename), "look-alike names", one, other)
        _, found, _ = provoked(registry_catalogue, rename)
        assert [each.outcome for each in found.values()] == [Outcome.HEALTHY]
    # Equal when folded is that check's finding, and not said twice.
    rename = _renamed("Acme", "a") + _renamed("acme")
    assert {each.outcome for each in provoked(identifier_safety, rename)[1].values()} == {Outcome.HEALTHY}
    assert set(provoked(registry_catalogue, rename)[1]) == {"colliding_names"}


def test_another_schema_of_the_name_is_found(provoked, two):
    """A schema that no tenant has, of a name that looks the same or is it without quotes, is another one to land in."""
    _assert_one(provoked(identifier_safety, _renamed("Public")), "folded name of two schemas", "Public")
    _assert_one(provoked(identifier_safety, f'CREATE SCHEMA "{two["a"].upper()}"'), "folded name of two schemas", two["a"])
    # Only in part of other letters: a mixed word, too.
    _, found, _ = provoked(identifier_safety, _renamed("\u0440ublic"))
    assert set(found) == {"look-alike names", "mixed script in a name"}


def test_a_name_made_of_another_tenants_id_is_found(provoked, two, superuser_url):
    """Two tenants whose schemas bear each other's ids were swapped, perhaps; an id that is nobody's is what a move leaves."""
    with operator(superuser_url, "test") as session, session.transaction():
        ids = dict(session.rows("SELECT slug, id::text FROM public.tenants", lambda slug, key: (slug, key)))
    _assert_one(provoked(identifier_safety, _renamed(f"t_{ids['a']}")), "foreign id in a name", f"t_{ids['a']}")
    for name in (f"t_{ids['b'].upper()}", f"t_{uuid.uuid4()}"):
        _, found, _ = provoked(identifier_safety, _renamed(name))
        assert [each.outcome for each in found.values()] == [Outcome.HEALTHY]
    assert two["a"] == f"tenant_{ids['a'].replace('-', '')}"


LOGIN = f"CREATE ROLE {ROLE} LOGIN;"
BOTH = f'GRANT USAGE ON SCHEMA :"a", :"b" TO {ROLE};'
GROUP = f'CREATE ROLE {ROLE}_all; GRANT USAGE ON SCHEMA :"a", :"b" TO {ROLE}_all; GRANT {ROLE}_all TO {ROLE};'
DATABASE = "DO $do$ BEGIN EXECUTE format($s$ALTER DATABASE %I SET search_path = {}$s$, current_database()); END $do$"
IN_DATABASE = (
    f"DO $do$ BEGIN EXECUTE format($s$ALTER ROLE {ROLE} IN DATABASE %I SET search_path = {{}}$s$, current_database()); END $do$;"
)
PATHS = (
    (DATABASE.format('public, :"b"'), "of the database"),
    (f'{LOGIN}{BOTH} ALTER ROLE {ROLE} SET search_path = :"b", public', f"of the role {ROLE}"),
    (f'{LOGIN}{GROUP} ALTER ROLE {ROLE} SET search_path = "$user", :"b"', f"of the role {ROLE}"),
    (f"{LOGIN}{BOTH}{IN_DATABASE.format(':' + chr(34) + 'b' + chr(34))}", f"of the role {ROLE}"),
    (f'CREATE ROLE {ROLE} LOGIN SUPERUSER; ALTER ROLE {ROLE} SET search_path = :"b"', f"of the role {ROLE}"),
    (f'{LOGIN} GRANT pg_read_all_data TO {ROLE}; ALTER ROLE {ROLE} SET search_path = :"b"', f"of the role {ROLE}"),
    (f'{LOGIN} GRANT USAGE ON SCHEMA :"a" TO PUBLIC; ALTER ROLE {ROLE} SET search_path = :"b"', f"of the role {ROLE}"),
)
"""Statements that let sessions start in one tenant, and whose sessions."""
HARMLESS = (
    f'{LOGIN}{BOTH} ALTER ROLE {ROLE} SET search_path = "$user", public',
    f"{LOGIN}{BOTH} ALTER ROLE {ROLE} SET work_mem = '8MB'",
    # A tenant's own role starts in its schema, and reaches no other one: by its name too.
    f'{LOGIN} GRANT USAGE ON SCHEMA :"b" TO {ROLE}; ALTER ROLE {ROLE} SET search_path = :"b", public',
    f'{LOGIN} GRANT USAGE ON SCHEMA :"b" TO {ROLE}; {_renamed(ROLE)}',
    # What another setting takes the place of, what nobody logs in with, and another database's.
    f'{LOGIN}{BOTH} ALTER ROLE {ROLE} SET search_path = :"b"; {IN_DATABASE.format("public")}',
    f'CREATE ROLE {ROLE}; {BOTH} ALTER ROLE {ROLE} SET search_path = :"b"',
    f'{LOGIN}{BOTH} ALTER ROLE {ROLE} IN DATABASE postgres SET search_path = :"b"',
    # The names as one, and another letter case: no tenant's.
    f"{LOGIN}{BOTH} ALTER ROLE {ROLE} SET search_path = ':\"a\", public'",
)


def test_a_search_path_that_names_a_tenant_is_found_and_gone(provoked, two):
    """Set for the database, a role, a role here, a group's member, a superuser: each is found, and no path that leads nowhere else."""
    for statement, whose in PATHS:
        _assert_one(provoked(identifier_safety, statement, by="superuser"), f"search_path {whose}", two["b"])
    for statement in HARMLESS:
        _, found, _ = provoked(identifier_safety, statement, by="superuser")
        assert [each.outcome for each in found.values()] == [Outcome.HEALTHY], statement


def test_a_schema_that_bears_a_roles_name_is_found(provoked):
    """By default a path begins with $user: a role of a tenant's name that serves others too starts there, or lands there later."""
    for role in (LOGIN, f"CREATE ROLE {ROLE};"):
        _assert_one(provoked(identifier_safety, f"{role}{BOTH}{_renamed(ROLE)}", by="superuser"), "named like a role $user", ROLE)
    own_path = f"ALTER ROLE {ROLE} SET search_path = public"
    _, found, _ = provoked(identifier_safety, f"{LOGIN}{BOTH}{_renamed(ROLE)}{own_path}", by="superuser")
    assert [each.outcome for each in found.values()] == [Outcome.HEALTHY]


def test_the_servers_own_schema_is_nobodys(as_the_owner, superuser_url, roles, profile, two):
    """A registry of another product can name pg_catalog: that tenant is found."""
    as_the_owner("CREATE TABLE public.accounts (name text); INSERT INTO public.accounts VALUES ('pg_catalog')")
    registry = Registry("public.accounts", "name", "name", "name", "", "", "")
    other = dataclasses.replace(profile, registry=registry)
    with operator(superuser_url, "test") as session:
        found = identifier_safety.run(session, load_limits(), SystemClock(), profile=other, roles=roles)
    assert [each.subject.name for each in found] == ["system name of a tenant"]


def test_without_the_right_it_cannot_tell(checked, superuser_url, roles, two):
    """Without SELECT on the registry, or on the settings of roles, the answer is inconclusive, with what is missing."""
    for table, grantee, said in (
        ("pg_catalog.pg_db_role_setting", "PUBLIC", "permission denied for table pg_db_role_setting"),
        ("public.tenants", quoted(roles.observer), f'GRANT SELECT ON public.tenants TO "{roles.observer}"'),
    ):
        with operator(superuser_url, "test") as session, session.transaction():
            session.script(fill(f"REVOKE SELECT ON {table} FROM {grantee}", {}))
        [finding] = checked(identifier_safety).values()
        assert finding.outcome is Outcome.INCONCLUSIVE
        assert said in finding.why


def test_an_empty_registry_is_no_pass(checked):
    """Without a tenant nothing was examined, so nothing passes."""
    [finding] = checked(identifier_safety).values()
    assert finding.outcome is Outcome.INCONCLUSIVE


@given(st.lists(st.builds(Named, st.text(min_size=1, max_size=4), st.sampled_from(["", "1", "2"]), st.booleans()), max_size=6))
def test_every_name_can_be_looked_at(schemas):
    """Whatever the names: each fault is of a kind that has a rule, and of a tenant's schema, and nothing in it is another's object."""
    for fault in name_faults(schemas):
        assert fault.kind in RULES
        assert fault.schema in {schema.name for schema in schemas if schema.tenant}


@pytest.mark.whole
def test_it_finds_the_same_on_15(postgres_15, tmp_path):
    """On the other tested version: nothing, then paths and names, at once."""
    profile, limits = load_profile("capliquify", tmp_path), load_limits()
    with (
        embedded.start(service=False, postgres_bin=postgres_15) as running,
        operator(Secret(running.operator_url), "test") as session,
        observer(Secret(running.database_url), "test") as seen,
        operator(Secret(running.superuser_url), "test") as superuser,
    ):

        def subjects():
            found = identifier_safety.run(seen, limits, SystemClock(), profile=profile, roles=running.roles)
            return {each.subject.name for each in found if each.outcome is not Outcome.HEALTHY}

        for slug, name in (("a", "x" * 63), ("b", 'T"wo 😀')):
            new = NewTenant(uuid.uuid4(), slug, slug, f"org_{slug}", schema_name=name)
            create(session, running.roles, new, actor="test")
        assert subjects() == set()
        with session.transaction(), as_owner(session, running.roles):
            session.script(fill(_renamed("default", "a"), {"a": "x" * 63}))
        with superuser.transaction():
            superuser.script(fill(f"{PATHS[1][0]}; {PATHS[0][0]}", {"a": "default", "b": 'T"wo 😀'}))
        assert subjects() == {"reserved word as a name", f"search_path {PATHS[1][1]}", "search_path of the database"}
