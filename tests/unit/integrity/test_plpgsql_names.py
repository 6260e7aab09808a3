"""The reader of PL/pgSQL texts: whatever it is given, it ends, and says nothing that is not certain."""

from hypothesis import given
from hypothesis import strategies as st

from capliquify_ops.integrity.plpgsql_names import ambiguous, questions, variables

COLUMNS = {("", "t"): ["a", "b"], ("s", "t"): ["a"]}


def found(body, parameters=("a",)):
    return ambiguous(questions(body), variables(body, parameters), COLUMNS)


def test_a_name_that_means_two_things():
    """A variable and a column of the statement's own table, unqualified, in a WHERE."""
    for body in (
        "BEGIN DELETE FROM t WHERE a = 1; END",
        "BEGIN SELECT 1 INTO x FROM s.t WHERE b = 2 AND A = 1; END",
        "BEGIN PERFORM 1 FROM u JOIN t ON true WHERE coalesce(b, 1) = a; END",
        "BEGIN IF EXISTS (SELECT FROM t WHERE a = a) THEN NULL; END IF; END",
        "DECLARE b int := 1; BEGIN UPDATE t SET a = 2 WHERE b = 1; END",
    ):
        assert found(body) in (["a"], ["b"]), body


def test_what_is_certain_of_nothing():
    """Qualified, quoted away, commented out, another table's, or beside a WHERE: nothing is said."""
    for body in (
        "BEGIN DELETE FROM t WHERE t.a = 1; END",
        "BEGIN DELETE FROM t WHERE 'a' = '''a' || $x$a$x$ -- a\n; END",
        "BEGIN DELETE FROM u WHERE a = 1; END",
        "BEGIN UPDATE t SET a = 1; END",
        "BEGIN SELECT b INTO a FROM t WHERE b = 1; END",
        "BEGIN SELECT 1 FROM t WHERE b = 1 ORDER BY a; END",
        "BEGIN DELETE FROM t WHERE a(1) = 2; END",
        "#variable_conflict use_variable\nBEGIN DELETE FROM t WHERE a = 1; END",
        "BEGIN DELETE FROM other.t WHERE a = 1; END",
    ):
        assert found(body) == [], body


@given(st.text("abt ()';\"$.,-/*\nWHEREFROMt", max_size=80), st.lists(st.text("ab", max_size=2), max_size=3))
def test_any_text_ends(body, parameters):
    """No text, however broken, raises, and only names of variables are told."""
    assert set(found(body, parameters)) <= variables(body, parameters)
