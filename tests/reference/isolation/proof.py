"""make proof-isolation: every fault and every unwell service against every check, resumable, written down as a page.

Cases that passed stand in the journal and are not run again; a change of the library or of these files begins anew.
"""

import hashlib
import json
import sys
from collections import Counter, defaultdict
from dataclasses import asdict, dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]
FOLDER = "tests/reference/isolation"
JOURNAL = ROOT / ".proof" / "isolation.jsonl"
PAGE = ROOT / "docs" / "reference" / "proof-isolation.md"
SOURCES = ("src/capliquify_ops/isolation", "src/capliquify_ops/reference", "src/capliquify_ops/http_client", FOLDER)
"""What a case depends on; this file only writes down how it ended."""
WORKERS = "2"
COMPLETE = (pytest.ExitCode.OK, pytest.ExitCode.TESTS_FAILED, pytest.ExitCode.NO_TESTS_COLLECTED)
HEAD = """# What turns a security check red, and what does not

Measured by `make proof-isolation` on the embedded service; the fixed sample of `make test` is part of it.

## Faults

A proxy in front of the service does one thing wrong. Each check was healthy before, said what stands here through the fault, with a
witness that names it, and was healthy again afterwards. *proof* is another tenant's secret that was seen, or a row that was changed.

| check | fault | outcome | wrong |
|---|---|---|---|
"""
MORE = """
## Services that are ill, away or odd

No check may take these for a leak, and none may pass through a service that does not serve it. Healthy are checks of a service that is
odd and nothing else, and those that were over before the one request that went wrong.

| what is the matter | cases | healthy | inconclusive | failing | wrong |
|---|---:|---:|---:|---:|---:|
"""


@dataclass(frozen=True)
class Ended:
    """How one test ended: the outcomes of its checks in their order, and everything that was wrong."""

    case: str
    fault: str
    outcomes: tuple[str, ...]
    wrong: tuple[str, ...]

    @property
    def test(self):
        return self.case.rpartition("::")[2].partition("[")[0]

    @property
    def check(self):
        return self.case.partition("[")[2].partition("-")[0].rstrip("]")


class Journal:
    """A plugin that writes down each test when it has ended."""

    def __init__(self, digest):
        self.digest = digest
        self.done = _done(digest)
        self._wrong = defaultdict(list)
        JOURNAL.parent.mkdir(exist_ok=True)

    def pytest_runtest_logreport(self, report):
        if not report.passed:
            said = getattr(report.longrepr, "reprcrash", None)
            self._wrong[report.nodeid].append(f"{report.when}: {said.message if said else report.longrepr}"[:300])
        if report.when == "teardown":
            told = defaultdict(list)
            for name, value in report.user_properties:
                told[name].append(value)
            wrong = tuple(self._wrong.pop(report.nodeid, ()))
            self._keep(Ended(report.nodeid, "".join(told["fault"]), tuple(told["outcome"]), wrong))

    def _keep(self, ended):
        self.done[ended.case] = ended
        with JOURNAL.open("a", encoding="utf-8") as journal:
            journal.write(json.dumps({"digest": self.digest, **asdict(ended)}) + "\n")


def main():
    journal = Journal(_digest())
    skipped = [f"--deselect={case}" for case, ended in journal.done.items() if not ended.wrong]
    options = ["--whole", "--numprocesses", WORKERS, "--rootdir", str(ROOT), "--quiet", "--tb=short"]
    code = pytest.main([str(ROOT / FOLDER), *options, *skipped], plugins=[journal])
    if code not in COMPLETE:
        sys.exit(code)
    ended = sorted(journal.done.values(), key=lambda each: (each.check, each.fault, each.case))
    PAGE.write_text(_page(ended), encoding="utf-8")
    sys.exit(any(each.wrong for each in ended))


def _digest():
    files = sorted(path for source in SOURCES for path in (ROOT / source).rglob("*") if _counts(path))
    return hashlib.sha256(b"".join(path.read_bytes() for path in files)).hexdigest()


def _counts(path):
    return path.suffix in {".py", ".sql", ".toml"} and path != Path(__file__).resolve()


def _done(digest):
    found = {}
    lines = JOURNAL.read_text(encoding="utf-8").splitlines() if JOURNAL.exists() else []
    for row in map(json.loads, lines):
        if row.pop("digest") == digest:
            found[row["case"]] = Ended(row["case"], row["fault"], tuple(row["outcomes"]), tuple(row["wrong"]))
    return found


def _page(ended):
    faults = [each for each in ended if each.fault]
    others = defaultdict(list)
    for each in ended:
        if each.check and not each.fault:
            others[each.test].append(each)
    lines = [_fault_line(each) for each in faults]
    tail = f"\n\n{len(faults)} faults of {len({each.check for each in faults})} checks.\n"
    more = [_line(test, others[test]) for test in sorted(others)]
    wrong = sum(bool(each.wrong) for each in ended)
    end = f"\n\n{len(ended)} cases with those that are no part of a matrix, {wrong} with anything wrong.\n"
    return HEAD + "\n".join(lines) + tail + MORE + "\n".join(more) + end


def _fault_line(each):
    """Three outcomes: before, through the fault, afterwards; fewer where the test was stopped."""
    through = each.outcomes[1] if len(each.outcomes) > 1 else "not measured"
    return f"| `{each.check}` | {each.fault} | {through} | {'yes' if each.wrong else ''} |"


def _line(test, cases):
    count = Counter(outcome.partition(" ")[0] for each in cases for outcome in each.outcomes)
    told = " | ".join(str(count[outcome]) for outcome in ("healthy", "inconclusive", "failing"))
    what = test.removeprefix("test_").replace("_", " ")
    return f"| {what} | {len(cases)} | {told} | {sum(bool(each.wrong) for each in cases)} |"


if __name__ == "__main__":
    main()
