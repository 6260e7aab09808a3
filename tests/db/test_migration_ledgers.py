"""The check migration_ledgers: each kind provoked on a real database, 0 to 1 to 0, what only looks like one, what cannot be told."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from capliquify_ops.configuration import load_limits, load_profile
from capliquify_ops.configuration.system import SystemClock
from capliquify_ops.database import operator
from capliquify_ops.integrity import migration_ledgers
from capliquify_ops.integrity.ledger_groups import AHEAD, DENIED, LedgerRows
from capliquify_ops.integrity.ledger_reading import Entries, Found, Ledger, golang_locks
from capliquify_ops.integrity.migration_ledgers import RULES, judge
from capliquify_ops.model.finding import Evidence
from capliquify_ops.model.outcome import Outcome
from capliquify_ops.model.secret import Secret
from capliquify_ops.reference import stack as embedded
from capliquify_ops.tenants.structure import Difference

LIMITS = load_limits()
LEDGERS = {
    "django": (
        "django_migrations (id int GENERATED ALWAYS AS IDENTITY, app varchar(255), name varchar(255), applied timestamptz DEFAULT now())",
        ("(app, name) VALUES ('shop', '0001_initial')", "(app, name) VALUES ('shop', '0002_price')"),
    ),
    "alembic": ("alembic_version (version_num varchar(32) PRIMARY KEY)", ("VALUES ('a1')",)),
    "prisma": (
        "_prisma_migrations (id text, migration_name text, started_at timestamptz DEFAULT now(), finished_at timestamptz, rolled_back_at timestamptz)",
        ("(migration_name, finished_at) VALUES ('2024_a', now())", "(migration_name, finished_at) VALUES ('2024_b', now())"),
    ),
    "flyway": (
        "flyway_schema_history (installed_rank int, version varchar(50), description text, type varchar(20), script text, checksum int, success bool)",
        ("VALUES (1, '1', '', 'SQL', 'V1.sql', 7, true)", "VALUES (2, NULL, '', 'SQL', 'R__v.sql', 8, true)"),
    ),
    "golang": ("schema_migrations (version bigint PRIMARY KEY, dirty bool NOT NULL)", ("VALUES (7, false)",)),
    "versions": ("schema_migrations (version varchar PRIMARY KEY)", ("VALUES ('20240101')", "VALUES ('20240202')")),
}
"""By tool: the ledger, and what was applied, oldest first."""
CHANGED = 'ALTER TABLE :"b".products ADD region text'


@pytest.fixture
def both(as_the_owner, two, roles):
    """Gives both tenants a ledger that says the same; the observer may read it."""

    def make(*tools):
        script = ["UPDATE public.tenants SET created_at = now() - interval '1 day'"]
        for create, rows in map(LEDGERS.get, tools):
            name = create.split()[0]
            for each in ("a", "b"):
                script += [f'CREATE TABLE :"{each}".{create}', f'GRANT SELECT ON :"{each}".{name} TO :"o"']
                script += [f'INSERT INTO :"{each}".{name} {row}' for row in rows]
        as_the_owner("; ".join(script), o=roles.observer, **two)
        return name

    return make


def _delete(name, where):
    return f'DELETE FROM :"b".{name} WHERE {where}'


KINDS = {
    "django": {
        "drift that the ledger denies": CHANGED,
        "ledger that lies": _delete("django_migrations", "name LIKE '0002%'"),
        "ledger behind": f"{CHANGED}; {_delete('django_migrations', 'id = 2')}",
        "missing ledger": 'DROP TABLE :"b".django_migrations',
    },
    "alembic": {
        "ledger that lies": "UPDATE :\"b\".alembic_version SET version_num = 'b2'",
        "ledger at another version": f"{CHANGED}; UPDATE :\"b\".alembic_version SET version_num = 'b2'",
    },
    "prisma": {
        "failed migration": "INSERT INTO :\"b\"._prisma_migrations (migration_name, started_at) VALUES ('2024_c', now() - interval '1 day')",
        "ledger that lies": _delete("_prisma_migrations", "migration_name = '2024_b'"),
    },
    "flyway": {
        "failed migration": "INSERT INTO :\"b\".flyway_schema_history VALUES (3, '2', '', 'SQL', 'V2.sql', 9, false)",
        "ledger behind": f"{CHANGED}; {_delete('flyway_schema_history', 'version IS NULL')}",
        "ledger that lies": "INSERT INTO :\"b\".flyway_schema_history VALUES (3, '1', '', 'UNDO_SQL', 'U1.sql', 9, true)",
    },
    "golang": {
        "failed migration": 'UPDATE :"b".schema_migrations SET version = 8, dirty = true',
        "ledger at another version": f'{CHANGED}; UPDATE :"b".schema_migrations SET version = 8',
    },
    "versions": {
        "ledger behind": f"{CHANGED}; {_delete('schema_migrations', 'version = ' + chr(39) + '20240202' + chr(39))}",
    },
}
FINE = {
    "django": (
        # Applied twice over, as two deployments at once do it.
        "INSERT INTO :\"b\".django_migrations (app, name) VALUES ('shop', '0002_price')",
        # Made after a squash, by whose name only the new tenant knows it.
        "DELETE FROM :\"b\".django_migrations; INSERT INTO :\"b\".django_migrations (app, name) VALUES ('shop', '0001_squashed_0002_price');"
        " INSERT INTO :\"a\".django_migrations (app, name) VALUES ('shop', '0001_squashed_0002_price')",
        # Dropped and made again: another history of the schema, the same structure.
        'ALTER TABLE :"b".products ADD x int; ALTER TABLE :"b".products DROP x',
        "SELECT 1",
    ),
    "prisma": (
        "INSERT INTO :\"b\"._prisma_migrations (migration_name, rolled_back_at) VALUES ('2024_c', now())",
        "INSERT INTO :\"b\"._prisma_migrations (migration_name, started_at) VALUES ('2024_b', now() - interval '1 day')",
    ),
    "flyway": (
        # Made by Flyway, and begun at a baseline.
        "INSERT INTO :\"b\".flyway_schema_history VALUES (0, NULL, '', 'SCHEMA', '\"b\"', NULL, true)",
        "INSERT INTO :\"a\".flyway_schema_history VALUES (3, '2', '', 'SQL', 'V2.sql', 9, true);"
        ' DELETE FROM :"b".flyway_schema_history WHERE version = \'1\';'
        " INSERT INTO :\"b\".flyway_schema_history VALUES (1, '2', '', 'BASELINE', '<< Baseline >>', NULL, true)",
    ),
    "versions": ('CREATE TABLE :"a".alembic_versions (version_num text); CREATE TABLE :"b".alembic_versions (version_num text)',),
}  # fmt: skip


@pytest.mark.parametrize("tools", [("alembic", "django", "flyway", "golang", "prisma"), ("versions",)])
def test_every_kind_is_found_and_gone(provoked, both, two, tools):
    """Ledgers that say the same are healthy; then exactly what was made is found, in that tenant, then nothing again."""
    both(*tools)
    for name, kind, statement in ((_name(tool), *each) for tool in tools for each in KINDS[tool].items()):
        before, found, after = provoked(migration_ledgers, statement)
        assert [(each.outcome, each.examined) for each in (*before.values(), *after.values())] == [(Outcome.HEALTHY, 2)] * 2
        # A table that was changed or dropped is drift by every other ledger.
        assert all(name in subject or (" TABLE " in statement and subject.startswith(DENIED)) for subject in found)
        [subject] = [subject for subject in found if name in subject]
        assert subject.startswith(f"{kind} {name}"), found[subject].why
        assert (found[subject].outcome, found[subject].severity) == (Outcome.FAILING, RULES[kind].severity)
        assert found[subject].tenants.sample in {(two["a"],), (two["b"],)}


def _name(tool):
    return LEDGERS[tool][0].split()[0]


def test_who_is_behind_is_told_by_how_much(provoked, both, two):
    """The tenant with fewer migrations is the one that is behind, and the finding names what it lacks."""
    both("django")
    _, found, _ = provoked(migration_ledgers, KINDS["django"]["ledger behind"])
    [finding] = found.values()
    assert finding.tenants.sample == (two["b"],)
    assert "1 of 2 migrations are not in it: shop.0002_price" in finding.why


def test_what_only_looks_like_a_fault_is_none(provoked, both):
    """Differences of history, a migration tried again, and tables that are no ledgers are healthy."""
    both(*FINE)
    for statement in (each for statements in FINE.values() for each in statements):
        _, found, _ = provoked(migration_ledgers, statement)
        assert [each.outcome for each in found.values()] == [Outcome.HEALTHY], statement


def test_a_fleet_without_ledgers_is_not_applicable(checked, two):
    """The standard tenant has no ledger in its schema: one finding says so, and nothing is claimed of it."""
    [finding] = checked(migration_ledgers).values()
    assert (finding.outcome, finding.examined) == (Outcome.NOT_APPLICABLE, 2), finding.why


def test_a_ledger_may_not_be_read(as_the_owner, both, checked, roles, two):
    """Without SELECT on one ledger the answer is inconclusive, and the grant that it names is the one that helps."""
    name = both("django")
    as_the_owner(f'REVOKE ALL ON :"b".{name} FROM :"o"', o=roles.observer, **two)
    [finding] = checked(migration_ledgers).values()
    assert (finding.outcome, finding.examined, finding.eligible) == (Outcome.INCONCLUSIVE, 1, 2)
    as_the_owner(finding.witness.lines[0])
    assert [each.outcome for each in checked(migration_ledgers).values()] == [Outcome.HEALTHY]
    as_the_owner(f'ALTER TABLE :"b".{name} ENABLE ROW LEVEL SECURITY', **two)
    [finding] = checked(migration_ledgers).values()
    assert finding.outcome is Outcome.INCONCLUSIVE
    assert "row security" in finding.why


def test_a_migration_that_is_running_is_neither_failed_nor_healthy(both, checked, operator_url, as_the_owner, two):
    """golang-migrate holds its lock while it runs, Prisma's row is young: inconclusive; dirty without the lock is a failure."""
    name = both("golang")
    as_the_owner(f'UPDATE :"b".{name} SET dirty = true', **two)
    assert [each.outcome for each in checked(migration_ledgers).values()] == [Outcome.FAILING]
    with operator(operator_url, "test") as session, session.transaction():
        database = session.value("SELECT current_database()")
        for number in golang_locks(database, Ledger(two["b"], "golang", name, 0, "")):
            session.value("SELECT pg_catalog.pg_advisory_lock(%(number)s::bigint)", {"number": number})
            [finding] = checked(migration_ledgers).values()
            assert finding.outcome is Outcome.INCONCLUSIVE
            assert "may still be running" in finding.why
            session.value("SELECT pg_catalog.pg_advisory_unlock(%(number)s::bigint)", {"number": number})
    as_the_owner(f'DROP TABLE :"a".{name}, :"b".{name}', **two)
    name = both("prisma")
    as_the_owner(f"INSERT INTO :\"b\".{name} (migration_name) VALUES ('2024_c')", **two)
    assert [each.outcome for each in checked(migration_ledgers).values()] == [Outcome.INCONCLUSIVE]


def test_three_tenants(provoked, as_the_owner, two):
    """A ledger that only one has, a table that only looks like one, and a tenant that is being signed up just now."""
    insert = "INSERT INTO public.tenants (slug, name, schema_name, clerk_organization_id) VALUES ('c', 'c', 'c', 'c')"
    as_the_owner(f"{insert}; CREATE SCHEMA c; UPDATE public.tenants SET created_at = now() - interval '1 day'")
    one = {"a": 'CREATE TABLE :"a".', "b": 'CREATE TABLE :"b".', "c": "CREATE TABLE c."}
    few = one["b"] + "alembic_version (version_num text)"
    young = "; ".join(
        [
            *(one[each] + "alembic_version (version_num text)" for each in "ab"),
            "UPDATE public.tenants SET created_at = now() WHERE slug = 'c'",
        ]
    )
    other = "; ".join(each + "alembic_version (v text)" for each in one.values())
    seen = {
        name: provoked(migration_ledgers, statement)[1] for name, statement in (("few", few), ("young", young), ("other", other))
    }
    assert [(each.tenants.sample, name) for name, each in seen["few"].items()] == [
        ((two["b"],), "ledger that few have alembic_version")
    ]
    [finding] = seen["young"].values()
    assert (finding.outcome, finding.examined, finding.measured["tenants_in_progress"]) == (Outcome.HEALTHY, 2, 1)
    assert [(each.outcome, each.examined) for each in seen["other"].values()] == [(Outcome.NOT_APPLICABLE, 3)]


@pytest.mark.whole
def test_it_is_the_same_on_15(postgres_15, tmp_path):
    """On PostgreSQL 15 ledgers of every tool are read: equal ones are healthy, drift under them is found."""
    profile = load_profile("capliquify", tmp_path)
    with (
        embedded.start(service=False, postgres_bin=postgres_15) as running,
        operator(Secret(running.superuser_url), "test") as session,
    ):

        def outcomes():
            found = migration_ledgers.run(session, LIMITS, SystemClock(), profile=profile, roles=running.roles)
            return [(each.outcome, each.subject.name.rsplit(" ", 1)[0]) for each in found]

        with session.transaction():
            for each in ("a", "b"):
                columns = "slug, name, schema_name, clerk_organization_id, created_at"
                session.execute(
                    f"INSERT INTO public.tenants ({columns}) VALUES ('{each}', 't', '{each}', '{each}', '2020-01-01')"
                )
                session.execute(f"CREATE SCHEMA {each}")
                for tool, (create, rows) in LEDGERS.items():
                    if tool != "versions":
                        session.execute(f"CREATE TABLE {each}.{create}")
                        for row in rows:
                            session.execute(f"INSERT INTO {each}.{create.split()[0]} {row}")
        assert [outcome for outcome, _ in outcomes()] == [Outcome.HEALTHY]
        with session.transaction():
            session.execute("ALTER TABLE b.django_migrations ADD hand_made int")
        assert set(outcomes()) == {(Outcome.FAILING, "drift that the ledger denies")}


EVIDENCE = Evidence("migration_ledgers", "db", "2026-01-01T00:00:00.000Z", 1.0)
STRUCTURES = ((), (Difference("column", "t.x", None, "integer"),), (Difference("column", "t.y", "integer", None),))
SETS = {"": (), "1": ("a",), "2": ("a", "b"), "3": ("a", "b", "c"), "4": ("c",)}
ENTRIES = {("versions", key): Entries(frozenset(names), {"": frozenset(names[-1:])}) for key, names in SETS.items()}
fleets = st.lists(
    st.tuples(st.sampled_from(list(SETS)), st.sampled_from(STRUCTURES), st.sampled_from(["", "", "", "z"]), st.booleans()),
    max_size=6,
)


def _rows(fleet):
    """Build rows of tenants, each with a digest, a structure, what failed, and whether its ledger may be read."""
    found, ledgers, structures = [], [], {}
    for number, (digest, structure, failed, is_readable) in enumerate(fleet):
        tenant = f"t{number}"
        found.append(Found(tenant, 1e6, "versions", "schema_migrations", is_readable, is_filtered=False, locks=1))
        structures[tenant] = structure
        if is_readable:
            ledgers.append(Ledger(tenant, "versions", "schema_migrations", len(SETS[digest]), digest, failed))
    return LedgerRows("me", tuple(found), tuple(ledgers), (), ENTRIES, structures)


def test_who_is_ahead_of_most_is_told_so():
    """One of three with a migration more and another structure is ahead of them."""
    plain, changed = STRUCTURES[0], STRUCTURES[1]
    [finding] = judge(_rows([("1", plain, "", True), ("1", plain, "", True), ("2", changed, "", True)]), LIMITS, EVIDENCE)
    assert (finding.subject.name, finding.tenants.sample) == (f"{AHEAD} schema_migrations", ("t2",))


@given(fleets)
def test_judging_is_total_and_never_silent(fleet):
    """There is always an answer, healthy only if every ledger was read, nothing failed, and equal ledgers have equal structures."""
    findings = judge(_rows(fleet), LIMITS, EVIDENCE)
    outcomes = {finding.outcome for finding in findings}
    assert outcomes
    if Outcome.HEALTHY in outcomes:
        assert len(findings) == 1
        assert len(fleet) > 1
        assert all(is_readable and not failed for _, _, failed, is_readable in fleet)
        assert len({structure for _, structure, _, _ in fleet}) == 1
    elif len({(digest, structure) for digest, structure, _, _ in fleet}) == 1 < len(fleet):
        assert any(failed or not is_readable for _, _, failed, is_readable in fleet)
