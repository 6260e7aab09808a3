"""Structure as a digest: equal for equal tenants, different for every kind of change, the same whichever way it is taken."""

import uuid

import pytest
from hypothesis import given
from hypothesis import strategies as st

from capliquify_ops.database import fill, observer, operator
from capliquify_ops.model.errors import TenantConflict
from capliquify_ops.tenants.create import NewTenant, create
from capliquify_ops.tenants.fingerprint import difference, fleet_fingerprints, schemas, tenant_fingerprint
from capliquify_ops.tenants.structure import Definition, differences, neutral


@pytest.fixture(scope="module")
def furnished_with_pair(furnish, roles):
    def fill_it(database):
        names = []
        with operator(database.operator_url, "test") as session:
            for slug, schema in (("a", ""), ("b", "Ten\"ant's.😀")):
                new = NewTenant(uuid.uuid4(), slug, slug, f"org_{slug}", schema_name=schema)
                names.append(create(session, roles, new, actor="test").schema_name)
        return tuple(names)

    return furnish(fill_it)


@pytest.fixture
def pair(furnished_with_pair, database):
    """Two equal tenants, one of them with a hostile schema name."""
    return furnished_with_pair.content


def _change(database, roles, schema, statement):
    with operator(database.superuser_url, "test") as session, session.transaction():
        session.script(fill('SET LOCAL ROLE :"owner"; ' + statement, {"schema": schema, "owner": roles.owner}))


CHANGES = {
    "column lost": ('ALTER TABLE :"schema".products DROP COLUMN category', "lacks column products.category"),
    "column extra": ('ALTER TABLE :"schema".products ADD COLUMN region text', "has an extra column products.region"),
    "column type": (
        'ALTER TABLE :"schema".products ALTER COLUMN category TYPE varchar(20)',
        "differs in column products.category",
    ),
    "not null": ('ALTER TABLE :"schema".products ALTER COLUMN category SET NOT NULL', "differs in column products.category"),
    "default": (
        "ALTER TABLE :\"schema\".companies ALTER COLUMN currency SET DEFAULT 'EUR'",
        "differs in column companies.currency",
    ),
    "generated": (
        (
            'ALTER TABLE :"schema".sales DROP COLUMN total_amount;'
            ' ALTER TABLE :"schema".sales ADD COLUMN total_amount numeric GENERATED ALWAYS AS (quantity + unit_price) STORED'
        ),
        "differs in column sales.total_amount",
    ),
    "index lost": ('DROP INDEX :"schema".products_category_idx', "lacks index products_category_idx"),
    "index columns": (
        'DROP INDEX :"schema".products_category_idx; CREATE INDEX products_category_idx ON :"schema".products (name)',
        "differs in index products_category_idx",
    ),
    "index predicate": (
        (
            'DROP INDEX :"schema".inventory_reorder_idx;'
            ' CREATE INDEX inventory_reorder_idx ON :"schema".inventory (product_id) WHERE quantity_on_hand < reorder_point'
        ),
        "differs in index inventory_reorder_idx",
    ),
    "index order": (
        'DROP INDEX :"schema".products_created_at_idx; CREATE INDEX products_created_at_idx ON :"schema".products (id, created_at)',
        "differs in index products_created_at_idx",
    ),
    "unique lost": (
        'ALTER TABLE :"schema".products DROP CONSTRAINT products_sku_key',
        "lacks constraint products.products_sku_key",
    ),
    "nulls not distinct": (
        (
            'DROP INDEX :"schema".api_credentials_secret_hash_key;'
            ' CREATE UNIQUE INDEX api_credentials_secret_hash_key ON :"schema".api_credentials (secret_hash) NULLS NOT DISTINCT'
        ),
        "differs in index api_credentials_secret_hash_key",
    ),
    "check": (
        'ALTER TABLE :"schema".products ADD CONSTRAINT c CHECK (unit_cost >= 0) NOT VALID',
        "has an extra constraint products.c",
    ),
    "foreign key action": (
        (
            'ALTER TABLE :"schema".sales DROP CONSTRAINT sales_product_id_fkey;'
            ' ALTER TABLE :"schema".sales ADD CONSTRAINT sales_product_id_fkey FOREIGN KEY (product_id) REFERENCES :"schema".products (id)'
        ),
        "differs in constraint sales.sales_product_id_fkey",
    ),
    "trigger": (
        (
            'CREATE FUNCTION :"schema".f() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN NULL; END $$;'
            ' CREATE TRIGGER g AFTER INSERT ON :"schema".sales EXECUTE FUNCTION :"schema".f()'
        ),
        "has an extra trigger sales.g",
    ),
    "view": ('CREATE VIEW :"schema".v AS SELECT id FROM :"schema".products', "has an extra view v"),
    "table": ('CREATE TABLE :"schema".extra (id int)', "has an extra table extra"),
    "enum": ("CREATE TYPE :\"schema\".mood AS ENUM ('sad')", "has an extra type mood"),
    "row security": ('ALTER TABLE :"schema".sales ENABLE ROW LEVEL SECURITY', "differs in table sales"),
    "policy": ('CREATE POLICY p ON :"schema".sales USING (true)', "has an extra policy sales.p"),
    "sequence": ('CREATE SEQUENCE :"schema".s INCREMENT 5', "has an extra sequence s"),
}


def _digests(session, names):
    """The digests of these schemas: each by itself, and all of the fleet with and without grouping, say the same."""
    alone = {name: tenant_fingerprint(session, name).digest for name in names}
    for groups in (200, 0):
        fleet = {found.schema.name: found.digest for found in fleet_fingerprints(session, groups_at_most=groups)}
        assert {name: fleet[name] for name in names} == alone
    return set(alone.values())


@pytest.mark.parametrize(
    "kind",
    [pytest.param(kind, marks=[] if place % 3 == 0 else pytest.mark.whole) for place, kind in enumerate(CHANGES)],
)
def test_every_kind_of_change_is_seen_and_named(database, roles, pair, kind):
    """A change of one tenant changes its digest, is named exactly, and is equal again when the other changes alike."""
    statement, phrase = CHANGES[kind]
    with observer(database.observer_url, "test") as session, session.transaction():
        assert len(_digests(session, pair)) == 1
        assert difference(session, *pair) == ()
    _change(database, roles, pair[1], statement)
    with observer(database.observer_url, "test") as session, session.transaction():
        assert len(_digests(session, pair)) == 2
        assert phrase in [one.phrase() for one in difference(session, *pair)]
    _change(database, roles, pair[0], statement)
    with observer(database.observer_url, "test") as session, session.transaction():
        assert difference(session, *pair) == ()


@pytest.mark.parametrize(
    ("statement", "phrase"),
    [
        ('ALTER TABLE :"schema".sales ADD CONSTRAINT c NOT NULL channel NOT VALID', "has an extra constraint sales.c"),
        ('ALTER TABLE :"schema".sales ADD CONSTRAINT c CHECK (quantity > 0) NOT ENFORCED', "has an extra constraint sales.c"),
        (
            'ALTER TABLE :"schema".sales ADD COLUMN v numeric GENERATED ALWAYS AS (quantity * 2) VIRTUAL',
            "has an extra column sales.v",
        ),
    ],
)
def test_what_is_new_in_18_is_seen(database, roles, pair, statement, phrase):
    """NOT NULL that is not validated, constraints that are not enforced and virtual columns are differences like others."""
    _change(database, roles, pair[1], statement)
    with observer(database.observer_url, "test") as session, session.transaction():
        assert len(_digests(session, pair)) == 2
        assert phrase in [one.phrase() for one in difference(session, *pair)]


def test_names_of_not_null_constraints_do_not_matter(database, roles, pair):
    """From 18 on NOT NULL has a name, which an upgrade or a restore may choose otherwise: equal structures stay equal."""
    script = 'ALTER TABLE :"schema".sales RENAME CONSTRAINT sales_quantity_not_null TO renamed'
    _change(database, roles, pair[1], script)
    with observer(database.observer_url, "test") as session, session.transaction():
        assert len(_digests(session, pair)) == 1


def test_a_foreign_key_that_is_switched_off_is_a_difference(database, pair):
    """A disabled internal trigger means an unenforced foreign key, and is named."""
    with operator(database.superuser_url, "test") as session, session.transaction():
        session.execute(fill('ALTER TABLE :"schema".sales DISABLE TRIGGER ALL', {"schema": pair[1]}))
    with observer(database.observer_url, "test") as session, session.transaction():
        assert len(_digests(session, pair)) == 2
        assert "differs in enforcement sales.sales_product_id_fkey" in [one.phrase() for one in difference(session, *pair)]


def test_a_reference_into_another_tenant_is_a_difference(database, roles, pair):
    """A default, a view and a foreign key that point into another tenant's schema do not read like one's own."""
    for own, target in ((pair[0], pair[0]), (pair[1], pair[0])):
        with operator(database.superuser_url, "test") as session, session.transaction():
            script = (
                'SET LOCAL ROLE :"role"; CREATE SEQUENCE :"own".s; CREATE VIEW :"own".v AS SELECT id FROM :"target".products;'
                ' CREATE TABLE :"own".t (n int, c uuid REFERENCES :"target".companies)'
            )
            session.script(fill(script, {"own": own, "target": target, "role": roles.owner}))
    with observer(database.observer_url, "test") as session, session.transaction():
        assert len(_digests(session, pair)) == 2
        told = [one.phrase() for one in difference(session, *pair)]
    assert {"differs in constraint t.t_c_fkey", "differs in view v"} <= set(told)


def test_a_default_that_draws_from_the_same_sequence_is_anothers(database, roles, pair):
    """Two defaults that are stored alike, by the OID of one tenant's sequence, are that tenant's own and a stranger to the other."""
    sequence = '"' + pair[0].replace('"', '""') + '".s'
    _change(database, roles, pair[0], 'CREATE SEQUENCE :"schema".s')
    _change(database, roles, pair[1], 'CREATE SEQUENCE :"schema".s')
    for schema in pair:
        statement = f"""ALTER TABLE :"schema".products ADD COLUMN n bigint DEFAULT pg_catalog.nextval('{sequence}')"""
        _change(database, roles, schema, statement)
    with observer(database.observer_url, "test") as session, session.transaction():
        assert len(_digests(session, pair)) == 2


def test_a_path_that_a_function_pins_reads_alike(database, roles, pair):
    """A function pinned to its own schema is the same function in schemas of any names."""
    pinned = 'CREATE FUNCTION :"schema".f() RETURNS int LANGUAGE sql SET search_path = :"schema", pg_temp AS $$SELECT 1$$'
    for schema in pair:
        _change(database, roles, schema, pinned)
    with observer(database.observer_url, "test") as session, session.transaction():
        assert difference(session, *pair) == ()
        assert len(_digests(session, pair)) == 1


def test_the_path_to_a_structure_does_not_matter(database, roles, pair):
    """A column dropped and added again, and constraints under way, leave holes: the comparison word by word says equal."""
    _change(
        database,
        roles,
        pair[1],
        'ALTER TABLE :"schema".products DROP COLUMN description; ALTER TABLE :"schema".products ADD COLUMN description text',
    )
    with observer(database.observer_url, "test") as session, session.transaction():
        assert difference(session, *pair) == ()
        assert len(_digests(session, pair)) == 1


def test_fleet_pages_and_single_tenants_agree(database, roles, pair):
    """The fleet in one page, in many pages, and one tenant by itself give the same digests; empty schemas are there too."""
    _change(
        database, roles, pair[0], 'CREATE SCHEMA empty; CREATE VIEW :"schema".v AS SELECT 1; CREATE DOMAIN :"schema".d AS int'
    )
    with observer(database.observer_url, "test") as session, session.transaction():
        whole = fleet_fingerprints(session)
        for given in ({"relations_per_page": 7}, {"groups_at_most": 0}, {"relations_per_page": 7, "groups_at_most": 0}):
            assert fleet_fingerprints(session, **given) == whole
        assert [found.schema for found in whole] == schemas(session)
        assert {found.schema.name for found in whole} >= {*pair, "empty", "public"}
        for found in whole:
            assert tenant_fingerprint(session, found.schema.name) == found


def test_a_schema_that_does_not_exist_is_its_own_error(database, pair):
    """A missing schema is TenantConflict on either side, never an empty structure."""
    with observer(database.observer_url, "test") as session, session.transaction():
        with pytest.raises(TenantConflict, match="nowhere"):
            tenant_fingerprint(session, "nowhere")
        with pytest.raises(TenantConflict, match="nowhere"):
            difference(session, pair[0], "nowhere")


NAMES = st.text(st.characters(blacklist_categories=["Cs"], blacklist_characters="\0"), min_size=1, max_size=20)


@given(NAMES, NAMES)
def test_two_schemas_neutral_text_is_equal_whatever_their_names(first, second):
    """A definition that mentions its own schema, quoted in any way, reads alike in two schemas of any names."""

    def text(schema):
        quoted = '"' + schema.replace('"', '""') + '"'
        escaped = quoted.replace("'", "''")
        return f"CREATE INDEX i ON {quoted}.products (id); nextval('{escaped}.s'::regclass); a{quoted}.b"

    own = neutral(first)(text(first)).replace('a"' + first.replace('"', '""') + '".b', "")
    other = neutral(second)(text(second)).replace('a"' + second.replace('"', '""') + '".b', "")
    assert own == other


def test_a_name_inside_another_name_is_left_alone():
    """`a.t` of schema a is its own; `data.t`, `"x".a.t` and `schema_a.t` are not."""
    assert neutral("a")("a.t data.t x.a.t schema_a.t 'a.s' (a.t)") == "~.t data.t x.a.t schema_a.t '~.s' (~.t)"


def test_what_belongs_to_a_missing_table_is_not_told_beside_it():
    """A missing table is one difference, not one per column."""
    table = Definition("table", "t", "t", "r p")
    column = Definition("column", "t", "t.c", "int")
    assert [one.phrase() for one in differences([table, column], [])] == ["lacks table t"]
    assert [one.phrase(2) for one in differences([], [table, column])] == ["have an extra table t"]
