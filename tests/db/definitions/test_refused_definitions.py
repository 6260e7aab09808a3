"""What a plain script cannot carry is refused by name before anything is written; what is no part of it is listed."""

import json

import pytest

from capliquify_ops.database import operator
from capliquify_ops.model.errors import DefinitionsRefused
from capliquify_ops.tenants.definitions import define

REFUSED = {
    "foreign table": ("CREATE FOREIGN DATA WRAPPER w; CREATE SERVER s FOREIGN DATA WRAPPER w; CREATE FOREIGN TABLE ft (a int) SERVER s", "foreign table ft"),
    "foreign partition": (
        "CREATE FOREIGN DATA WRAPPER w; CREATE SERVER s FOREIGN DATA WRAPPER w; CREATE TABLE p (a int) PARTITION BY LIST (a);"
        " CREATE FOREIGN TABLE ft PARTITION OF p DEFAULT SERVER s",
        "foreign table ft",
    ),
    "base type": (
        "CREATE TYPE b; CREATE FUNCTION b_in(cstring) RETURNS b LANGUAGE internal IMMUTABLE STRICT AS 'textin';"
        " CREATE FUNCTION b_out(b) RETURNS cstring LANGUAGE internal IMMUTABLE STRICT AS 'textout';"
        " CREATE TYPE b (INPUT = b_in, OUTPUT = b_out, LIKE = text)",
        "base type b",
    ),
    "shell type": ("CREATE TYPE b", "shell type b"),
    "operator class": ("CREATE OPERATOR CLASS oc FOR TYPE int USING btree AS OPERATOR 1 <, OPERATOR 3 =, FUNCTION 1 btint4cmp(int,int)", "operator class refused.oc"),
    "operator family": ("CREATE OPERATOR FAMILY of_ USING hash", "operator family refused.of_ for access method hash"),
    "conversion": ("CREATE CONVERSION c FOR 'UTF8' TO 'LATIN1' FROM utf8_to_iso8859_1", "conversion refused.c"),
    "text search parser": ("CREATE TEXT SEARCH PARSER p (START = prsd_start, GETTOKEN = prsd_nexttoken, END = prsd_end, LEXTYPES = prsd_lextype)", "text search parser refused.p"),
    "text search template": ("CREATE TEXT SEARCH TEMPLATE t (INIT = dsimple_init, LEXIZE = dsimple_lexize)", "text search template refused.t"),
    "canonical function": (
        "CREATE TYPE cr; CREATE FUNCTION canon(cr) RETURNS cr LANGUAGE internal IMMUTABLE STRICT AS 'int4range_canonical';"
        " CREATE TYPE cr AS RANGE (subtype = int4, canonical = canon)",
        "range type cr with a canonical function",
    ),
    "another grantor": (
        "CREATE TABLE t (a int); ALTER TABLE t OWNER TO oracle_owner; GRANT USAGE ON SCHEMA refused TO PUBLIC;"
        " GRANT SELECT ON t TO oracle_reader WITH GRANT OPTION; SET ROLE oracle_reader; GRANT SELECT ON t TO oracle_writer; RESET ROLE",
        "granted by oracle_reader, not by the owner oracle_owner",
    ),
    "another grantor of a column": (
        "CREATE TABLE t (a int); ALTER TABLE t OWNER TO oracle_owner; GRANT USAGE ON SCHEMA refused TO PUBLIC;"
        " GRANT SELECT (a) ON t TO oracle_reader WITH GRANT OPTION; SET ROLE oracle_reader; GRANT SELECT (a) ON t TO oracle_writer; RESET ROLE",
        "granted by oracle_reader",
    ),
    "extension": ("INSERT INTO pg_depend SELECT 'pg_extension'::regclass, e.oid, 0, 'pg_namespace'::regclass, 'refused'::regnamespace, 0, 'n' FROM pg_extension AS e", "extension plpgsql"),
    "member of an extension": ("CREATE FUNCTION f() RETURNS int LANGUAGE sql AS 'SELECT 1'; ALTER EXTENSION plpgsql ADD FUNCTION f()", "function refused.f()"),
    "security label": ("CREATE TABLE t (a int); INSERT INTO pg_seclabel VALUES ('t'::regclass, 'pg_class'::regclass, 1, 'p', 'secret')", "a security label on table refused.t"),
    "circle": (
        "CREATE TABLE t (a int); CREATE FUNCTION f() RETURNS int LANGUAGE sql IMMUTABLE BEGIN ATOMIC SELECT max(a) FROM refused.t; END;"
        " ALTER TABLE t ADD COLUMN b int GENERATED ALWAYS AS (f()) STORED",
        "definitions that need each other: f(), t",
    ),
    "a table of a late view": (
        "CREATE TABLE t (a int PRIMARY KEY, b int); CREATE VIEW v AS SELECT a, b FROM t GROUP BY a; CREATE TABLE w (x v)",
        "table w, which needs what can only be made after the data",
    ),
}  # fmt: skip
LEFT_OUT = {
    "cast": (
        "CREATE TYPE e AS ENUM ('a'); CREATE FUNCTION f(e) RETURNS int LANGUAGE sql AS 'SELECT 1'; CREATE CAST (e AS int) WITH FUNCTION f(e)",
        "cast from left_out.e to integer",
    ),
    "transform": (
        "CREATE TYPE e AS (a int); CREATE FUNCTION f(internal) RETURNS e LANGUAGE internal IMMUTABLE AS 'array_agg_finalfn';"
        " CREATE TRANSFORM FOR e LANGUAGE sql (TO SQL WITH FUNCTION f(internal))",
        "transform for left_out.e language sql",
    ),
    "publication": (
        "CREATE TABLE t (a int PRIMARY KEY); CREATE PUBLICATION p FOR TABLE t",
        "publication of table left_out.t in publication p",
    ),
    "publication of the schema": ("CREATE PUBLICATION p FOR TABLES IN SCHEMA left_out", "publication of schema left_out in publication p"),
    "triggers of a constraint that are off": (
        "CREATE TABLE t (a int PRIMARY KEY, b int REFERENCES t); ALTER TABLE t DISABLE TRIGGER ALL",
        "that triggers of the constraint t_b_fkey are off",
    ),
    "invalid index": ("CREATE TABLE t (a int); CREATE INDEX i ON t (a); UPDATE pg_index SET indisvalid = false WHERE indexrelid = 'i'::regclass", "invalid index i"),
    "rights on a row type": ("CREATE TABLE t (a int); GRANT USAGE ON TYPE t TO oracle_reader", "privileges on the row type of left_out.t"),
    "comment on a copied trigger": (
        "CREATE TABLE t (a int) PARTITION BY LIST (a); CREATE TABLE t1 PARTITION OF t DEFAULT;"
        " CREATE TRIGGER x BEFORE UPDATE ON t FOR EACH ROW EXECUTE FUNCTION suppress_redundant_updates_trigger(); COMMENT ON TRIGGER x ON t1 IS 'c'",
        "the comment on trigger x on table left_out.t1",
    ),
}  # fmt: skip


def _definition(oracle, schema, sql):
    class Done(Exception):
        pass

    found = []
    try:
        with operator(oracle.source, "trial") as session, session.transaction():
            session._connection.execute(f"SET LOCAL search_path = {schema}, pg_catalog; CREATE SCHEMA {schema}; {sql}")
            session._connection.execute("SET LOCAL search_path = pg_catalog, pg_temp")
            try:
                found.append(define(session, schema))
            finally:
                raise Done
    except Done as done:
        if isinstance(done.__context__, DefinitionsRefused):
            raise done.__context__ from None
    return found[0]


@pytest.mark.parametrize("kind", REFUSED)
def test_what_no_script_carries_is_refused_by_name(oracle, kind):
    """Each kind of object that a plain script cannot make again is refused, and the sentence names it."""
    sql, name = REFUSED[kind]
    with pytest.raises(DefinitionsRefused) as refused:
        _definition(oracle, "refused", sql)
    assert name in str(refused.value)


@pytest.mark.parametrize("kind", LEFT_OUT)
def test_what_is_left_out_is_listed(oracle, kind):
    """What belongs to the database, or was broken, is no part of the script; the definition says so by name."""
    sql, name = LEFT_OUT[kind]
    assert name in _definition(oracle, "left_out", sql).left_out


def test_what_a_schema_uses_elsewhere_is_listed(oracle):
    """Roles, types, functions and extensions that a restore needs are known before it starts."""
    sql = (
        "CREATE SCHEMA used; CREATE TYPE used.e AS ENUM ('a'); CREATE FUNCTION used.f() RETURNS int LANGUAGE sql AS 'SELECT 1';"
        " CREATE TABLE t (a used.e DEFAULT 'a', b int DEFAULT used.f()); CREATE POLICY p ON t TO oracle_reader USING (true);"
        " ALTER DEFAULT PRIVILEGES FOR ROLE oracle_writer IN SCHEMA using_ GRANT SELECT ON TABLES TO oracle_owner;"
        " CREATE PUBLICATION p FOR TABLE t"
    )
    found = _definition(oracle, "using_", sql)
    assert [json.loads(one) for one in found.outside] == [["function", ["used", "f"], []], ["type", ["used.e"], []]]
    assert {"oracle_reader", "oracle_writer", "oracle_owner"} <= set(found.roles)
