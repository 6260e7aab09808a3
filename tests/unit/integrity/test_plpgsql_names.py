"""The readers of PL/pgSQL texts: whatever they are given, they end, and say nothing that is not certain."""

from hypothesis import given
from hypothesis import strategies as st

from capliquify_ops.integrity.plpgsql_names import uses
from capliquify_ops.integrity.plpgsql_schemas import unquoted_schemas

COLUMNS = {("", "t"): ["a", "b"], ("s", "t"): ["a"], ("", "u"): ["c", "d"], ("", "w"): ["found"]}
TWO_THINGS = (
    "BEGIN DELETE FROM t WHERE a = 1; END",
    "BEGIN SELECT 1 INTO x FROM s.t WHERE b = 2 AND A = 1; END",
    "BEGIN PERFORM 1 FROM u JOIN t ON true WHERE coalesce(b, 1) = a; END",
    "BEGIN IF EXISTS (SELECT FROM t WHERE (a) = 1) THEN NULL; END IF; END",
    "DECLARE b int := 1; BEGIN UPDATE t SET a = 2 WHERE b = 1; END",
    "BEGIN RETURN QUERY SELECT a, 1 FROM u, ONLY t AS q; END",
    "BEGIN INSERT INTO t AS q (a) VALUES (1) ON CONFLICT (a) DO NOTHING; END",
    "BEGIN INSERT INTO t (b) SELECT c FROM u RETURNING a INTO x; END",
    "BEGIN FOR r IN SELECT c FROM u UNION SELECT a FROM t LOOP NULL; END LOOP; END",
    "#variable_conflict error\nBEGIN DELETE FROM t USING u WHERE a IS NULL; END",
    "<<o>> BEGIN CASE x WHEN 1 THEN NULL; ELSE DELETE FROM t WHERE a = 1; END CASE; EXCEPTION WHEN others THEN NULL; END o;",
    'BEGIN DELETE FROM "t" WHERE "a" = \'\\\' OR c = $x$;$x$; END',
    "BEGIN DELETE FROM u WHERE c IN (SELECT b FROM t WHERE a > 1); END",
)
NOT_CERTAIN = {
    "a qualifier": "BEGIN DELETE FROM t WHERE t.a = 1; END",
    "texts and comments": "BEGIN DELETE FROM t WHERE 'a' = '''a' || $x$a$x$ /* /* a */ a = */ AND b = 1 --a\n; END",
    "a backslash that is none": "BEGIN DELETE FROM t WHERE b = 'x\\' AND c = ' OR a = 1'; END",
    "another table": "BEGIN DELETE FROM u WHERE a = 1; END",
    "a target": "BEGIN UPDATE t SET a = 1; INSERT INTO t (a) VALUES (a); SELECT b INTO a FROM t WHERE b = 1; END",
    "sorting, where output comes first": "BEGIN PERFORM b AS a FROM t GROUP BY a ORDER BY a; PERFORM DISTINCT ON (a) b AS a FROM t; END",
    "a function": "BEGIN DELETE FROM t WHERE a(1) = 2; PERFORM 1 FROM t(1) WHERE a = 1; END",
    "a type": "BEGIN DELETE FROM t WHERE b = a '2020' OR b::a = 1 OR cast(b AS a) = 1; END",
    "an argument's name": "BEGIN DELETE FROM t WHERE f(a => 1) = g(a := 1); END",
    "an alias": "BEGIN PERFORM b AS a, c a FROM t; END",
    "a field": "BEGIN DELETE FROM t WHERE extract(a FROM b) = 1 OR sum(b) OVER (a) = 1; END",
    "other names of columns": "BEGIN DELETE FROM t AS q (x, y) WHERE a = 1; PERFORM 1 FROM t q (x) WHERE a = 1; END",
    "an option": "#variable_conflict use_variable\nBEGIN DELETE FROM t WHERE a = 1; END",
    "another schema": "BEGIN DELETE FROM other.t WHERE a = 1; END",
    "a loop over another table": "BEGIN FOR r IN SELECT b FROM t LOOP UPDATE u SET c = 1 WHERE d = a; END LOOP; END",
    "another member of a union": "BEGIN RETURN QUERY SELECT b FROM t UNION ALL SELECT c FROM u WHERE d = a; END",
    "a query's name": "BEGIN RETURN QUERY WITH t (z) AS MATERIALIZED (SELECT 1) SELECT 1 FROM t WHERE z = a; END",
    "a temporary table": "BEGIN CREATE TEMP TABLE t (z int); DELETE FROM t WHERE z = a; END",
    "a path that moves": "BEGIN PERFORM set_config('search_path', 'x', true); DELETE FROM t WHERE z = a; END",
    "a text that is run": "BEGIN EXECUTE 'DELETE FROM t WHERE a = $1' USING a; END",
    "a condition of a join": "BEGIN PERFORM 1 FROM u JOIN u v ON u.c = a JOIN t ON true; END",
    "statements of the server": "BEGIN CREATE INDEX i ON t (b) WHERE a = 1; END",
    "an end that is missing": "BEGIN DELETE FROM t WHERE a = 1;",
    "a bracket too many": "BEGIN DELETE FROM t WHERE (a = 1)); END",
}
PUTS_IN = (
    "BEGIN EXECUTE format('CREATE SCHEMA %s', p); END",
    "BEGIN EXECUTE format('ALTER TABLE %I.t; drop schema if exists %s cascade', q, p); END",
    "BEGIN EXECUTE format('DROP SCHEMA %2$s', q, p); END",
    "BEGIN EXECUTE 'DROP SCHEMA ' || p || ' CASCADE'; END",
)
QUOTES = (
    "BEGIN EXECUTE format('CREATE SCHEMA %I', p); END",
    "BEGIN EXECUTE format('CREATE SCHEMA t_%s', p); END",
    "BEGIN EXECUTE format('SELECT %s', p); END",
    "BEGIN EXECUTE format('CREATE SCHEMA %s', quote_ident(p)); END",
    "BEGIN p := quote_ident(p); EXECUTE format('CREATE SCHEMA %s', p); END",
    "BEGIN p := lower(p); EXECUTE 'CREATE SCHEMA ' || p; END",
    "BEGIN IF p !~ '^[a-z]+$' THEN RETURN; END IF; EXECUTE format('CREATE SCHEMA %s', p); END",
    "BEGIN IF p NOT IN ('a', 'b') THEN RETURN; END IF; EXECUTE format('CREATE SCHEMA %s', p); END",
    "BEGIN EXECUTE format('CREATE SCHEMA %s', id); EXECUTE format(text, p); EXECUTE format('%%s DROP SCHEMA %I %s', p, p); END",
    "BEGIN RAISE NOTICE '%', format('CREATE SCHEMA %s', p); END",
)


def found(body, parameters=("a",)):
    return sorted({use.name for use in uses(body, parameters) if any(use.name in COLUMNS.get(table, ()) for table in use.tables)})


def test_a_name_that_means_two_things():
    """A variable and a column of the query's own table, unqualified, wherever a query asks for columns."""
    for body in TWO_THINGS:
        assert found(body) in (["a"], ["b"]), body
    assert found("BEGIN DELETE FROM w WHERE found; END", ()) == ["found"]


def test_what_is_certain_of_nothing():
    """Whatever the server may take for something else: nothing is said."""
    assert {why: found(body) for why, body in NOT_CERTAIN.items() if found(body)} == {}


def test_a_variable_is_one_in_its_own_block():
    """Declared in a block within, after it, or in one that is over: there it is no variable."""
    within = "BEGIN DELETE FROM t WHERE {}; DECLARE a int := 1; BEGIN DELETE FROM t WHERE {}; END; DELETE FROM t WHERE {}; END"
    assert found(within.format("b = 1", "a = 1", "b = 1"), ()) == ["a"]
    assert found(within.format("a = 1", "b = 1", "a = 1"), ()) == []


def test_a_schema_that_is_not_quoted():
    """A parameter that stands for a schema as it is, and neither what is quoted nor what is looked at before."""
    for body in PUTS_IN:
        assert unquoted_schemas(body, ["p"]) == ("p",), body
    for body in QUOTES:
        assert unquoted_schemas(body, ["p"]) == (), body


PARTS = (
    "BEGIN",
    "END",
    "DECLARE a int",
    "DELETE FROM t WHERE",
    "SELECT a",
    "IF",
    "THEN",
    "CASE",
    "EXECUTE format('DROP SCHEMA %s'",
)
SIGNS = (
    "$$",
    "--",
    "/*",
    "*/",
    "#variable_conflict",
    "a",
    "t",
    "when",
    "with",
    "as",
    "union",
    "insert",
    "into",
    "on",
    "conflict",
)
pieces = st.sampled_from((*PARTS, *SIGNS, *"();,.='\"-%\n"))


@given(st.lists(pieces, max_size=40).map(" ".join), st.lists(st.text("ab", max_size=2), max_size=3))
def test_any_text_ends(body, parameters):
    """No text, however broken, raises, and only names that were given or declared are told."""
    assert set(unquoted_schemas(body, parameters)) <= set(parameters)
    assert {use.name for use in uses(body, parameters)} <= {*parameters, "found", *body.lower().split()}


def test_a_text_without_end_ends():
    """A thousand brackets are not understood, and no fault of this program."""
    assert uses("BEGIN x := " + "(" * 5000 + "1" + ")" * 5000 + "; END", ["a"]) == ()
