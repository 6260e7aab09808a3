"""What counts, what is accepted, what has changed: pure functions of findings."""

import json
from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from capliquify_ops.configuration.suppressions import Suppression
from capliquify_ops.evidence.canonical import plain
from capliquify_ops.integrity.comparing import changes, suppress
from capliquify_ops.integrity.observing import spread_of
from capliquify_ops.model.errors import UsageError
from capliquify_ops.model.finding import Evidence, Finding, Subject, SubjectKind
from capliquify_ops.model.names import check_id
from capliquify_ops.model.outcome import Outcome, Severity

TODAY = date(2026, 6, 15)


def finding(name, outcome=Outcome.FAILING, tenants=("t",), check="some_check"):
    evidence = Evidence("q", "db", "2026-01-01T00:00:00.000Z", 1.0)
    subject = Subject(SubjectKind.RELATION, name)
    return Finding(check_id(check), subject, outcome, Severity.HIGH, evidence, "why", 1, 1, tenants=spread_of(tenants))


def suppression(name, days, check="some_check"):
    return Suppression(f"{check}:{name}", "somebody", "a reason", TODAY + timedelta(days))


def document(*findings):
    return json.loads(json.dumps({"findings": [{"id": each.id, **plain(each)} for each in findings]}))


findings = st.lists(st.builds(finding, st.sampled_from("abc"), st.sampled_from(Outcome)), max_size=6)
suppressions = st.lists(
    st.builds(suppression, st.sampled_from("abc"), st.integers(-2, 2)), max_size=3, unique_by=lambda each: each.id
)


@given(findings, suppressions)
def test_nothing_is_lost_and_only_failing_findings_are_held_back(found, held):
    """Each finding either counts or is held back by a suppression of its own that has not ended; each ended one is told."""
    result = suppress(found, held, TODAY)
    assert len(result.open) + len(result.suppressed) == len(found)
    for each, why in result.suppressed:
        assert each.outcome is Outcome.FAILING
        assert why.id == each.id
        assert why.expires >= TODAY
    for each in result.open:
        assert each.outcome is not Outcome.FAILING or not [one for one in held if one.id == each.id and one.expires >= TODAY]
    assert set(result.expired) == {each for each in held if each.expires < TODAY}


def test_a_suppression_holds_through_its_last_day():
    """It holds on the day that it names, and no longer."""
    for days, counts in ((0, 0), (1, 0), (-1, 1)):
        assert len(suppress([finding("a")], [suppression("a", days)], TODAY).open) == counts


def test_a_suppression_is_unused_only_when_its_check_gave_an_answer():
    """A check that did not run, or could not tell, says nothing of what it would have found."""
    held = [suppression("a", 1)]
    assert suppress([finding("db", Outcome.HEALTHY)], held, TODAY).unused == tuple(held)
    assert suppress([finding("db", Outcome.INCONCLUSIVE)], held, TODAY).unused == ()
    assert suppress([finding("db", Outcome.HEALTHY, check="other")], held, TODAY).unused == ()


def test_new_grown_and_gone():
    """A finding is new, of more or other tenants, as before, or gone; what could not be told is not gone."""
    before = document(finding("same"), finding("more"), finding("moved"), finding("fewer", tenants="ab"), finding("away"))
    now = [
        finding("same"),
        finding("more", tenants="tu"),
        finding("moved", tenants="u"),
        finding("fewer", tenants="a"),
        finding("fresh"),
    ]
    found = changes(now, before)
    assert (found.new, found.gone) == (("some_check:fresh",), ("some_check:away",))
    assert found.grown == ("some_check:more", "some_check:moved")
    assert changes([finding("db", Outcome.INCONCLUSIVE)], before).gone == ()
    assert changes([finding("db", Outcome.HEALTHY, check="other")], before).gone == ()
    assert len(changes([finding("db", Outcome.HEALTHY)], before).gone) == 5


@given(
    st.recursive(
        st.none() | st.integers() | st.text(max_size=3),
        lambda inner: (
            st.lists(inner, max_size=2)
            | st.dictionaries(st.sampled_from(["findings", "id", "check", "outcome"]), inner, max_size=3)
        ),
    )
)
def test_any_other_document_is_refused(given_document):
    """Whatever a file holds that is no earlier run is a sentence, not a traceback."""
    if isinstance(given_document, dict) and given_document.get("findings") == []:
        return
    with pytest.raises(UsageError, match="not a document of fleet check"):
        changes([finding("a")], given_document)
