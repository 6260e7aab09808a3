"""What one check amounts to: declared away, left out, seen once, or seen again."""

import dataclasses
from types import SimpleNamespace

import pytest

from capliquify_ops.configuration import load_profile
from capliquify_ops.isolation import run as runs
from capliquify_ops.isolation import run_family
from capliquify_ops.isolation.catalogue import families, named
from capliquify_ops.isolation.judge import judge
from capliquify_ops.isolation.probe import SUCCESS, Probe, noted, untried
from capliquify_ops.isolation.run import why_not_applicable
from capliquify_ops.isolation.sensor import Sighting
from capliquify_ops.model.finding import Evidence, Subject, SubjectKind
from capliquify_ops.model.outcome import Grade, Outcome

CHECK = "iso_10_twin_run"
CONTROL = named(CHECK, families())
STRONG = noted("it moved", "the count was 1 and is 2")
PROOF = Probe("listed", "GET /x", SUCCESS, 200, foreign=(Sighting("b", "row 1 of b", "body", "plain"),))
FINE = noted("it stood", "")


@pytest.fixture
def world(tmp_path):
    return SimpleNamespace(
        profile=load_profile("capliquify", tmp_path), is_read_only=False, depth="full", seed=7, clock=None, target=None
    )


@pytest.fixture
def measures(monkeypatch):
    """Has each measurement find the next of these; returns what is left."""
    about = (CONTROL, Subject(SubjectKind.SERVICE, "here"), Evidence("m", "u", "2026-01-01T00:00:00Z", 1.0))
    monkeypatch.setattr(runs, "_about", lambda control, world, elapsed_s: about)

    def give(*probes):
        left = list(probes)
        monkeypatch.setattr(runs, "_measured", lambda control, world, parts=(): (judge((left.pop(0),), *about), frozenset()))
        return left

    return give


@pytest.mark.parametrize(
    ("probes", "outcome", "grade", "unused"),
    [
        ((STRONG, STRONG), Outcome.FAILING, Grade.STRONG, 0),
        ((STRONG, FINE), Outcome.INCONCLUSIVE, None, 0),
        ((STRONG, untried("it", "nobody answers")), Outcome.INCONCLUSIVE, None, 0),
        ((STRONG, PROOF), Outcome.FAILING, Grade.PROOF, 0),
        ((PROOF, FINE), Outcome.FAILING, Grade.PROOF, 1),
        ((FINE, STRONG), Outcome.HEALTHY, Grade.STRONG, 1),
    ],
)
def test_what_is_seen_once_is_looked_for_again(world, measures, probes, outcome, grade, unused):
    """A difference has to show twice, a secret once; neither is ever a pass because it did not come back."""
    left = measures(*probes)
    found = run_family(CHECK, world)
    assert (found.outcome, found.grade, len(left)) == (outcome, grade, unused)
    assert found.measured["seed"] == 7
    if (outcome, probes[0]) == (Outcome.INCONCLUSIVE, STRONG):
        assert "Seen once of two times" in found.why
        assert "the count was 1 and is 2" in found.why
    assert (runs.SEEN_TWICE in (found.witness.lines if found.witness else ())) is (
        len(probes) - unused == 2 and outcome is Outcome.FAILING
    )


@pytest.mark.parametrize(("changes", "says"), [({"depth": "quick"}, "--depth full"), ({"is_read_only": True}, "written to")])
def test_what_is_left_out_is_no_pass(world, measures, changes, says):
    """A quick audit, and one that may only read, say of the rest that it was not looked at."""
    left = measures(FINE)
    found = run_family(CHECK, SimpleNamespace(**{**vars(world), **changes}))
    assert (found.outcome, len(left)) == (Outcome.INCONCLUSIVE, 1)
    assert says in found.why


def test_what_the_profile_declares_away(world, measures):
    """The reason is told, nothing is measured; all surfaces of a check declared away are as good as the check itself."""
    left = measures(FINE)
    world.profile = dataclasses.replace(world.profile, not_applicable={CHECK: "one tenant only"})
    found = run_family(CHECK, world)
    assert (found.outcome, len(left)) == (Outcome.NOT_APPLICABLE, 1)
    assert "one tenant only" in found.why


@pytest.mark.parametrize(
    ("declared", "applies"),
    [(("export", "job", "events"), False), (("export", "job"), True), ((), True)],
)
def test_a_check_of_surfaces_that_are_not_there(world, declared, applies):
    """Every one of them has to be declared: one that is forgotten keeps the check."""
    profile = dataclasses.replace(world.profile, not_applicable=dict.fromkeys(declared, "there are none"))
    assert bool(why_not_applicable(named("iso_07_jobs_and_exports", families()), profile)) is not applies
