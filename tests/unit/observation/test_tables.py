"""Tables of statements: which a statement speaks of, and which lack an index that most of their siblings have."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from capliquify_ops.observation.tables import Indexed, Table, missing_indexes, table_names


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("SELECT ? FROM ~.products WHERE sku = ?", ("products",)),
        ('SELECT ? FROM ~ . "Odd ""name" AS o JOIN sales ON true', ('Odd "name', "sales")),
        ("SELECT ? FROM a x, ~.B AS y, ONLY c WHERE d.e = ?", ("a", "b", "c")),
        ("UPDATE ~.inventory SET a = ?", ("inventory",)),
        ("INSERT INTO sales (a) SELECT b FROM (SELECT ? FROM forecasts) AS s", ("sales", "forecasts")),
        ("DELETE FROM ~.sales USING products WHERE true", ("sales", "products")),
        ("SELECT ?", ()),
    ],
)
def test_the_tables_of_a_statement(text, names):
    """After FROM, JOIN, UPDATE, INTO and USING, lists and schemas included; names as the server reads them."""
    assert table_names(text) == names


def table(oid, name="products"):
    return Table(oid, f"t{oid}", name, True, 50_000.0, 9, 0, 0, 0, 0, False, None)


def indexed(oid, shape="btree a", is_whole=True, is_sample=True, definition="USING btree (sku, id)"):
    return Indexed(
        oid, f"t{oid}", "products", is_sample, "i" if shape else "", is_whole and bool(shape), False, shape, definition
    )


def test_what_most_siblings_have_and_one_lacks():
    """The index of the others, with the exact statement; an index that is half made does not count as one."""
    for lacking in (indexed(1, "", False), indexed(1, is_whole=False), indexed(1, "btree b")):
        [missing] = missing_indexes([table(1), table(2)], [lacking, indexed(2), indexed(3)])
        assert missing.schemas == ("t1",)
        assert missing.statements == ('CREATE INDEX CONCURRENTLY "i" ON "t1"."products" USING btree (sku, id)',)
        assert (missing.have, missing.sampled, missing.columns) == (2, 3, {"sku"})
    [missing] = missing_indexes(
        [table(1)], [indexed(1, ""), *(indexed(oid, definition=f"USING btree (t{oid}.f(a))") for oid in (2, 3))]
    )
    assert missing.statements == ("",)


def test_without_a_majority_nobody_is_told():
    """One sibling, half of the siblings, or an index of one's own that the others do not have, is no index that is missing."""
    assert missing_indexes([table(1)], [indexed(1, ""), indexed(2)]) == ()
    assert missing_indexes([table(1)], [indexed(1, ""), indexed(2), indexed(3, "")]) == ()
    assert missing_indexes([table(1), table(2), table(3)], [indexed(1), indexed(2), indexed(3), indexed(3, "btree own")]) == ()
    assert missing_indexes([table(1)], [indexed(1, "", is_sample=False), indexed(2), indexed(3, is_sample=False)]) == ()


@given(st.sets(st.integers(1, 12)), st.integers(3, 12))
def test_the_majority_decides(having, many):
    """Whoever lacks it is told exactly if more than half of the others have it."""
    having = {oid for oid in having if oid <= many}
    rows = [indexed(oid, "btree a" if oid in having else "") for oid in range(1, many + 1)]
    found = {schema for each in missing_indexes([table(oid) for oid in range(1, many + 1)], rows) for schema in each.schemas}
    assert found == (
        {f"t{oid}" for oid in range(1, many + 1)} - {f"t{o}" for o in having} if 2 * len(having) > many - 1 else set()
    )
