"""Statements without what was in them: no value is ever shown, and one piece of code gives one text."""

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from capliquify_ops.observation.folding import folded


@pytest.mark.parametrize(
    ("query", "shown"),
    [
        ("SELECT *\n  FROM t WHERE id = 42 -- by id", "SELECT * FROM t WHERE id = ?"),
        ("SELECT /* /* x */ 'a''b', E'it\\'s', $tag$ it's $tag$, $1", "SELECT ?"),
        ("SELECT a FROM t WHERE b IN (1, 2,3) AND c = -1.5e3", "SELECT a FROM t WHERE b IN (?) AND c = ?"),
        ("INSERT INTO t VALUES (1, 'x'), (2, 'y')", "INSERT INTO t VALUES (?)"),
        ('UPDATE tenant_a."Ord""ers" SET x = 1', 'UPDATE ~."Ord""ers" SET x = ?'),
        ('SELECT 1 FROM "tenant B".t', "SELECT ? FROM ~.t"),
        ("SELECT t1.c2, 5::int4", "SELECT t1.c2, ?::int4"),
        ("SELECT U&'\\0441', B'101', 0x1F, 1_000", "SELECT ?"),
        ("SELECT name FROM t WHERE p = 'cut off in the midd", "SELECT name FROM t WHERE p = ?"),
        ("SELECT $$ cut off", "SELECT ?"),
        ("SELECT E'cut off \\", "SELECT ?"),
    ],
)
def test_it_is_folded(query, shown):
    """Values, comments and line breaks go, names stay, a tenant's own schema becomes ~; also where the text was cut off."""
    assert folded(query, ["tenant_a", "tenant B"]) == shown


QUOTED = st.sampled_from(["'{}'", "E'{}'", "$${}$$", "$x${}$x$", "U&'{}'", "-- {}\n", "/* {} */"])


@given(st.text("ab1\n '", max_size=8), QUOTED, st.text(max_size=12), st.integers(0, 200))
@example("", "'{}'", "", 0)
def test_no_value_is_shown(before, quoted, after, cut):
    """A value in quotes of any kind is not shown, whatever stands around it and wherever the text ends."""
    secret = "S3CR3T"
    opening = before.replace("'", "")
    text = opening + " " + quoted.format(secret) + " " + after
    assert secret not in folded(text[: max(cut, len(opening) + 1)])
    assert secret not in folded(text)


@given(st.text(max_size=200))
def test_any_text_is_taken_apart(text):
    """Nothing that a server may hold in a statement breaks it, and folding twice changes nothing more."""
    once = folded(text)
    assert folded(once) == once
