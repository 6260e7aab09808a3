"""What counts as a right answer."""

import pytest

from capliquify_ops.load.answers import expectations, verdict_of, witness
from capliquify_ops.load.samples import Verdict

A, B = expectations(["sku-a-", "sku-b-"])


@pytest.mark.parametrize(
    ("status", "body", "verdict"),
    [
        (200, b'{"data": [{"sku": "sku-a-1"}]}', Verdict.OK),
        (200, b'{"data": []}', Verdict.EMPTY),
        (200, b"", Verdict.EMPTY),
        (200, b'{"data": [{"sku": "sku-a-1"}', Verdict.EMPTY),
        (200, b"<html>sku-a-1</html>", Verdict.EMPTY),
        (200, b'{"data": [{"sku": "sku-a-1"}, {"sku": "sku-b-1"}]}', Verdict.FOREIGN),
        (200, b'{"data": [{"sku": "sku-b-1"}]}', Verdict.FOREIGN),
        (403, b'{"hint": "sku-b-1"}', Verdict.FOREIGN),
        (429, b"{}", Verdict.STATUS),
        (302, b'{"data": [{"sku": "sku-a-1"}]}', Verdict.STATUS),
        (204, b"", Verdict.STATUS),
    ],
)
def test_only_200_with_the_tenants_own_rows_is_right(status, body, verdict):
    """JSON, own rows, nobody else's; another tenant's rows count under any status."""
    assert verdict_of(status, body, A) is verdict


def test_callers_of_one_tenant_are_no_strangers():
    """Two users of the same tenant may see the same rows."""
    first, second, other = expectations(["sku-a-", "sku-a-", "sku-b-"])
    assert first == second
    assert other.foreign == (b"sku-a-",)


def test_a_witness_names_tenants_and_never_the_rows():
    """Proof without the data itself."""
    body = b'{"data": [{"sku": "sku-b-secret"}]}'
    line = witness("/api/products", 200, body, A, Verdict.FOREIGN)
    assert line == "GET /api/products as sku-a- answered 200 with rows of sku-b-"
