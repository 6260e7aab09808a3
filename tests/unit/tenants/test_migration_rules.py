"""Rules for migrations of a fleet: every rule is met, what only looks like it passes, and any text has an answer."""

import time

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from capliquify_ops.model.errors import ConfigurationInvalid
from capliquify_ops.tenants import migration_rules
from capliquify_ops.tenants.migration_rule_table import RULES
from capliquify_ops.tenants.migration_rules import LARGEST, read_script, refusals

TENANTS = ("tenant_a", 'T"wo 😀', "sales")
BODY = "CREATE FUNCTION f() RETURNS void LANGUAGE plpgsql AS $$BEGIN {} END$$"
REFUSED = {
    "\\i other.sql": "syntax-error",
    "SELECT 1;\nSELECT (": "syntax-error",
    "": "syntax-error",
    "-- nothing": "syntax-error",
    "SELECT 1\0; DROP SCHEMA x": "syntax-error",
    "SELECT '\ud800'": "syntax-error",
    "ALTER TABLE t OWNER TO x": "other-statement",
    "CREATE RULE r AS ON INSERT TO t DO NOTHING": "other-statement",
    "LISTEN x": "other-statement",
    "PREPARE p AS SELECT 1": "other-statement",
    "EXPLAIN ANALYZE SELECT 1": "other-statement",
    "ALTER TABLE tenant_b.t ADD COLUMN a int": "other-schema",
    "SELECT a.t.c FROM t": "other-schema",
    "SELECT a.f()": "other-schema",
    "SELECT 1 OPERATOR(a.+) 1": "other-schema",
    "SELECT 'x'::a.kind": "other-schema",
    "CREATE TABLE t (c a.kind)": "other-schema",
    "CREATE TABLE t (c text COLLATE a.x)": "other-schema",
    "DROP TYPE a.t": "other-schema",
    "DROP FUNCTION a.f(int)": "other-schema",
    "DROP VIEW IF EXISTS v, a.v": "other-schema",
    "COMMENT ON COLUMN a.t.c IS 'x'": "other-schema",
    "COMMENT ON CONSTRAINT k ON a.t IS 'x'": "other-schema",
    "CREATE SEQUENCE s OWNED BY a.t.c": "other-schema",
    "CREATE TRIGGER g BEFORE INSERT ON t FOR EACH ROW EXECUTE FUNCTION a.f()": "other-schema",
    "ALTER TABLE t SET SCHEMA x": "other-schema",
    "GRANT SELECT ON ALL TABLES IN SCHEMA x TO r": "other-schema",
    "INSERT INTO pg_catalog.pg_class SELECT 1": "other-schema",
    "SELECT * FROM db.public.t": "other-schema",
    "SELECT * FROM information_schema.tables": "other-schema",
    "CREATE FUNCTION f() RETURNS int LANGUAGE sql SET search_path = tenant_x AS 'SELECT 1'": "other-schema",
    "CREATE FUNCTION f() RETURNS int BEGIN ATOMIC SELECT c FROM a.t; END": "other-schema",
    "SELECT 'tenant_a.products'::regclass": "other-schema",
    BODY.format("PERFORM 1 FROM TENANT_A.products;"): "other-schema",
    BODY.format('EXECUTE \'SELECT 5" FROM "T""wo 😀" . products\';'): "other-schema",
    BODY.format("SET LOCAL search_path TO pg_catalog, tenant_a;"): "other-schema",
    "UPDATE public.tenants SET name = 'x'": "shared-table",
    "WITH gone AS (DELETE FROM public.tenants RETURNING *) SELECT * FROM gone": "shared-table",
    "CREATE TABLE public.t (a int)": "shared-table",
    "CREATE FUNCTION public.f() RETURNS int LANGUAGE sql AS 'SELECT 1'": "shared-table",
    "DROP TYPE public.t": "shared-table",
    "ALTER TYPE public.kind ADD VALUE 'x'": "shared-table",
    "SELECT * FROM public.tenants FOR UPDATE": "shared-table",
    "BEGIN; SELECT 1; COMMIT": "transaction-nesting",
    "SAVEPOINT s": "transaction-nesting",
    "SET search_path = x": "session-setting",
    "SET LOCAL lock_timeout = 0": "session-setting",
    "SET work_mem = '1GB'": "session-setting",
    "RESET ALL": "session-setting",
    "SET ROLE x": "session-setting",
    "SET SESSION AUTHORIZATION x": "session-setting",
    "SET TRANSACTION ISOLATION LEVEL SERIALIZABLE": "session-setting",
    "SELECT set_config('search_path', 'x', true)": "session-setting",
    "SELECT pg_catalog.pg_advisory_lock(1)": "session-setting",
    "DISCARD ALL": "session-setting",
    "CREATE TEMP TABLE t (a int)": "temporary-table",
    "CREATE TEMP TABLE t AS SELECT 1": "temporary-table",
    "SELECT 1 INTO TEMP t": "temporary-table",
    "CREATE TEMP VIEW v AS SELECT 1": "temporary-table",
    "CREATE TEMP SEQUENCE s": "temporary-table",
    "COPY t FROM PROGRAM 'rm -rf /'": "copy",
    "COPY t TO STDOUT": "copy",
    "CREATE SCHEMA x": "database-wide",
    "DROP SCHEMA x CASCADE": "database-wide",
    "DROP DATABASE x": "database-wide",
    "ALTER DATABASE x SET search_path = y": "database-wide",
    "CREATE ROLE r": "database-wide",
    "ALTER ROLE r SUPERUSER": "database-wide",
    "GRANT a TO b": "database-wide",
    "GRANT USAGE ON SCHEMA x TO b": "database-wide",
    "CREATE EXTENSION x": "database-wide",
    "ALTER SCHEMA a RENAME TO b": "database-wide",
    "COMMENT ON SCHEMA a IS 'x'": "database-wide",
    "ALTER SYSTEM SET a = 1": "database-wide",
    "VACUUM t": "maintenance",
    "CLUSTER t USING i": "maintenance",
    "REFRESH MATERIALIZED VIEW m": "maintenance",
    "REINDEX TABLE t": "maintenance",
    "CREATE INDEX CONCURRENTLY ON t (a)": "ban-concurrent-index-creation-in-transaction",
    "DROP INDEX CONCURRENTLY i": "ban-concurrent-index-creation-in-transaction",
    "GRANT SELECT ON t TO PUBLIC": "grant-to-public",
    "DO 'BEGIN END'": "do-block",
    "CALL p()": "do-block",
    "CREATE INDEX ON t (a)": "require-concurrent-index-creation",
    "CREATE TABLE IF NOT EXISTS t (a int); CREATE UNIQUE INDEX ON t (a)": "require-concurrent-index-creation",
    "ALTER TABLE t ADD COLUMN a uuid DEFAULT gen_random_uuid()": "adding-field-with-default",
    "ALTER TABLE t ADD COLUMN a int DEFAULT public.now()": "adding-field-with-default",
    "ALTER TABLE t ADD COLUMN a serial": "adding-field-with-default",
    "ALTER TABLE t ADD COLUMN a int GENERATED ALWAYS AS IDENTITY": "adding-field-with-default",
    "ALTER TABLE t ADD COLUMN a int GENERATED ALWAYS AS (1) STORED": "adding-field-with-default",
    "ALTER TABLE t ADD COLUMN a int NOT NULL": "adding-required-field",
    "ALTER TABLE t ALTER COLUMN a SET NOT NULL": "adding-not-nullable-field",
    "ALTER TABLE t ADD CONSTRAINT n NOT NULL a": "adding-not-nullable-field",
    "ALTER DOMAIN d SET NOT NULL": "adding-not-nullable-field",
    "ALTER TABLE t ALTER COLUMN a TYPE bigint": "changing-column-type",
    "ALTER TABLE t ADD CHECK (a > 0)": "constraint-missing-not-valid",
    "ALTER TABLE t ADD COLUMN a int CHECK (a > 0)": "constraint-missing-not-valid",
    "ALTER DOMAIN d ADD CHECK (VALUE > 0)": "constraint-missing-not-valid",
    "ALTER TABLE t ADD FOREIGN KEY (a) REFERENCES u": "adding-foreign-key-constraint",
    "ALTER TABLE t ADD COLUMN a int DEFAULT 1 REFERENCES u": "adding-foreign-key-constraint",
    "ALTER TABLE t ADD CONSTRAINT k CHECK (a > 0) NOT VALID; ALTER TABLE t VALIDATE CONSTRAINT k": "validate-in-same-transaction",
    "ALTER TABLE t ADD UNIQUE (a)": "disallowed-unique-constraint",
    "ALTER TABLE t ADD COLUMN a int PRIMARY KEY DEFAULT 1": "disallowed-unique-constraint",
    "ALTER TABLE t ADD EXCLUDE USING gist (a WITH =)": "disallowed-unique-constraint",
    "CREATE TABLE t (a uuid REFERENCES public.tenants)": "foreign-key-to-public",
    "ALTER TABLE t SET UNLOGGED": "rewriting-table",
    "ALTER TABLE t ATTACH PARTITION p FOR VALUES IN (1)": "rewriting-table",
    "ALTER TABLE t ADD COLUMN a int; UPDATE t SET a = 1": "backfill-under-lock",
    "ALTER TABLE t DROP CONSTRAINT k; WITH x AS (DELETE FROM t RETURNING 1) SELECT * FROM x": "backfill-under-lock",
    "LOCK TABLE t": "lock-table",
    "DROP TABLE t": "ban-drop-table",
    "ALTER TABLE t DROP COLUMN a": "ban-drop-column",
    "DROP TYPE k CASCADE": "ban-drop-cascade",
    "TRUNCATE t": "ban-truncate",
    "ALTER TABLE t RENAME TO u": "renaming-table",
    "ALTER VIEW t RENAME TO u": "renaming-table",
    "ALTER TABLE t RENAME a TO b": "renaming-column",
}
"""What is refused, and by the one rule that it is met by."""
PASSES = (
    "ALTER TABLE t ADD COLUMN a text NOT NULL DEFAULT 'x'; COMMENT ON COLUMN t.a IS 'x'",
    "ALTER TABLE t ADD COLUMN a timestamptz NOT NULL DEFAULT now(), ADD COLUMN b date DEFAULT CURRENT_DATE",
    "ALTER TABLE t ADD COLUMN a int GENERATED ALWAYS AS (1) VIRTUAL",
    "ALTER TABLE t ADD COLUMN a public.citext DEFAULT 'x'::public.citext",
    "ALTER TABLE t ADD COLUMN a int REFERENCES u",
    "ALTER TABLE t ADD CHECK (a > 0) NOT VALID, ADD FOREIGN KEY (a) REFERENCES u NOT VALID",
    "ALTER TABLE t VALIDATE CONSTRAINT k",
    "ALTER TABLE t ADD CONSTRAINT k UNIQUE USING INDEX i",
    "ALTER TABLE t ALTER a DROP NOT NULL, ALTER a SET DEFAULT random(), ENABLE ROW LEVEL SECURITY",
    "CREATE TABLE t (a serial PRIMARY KEY, b uuid DEFAULT gen_random_uuid() UNIQUE, c int REFERENCES u); CREATE INDEX ON t (b);"
    " ALTER TABLE t ADD CHECK (a > 0), ALTER a TYPE bigint, DROP COLUMN b; INSERT INTO t VALUES (1); UPDATE t SET c = 1;"
    " ALTER TABLE t RENAME a TO d; ALTER TABLE t RENAME TO v; CREATE INDEX ON v (d); TRUNCATE v; LOCK TABLE v; DROP TABLE v",
    "CREATE TABLE t AS SELECT 1 AS a; CREATE INDEX ON t (a)",
    "SELECT 1 AS a INTO t; CREATE INDEX ON t (a)",
    "CREATE TEMP TABLE t (a int) ON COMMIT DROP; CREATE INDEX ON t (a)",
    "SELECT t.a, (t.c).d.e, u.* FROM t JOIN public.users AS u USING (a, b), pg_catalog.pg_class TABLESAMPLE system (1)",
    "INSERT INTO t (a, b) SELECT id, slug FROM public.tenants ON CONFLICT (a, b) DO NOTHING",
    "UPDATE t SET a = u.b, (c, d) = (1, 2) FROM public.u WHERE public.u.a = t.a",
    "CREATE TABLE t (LIKE public.users INCLUDING ALL)",
    "CREATE FUNCTION f() RETURNS trigger LANGUAGE plpgsql SET search_path FROM CURRENT AS $$BEGIN RETURN NEW; END$$",
    BODY.format("PERFORM sales FROM products; -- tenant_a is one of sales"),
    "CREATE FUNCTION f(t.a%TYPE) RETURNS int LANGUAGE sql SET search_path = pg_catalog, pg_temp AS 'SELECT 1'",
    "CREATE TRIGGER g BEFORE UPDATE OF a, b ON t FOR EACH ROW EXECUTE FUNCTION f('x', 'y')",
    "CREATE TYPE k AS ENUM ('a', 'b'); CREATE TYPE c AS (a int, b int); CREATE DOMAIN d AS text CHECK (VALUE <> '')",
    "CREATE VIEW v (a, b) AS WITH w (a, b) AS (SELECT 1, 2) SELECT * FROM w AS x (c, d)",
    "CREATE SEQUENCE s OWNED BY t.a; SELECT setval('s', 7)",
    "CREATE STATISTICS s (ndistinct, mcv) ON a, b FROM t; ANALYZE t",
    "GRANT SELECT (a, b), UPDATE ON t TO app; REVOKE ALL ON t FROM PUBLIC",
    "CREATE POLICY p ON t USING (a = pg_catalog.current_setting('app.tenant_id')::uuid)",
    "DROP INDEX i; DROP VIEW v; DROP TRIGGER g ON t; DROP FUNCTION f(public.citext); ALTER INDEX i RENAME TO j",
    "SET LOCAL work_mem = '64MB'; SET CONSTRAINTS ALL IMMEDIATE",
    "MERGE INTO t USING public.u ON t.a = u.a WHEN MATCHED THEN UPDATE SET b = u.b",
    "INSERT INTO t VALUES ('it''s; DROP SCHEMA x; -- \\', E'\\'', $$;$$, U&'\\0041', 'é😀')",
    "/* a;b */ SELECT 1 -- x;y\n;;; SELECT 2",
)
"""What is let pass: what looks like a rule's case and is none."""


@pytest.mark.parametrize("text", REFUSED)
def test_what_is_refused(text):
    """Each text is met by exactly its rule, whose sentence says what to do."""
    found = refusals(text, TENANTS)
    assert {one.rule for one in found} == {REFUSED[text]}
    assert all(one.why.strip().endswith(".") for one in found if one.rule != "syntax-error")


@pytest.mark.parametrize("text", PASSES)
def test_what_passes(text):
    """Nothing is said against it."""
    assert refusals(text, TENANTS) == []


def test_every_rule_is_met_and_explained(request):
    """No rule without a text that it refuses, and none that the page on migrating does not name."""
    assert set(REFUSED.values()) == set(RULES)
    page = (request.config.rootpath / "docs/how-to/migrate-a-fleet.md").read_text(encoding="utf-8")
    assert [rule for rule in RULES if f"`{rule}`" not in page] == []


def test_lines_and_statements():
    """Each refusal names its line, also behind comments, other characters and strings of several lines; statements come whole."""
    text = "-- é😀\nSELECT 'a\n;é';\n\n/* x */ DROP TABLE t;\nSELECT 1"
    script = read_script(text)
    assert [(one.text, one.line) for one in script.statements] == [("SELECT 'a\n;é'", 2), ("DROP TABLE t", 5), ("SELECT 1", 6)]
    assert [(one.rule, one.line) for one in script.refusals] == [("ban-drop-table", 5)]
    assert [one.line for one in refusals("SELECT 1;\n\nSELECT é é é")] == [3]


def test_folding_deceives_nobody():
    """Statements are told apart in folded text; where the fold makes another word of a name the true text decides or refuses."""
    for text in ("SELECT 1 AS se😀uence; SELECT 2", "SELECT 1 uni😀ue; DROP TABLE t", "CREATE TABLE pg😀catalog.t (a int)"):
        script = read_script(text)
        assert script.refusals or all(one.text in text for one in script.statements)
    assert {one.rule for one in refusals("CREATE TABLE té (a int); DROP TABLE tè")} == {"ban-drop-table"}


@pytest.mark.parametrize(
    "text",
    [
        "SELECT " + "+".join(["1"] * 50_000),
        "SELECT " + "(" * 60_000,
        "SELECT " + "||".join(["'é'"] * 30_000),
        " UNION ".join(["SELECT 1, 2"] * 9_000),
        "SELECT 1" + "::int" * 20_000,
        "SELECT '" + "é😀" * 20_000,
        '"' * 99_999,
        "/*" * 5_000,
        "SELECT 1;" * 11_000 + "x",
        "x" * (LARGEST + 1),
    ],
    ids=range(10),
)
def test_monsters_are_refused(text):
    """What would exhaust a parser's stack, a hundred kilobytes or more, is refused, soon, and the process lives."""
    started = time.monotonic()
    assert {one.rule for one in refusals(text, TENANTS)} == {"syntax-error"}
    assert time.monotonic() - started < 5


def test_large_files_pass():
    """A hundred kilobytes of rows, of statements and of a function's body are judged as small ones are."""
    rows = "INSERT INTO t VALUES " + ", ".join(["(1, 'é😀', now())"] * 4_000)
    body = BODY.format("PERFORM 1; -- " + 'a"b ' * 25_000)
    for text in (rows, "SELECT 'é';" * 4_000, body, "SELECT 1 FROM t WHERE a IN (" + "1," * 20_000 + "2)"):
        assert refusals(text, TENANTS) == []


WORDS = (
    "ALTER TABLE t ADD COLUMN a int DEFAULT random ( ) ; DROP SCHEMA public . x CASCADE ' \" $$ -- /* */ , CREATE FUNCTION AS é 😀 \0"
    " SELECT FROM UPDATE SET = BEGIN END DO GRANT TO PUBLIC INDEX ON CONSTRAINT CHECK NOT VALID TYPE 1 \\ :: % [ ] SEQUENCE"
)
words = st.sampled_from(WORDS.split(" "))


@given(st.one_of(st.text(max_size=200), st.lists(words, max_size=30).map(" ".join)))
@example("\ud800")
@example("SELECT U&'\\zzzz'")
@example("\ufeffSELECT 1")
def test_any_text_has_an_answer(text):
    """Never an exception; what has no refusal has statements that come out of the text, in its order."""
    script = read_script(text, TENANTS)
    assert script.refusals or script.statements
    position = 0
    for statement in script.statements:
        position = text.index(statement.text, position) + len(statement.text)
    assert all(one.rule in RULES and one.line >= 1 and one.why for one in script.refusals)


def test_without_the_parser(monkeypatch):
    """Where pglast is not installed one sentence says so, with what installs it."""

    def missing(name):
        raise ImportError(name)

    monkeypatch.setattr(migration_rules, "import_module", missing)
    with pytest.raises(ConfigurationInvalid, match=r"not installed.*capliquify-ops\[migrate\]"):
        refusals("SELECT 1")
