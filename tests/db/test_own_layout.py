"""A layout of nobody's framework: registry of other columns, keys that count, partitions, types, materialised views, Alembic."""

import dataclasses

import pytest

from capliquify_ops.configuration import Registry, load_limits
from capliquify_ops.configuration.system import SystemClock
from capliquify_ops.database import fill, observer, operator
from capliquify_ops.integrity.fleet_check import CHECKS, check_fleet
from capliquify_ops.model.outcome import Outcome
from capliquify_ops.tenants.ownership import as_owner

SHARED = """
CREATE SCHEMA accounts;
CREATE TABLE accounts.customers (
  number bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, label text NOT NULL, home text NOT NULL UNIQUE, state text NOT NULL,
  signed_up timestamptz NOT NULL DEFAULT pg_catalog.now() - interval '1 day'
);
INSERT INTO accounts.customers (label, home, state) VALUES
  ('One', 'c1', 'open'), ('Two & Sons', 'c2', 'open'), ('Drei', 'C3 ü', 'open'), ('Four', 'c4', 'left');
CREATE TYPE accounts.channel AS ENUM ('web', 'shop');
CREATE FUNCTION accounts.stamp() RETURNS trigger LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
  AS $f$BEGIN NEW.touched := pg_catalog.now(); RETURN NEW; END$f$;
CREATE TABLE accounts.notes (customer bigint NOT NULL REFERENCES accounts.customers, note text);
GRANT USAGE ON SCHEMA accounts TO :"observer", :"app";
GRANT SELECT ON accounts.customers TO :"observer";
"""
TENANT = """
SET LOCAL check_function_bodies = off;
CREATE SCHEMA :"home";
CREATE TABLE :"home".alembic_version (version_num varchar(32) PRIMARY KEY);
INSERT INTO :"home".alembic_version VALUES ('4f1c0de');
CREATE TYPE :"home".mood AS ENUM ('good', 'bad');
CREATE DOMAIN :"home".sku AS text CHECK (value <> '');
CREATE TABLE :"home".customer (id bigserial PRIMARY KEY, name text NOT NULL, mood :"home".mood DEFAULT 'good');
CREATE TABLE :"home"."order" (
  id bigint GENERATED ALWAYS AS IDENTITY, placed_on date NOT NULL, customer bigint NOT NULL REFERENCES :"home".customer,
  sku :"home".sku NOT NULL, via accounts.channel NOT NULL DEFAULT 'web', touched timestamptz, amount numeric NOT NULL,
  with_tax numeric GENERATED ALWAYS AS (amount * 1.19) STORED, PRIMARY KEY (id, placed_on), CHECK (amount >= 0)
) PARTITION BY RANGE (placed_on);
CREATE TABLE :"home".order_2024 PARTITION OF :"home"."order" FOR VALUES FROM ('2024-01-01') TO ('2025-01-01');
CREATE TABLE :"home".order_rest PARTITION OF :"home"."order" DEFAULT;
CREATE INDEX ON :"home"."order" (customer) WHERE amount > 0;
CREATE TRIGGER stamp BEFORE UPDATE ON :"home"."order" FOR EACH ROW EXECUTE FUNCTION accounts.stamp();
CREATE VIEW :"home".busy AS SELECT c.name, pg_catalog.count(*) AS orders
  FROM :"home".customer AS c JOIN :"home"."order" AS o ON o.customer = c.id GROUP BY c.name;
CREATE MATERIALIZED VIEW :"home".by_day AS SELECT o.placed_on, pg_catalog.sum(o.amount) AS amount FROM :"home"."order" AS o GROUP BY 1;
CREATE UNIQUE INDEX ON :"home".by_day (placed_on);
CREATE FUNCTION :"home".total(wanted bigint) RETURNS numeric LANGUAGE sql STABLE
  AS 'SELECT pg_catalog.sum(o.amount) FROM "order" AS o WHERE o.customer = wanted';
INSERT INTO :"home".customer (name) VALUES ('Ada'), ('Bob');
INSERT INTO :"home"."order" (placed_on, customer, sku, amount) VALUES ('2024-05-01', 1, 'x', 3), ('2030-01-01', 2, 'y', 4);
GRANT USAGE ON SCHEMA :"home" TO :"observer", :"app";
GRANT SELECT ON ALL TABLES IN SCHEMA :"home" TO :"observer";
GRANT SELECT ON ALL SEQUENCES IN SCHEMA :"home" TO :"observer";
"""
HOMES = ("c1", "c2", "C3 ü")


@pytest.fixture
def layout(new_database, roles, profile):
    """A database of that layout with three tenants, the profile that describes it, and what runs all checks on it."""
    made = new_database()
    names = {name: getattr(roles, name) for name in ("observer", "app")}
    with operator(made.operator_url, "test") as session, session.transaction(), as_owner(session, roles):
        session.script(fill(SHARED, names))
        for home in HOMES:
            session.script(fill(TENANT, {**names, "home": home}))
    registry = Registry(
        table="accounts.customers",
        id="number",
        schema_name="home",
        slug="label",
        created_at="signed_up",
        status="state",
        deleted_at="",
        shared_schemas=("public", "accounts"),
        deleted_statuses=("left",),
    )
    described = dataclasses.replace(profile, registry=registry, tenant_tables=("customer", "order"), shared_tables=())

    def run():
        with observer(made.observer_url, "test") as session:
            return check_fleet(session, load_limits(), SystemClock(), profile=described, roles=roles)

    return made, run


def _bad(found):
    return {
        (str(each.check), each.subject.name) for each in found if each.outcome not in {Outcome.HEALTHY, Outcome.NOT_APPLICABLE}
    }


def test_a_sound_fleet_is_healthy(layout):
    """Every check examines it and none finds anything: no framework is needed to be understood."""
    found = layout[1]()
    assert _bad(found) == set()
    assert {str(each.check): each.examined for each in found if each.check == "structure_equality"} == {"structure_equality": 3}
    assert {str(each.check) for each in found if each.outcome is Outcome.NOT_APPLICABLE} == set()
    assert [each.check for each in found] == list(CHECKS)


@pytest.mark.parametrize(
    ("fault", "expected"),
    [
        ('ALTER TABLE :"b".customer DROP COLUMN mood', {("structure_equality", "column customer.mood")}),
        (
            'CREATE VIEW :"b".peek AS SELECT name FROM :"a".customer',
            {("structure_equality", "view peek"), ("cross_references", "view peek")},
        ),
        (
            "UPDATE accounts.customers SET home = 'c9' WHERE home = 'c2'",
            {("registry_catalogue", "missing_schema"), ("registry_catalogue", "orphan_schema")},
        ),
    ],
    ids=["column", "view", "registry"],
)
def test_a_fault_is_found_and_gone(layout, roles, fault, expected):
    """A fault in one tenant of the layout is named; taken back there is none."""
    made, run = layout
    with operator(made.operator_url, "test") as session, session.transaction(), as_owner(session, roles):
        session.script(fill(fault, {"a": "c1", "b": "c2"}))
    assert _bad(run()) >= expected
