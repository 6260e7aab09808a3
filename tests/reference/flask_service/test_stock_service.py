"""The audit on a service that it knows nothing of: silent on the correct one, each of five defects caught by its family."""

import pytest

from capliquify_ops.isolation import controls, families, run_control, run_family
from capliquify_ops.model.outcome import Outcome

CANNOT = {}
"""What this service cannot be asked, and a word of the reason."""
QUICK = ("iso_00_audit_guards", "iso_01_object_matrix")
KILLED_BY = {
    "HEADER_WINS": "iso_02_identity_matrix",
    "SESSION_PATH": "iso_03_poisoned_connections",
    "CARD_CACHE_BY_ID": "iso_05_cache_order",
    "CURRENT_WORKSPACE_IS_GLOBAL": "iso_04_concurrent_history",
    "ME_TAKES_ALL": "iso_02_identity_matrix",
}


def _run(check, world):
    return (run_family if check.startswith("iso_") else run_control)(check, world)


@pytest.fixture(scope="module")
def correct(stock_world):
    with stock_world() as world:
        assert world.missing == {}
        yield world


@pytest.mark.whole
@pytest.mark.parametrize("check", [row.check for row in (*controls(), *families())])
def test_the_correct_service(check, correct):
    """No alarm; what cannot be asked here is inconclusive or declared, with the reason."""
    found = _run(check, correct)
    if check in correct.profile.not_applicable or check == "iso_07_jobs_and_exports":
        assert found.outcome is Outcome.NOT_APPLICABLE
    elif check in CANNOT:
        assert found.outcome is Outcome.INCONCLUSIVE
        assert CANNOT[check] in found.why
    else:
        assert found.outcome is Outcome.HEALTHY, found.why


@pytest.mark.parametrize("check", QUICK)
def test_a_quick_look(check, correct):
    """The sample of make test."""
    found = _run(check, correct)
    assert found.outcome is Outcome.HEALTHY, found.why


@pytest.mark.whole
@pytest.mark.parametrize("defect", KILLED_BY)
def test_each_defect_is_caught(defect, stock_world):
    """By the family that is made for it, with a witness."""
    with stock_world(defect) as world:
        found = run_family(KILLED_BY[defect], world)
    assert found.outcome is Outcome.FAILING, found.why
    assert found.witness.lines
