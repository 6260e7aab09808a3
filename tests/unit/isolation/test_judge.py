"""The one judge: what a list of probes amounts to."""

import dataclasses

import pytest
from hypothesis import given
from hypothesis import strategies as st

from capliquify_ops.isolation.catalogue import Control
from capliquify_ops.isolation.judge import MOST_LINES, judge
from capliquify_ops.isolation.probe import REFUSED, SUCCESS, Probe, noted, untried
from capliquify_ops.isolation.sensor import Sighting
from capliquify_ops.model.finding import Evidence, Level, Subject, SubjectKind
from capliquify_ops.model.names import check_id
from capliquify_ops.model.outcome import Grade, Outcome, Severity

CONTROL = Control("SEC-001", check_id("sec_001_other_tenants_data"), Severity.CRITICAL, "object_access.other_tenants_data")
SEEN = Sighting("b", "products 1 of b", "body", "base64")
OWN = Probe("own", "GET /x as a.owner", SUCCESS, 200, is_control=True)
REFUSAL = Probe("foreign", "GET /y as a.owner", REFUSED, 404, "not_found", needs="own")


def verdict(*probes, control=CONTROL):
    return judge(probes, control, Subject(SubjectKind.SERVICE, "staging"), Evidence("m", "u", "2026-01-01T00:00:00Z", 1.0))


def test_a_refusal_with_its_control_is_healthy():
    """A refused probe whose positive control succeeded is healthy, with what was examined."""
    found = verdict(OWN, REFUSAL)
    assert (found.outcome, found.grade, found.examined, found.eligible) == (Outcome.HEALTHY, Grade.STRONG, 2, 2)


@pytest.mark.parametrize(
    "probes",
    [
        (),
        (OWN,),
        (REFUSAL,),
        (dataclasses.replace(OWN, status=500), REFUSAL),
        (dataclasses.replace(OWN, problem="the answer is not JSON"), REFUSAL),
        (OWN, untried("an expired token", "the identity provider makes none")),
        (OWN, REFUSAL, untried("the rest", "the service cannot be reached")),
        (untried("everything", "there is no tenant"),),
        (dataclasses.replace(OWN, status=500), dataclasses.replace(REFUSAL, status=200)),
    ],
)
def test_what_could_not_be_told(probes):
    """No probe, a failed or missing control, or something untried is inconclusive and says why: never healthy, never failing."""
    found = verdict(*probes)
    assert found.outcome is Outcome.INCONCLUSIVE
    assert found.why.startswith("Could not tell: ")
    assert found.grade is None


def test_a_measure_that_stopped_says_why_first():
    """What stopped it is the reason, and controls that it did not come to follow from that."""
    found = verdict(REFUSAL, untried("the rest", "the service cannot be reached"))
    assert found.why == "Could not tell: the rest: the service cannot be reached."
    assert found.witness.lines[1] == "the positive control 'own' is missing"


def test_a_success_against_the_expectation():
    """An answer against its expectation is failing where its control succeeded, and the witness holds both requests."""
    found = verdict(OWN, dataclasses.replace(REFUSAL, status=200, code=""))
    assert (found.outcome, found.grade, found.escalation) == (Outcome.FAILING, Grade.STRONG, None)
    assert len(found.witness.lines) == 2
    assert "GET /x as a.owner -> 200" in found.witness.lines[0]
    assert "GET /y as a.owner -> 200" in found.witness.lines[1]


def test_a_wrong_code():
    """A refusal with another error code than the profile's is failing."""
    expected = dataclasses.replace(REFUSED, codes=frozenset({"not_found"}))
    found = verdict(OWN, dataclasses.replace(REFUSAL, expected=expected, code="oops"))
    assert found.outcome is Outcome.FAILING
    assert "'oops'" in found.why


@pytest.mark.parametrize("status", [200, 404, 500])
def test_a_secret_is_proof_at_any_status(status):
    """Another tenant's secret proves a leak whatever the status says, also when the control failed, and wakes everybody."""
    found = verdict(dataclasses.replace(OWN, status=500), dataclasses.replace(REFUSAL, status=status, foreign=(SEEN,)))
    assert (found.outcome, found.grade, found.escalation) == (Outcome.FAILING, Grade.PROOF, Level.L3)
    assert (found.tenants.count, found.tenants.sample) == (1, ("b",))
    assert "base64" in found.why


def test_a_changed_row_is_proof():
    """A 404 with a changed row is failing: the row counts, not the answer."""
    found = verdict(OWN, REFUSAL, noted("the row afterwards", "the row was changed", is_change=True))
    assert (found.outcome, found.grade, found.escalation) == (Outcome.FAILING, Grade.PROOF, Level.L3)


def test_a_changed_row_inside_one_tenant():
    """A change by a role too low is proof too, and no cross-tenant alarm."""
    control = dataclasses.replace(CONTROL, severity=Severity.MEDIUM)
    found = verdict(OWN, noted("the row afterwards", "the row was changed", is_change=True), control=control)
    assert (found.grade, found.escalation) == (Grade.PROOF, None)


def test_an_optional_gap_weakens():
    """What a check can do without leaves it healthy, counted, named and weaker."""
    found = verdict(OWN, REFUSAL, untried("the held lock", "there is no operator URL", is_optional=True))
    assert (found.outcome, found.grade, found.examined, found.eligible) == (Outcome.HEALTHY, Grade.WEAK, 2, 3)
    assert "the held lock" in found.why


def test_a_long_witness_is_cut():
    """A witness names at most so many probes; the count tells the rest."""
    found = verdict(OWN, *(dataclasses.replace(REFUSAL, name=f"p{n}", status=200) for n in range(50)))
    assert len(found.witness.lines) == MOST_LINES + 1
    assert found.measured["violations"] == 50


PROBES = st.builds(
    Probe,
    name=st.sampled_from(["one", "two", "own"]),
    expected=st.sampled_from([SUCCESS, REFUSED]),
    status=st.sampled_from([200, 404, 500]),
    foreign=st.sampled_from([(), (), (SEEN,)]),
    problem=st.sampled_from(["", "", "changed"]),
    is_change=st.booleans(),
    is_control=st.booleans(),
    needs=st.sampled_from(["", "own", "absent"]),
)


@given(probes=st.lists(st.one_of(PROBES, st.just(untried("x", "why"))), max_size=8))
def test_whatever_was_seen(probes):
    """For any probes: a secret always fails, healthy always means that nothing contradicted and every needed control passed."""
    found = verdict(*probes)
    if any(probe.foreign for probe in probes):
        assert found.outcome is Outcome.FAILING
    if found.outcome is Outcome.HEALTHY:
        assert not any(probe.violation() for probe in probes)
        assert not any(probe.untried for probe in probes)
        controls = {probe.name for probe in probes if probe.is_control}
        assert {probe.needs for probe in probes if probe.needs} <= controls
        assert any(not probe.is_control for probe in probes)
    assert judge(probes, CONTROL, found.subject, found.evidence) == found


def test_a_proof_hides_no_other_violation():
    """Beside a foreign secret the answers against the contract are told too; the grade stays that of the secret."""
    secret = Probe("listed", "GET /z as a.owner", SUCCESS, 200, foreign=(SEEN,), story=("b wrote at +0.0 ms",))
    found = verdict(OWN, dataclasses.replace(REFUSAL, status=200, code=""), secret)
    assert (found.outcome, found.grade, found.measured["violations"]) == (Outcome.FAILING, Grade.PROOF, 2)
    told = found.witness.lines
    assert [line.strip().partition(":")[0] for line in told] == ["listed", "b wrote at +0.0 ms", "own", "foreign"]
