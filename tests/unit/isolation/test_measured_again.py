"""A measure of parts: the second time only those in which something contradicted, with the controls that stand in none."""

from types import SimpleNamespace

import pytest

from capliquify_ops.configuration import load_profile
from capliquify_ops.configuration.system import SystemClock
from capliquify_ops.isolation import run_family, twin_run
from capliquify_ops.isolation.parts import contradicted, part
from capliquify_ops.isolation.probe import noted, untried
from capliquify_ops.isolation.run import SEEN_TWICE
from capliquify_ops.isolation.world_model import World
from capliquify_ops.model.outcome import Grade, Outcome

CHECK = "iso_10_twin_run"


@pytest.fixture
def measured(monkeypatch, tmp_path):
    """Runs a check whose parts find these problems, one for each time; returns the finding and what was measured in turn."""
    target = SimpleNamespace(profile=load_profile("capliquify", tmp_path), base_url="http://localhost", name="here")

    def run(loose, **problems):
        turns, count = [], dict.fromkeys(problems, 0)

        def rows(name):
            turns.append(name)
            found = problems[name][count[name]]
            count[name] += 1
            yield noted(f"{name} is served", "", is_control=True)
            yield noted(f"what {name} shows", found, needs=f"{name} is served", is_change=found == "changed")

        def measure(world):
            yield noted("served", "", is_control=True)
            for name in problems:
                yield from part(world, name, rows(name))
            yield noted("afterwards", loose, needs="served")

        monkeypatch.setattr(twin_run, "twin_run", measure)
        return run_family(
            CHECK, World(target, "r", SystemClock(), SimpleNamespace(addressing=SimpleNamespace(tenants={})), is_throwaway=True)
        ), turns

    return run


def test_only_what_contradicted_is_measured_again(measured):
    """The other part is left alone; the witness tells that it was seen twice."""
    found, turns = measured("", first=[""], second=["moved", "moved"])
    assert turns == ["first", "second", "second"]
    assert (found.outcome, found.grade) == (Outcome.FAILING, Grade.STRONG)
    assert found.witness.lines[-1] == SEEN_TWICE
    assert any("what second shows: moved" in line for line in found.witness.lines)


def test_what_does_not_come_back_is_not_held_against_a_service(measured):
    """A part that is right the second time makes the check one that cannot tell, not a pass."""
    found, turns = measured("", first=["", ""], second=["moved", ""])
    assert turns == ["first", "second", "second"]
    assert found.outcome is Outcome.INCONCLUSIVE
    assert "Seen once of two times" in found.why


def test_what_stands_in_no_part_has_the_whole_measured_again(measured):
    """Nobody can say which part it came from."""
    found, turns = measured("odd", first=["", ""], second=["moved", "moved"])
    assert turns == ["first", "second", "first", "second"]
    assert found.outcome is Outcome.FAILING


def test_a_proof_is_measured_once(measured):
    """A secret or a changed row needs no second look, and the other parts have been measured with it."""
    found, turns = measured("", first=["changed"], second=["moved"])
    assert turns == ["first", "second"]
    assert (found.outcome, found.grade) == (Outcome.FAILING, Grade.PROOF)
    assert SEEN_TWICE not in found.witness.lines


def test_what_contradicts():
    """Violations name their part; controls, what was not tried and what was as expected name none."""
    world = SimpleNamespace(only_parts=frozenset())
    rows = (noted("fine", ""), noted("odd", "it is"), noted("control", "it failed", is_control=True), untried("left", "it was"))
    probes = [*part(world, "one", (row for row in rows)), *part(world, "two", (row for row in rows[:1]))]
    assert [probe.part for probe in probes] == ["one"] * 4 + ["two"]
    assert contradicted(probes) == {"one"}
    assert contradicted([*probes, noted("loose", "odd")]) == frozenset()
    assert [*part(SimpleNamespace(only_parts={"two"}), "one", (row for row in rows))] == []
