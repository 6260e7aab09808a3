"""What counts as a right answer."""

import pytest

from capliquify_ops.load.answers import expectations, verdict_of, witness
from capliquify_ops.load.operations import Kind, Operation, reads
from capliquify_ops.load.samples import Verdict

A, B = expectations(["sku-a-", "sku-b-"])
(READ,) = reads("/api/products")


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
    assert verdict_of(status, body, A, READ) is verdict


@pytest.mark.parametrize(
    ("kind", "status", "body", "verdict"),
    [
        (Kind.WRITE, 201, b'{"data": {"sku": "sku-a-w1"}}', Verdict.OK),
        (Kind.WRITE, 201, b'{"data": {}}', Verdict.EMPTY),
        (Kind.WRITE, 402, b"{}", Verdict.STATUS),
        (Kind.ANALYTICS, 200, b'{"data": {"products": 3}}', Verdict.OK),
        (Kind.ANALYTICS, 200, b'{"data": {"best": "sku-b-1"}}', Verdict.FOREIGN),
        (Kind.ANALYTICS, 200, b"<html>", Verdict.EMPTY),
        (Kind.ANALYTICS, 201, b"{}", Verdict.STATUS),
        (Kind.ANALYTICS, 204, b"", Verdict.STATUS),
        (Kind.ANALYTICS, 200, b"null", Verdict.EMPTY),
        (Kind.ANALYTICS, 200, b"{}", Verdict.EMPTY),
        (Kind.ANALYTICS, 200, b"[]", Verdict.EMPTY),
        (Kind.ANALYTICS, 200, b"7", Verdict.EMPTY),
        (Kind.ANALYTICS, 200, b'{"data": null}', Verdict.EMPTY),
        (Kind.ANALYTICS, 200, b'{"data": {"sum": null, "rows": [{}]}}', Verdict.EMPTY),
        (Kind.ANALYTICS, 200, b'{"data": [{"sum": 0}]}', Verdict.OK),
        (Kind.ANALYTICS, 200, b"[false]", Verdict.OK),
        (Kind.WRITE, 202, b"", Verdict.OK),
        (Kind.WRITE, 204, b"", Verdict.OK),
        (Kind.WRITE, 200, b"", Verdict.EMPTY),
        (Kind.WRITE, 201, b"", Verdict.EMPTY),
        (Kind.WRITE, 202, b'{"data": {"sku": "sku-a-w1"}}', Verdict.OK),
        (Kind.WRITE, 202, b'{"job": 5}', Verdict.EMPTY),
        (Kind.WRITE, 302, b"", Verdict.STATUS),
    ],
)
def test_a_write_shows_what_it_made_and_a_report_only_adds_up(kind, status, body, verdict):
    """A created row comes back with the tenant's marker; a report need not hold one, and never another tenant's."""
    operation = Operation("POST", "/x", kind, holds_rows=kind is not Kind.ANALYTICS)
    assert verdict_of(status, body, A, operation) is verdict


def test_callers_of_one_tenant_are_no_strangers():
    """Two users of the same tenant may see the same rows."""
    first, second, other = expectations(["sku-a-", "sku-a-", "sku-b-"])
    assert first == second
    assert other.foreign == (b"sku-a-",)


def test_a_witness_names_tenants_and_never_the_rows():
    """Proof without the data itself."""
    body = b'{"data": [{"sku": "sku-b-secret"}]}'
    line = witness(READ.name, 200, body, A, Verdict.FOREIGN)
    assert line == "GET /api/products as sku-a- answered 200 with rows of sku-b-"
