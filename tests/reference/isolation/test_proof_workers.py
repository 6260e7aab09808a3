"""Stacks of the protocol at once: every run is kept once, a worker that dies costs one run, and none outlives its parent."""

import importlib
import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

PROOF = Path(__file__).parents[2] / "proof"
SCRIPT = """
import os, signal, sys, threading
from pathlib import Path
from types import SimpleNamespace

sys.path.insert(0, {proof!r})
from isolation_workers import work

def perform(jobs, teller):
    for job in jobs:
        print("said to people", job.key)
        said = Path({folder!r}) / job.key
        if job.key.startswith("dies always") or (job.key.startswith("dies once") and not said.exists()):
            said.touch()
            os.kill(os.getpid(), signal.SIGKILL)
        if job.key.startswith("waits"):
            threading.Event().wait()
        teller.keep(job, {{"outcome": "killed", "why": str(os.getpid()), "seconds": 1.0}})

sys.exit(work([SimpleNamespace(key=key) for key in {keys!r}], perform))
"""


@pytest.fixture
def workers(monkeypatch):
    """The module of the proof, which stands beside the tests and not among them."""
    monkeypatch.syspath_prepend(str(PROOF))
    yield importlib.import_module("isolation_workers")
    sys.modules.pop("isolation_workers", None)


def job(key, part="killed", of="M01"):
    return SimpleNamespace(key=key, part=part, of=of, check="c", order="ab", shares=False, stack=SimpleNamespace(shape="s"))


def command(tmp_path, batches):
    keys = [one.key for batch in batches for one in batch]
    path = tmp_path / "worker.py"
    path.write_text(SCRIPT.format(proof=str(PROOF), folder=str(tmp_path), keys=keys))
    return [sys.executable, str(path)]


def given_up(_job, why):
    return {"outcome": "broken", "why": why, "seconds": 0.0, "again": True}


def test_each_run_is_kept_once(workers, tmp_path):
    """Several workers, each with whole stacks; what is done already is not handed out; one journal, line by line."""
    batches = [[job(f"{stack}{number}") for number in range(3)] for stack in "abcd"]
    journal = workers.Journal(tmp_path / "journal", "one", 2)
    journal.keep(batches[0][0], {"outcome": "killed", "why": "", "seconds": 1.0})
    workers.perform_at_once(batches, journal, command(tmp_path, batches), 2, given_up)
    rows = [json.loads(line) for line in (tmp_path / "journal").read_text().splitlines()]
    assert sorted(row["key"] for row in rows) == sorted(one.key for batch in batches for one in batch)
    assert {row["at_once"] for row in rows} == {2}
    by = {row["key"]: row["why"] for row in rows[1:]}
    assert all(len({by[one.key] for one in batch if one.key in by}) == 1 for batch in batches), "one worker for a stack"
    assert workers.Journal(tmp_path / "journal", "one").done.keys() == by.keys() | {"a0"}


def test_a_worker_that_dies_costs_one_run(workers, tmp_path):
    """The run that it was at is made again by another one, once; the stack that kills each of them is given up until the next start."""
    batches = [
        [job("before"), job("dies once"), job("after")],
        [job("dies always"), job("never reached")],
        [job("another")],
    ]
    journal = workers.Journal(tmp_path / "journal", "one")
    workers.perform_at_once(batches, journal, command(tmp_path, batches), 1, given_up)
    lines = [json.loads(line) for line in (tmp_path / "journal").read_text().splitlines()]
    ended = {row["key"]: row["outcome"] for row in lines}
    assert len(lines) == len(ended) == 6
    assert {key for key, outcome in ended.items() if outcome == "broken"} == {"dies always", "never reached"}
    assert workers.Journal(tmp_path / "journal", "one").done.keys() == {"before", "dies once", "after", "another"}


def test_no_worker_outlives_its_parent(workers, tmp_path):
    """Whose standard input closes in the middle of a run ends at once, and whatever it started with it."""
    batch = [job("first"), job("waits")]
    process = subprocess.Popen(
        command(tmp_path, [batch]), stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, start_new_session=True
    )
    with process:
        process.stdin.write(json.dumps([one.key for one in batch]) + "\n")
        process.stdin.flush()
        assert json.loads(process.stdout.readline())[0] == "first"
        process.stdin.close()
        assert process.wait(20) == -signal.SIGKILL


def test_one_that_is_idle_ends_as_it_should(workers, tmp_path):
    """After its last stack a worker that is given no more ends by itself."""
    worker = workers.Worker(command(tmp_path, [[job("one")]]))
    assert worker.perform([job("one")], workers.Journal(tmp_path / "journal", "one"))
    worker._process.stdin.close()
    assert worker._process.wait(20) == 0
    worker.end()
    with pytest.raises(ProcessLookupError):
        os.killpg(worker.pid, 0)


def test_the_order_of_stacks(workers, tmp_path):
    """First what must be silent; of each kind what took longest the last time, so that nothing long is left for the end."""
    path = tmp_path / "journal"
    known = workers.Journal(path, "an older library")
    for of, seconds in (("M01", 1.0), ("M02", 90.0), ("M02", 110.0), ("N1", 2.0)):
        known.keep(job(f"{of} {seconds}", of=of), {"outcome": "killed", "seconds": seconds})
    batches = [[job("a", of="M01")], [job("b", of="M02")], [job("c", of="M03")], [job("d", "clean", "N1")]]
    journal = workers.Journal(path, "now")
    assert [batch[0].key for batch in workers.in_order(batches, journal)] == ["d", "b", "c", "a"]
    assert journal.expected_s(batches[1]) == workers.START_S + workers.WORLD_S + 100.0
    assert journal.done == {}


def test_half_a_line_spoils_no_other(workers, tmp_path):
    """What a killed writer left of its last line is no run, and the next one stands on a line of its own."""
    path = tmp_path / "journal"
    workers.Journal(path, "one").keep(job("a"), {"outcome": "killed", "seconds": 1.0})
    with path.open("a") as journal:
        journal.write('{"digest": "one", "key": "b", "outc')
    workers.Journal(path, "one").keep(job("c"), {"outcome": "killed", "seconds": 1.0})
    assert workers.Journal(path, "one").done.keys() == {"a", "c"}
