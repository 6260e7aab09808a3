"""Differences of two schemas: what only follows from another one is not told beside it."""

from hypothesis import given
from hypothesis import strategies as st

from capliquify_ops.tenants.structure import Difference, without_consequences

KEY = Difference("constraint", "products.products_sku_key", "UNIQUE (sku)", None)
INDEX = Difference("index", "products_sku_key", "CREATE UNIQUE INDEX products_sku_key ON ~.products USING btree (sku)", None)
FOREIGN = Difference("constraint", "sales.sales_product_id_fkey", "FOREIGN KEY (product_id) REFERENCES ~.products(id)", None)
HERE = Difference("enforcement", "sales.sales_product_id_fkey", "5O 17O", None)
THERE = Difference("enforcement", "products.sales_product_id_fkey", "9O 17O", None)
OFF = Difference("enforcement", "sales.sales_product_id_fkey", "5O 17O", "5D 17D")
PLAIN = Difference("index", "sales_channel_idx", "CREATE INDEX sales_channel_idx ON ~.sales USING btree (channel)", None)
TABLE = Difference("table", "user_preferences", "r p", None)
OTHER_END = Difference("enforcement", "companies.user_preferences_company_id_fkey", "9O 17O", None)


def _extra(one):
    return Difference(one.kind, one.object, one.found, one.baseline)


def test_a_constraint_is_told_once():
    """Its index and the triggers of both its ends come and go with it: one lost constraint is one difference."""
    assert without_consequences([KEY, INDEX]) == (KEY,)
    assert without_consequences([FOREIGN, HERE, THERE]) == (FOREIGN,)
    assert without_consequences([_extra(KEY), _extra(INDEX)]) == (_extra(KEY),)


def test_a_lost_table_is_told_once():
    """The other end of its foreign key, at a table that is there, is not told."""
    assert without_consequences([TABLE, OTHER_END]) == (TABLE,)


def test_what_stands_by_itself_is_told():
    """An index without a constraint, triggers that were switched off, and what is lost here and too much there."""
    assert without_consequences([PLAIN]) == (PLAIN,)
    assert without_consequences([INDEX]) == (INDEX,)
    assert without_consequences([OFF]) == (OFF,)
    assert without_consequences([FOREIGN, OFF]) == (FOREIGN, OFF)
    assert without_consequences([_extra(KEY), INDEX]) == (_extra(KEY), INDEX)
    assert without_consequences([HERE, PLAIN]) == (HERE, PLAIN)


DIFFERENCE = st.builds(
    Difference,
    kind=st.sampled_from(["constraint", "index", "enforcement", "table", "column"]),
    object=st.sampled_from(["a", "a.b", "c.b", "b"]),
    baseline=st.sampled_from([None, "x"]),
    found=st.sampled_from([None, "y"]),
).filter(lambda one: one.baseline != one.found)


@given(st.lists(DIFFERENCE, unique=True))
def test_something_always_stays(found):
    """What differs is never told to be equal, nothing is invented, and the order stays."""
    kept = without_consequences(found)
    assert bool(kept) == bool(found)
    assert [one for one in found if one in kept] == list(kept)
