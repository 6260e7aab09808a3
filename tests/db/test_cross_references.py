"""The check cross_references: each way from one schema into another tenant's, provoked on a real database, 0 to 1 to 0."""

import uuid

from hypothesis import given
from hypothesis import strategies as st

from capliquify_ops.configuration import load_limits
from capliquify_ops.configuration.system import SystemClock
from capliquify_ops.database import fill, operator
from capliquify_ops.integrity import cross_references
from capliquify_ops.integrity.cross_references import FINDINGS, Reference, References, judge
from capliquify_ops.model.finding import Evidence
from capliquify_ops.model.outcome import Outcome, Severity
from capliquify_ops.tenants.archive.opening import open_archive
from capliquify_ops.tenants.backup import backup
from capliquify_ops.tenants.create import NewTenant, create
from capliquify_ops.tenants.restore_in_place import restore_in_place
from capliquify_ops.tenants.restoring import Trust

LIMITS = load_limits()
EVIDENCE = Evidence("cross_references", "db", "2026-01-01T00:00:00.000Z", 1.0)
WAYS = {
    "foreign key sales.far": 'ALTER TABLE :"a".sales ADD CONSTRAINT far FOREIGN KEY (product_id) REFERENCES :"b".products (id) NOT VALID',
    "default products.drawn": 'CREATE SEQUENCE :"b".s; ALTER TABLE :"a".products ADD COLUMN drawn bigint DEFAULT nextval(\':"b".s\')',
    "constraint products.asked": (
        "CREATE FUNCTION :\"b\".f(text) RETURNS bool IMMUTABLE LANGUAGE sql AS 'SELECT true';"
        ' ALTER TABLE :"a".products ADD CONSTRAINT asked CHECK (:"b".f(sku))'
    ),
    "index by_far": (
        'CREATE FUNCTION :"b".f(text) RETURNS text IMMUTABLE LANGUAGE sql AS \'SELECT $1\'; CREATE INDEX by_far ON :"a".products (:"b".f(sku))'
    ),
    "view seen": 'CREATE VIEW :"a".seen AS SELECT p.sku FROM :"b".products AS p',
    "view kept": 'CREATE MATERIALIZED VIEW :"a".kept AS SELECT p.sku FROM :"b".products AS p',
    "rule products.twice": 'CREATE RULE twice AS ON DELETE TO :"a".products DO ALSO DELETE FROM :"b".products',
    "trigger products.calls": (
        "CREATE FUNCTION :\"b\".tg() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END';"
        ' CREATE TRIGGER calls BEFORE INSERT ON :"a".products FOR EACH ROW EXECUTE FUNCTION :"b".tg()'
    ),
    "policy products.asks": (
        'CREATE FUNCTION :"b".mine() RETURNS bool LANGUAGE sql AS \'SELECT true\'; CREATE POLICY asks ON :"a".products USING (:"b".mine())'
    ),
    "table child": 'CREATE TABLE :"a".child () INHERITS (:"b".products)',
    "table typed": 'CREATE TYPE :"b".mood AS ENUM (\'x\'); CREATE TABLE :"a".typed (m :"b".mood)',
    "type narrow": 'CREATE DOMAIN :"b".wide AS text; CREATE DOMAIN :"a".narrow AS :"b".wide',
    "function bound()": 'CREATE FUNCTION :"a".bound() RETURNS bigint BEGIN ATOMIC SELECT count(*) FROM :"b".products; END',
    "function settings pinned()": 'CREATE FUNCTION :"a".pinned() RETURNS int LANGUAGE sql SET search_path = :"b", pg_temp AS \'SELECT 1\'',
    "function text said()": 'CREATE FUNCTION :"a".said() RETURNS int LANGUAGE plpgsql AS $f$BEGIN RETURN (SELECT count(*) FROM :"b".products); END$f$',
}
"""By the subject of the finding: what the owner runs, with a and b the schemas of two tenants."""


TEXTS = {
    "after a quote that stands alone": """SELECT 1 -- '"' :"b" """,
    "in a literal": """SELECT 'SELECT * FROM ' || ':"b"' """,
    "in capitals, unquoted": "SELECT 1 -- FROM TENANT_PLAIN.products",
    "beside other signs": "SELECT 1 -- (tenant_plain,x)",
}


def test_every_reference_is_found_and_gone(provoked, two):
    """Nothing is found between two tenants, then exactly what was made, then nothing again."""
    for subject, statement in WAYS.items():
        before, found, after = provoked(cross_references, statement)
        assert [(each.outcome, each.examined) for each in (*before.values(), *after.values())] == [(Outcome.HEALTHY, 2)] * 2
        # A table of another's type has a row type, a view of another's table a rule: one fault, one finding.
        assert set(found) == {subject}
        finding = found[subject]
        assert finding.outcome is Outcome.FAILING
        assert finding.severity is (Severity.HIGH if subject.startswith("function text") else Severity.CRITICAL)
        assert set(finding.tenants.sample) == set(two.values())
        assert any(two["a"] in line and two["b"] in line for line in finding.witness.lines)


def test_a_name_is_seen_wherever_it_stands(operator_url, roles, provoked):
    """The text of a function names another tenant's schema in whatever way: it is found."""
    with operator(operator_url, "test") as session:
        create(session, roles, NewTenant(uuid.uuid4(), "c", "c", "org_c", schema_name="tenant_plain"), actor="test")
    for how, text in TEXTS.items():
        _, found, _ = provoked(cross_references, f'CREATE FUNCTION :"a".f() RETURNS text LANGUAGE sql AS $f${text}::text$f$')
        assert set(found) == {"function text f()"}, how


def test_public_may_not_hang_on_a_tenant(as_the_owner, checked, two):
    """A view in public over one tenant's table is found too, and gone when it is dropped; what tenants take from public is no fault."""
    as_the_owner('CREATE VIEW public.peek AS SELECT sku FROM :"b".products', **two)
    [finding] = checked(cross_references).values()
    assert (finding.subject.name, finding.tenants.sample) == ("view peek", (two["b"],))
    as_the_owner('DROP VIEW public.peek; CREATE VIEW :"a".mine AS SELECT slug FROM public.tenants', **two)
    [finding] = checked(cross_references).values()
    assert finding.outcome is Outcome.HEALTHY


def test_the_same_fault_of_many_is_one_finding(as_the_owner, checked, two):
    """Two tenants that read each other by views of one name are one finding of two tenants."""
    statement = 'CREATE VIEW :"a".seen AS SELECT sku FROM :"b".products; CREATE VIEW :"b".seen AS SELECT sku FROM :"a".products'
    as_the_owner(statement, **two)
    [finding] = checked(cross_references).values()
    assert (finding.subject.name, finding.tenants.count, len(finding.witness.lines)) == ("view seen", 2, 2)


def test_a_tenants_own_name_in_its_functions_is_no_fault(as_the_owner, checked, two):
    """A function that names its own schema, or that only holds part of another's name, is left alone."""
    statement = (
        'CREATE FUNCTION :"a".own() RETURNS int LANGUAGE sql SET search_path = :"a", pg_temp AS $f$SELECT 1 -- :"a" $f$;'
        ' CREATE FUNCTION :"b".part() RETURNS int LANGUAGE sql AS $f$SELECT 1 -- x:"a" $f$'
    )
    as_the_owner(statement.replace('x:"a"', f"x{two['a']}"), **two)
    [finding] = checked(cross_references).values()
    assert finding.outcome is Outcome.HEALTHY


def test_an_ordinary_word_is_no_name(provoked, operator_url, roles):
    """A tenant called as tables and words are makes no function suspicious; a search_path that leads there is seen all the same."""
    with operator(operator_url, "test") as session:
        for slug, name in (("s", "sales"), ("o", "order_items"), ("p", "shop")):
            create(session, roles, NewTenant(uuid.uuid4(), slug, slug, f"org_{slug}", schema_name=name), actor="test")
    text = 'CREATE TABLE :"a".order_items (n int); CREATE FUNCTION :"a".f() RETURNS int LANGUAGE sql AS $f$SELECT count(*)::int FROM {}$f$'
    for words in ("sales AS sales WHERE sales.id IS NULL", "order_items", "sales -- of the shop\n"):
        _, found, _ = provoked(cross_references, f'SET LOCAL search_path = :"a"; {text.format(words)}')
        assert {each.outcome for each in found.values()} == {Outcome.HEALTHY}, words
    _, found, _ = provoked(
        cross_references, 'CREATE FUNCTION :"a".g() RETURNS int LANGUAGE sql SET search_path = sales, pg_temp AS $f$SELECT 1$f$'
    )
    assert set(found) == {"function settings g()"}


def test_what_a_restore_put_away_is_no_fault(as_the_owner, checked, operator_url, roles, two, tmp_path):
    """After a restore in place the replaced schema's functions still name the schema that it was: no other tenant's."""
    as_the_owner('CREATE FUNCTION :"a".own() RETURNS int LANGUAGE sql SET search_path = :"a" AS $f$SELECT 1$f$', **two)
    with operator(operator_url, "test") as session:
        backup(session, "a", tmp_path / "a.sql.zst", tool="test")
        with open_archive(tmp_path / "a.sql.zst") as archive:
            restore_in_place(session, roles, archive, "a", Trust("test", is_given=True), unique=1, now=SystemClock().now())
    [finding] = checked(cross_references).values()
    assert finding.outcome is Outcome.HEALTHY, finding.why


def test_without_the_right_it_cannot_tell(checked, superuser_url, roles, two):
    """Without SELECT on the registry the answer is inconclusive, with the grant."""
    del two
    with operator(superuser_url, "test") as session, session.transaction():
        session.script(fill('REVOKE SELECT ON public.tenants FROM :"observer"', {"observer": roles.observer}))
    [finding] = checked(cross_references).values()
    assert finding.outcome is Outcome.INCONCLUSIVE
    assert "GRANT SELECT" in finding.why


def test_an_empty_registry_is_no_pass(checked):
    """Without a tenant nothing was examined, so nothing passes."""
    [finding] = checked(cross_references).values()
    assert finding.outcome is Outcome.INCONCLUSIVE


names = st.sampled_from(["a", "b", "public"])
references = st.builds(
    Reference,
    st.booleans(),
    names,
    st.sampled_from(["view", "function text", "default"]),
    st.text("xyz", max_size=2),
    names,
    names,
)


@given(st.lists(references, max_size=60), st.integers(0, 3))
def test_judging_is_total_and_never_silent(found, tenants):
    """Every reference is in a finding, findings stay few, and there is always an answer."""
    findings = judge(References(tenants, tuple(found)), LIMITS, EVIDENCE)
    assert 1 <= len(findings) <= FINDINGS + 1
    if tenants:
        assert {finding.outcome for finding in findings} == ({Outcome.FAILING} if found else {Outcome.HEALTHY})
        named = {schema for finding in findings if finding.tenants for schema in finding.tenants.sample}
        assert named == {each.to_schema for each in found} | {each.from_schema for each in found if each.is_tenants}
