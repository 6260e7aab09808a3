"""The audit on services whose workspace is chosen by the host's name or the path's beginning, alone or beside the header."""

import pytest

from capliquify_ops.isolation import controls, families, run_control, run_family
from capliquify_ops.model.outcome import Grade, Outcome

HOST, PATH = {"tenant_host": "{slug}.stock.example.com"}, {"tenant_path": "/t/{slug}"}
NO_HEADER = {"organization_header": ""}
WAYS = {
    "host": {"ways": ("HOST",), "http": HOST | NO_HEADER},
    "path": {"ways": ("PATH",), "http": PATH | NO_HEADER},
    "host and header": {"ways": ("HEADER", "HOST"), "http": HOST},
}


@pytest.fixture(scope="module", params=WAYS)
def correct(request, stock_world):
    with stock_world(**WAYS[request.param]) as world:
        assert world.missing == {}
        yield world


@pytest.mark.whole
@pytest.mark.parametrize("check", [row.check for row in (*controls(), *families())])
def test_the_correct_service(check, correct):
    """No alarm, and nothing that cannot be asked for the want of a header."""
    found = (run_family if check.startswith("iso_") else run_control)(check, correct)
    declared = check in correct.profile.not_applicable or check == "iso_07_jobs_and_exports"
    assert found.outcome is (Outcome.NOT_APPLICABLE if declared else Outcome.HEALTHY), found.why


@pytest.mark.whole
@pytest.mark.parametrize(
    ("way", "defect", "check"),
    [
        ("host", "HEADER_WINS", "iso_02_identity_matrix"),
        ("host", "HEADER_WINS", "sec_002_organization_header"),
        ("path", "HEADER_WINS", "iso_02_identity_matrix"),
        ("host and header", "HOST_WINS", "iso_02_identity_matrix"),
    ],
)
def test_an_address_that_wins_over_the_session(way, defect, check, stock_world):
    """Where the address alone chooses the workspace, or wins over the header that is compared, a session reads another one's rows."""
    with stock_world(defect, **WAYS[way]) as world:
        found = (run_family if check.startswith("iso_") else run_control)(check, world)
    assert (found.outcome, found.grade) == (Outcome.FAILING, Grade.PROOF), found.why
