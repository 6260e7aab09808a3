"""The audit on services that answer in XML or CSV, and that take forms: their rows are read as those in JSON are."""

import pytest

from capliquify_ops.isolation import run_control, run_family
from capliquify_ops.model.outcome import Grade, Outcome

WAYS = {
    "xml": {"ways": ("HEADER", "XML")},
    "csv": {"ways": ("HEADER", "CSV")},
    "xml and forms": {"ways": ("HEADER", "XML", "FORM"), "http": {"body": "form"}},
}
CHECKS = ("iso_01_object_matrix", "iso_02_identity_matrix", "iso_03_poisoned_connections", "sec_001_other_tenants_data")


@pytest.fixture(scope="module", params=WAYS)
def correct(request, stock_world):
    with stock_world(**WAYS[request.param]) as world:
        assert world.missing == {}
        yield world


@pytest.mark.whole
@pytest.mark.parametrize("check", CHECKS)
def test_the_correct_service(check, correct):
    """Rows are found in each form, so that nothing is inconclusive, and nothing is alarmed at."""
    found = (run_family if check.startswith("iso_") else run_control)(check, correct)
    assert found.outcome is Outcome.HEALTHY, found.why


@pytest.mark.whole
@pytest.mark.parametrize("way", WAYS)
def test_a_session_path_that_stays(way, stock_world):
    """A connection that keeps the tenant of the last request is met in each form."""
    with stock_world("SESSION_PATH", **WAYS[way]) as world:
        found = run_family("iso_03_poisoned_connections", world)
    assert (found.outcome, found.grade) == (Outcome.FAILING, Grade.PROOF), found.why


@pytest.mark.whole
@pytest.mark.parametrize("way", WAYS)
def test_a_row_of_any_tenant_by_its_id(way, stock_world):
    """The matrix of objects finds a card that a cache gives to whoever knows the id, in each form."""
    with stock_world("CARD_CACHE_BY_ID", **WAYS[way]) as world:
        found = run_family("iso_01_object_matrix", world)
    assert (found.outcome, found.grade) == (Outcome.FAILING, Grade.PROOF), found.why
