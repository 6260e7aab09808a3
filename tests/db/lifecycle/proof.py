"""make proof-lifecycle: the whole interruption matrix on a server of its own, resumable, written down as a page.

Cases already in the journal are not run again; a change of the library or of these files begins anew.
"""

import hashlib
import json
import sys
import tempfile
from collections import Counter, defaultdict
from dataclasses import asdict
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

from matrix import HOW, Case, Ended, Matrix

from capliquify_ops.reference import stack

ROOT = Path(__file__).resolve().parents[3]
JOURNAL = ROOT / ".proof" / "lifecycle.jsonl"
PAGE = ROOT / "docs" / "reference" / "proof-lifecycle.md"
SOURCES = ("src/capliquify_ops/tenants", "src/capliquify_ops/database", "tests/db/lifecycle")
"""What a case depends on; the tests beside it are not part of it."""
HEAD = """# What interrupts a lifecycle verb, and what is left

Measured by `make proof-lifecycle` on the embedded PostgreSQL; the fixed sample of `make test` is part of it.

Each verb was ended after each of its *points*: every statement that the server had done, and every commit. Once by `kill -9` of the
process that ran it, once by `pg_terminate_backend` of its session. Then were checked: registry and schemas one to one, quarantined
schemas and what is written down of them one to one, every row of the tenant in its schema or in a verified archive, the audit's last
status that of the registry; that another verb is refused by name while a sequence is unfinished; and, after the same verb was called
again (or, at every third point, undone where it still could be), the state that the verb promises and exactly its audit rows.

| verb | points | ended by | cases | next call finished it | it had happened | undone | wrong |
|---|---:|---|---:|---:|---:|---:|---:|
"""


def main():
    digest = _digest()
    done = _done(digest)
    with (
        stack.start(service=False) as running,
        tempfile.TemporaryDirectory() as folder,
        Matrix(running.operator_url, running.superuser_url, running.roles, Path(folder)) as matrix,
    ):
        cases = matrix.cases()
        for number, case in enumerate(cases, 1):
            if case not in done:
                done[case] = _keep(matrix.run(case), digest)
            sys.stderr.write(f"\r{number} of {len(cases)} cases")
    sys.stderr.write("\n")
    ended = [done[case] for case in cases]
    PAGE.write_text(_page(ended), encoding="utf-8")
    for each in ended:
        for what in each.wrong:
            sys.stderr.write(f"{each.case}: {what}\n")
    sys.exit(any(each.wrong for each in ended))


def _digest():
    files = sorted(path for source in SOURCES for path in (ROOT / source).rglob("*") if _counts(path))
    return hashlib.sha256(b"".join(path.read_bytes() for path in files)).hexdigest()


def _counts(path):
    return path.suffix in {".py", ".sql"} and not path.name.startswith("test_")


def _done(digest):
    found = {}
    lines = JOURNAL.read_text(encoding="utf-8").splitlines() if JOURNAL.exists() else []
    for row in map(json.loads, lines):
        if row["digest"] == digest:
            found[Case(**row["case"])] = Ended(Case(**row["case"]), row["settled"], tuple(row["wrong"]))
    return found


def _keep(ended, digest):
    JOURNAL.parent.mkdir(exist_ok=True)
    with JOURNAL.open("a", encoding="utf-8") as journal:
        journal.write(json.dumps({"digest": digest, **asdict(ended)}) + "\n")
    return ended


def _page(ended):
    groups = defaultdict(list)
    for each in ended:
        groups[each.case.scenario, each.case.how].append(each)
    lines = []
    for scenario in dict.fromkeys(each.case.scenario for each in ended):
        for how in HOW:
            cases = groups[scenario, how]
            count = Counter(each.settled for each in cases)
            wrong = sum(bool(each.wrong) for each in cases)
            points = max(each.case.at for each in cases)
            ways = f"{count['finished']} | {count['had happened']} | {count['undone']}"
            lines.append(f"| {scenario} | {points} | {how} | {len(cases)} | {ways} | {wrong} |")
    wrong = sum(bool(each.wrong) for each in ended)
    return HEAD + "\n".join(lines) + f"\n\n{len(ended)} cases, {wrong} with anything wrong.\n"


if __name__ == "__main__":
    main()
