"""Statistics of statements: what grew between two reads, one line for what is one statement to the code that sends it."""

from types import MappingProxyType

import pytest
from hypothesis import given
from hypothesis import strategies as st

from capliquify_ops.observation.statements import Counted, Statistics, Text, by_time, folded_lines, growth, named_schemas

TENANTS = frozenset({"t_a", "t_b", 'T"wo'})


def statistics(*rows, is_cut=False):
    return Statistics(MappingProxyType({(row.queryid, row.is_app): row for row in rows}), 60.0, is_cut)


def counted(queryid, calls=1, total_ms=10.0, rows=1, is_app=True):
    return Counted(queryid, is_app, calls, total_ms, rows)


def test_what_grew_between_two_reads():
    """A call in between counts by what it added; what is new counts whole, unless an earlier read was cut; a reset begins anew."""
    before = statistics(counted(1, 5, 50.0, 5), counted(2, 5, 50.0), counted(3, 5, 50.0))
    after = statistics(counted(1, 7, 80.0, 9), counted(2, 5, 50.0), counted(3, 2, 8.0), counted(4, 1, 3.0))
    grown = growth(before, after).counted
    assert grown[1, True] == counted(1, 2, 30.0, 4)
    assert set(grown) == {(1, True), (3, True), (4, True)}
    assert grown[3, True] == counted(3, 2, 8.0)
    assert (4, True) not in growth(Statistics(before.counted, 60.0, is_cut=True), after).counted
    assert by_time(growth(before, after)) == (1, 3, 4)


def test_one_line_for_a_statement_of_many_tenants():
    """Tenants' names are folded, numbers added up, the tenant with most time first; another role's is a line of its own."""
    texts = [
        Text(1, "SELECT $1 FROM t_a.products WHERE sku = 'x'", is_cut=False),
        Text(2, 'SELECT $1 FROM "t_b".products WHERE sku = $2', is_cut=False),
        Text(3, 'SELECT $1 FROM "T""wo".products WHERE sku = $2', is_cut=True),
        Text(4, "SET search_path = t_a", is_cut=False),
        Text(5, "-- name: sessions\nSELECT 1", is_cut=False),
    ]
    rows = [counted(1, 2, 10.0, 4), counted(2, 1, 90.0, 1), counted(3, 1, 200.0, 1), counted(4), counted(5), counted(6)]
    other = counted(1, 1, 5.0, is_app=False)
    first, second = folded_lines(statistics(*rows, other), texts, TENANTS)
    assert first.text == second.text == "SELECT ? FROM ~.products WHERE sku = ?"
    assert (first.calls, first.total_ms, first.rows, first.ids, first.is_app) == (4, 300.0, 6, 3, True)
    assert first.schemas == ('T"wo', "t_b", "t_a")
    assert first.sample == texts[1].text  # the worst one's text was cut
    assert (first.mean_ms, first.rows_per_call) == (75.0, 1.5)
    assert (second.is_app, second.calls, second.queryids) == (False, 1, frozenset({1}))


@pytest.mark.parametrize(
    ("text", "schemas"),
    [
        ("SELECT 1 FROM T_A.x JOIN t_b . y ON true", ("t_a", "t_b")),
        ('SELECT 1 FROM "T_A".x', ()),
        ('SELECT 1 FROM "T""wo".x, t_a.y', ('T"wo', "t_a")),
        ("SELECT t_a FROM public.x", ()),
    ],
)
def test_the_tenants_that_a_statement_names(text, schemas):
    """Names as the server reads them: unquoted ones in lower case, and only before a dot."""
    assert named_schemas(text, TENANTS) == schemas


NUMBERS = st.tuples(st.integers(0, 5), st.booleans(), st.integers(0, 50), st.floats(0, 1e6), st.integers(0, 50))


@given(st.lists(NUMBERS), st.lists(NUMBERS), st.booleans())
def test_growth_is_never_less_than_nothing(before, after, is_cut):
    """Whatever was read, nothing that is left has a negative number or no call."""
    rows = [statistics(*(Counted(i, a, c, t, r) for i, a, c, t, r in each), is_cut=is_cut) for each in (before, after)]
    for each in growth(*rows).counted.values():
        assert each.calls > 0
        assert each.total_ms >= 0
