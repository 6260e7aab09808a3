"""make proof-isolation: twenty defects, ten twins and every shape of the reference service, and what each check says of them.

    python tests/proof/isolation_mutants.py [--state FILE] [--only WORD,WORD] [--sample] [--list] [--parallel N]

Each run stands in the journal as it ended and is not run again, whatever it said: a check gets no second try. `--only` runs what has
each of these words (with commas between them) in its name, and writes no page. `--sample` runs a few by a fixed seed and leaves the
journal alone. `--parallel` is how many stacks are run at once, each with all of its runs in a process of its own. A change of the library's isolation package, of the reference service or of the protocol begins anew.
"""

import argparse
import hashlib
import itertools
import random
import sys
import tempfile
import tomllib
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path

import isolation_services as services
from isolation_workers import Journal, Teller, perform_at_once, work
from mutation_score import write_page

from capliquify_ops.isolation import families
from capliquify_ops.model.errors import OpsError

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
STATE = ROOT / ".proof" / "isolation-mutants.jsonl"
PAGE = ROOT / "docs" / "reference" / "mutation-score.md"
TABLE = tomllib.loads((HERE / "isolation_mutants.toml").read_text(encoding="utf-8"))
SOURCES = ("isolation", "reference", "http_client", "integrity", "configuration/profiles")
ORDERS = ("ab", "ba")
THROUGH_THE_POOL = ("iso_03_poisoned_connections", "iso_04_concurrent_history")
LINT = ("cross_references", "shadowed_objects", "function_safety")
CLEAN_CHECKS = (*(str(one.check) for one in families()), "sec_012_row_level_security", *LINT)
"""What must be silent on the correct service and on each twin."""
SAMPLE_SEED = 8
SHORT = ("function_safety", "iso_05_cache_order", "iso_07_jobs_and_exports", "iso_02_identity_matrix")
"""Checks that soon see their defects. These leave each other alone; the last one's may leave rows where they do not belong."""
CORRECT = "correct"
AT_ONCE = 2
"""Stacks at once: a run waits for the service, and for time-outs, as long as it computes."""


@dataclass(frozen=True)
class Stack:
    """What a stack is started with."""

    switches: tuple[str, ...]
    shape: str
    pool: int
    workers: int
    pooler: str
    serials: bool = False
    declares: str = ""
    is_hasty: bool = True

    def serve(self):
        """Start it. The reference service shares its pool out among its workers."""
        options = {name: value for name, value in asdict(self).items() if name not in {"switches", "shape"}}
        return services.serve(self.switches, **options | {"pool": self.pool * self.workers})


@dataclass(frozen=True)
class Job:
    """One run: of a check in a world, or of a whole audit (`order` is then empty and `check` its depth).

    `shares`: the world with other runs. Where a defect lets writes through, what is left there would be seen by the next one.
    """

    part: str
    of: str
    stack: Stack
    order: str
    check: str
    number: int = 1
    shares: bool = False

    @property
    def key(self):
        return " | ".join((self.part, self.of, self.stack.shape, self.order, self.check, str(self.number)))


def jobs():
    """Everything that the protocol asks for: first that nothing is said where nothing is wrong."""
    yield from _baseline()
    for mutant in TABLE["mutants"]:
        yield from _mutant(mutant)
    yield from _pairs()
    yield from _audits()


def _baseline():
    """The correct service in every shape, each twin in two of them that it fits, in turns; each check once in a world."""
    for number, shape in enumerate(TABLE["shapes"]):
        yield from _clean(CORRECT, shape, ORDERS[number % 2], {"serials": bool(number % 2)})
    turns = itertools.cycle(TABLE["shapes"])
    for twin in TABLE["twins"]:
        fitting = (shape for shape in turns if shape["pooler"] not in twin.get("not_behind", ()))
        for order in ORDERS:
            yield from _clean(twin["number"], next(fitting), order, twin)


def _clean(of, shape, order, row):
    """Small pools in one order, large ones in the other."""
    stack = _stack([row["switch"]] if "switch" in row else [], shape, THROUGH_THE_POOL[0] if order == "ba" else "", row)
    for check in CLEAN_CHECKS:
        yield Job("clean", of, stack, order, check, shares=True)


def _mutant(mutant):
    name, check = mutant["number"], mutant["check"]
    for shape, order in itertools.product(TABLE["shapes"], ORDERS):
        stack = _stack([mutant["switch"]], shape, check, mutant)
        for run in range(shape["runs"]):
            yield Job("killed", name, stack, order, check, run + 1)
        for further in mutant.get("also", ()) if shape in (TABLE["shapes"][0], TABLE["shapes"][2]) else ():
            yield Job("also", name, stack, order, further)


def _pairs():
    """Both switches at once: the check meant for each, in the shapes with a pool."""
    rows = {mutant["number"]: mutant for mutant in TABLE["mutants"]}
    for pair in TABLE["pairs"]:
        both = [rows[name] for name in pair["mutants"]]
        row = {"serials": any(one.get("serials") for one in both)}
        for shape, order in itertools.product(TABLE["shapes"][1:3], ORDERS):
            stack = _stack([one["switch"] for one in both], shape, THROUGH_THE_POOL[0], row)
            for one in both:
                yield Job("pair", f"{'+'.join(pair['mutants'])}: {one['number']}", stack, order, one["check"])


def _audits():
    """The quick audit of the correct service and of SESSION_SET in each shape, and once of each mutant; the full one of the worst."""
    rows = {mutant["switch"]: mutant for mutant in TABLE["mutants"]}
    usual = {"is_hasty": False}
    for shape in TABLE["shapes"]:
        yield Job("audit", CORRECT, _stack([], shape, "", usual), "", "quick")
        yield Job("audit", "M04", _stack(["SESSION_SET"], shape, "", usual), "", "quick")
    shape = TABLE["shapes"][1]
    for switch, mutant in rows.items():
        stack = _stack([switch], shape, "", mutant | usual)
        if switch != "SESSION_SET":
            yield Job("audit", mutant["number"], stack, "", "quick")
        if mutant.get("is_severe"):
            yield Job("audit", mutant["number"], stack, "", "full")
    yield Job("audit", CORRECT, _stack([], shape, "", usual), "", "full")


def _stack(switches, shape, check, row):
    pool = shape["large"] if check in THROUGH_THE_POOL else shape["pool"]
    more = {name: row[name] for name in ("serials", "declares", "is_hasty") if name in row}
    return Stack(tuple(switches), shape["name"], pool, shape["workers"], shape["pooler"], **more)


def perform(wanted: Iterable[Job], journal: Journal | Teller) -> None:
    """Run what is not done yet: jobs of one stack together, in it those that share a world, one after the other."""
    left = [job for job in wanted if job.key not in journal.done]
    for stack, of_stack in grouped(left, lambda job: job.stack):
        try:
            with stack.serve() as service:
                _on(service, of_stack, journal)
        except (OpsError, AssertionError) as error:
            for job in [job for job in of_stack if job.key not in journal.done]:
                journal.keep(job, _failed(job, str(error)[: services.MOST_SAID]))


def _on(service, of_stack, journal):
    for (order, _), in_world in grouped(of_stack, lambda job: (job.order, "" if job.shares else job.key)):
        if not order:
            for job in in_world:
                journal.keep(job, service.audited(job.check))
            continue
        with service.world(order) as world:
            for job in in_world:
                journal.keep(job, _ended(job, service, world))
        for left in world.leftovers:
            print(f"not removed: {left}", flush=True)


def _ended(job, service, world):
    """On a service that is right, the outcome is what the check found; whether a twin's lines have run is told besides."""
    rows = {row["number"]: row for row in (*TABLE["mutants"], *TABLE["twins"])}
    row = rows.get(job.of.rpartition(" ")[2], {})
    is_of_two = len(job.stack.switches) > 1
    needed = (row["switch"],) if row else ()
    said = service.measured(job.check, world, needed, row.get("sign", "") if is_of_two else "")
    return asdict(said) | {"outcome": said.found if job.part == "clean" else services.outcome_of(said)}


def _failed(job, why):
    """What stands for a run whose stack or world could not be had, until it is run again: no check was asked."""
    if job.part == "audit":
        return {"seen": {}, "open": {"the audit": why}, "checks": 0, "seconds": 0.0, "again": True}
    outcome = "error" if job.part == "clean" else "broken"
    return {"outcome": outcome, "why": why, "is_met": False, "seconds": 0.0, "again": True}


def grouped(rows, key):
    """Groups in the order in which each is first met."""
    groups = {}
    for row in rows:
        groups.setdefault(key(row), []).append(row)
    return groups.items()


def sample(seed=SAMPLE_SEED):
    """A few short runs by a fixed seed: defects that share one stack, each looked for by its own check, and one twin on another."""
    dice = random.Random(seed)
    chosen = [dice.choice([one for one in TABLE["mutants"] if one["check"] == check]) for check in SHORT[:2]]
    shape = TABLE["shapes"][1]
    stack = _stack([one["switch"] for one in chosen], shape, "", {})
    yield from (Job("killed", one["number"], stack, "ab", one["check"], shares=True) for one in chosen)
    twin = dice.choice([one for one in TABLE["twins"] if not one.get("serials")])
    yield Job("clean", twin["number"], _stack([twin["switch"]], shape, "", twin), "ab", SHORT[1], shares=True)


def digest():
    """What a run depends on; the page only says how it ended."""
    library = ROOT / "src/capliquify_ops"
    files = [file for name in SOURCES for file in sorted((library / name).rglob("*")) if file.suffix in {".py", ".sql", ".toml"}]
    own = [HERE / "isolation_mutants.toml", HERE / "isolation_services.py", HERE / "isolation_workers.py", Path(__file__)]
    return hashlib.sha256(b"".join(file.read_bytes() for file in (*files, *own))).hexdigest()


def perform_in(at_once, wanted, journal):
    """Run what is not done yet, so many stacks at once."""
    if at_once == 1:
        with services.keys_read_once():
            perform(wanted, journal)
        return
    left = [job for job in wanted if job.key not in journal.done]
    batches = [batch for _, batch in grouped(left, lambda job: job.stack)]
    perform_at_once(batches, journal, [sys.executable, __file__, "--worker"], min(at_once, max(1, len(batches))), _failed)


def main():
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("--state", type=Path, default=STATE)
    options.add_argument("--only", default="")
    options.add_argument("--sample", action="store_true")
    options.add_argument("--list", action="store_true", help="what has been run and what has not, and nothing else")
    options.add_argument("--parallel", type=int, default=AT_ONCE, metavar="N", help="stacks at once")
    options.add_argument("--worker", action="store_true", help=argparse.SUPPRESS)
    given = options.parse_args()
    if given.worker:
        with services.keys_read_once():
            return work((*jobs(), *sample()), perform)
    wanted = [job for job in (sample() if given.sample else jobs()) if all(word in job.key for word in given.only.split(","))]
    with tempfile.TemporaryDirectory() as folder:
        journal = Journal(Path(folder) / "sample" if given.sample else given.state, digest(), given.parallel)
        if given.list:
            print("\n".join(f"{'done' if job.key in journal.done else 'open'} {job.key}" for job in wanted))
            return 0
        perform_in(given.parallel, wanted, journal)
    rows = [journal.done[job.key] for job in wanted]
    if given.sample or given.only:
        return 0 if all(row.get("outcome", "killed") in {"killed", "healthy"} for row in rows) else 1
    return write_page(PAGE, TABLE, rows)


if __name__ == "__main__":
    sys.exit(main())
