"""A backup is taken again when a definition changed meanwhile, and only then."""

import pytest

from capliquify_ops.database import load, operator

SETUP = """
CREATE SCHEMA changing; SET LOCAL search_path = changing, pg_catalog;
CREATE TYPE mood AS ENUM ('a', 'b'); CREATE TYPE pair AS (x int, y int); CREATE DOMAIN positive AS int CHECK (VALUE > 0);
CREATE FUNCTION f() RETURNS int LANGUAGE sql AS 'SELECT 1'; CREATE FUNCTION tg() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END';
CREATE AGGREGATE total(int) (sfunc = int4pl, stype = int); CREATE FUNCTION same(int, int) RETURNS bool LANGUAGE sql AS 'SELECT true';
CREATE OPERATOR === (FUNCTION = same, LEFTARG = int, RIGHTARG = int);
CREATE TABLE t (id int PRIMARY KEY, n text DEFAULT 'x', m mood); CREATE INDEX i ON t (n); CREATE INDEX i2 ON t (m);
CREATE TABLE parent (id int, n text, m mood); CREATE SEQUENCE s; CREATE VIEW v AS SELECT id, n FROM t; CREATE MATERIALIZED VIEW mv AS SELECT id FROM t;
CREATE TRIGGER tr BEFORE UPDATE ON t FOR EACH ROW EXECUTE FUNCTION tg(); CREATE POLICY p ON t USING (true); CREATE RULE r AS ON DELETE TO t DO ALSO SELECT 1;
CREATE STATISTICS st ON id, n FROM t; CREATE COLLATION c FROM "C"; CREATE TEXT SEARCH DICTIONARY d (TEMPLATE = simple); CREATE TEXT SEARCH CONFIGURATION ts (COPY = simple);
ALTER DEFAULT PRIVILEGES IN SCHEMA changing GRANT SELECT ON TABLES TO oracle_reader; COMMENT ON TABLE t IS 'a'; COMMENT ON COLUMN t.n IS 'b';
INSERT INTO t VALUES (1, 'one', 'a'); ALTER TABLE t ADD CONSTRAINT nv CHECK (id > 0) NOT VALID;
"""
CHANGES = """
CREATE TABLE t2 (a int)|ALTER TABLE t ADD COLUMN z int|ALTER TABLE t DROP COLUMN n CASCADE|ALTER TABLE t RENAME COLUMN n TO n2|ALTER TABLE t ALTER m TYPE text
ALTER TABLE t ALTER n SET DEFAULT 'y'|ALTER TABLE t ALTER n DROP DEFAULT|ALTER TABLE t ALTER n SET NOT NULL|ALTER TABLE t ALTER n SET STATISTICS 5|ALTER TABLE t ALTER n SET STORAGE PLAIN
ALTER TABLE t RENAME TO t3|ALTER TABLE t OWNER TO oracle_owner|ALTER TABLE t SET (fillfactor = 50)|ALTER TABLE t INHERIT parent|ALTER TABLE t ADD CHECK (id < 9)|ALTER TABLE t ADD UNIQUE (n)
ALTER TABLE t VALIDATE CONSTRAINT nv|ALTER TABLE t RENAME CONSTRAINT nv TO nv2|ALTER TABLE t ENABLE ROW LEVEL SECURITY|ALTER TABLE t REPLICA IDENTITY FULL|ALTER TABLE t SET UNLOGGED
ALTER TABLE t REPLICA IDENTITY USING INDEX t_pkey|DROP INDEX i|ALTER INDEX i RENAME TO j|ALTER INDEX i SET (fillfactor = 50)|CREATE INDEX k ON t (id)|DROP TABLE parent|TRUNCATE t|ALTER TABLE t DROP CONSTRAINT nv
ALTER TABLE t DISABLE TRIGGER tr|DROP TRIGGER tr ON t|CREATE OR REPLACE TRIGGER tr AFTER UPDATE ON t FOR EACH ROW EXECUTE FUNCTION tg()|ALTER POLICY p ON t USING (false)|DROP POLICY p ON t|ALTER TABLE t DISABLE RULE r|DROP RULE r ON t
CREATE OR REPLACE VIEW v AS SELECT id, 'x'::text AS n FROM t|ALTER VIEW v SET (security_barrier)|ALTER VIEW v ALTER n SET DEFAULT 'z'|DROP VIEW v|CREATE MATERIALIZED VIEW mv2 AS SELECT 1 AS a|REFRESH MATERIALIZED VIEW mv|REFRESH MATERIALIZED VIEW mv WITH NO DATA
ALTER SEQUENCE s INCREMENT 5|DROP SEQUENCE s|ALTER TABLE t ALTER id ADD GENERATED ALWAYS AS IDENTITY|CREATE OR REPLACE FUNCTION f() RETURNS int LANGUAGE sql AS 'SELECT 2'|ALTER FUNCTION f() STABLE
ALTER FUNCTION f() SET work_mem = '1MB'|DROP FUNCTION f()|CREATE FUNCTION f(int) RETURNS int LANGUAGE sql AS 'SELECT 2'|ALTER TYPE mood ADD VALUE 'c'|ALTER TYPE mood RENAME VALUE 'a' TO 'z'|ALTER TYPE pair ADD ATTRIBUTE z int|ALTER TYPE pair RENAME ATTRIBUTE x TO w
ALTER DOMAIN positive ADD CHECK (VALUE < 9)|ALTER DOMAIN positive SET DEFAULT 4|ALTER DOMAIN positive SET NOT NULL|ALTER STATISTICS st SET STATISTICS 5|DROP STATISTICS st|ALTER COLLATION c OWNER TO oracle_owner|CREATE COLLATION c2 FROM "C"
ALTER AGGREGATE total(int) OWNER TO oracle_owner|CREATE OR REPLACE AGGREGATE total(int) (sfunc = int4mul, stype = int)|ALTER OPERATOR === (int, int) SET (RESTRICT = eqsel)|ALTER TEXT SEARCH DICTIONARY d (ACCEPT = false)
GRANT SELECT ON t TO oracle_reader|GRANT SELECT (id) ON t TO oracle_reader|GRANT USAGE ON SCHEMA changing TO oracle_reader|GRANT EXECUTE ON FUNCTION f() TO oracle_reader|GRANT USAGE ON TYPE mood TO oracle_reader|GRANT USAGE ON SEQUENCE s TO oracle_reader
ALTER DEFAULT PRIVILEGES IN SCHEMA changing GRANT INSERT ON TABLES TO oracle_reader|ALTER DEFAULT PRIVILEGES IN SCHEMA changing REVOKE SELECT ON TABLES FROM oracle_reader|ALTER SCHEMA changing OWNER TO oracle_owner|CREATE PUBLICATION pub FOR TABLE t
"""
HELD_STILL = """
COMMENT ON TABLE t IS 'c'|COMMENT ON TABLE t IS NULL|COMMENT ON COLUMN t.n IS NULL|COMMENT ON FUNCTION f() IS 'e'|COMMENT ON SCHEMA changing IS 'f'
ALTER TABLE t CLUSTER ON i|ALTER SEQUENCE s OWNED BY t.id|ALTER TEXT SEARCH CONFIGURATION ts DROP MAPPING FOR word
"""
"""What is read as plain rows of the catalogue: the snapshot holds it still, so the backup need not be taken again."""
NO_CHANGES = (
    "INSERT INTO t VALUES (2, 'two', 'b'); UPDATE t SET n = 'q'; DELETE FROM t",
    "SELECT nextval('s'), setval('s', 50)",
    "ANALYZE t",
    "CREATE SCHEMA another; CREATE TABLE another.t (a int); DROP SCHEMA another CASCADE",
    "LOCK TABLE t; SELECT * FROM t FOR UPDATE",
)


def _number(session):
    statement = load("capliquify_ops.tenants.archive", "changes")
    return session.value(statement, {"schema": "changing"})


@pytest.fixture(scope="module")
def changing(oracle):
    """A session on a schema with one of everything."""
    with operator(oracle.source, "changes") as session:
        with session.transaction():
            session._connection.execute(SETUP)
        yield session
    oracle.clear("changing")


class _Undo(Exception):
    pass


def _after(session, sql):
    """The number before and after a change, which is undone."""
    try:
        with session.transaction():
            before = _number(session)
            with session.transaction():
                session._connection.execute(f"SET LOCAL search_path = changing, pg_catalog; {sql}")
            after = _number(session)
            raise _Undo
    except _Undo:
        return before, after


def test_every_kind_of_definition_changes_the_number(changing):
    """Each statement that defines something, grants or empties a table changes the number."""
    unseen = []
    for sql in (one for line in CHANGES.strip().splitlines() for one in line.split("|")):
        before, after = _after(changing, sql)
        if before == after:
            unseen.append(sql)
    assert unseen == []


def test_what_the_snapshot_holds_still_does_not_change_the_number(changing):
    """A comment, for one, is read as it was when the backup began, whatever happens to it meanwhile."""
    for sql in (one for line in HELD_STILL.strip().splitlines() for one in line.split("|")):
        before, after = _after(changing, sql)
        assert before == after, sql


def test_rows_and_statistics_do_not_change_the_number(changing):
    """Work on rows, on sequences and statistics, and on other schemas leaves the number alone."""
    for sql in NO_CHANGES:
        before, after = _after(changing, sql)
        assert before == after, sql
    with changing.transaction():
        before = _number(changing)
    changing.outside_transaction("VACUUM (ANALYZE, FREEZE) changing.t")
    changing.outside_transaction("VACUUM (ANALYZE, FREEZE) pg_catalog.pg_class")
    with changing.transaction():
        assert _number(changing) == before
