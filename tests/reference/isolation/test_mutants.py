"""The protocol of `make proof-isolation`: a few of its runs, chosen by a fixed seed, and how it counts, resumes and tells what is short."""

import importlib
import sys
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import SimpleNamespace

import pytest

from capliquify_ops.integrity.fleet_check import CHECKS
from capliquify_ops.isolation import controls, families
from capliquify_ops.model.errors import TargetUnreachable
from capliquify_ops.reference.service.switches import DEFECTS, TWINS

PROOF = Path(__file__).parents[2] / "proof"
MODULES = ("isolation_mutants", "isolation_services", "isolation_workers", "mutation_score")


@pytest.fixture
def proof(monkeypatch):
    """The proof's module, which stands beside the tests and not among them."""
    monkeypatch.syspath_prepend(str(PROOF))
    yield importlib.import_module(MODULES[0])
    for name in MODULES:
        sys.modules.pop(name, None)


def test_the_tables_are_whole(proof):
    """Each defect and twin of the service once, each check one that there is, twenty runs of each defect in all shapes and orders."""
    table = proof.TABLE
    assert [row["switch"] for row in table["mutants"]] == list(DEFECTS)
    assert [row["switch"] for row in table["twins"]] == list(TWINS)
    known = {str(one.check) for one in (*families(), *controls())} | {*CHECKS}
    assert {row["check"] for row in table["mutants"]} | {one for row in table["mutants"] for one in row.get("also", ())} <= known
    jobs = list(proof.jobs())
    assert len({job.key for job in jobs}) == len(jobs)
    runs = Counter(job.of for job in jobs if job.part == "killed")
    assert set(runs.values()) == {20}
    for mutant in runs:
        own = [job for job in jobs if job.part == "killed" and job.of == mutant]
        assert {(job.stack.shape, job.order) for job in own} == {
            (shape["name"], order) for shape in table["shapes"] for order in ("ab", "ba")
        }
        assert {job.stack.workers for job in own} == {1, 2}
    assert sum(job.part == "clean" for job in jobs) >= 300


def test_pools_are_of_each_worker(proof, monkeypatch):
    """One connection for each of two workers is a pool of two, which the service shares out."""
    monkeypatch.setattr(proof.services, "serve", lambda _switches, **options: (options["pool"], options["workers"]))
    stacks = {job.stack for job in proof.jobs() if job.part == "killed" and job.of == "M04"}
    assert {stack.serve() for stack in stacks} == {(1, 1), (10, 1), (20, 2), (2, 2), (4, 1)}


@pytest.mark.parametrize(
    ("found", "why", "is_witnessed", "is_met", "outcome"),
    [
        ("failing", "a line", True, True, "killed"),
        ("failing", "a line", False, True, "survived"),
        ("failing", "a line", True, False, "not reached"),
        ("healthy", "healthy: All 3 probes were answered as expected.", False, True, "survived"),
        ("healthy", "healthy: All 3 probes were answered as expected.", False, False, "not reached"),
        ("inconclusive", "inconclusive: Could not tell: the positive control failed, a: 500", True, True, "broken"),
        ("inconclusive", "inconclusive: Could not tell: nothing was tried.", True, True, "survived"),
        ("error", "The service does not answer.", False, True, "broken"),
    ],
)
def test_four_outcomes(proof, found, why, is_witnessed, is_met, outcome):
    """Killed is only what failed with a witness after the defect's line had run."""
    assert proof.services.outcome_of(proof.services.Said(found, why, 1.0, is_witnessed, is_met)) == outcome


class Pretended:
    """A service that takes no time: `says` gives what a check says, by the switches of the stack and the check."""

    def __init__(self, stack, says):
        self.stack, self.says, self.leftovers, self.orders = stack, says, [], []

    def __enter__(self):
        return self

    def __exit__(self, *_):
        return None

    def world(self, order):
        self.orders.append(order)
        return self

    def measured(self, check, _world, needed, sign):
        return self.says(self.stack.switches, check, needed)

    def audited(self, depth):
        seen = {"iso_00_audit_guards": "a line"} if self.stack.switches else {}
        return {"seen": seen, "open": {}, "checks": 1, "seconds": 1.0}


@pytest.fixture
def pretended(proof, monkeypatch):
    """Every stack is a pretended one; the list of those that were started."""
    started = []

    def all_are(says):
        def serve(stack):
            started.append(Pretended(stack, says))
            return started[-1]

        monkeypatch.setattr(proof.Stack, "serve", serve)
        return started

    return all_are


@pytest.fixture
def as_it_should_be(proof):
    """What the protocol hopes for: silence without a defect, a witness with one."""
    defects = {mutant["switch"] for mutant in proof.TABLE["mutants"]}

    def says(switches, _check, _needed):
        is_wrong = bool({*switches} & defects)
        return proof.services.Said("failing" if is_wrong else "healthy", "a | line", 1.0, is_wrong, True)

    return says


def test_a_run_counts_once(proof, pretended, as_it_should_be, tmp_path):
    """What stands in the journal is not run again, whatever it said; another digest begins anew; one stack serves all of its jobs."""
    started = pretended(as_it_should_be)
    wanted = [job for job in proof.jobs() if job.part == "killed" and job.of == "M04"]
    path = tmp_path / "folder" / "journal"
    proof.perform(wanted[:7], proof.Journal(path, "one"))
    assert [service.orders for service in started] == [["ab", "ab", "ba", "ba"], ["ab", "ab", "ba"]]
    proof.perform(wanted, proof.Journal(path, "one"))
    assert len(path.read_text().splitlines()) == len(wanted) == 20
    known = len(started)
    proof.perform(wanted, proof.Journal(path, "one"))
    assert len(started) == known
    proof.perform(wanted, proof.Journal(path, "two"))
    assert len(started) == known + len(proof.TABLE["shapes"])


def test_a_stack_that_does_not_start_is_broken(proof, monkeypatch, tmp_path):
    """Its runs are no kills and no misses, stand there as such, and are run again by the next start."""

    def serve(_stack):
        raise TargetUnreachable("The service did not start.")

    monkeypatch.setattr(proof.Stack, "serve", serve)
    journal = proof.Journal(tmp_path / "journal", "one")
    proof.perform([job for job in proof.jobs() if job.of == "M04" and job.part == "killed"], journal)
    assert {(row["outcome"], row["why"]) for row in journal.done.values()} == {("broken", "The service did not start.")}
    assert proof.Journal(tmp_path / "journal", "one").done == {}
    code, page = page_of(proof, tmp_path)
    assert code == 1
    assert "- M24 SECDEF_UNPINNED: killed in 0 of 20 runs" in page
    assert "- 0 healthy runs on services that are right" in page
    assert "- N8 PREPARED_STATEMENTS: its lines never ran" in page
    assert "the full audit of M05 (one worker, a pool) saw nothing" in page


def page_of(proof, tmp_path, change=lambda row: row):
    journal = proof.Journal(tmp_path / "journal", "one")
    proof.perform(proof.jobs(), journal)
    page = tmp_path / "page.md"
    code = proof.write_page(page, proof.TABLE, [change(dict(journal.done[job.key])) for job in proof.jobs()])
    return code, page.read_text(encoding="utf-8")


def test_the_page_of_a_perfect_run(proof, pretended, as_it_should_be, tmp_path):
    """All that the protocol asks for, and the page says so."""
    pretended(as_it_should_be)
    code, page = page_of(proof, tmp_path)
    assert code == 0
    assert "Nothing falls short of it." in page
    assert "20 of 20 killed by the check meant for them in at least 19 of 20 runs" in page
    assert page.count("| 20 | 0 | 0 | 0 | 1.0 | a \\| line |") == 20
    clean = sum(job.part == "clean" for job in proof.jobs())
    assert f"{clean} runs of single checks, 0 alarms, 0 that could not tell." in page
    assert "One run was made at a time." in page
    _, page = page_of(proof, tmp_path, lambda row: row | {"at_once": 2})
    assert "Up to 2 runs were made at a time" in page


@pytest.mark.parametrize(
    ("part", "outcome", "count", "said"),
    [
        ("killed", "survived", 1, ""),
        ("killed", "survived", 2, "- M04 SESSION_SET: killed in 18 of 20 runs"),
        ("killed", "not reached", 2, "- M04 SESSION_SET: killed in 18 of 20 runs"),
        ("clean", "failing", 1, "- 1 alarms in {clean} runs on services that are right"),
        ("clean", "inconclusive", 100, "healthy runs on services that are right, of 300 that the protocol asks for"),
        ("pair", "survived", 1, "- M04+M21: M04 (one worker, a pool, ab): survived"),
    ],
)
def test_what_falls_short_stands_there(proof, pretended, as_it_should_be, tmp_path, part, outcome, count, said):
    """One missed run of twenty is allowed, a second one is told, as is every alarm on a service that is right."""
    pretended(as_it_should_be)
    left = [count]

    def change(row):
        if row["part"] == part and (part == "clean" or row["of"].endswith("M04")) and left[0]:
            left[0] -= 1
            row["outcome"] = outcome
        return row

    code, page = page_of(proof, tmp_path, change)
    assert left == [0]
    assert code == (1 if said else 0)
    assert said.format(clean=sum(job.part == "clean" for job in proof.jobs())) in page
    if part == "killed":
        assert f"| {20 - count} | {count if outcome == 'survived' else 0} |" in page


@pytest.mark.parametrize(
    ("of", "seen", "said"),
    [
        ("correct", {"iso_01": "x"}, "of correct (one worker, a pool) saw iso_01"),
        ("M11", {}, "of M11 (one worker, a pool) saw nothing"),
    ],
)
def test_audits_that_fall_short(proof, pretended, as_it_should_be, tmp_path, of, seen, said):
    """A whole audit has to be silent where nothing is wrong, and to see each defect."""
    pretended(as_it_should_be)
    code, page = page_of(
        proof, tmp_path, lambda row: row | ({"seen": seen} if row["part"] == "audit" and row["of"] == of else {})
    )
    assert code == 1
    assert said in page


def test_a_quick_audit_leaves_some_defects_to_the_full_one(proof, pretended, as_it_should_be, tmp_path):
    """Where the check that is meant for a defect is none of a quick audit, to see nothing falls short of nothing, and is said."""
    pretended(as_it_should_be)
    code, page = page_of(
        proof, tmp_path, lambda row: row | ({"seen": {}} if (row["part"], row["of"]) == ("audit", "M10") else {})
    )
    assert code == 0
    assert "| M10 `SUSPEND_CACHED` | quick | one worker, a pool | nothing: its check is left to the full audit |" in page


@pytest.mark.usefixtures("token_maker")
def test_a_sample(proof, tmp_path):
    """A few runs by a fixed seed: each defect is killed by the check meant for it, on the twin nothing is said."""
    parts = [list(jobs) for _, jobs in proof.grouped(proof.sample(), lambda job: job.stack)]
    journals = [proof.Journal(tmp_path / str(number), "sample") for number in range(len(parts))]
    with ThreadPoolExecutor(len(parts)) as pool:
        list(pool.map(proof.perform, parts, journals))
    told = [(row["outcome"], row["of"], row["why"]) for journal in journals for row in journal.done.values()]
    assert [outcome for outcome, _, _ in told] == ["killed"] * 2 + ["healthy"], told


def test_a_check_that_breaks_is_one_run(proof, monkeypatch, tmp_path):
    """An error of the check itself is broken, told by its name, and the next run goes on."""
    service = proof.services.Service(SimpleNamespace(run_folder=tmp_path), None, (), None)
    monkeypatch.setattr(proof.services, "run", lambda check, world: {}[check])
    said = service.measured("iso_03", None)
    assert (said.found, said.why, proof.services.outcome_of(said)) == ("error", "KeyError: 'iso_03'", "broken")
