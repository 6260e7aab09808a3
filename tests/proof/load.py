"""make proof-load: what the generator costs, what the reference service sustains for ten minutes, and how far it goes.

    python tests/proof/load.py [--state FILE] [--only PART] [--seconds N]

Each part stands in the state file as it ended, and its raw data beside that; a change of the library's load package or of the
reference service begins anew. `--seconds` shortens the two parts of ten minutes, for a look: then no page is written.
"""

import argparse
import hashlib
import json
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psutil

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT))

from perf.claims import machine  # noqa: E402 -- `perf` is no package of the environment

from capliquify_ops.configuration import Target, TargetClass, load_limits, load_profile  # noqa: E402
from capliquify_ops.load import Caller, Crew, LoadRun, Plan, Progress, api_load, raw_document, reads, run_load  # noqa: E402
from capliquify_ops.load.figures import figures  # noqa: E402
from capliquify_ops.load.raw import parse_document  # noqa: E402
from capliquify_ops.model.secret import Secret  # noqa: E402
from capliquify_ops.pytest_plugin.embedded import WORKERS  # noqa: E402
from capliquify_ops.reference import stack  # noqa: E402
from capliquify_ops.rendering.latency_svg import over_time, percentiles  # noqa: E402
from capliquify_ops.rendering.svg import throughput  # noqa: E402
from capliquify_ops.signoff.report.charts import load_run  # noqa: E402

PAGE = ROOT / "docs" / "reference" / "proof-load.md"
IMAGES = ROOT / "docs" / "images"
STATE = ROOT / ".proof" / "load.json"
COMMAND = Path(sys.executable).with_name("capliquify-ops")
_DRIVING = ("generator", "worker", "master", "meter", "plan", "process", "run", "samples", "answers")
GENERATOR = [ROOT / "src/capliquify_ops/load" / f"{name}.py" for name in _DRIVING]
"""What the parts without a service depend on; the others on the whole of the load, the reference service and what it installs."""
SOURCES = ("load", "reference", "tenants/sql")
LONG_S, EACH_S = 600.0, 20.0
RATE, ALONE_RATE = 500, 1_000
UNLIMITED = 1_000
"""Requests/s of a tenant: ten of them may be driven at half of it."""
LOOK_S = 5.0
Row = dict[str, Any]


def main() -> int:
    """Drive what is not done yet and write the page; 1 when something was missed, or could not be told."""
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("--state", type=Path, default=STATE)
    options.add_argument("--only", choices=tuple(PARTS))
    options.add_argument("--seconds", type=float, default=LONG_S)
    given = options.parse_args()
    given.state.parent.mkdir(parents=True, exist_ok=True)
    known = json.loads(given.state.read_text(encoding="utf-8")) if given.state.exists() else {}
    state = {name: row for name, row in known.items() if row["digest"] == digest(name)}
    for name, part in PARTS.items():
        if name not in state and given.only in (None, name):
            row = part(given.state.parent / f"load-{name}", given.seconds)
            print(name, json.dumps(row)[:400], flush=True)
            if untold := _untold(row):
                print(f"{name}: {untold}", flush=True)
                return 1
            state[name] = _at(row) | {"digest": digest(name)}
            if given.seconds == LONG_S:
                given.state.write_text(json.dumps(state, indent=1), encoding="utf-8")
    if given.seconds == LONG_S and state.keys() == PARTS.keys():
        write_page(state, given.state.parent)
    return 1 if any(row.get("outcome") == "failing" for row in state.values()) else 0


def digest(name: str) -> str:
    """Of what a part depends on."""
    library = ROOT / "src/capliquify_ops"
    whole = [each for source in SOURCES for each in sorted((library / source).rglob("*")) if each.suffix in {".py", ".sql"}]
    files = GENERATOR if name in ("generator", "crew") else whole
    return hashlib.sha256(b"".join(each.read_bytes() for each in files)).hexdigest()


def _untold(row: Row) -> str:
    """Why a part says nothing and has to be driven again, empty where it does say something."""
    if row.get("outcome") == "inconclusive":
        return str(row["why"])
    return "; ".join(each["ended_early"] for each in (row, *row.values()) if isinstance(each, dict) and each.get("ended_early"))


def _at(row: Row) -> Row:
    commit = subprocess.run(["git", "rev-parse", "--short", "HEAD"], cwd=ROOT, capture_output=True, text=True, check=True)
    return row | {"commit": commit.stdout.strip(), "ended": f"{datetime.now(UTC):%Y-%m-%d %H:%M}"}


def service(folder: Path, seconds: float) -> Row:
    """The rate that the load box asks of the embedded service, for as long as a deployment is asked for it."""
    return _sustained(folder, RATE, seconds, api_load.REQUIRED_RATE_EMBEDDED)


def doubled(folder: Path, seconds: float) -> Row:
    """The rate of the sheet, which generator, service and database on two processors are not asked for."""
    return _sustained(folder, 2 * RATE, seconds, api_load.REQUIRED_RATE)


def _sustained(folder: Path, rate: float, seconds: float, required: str) -> Row:
    with stack.start(workers=WORKERS) as running:
        _command(running.config, "run", "--rate", str(rate), "--seconds", str(seconds), "--out", str(folder))
    run = parse_document((folder / "raw.json").read_bytes())
    found = api_load.judge(run, load_limits({"load_required_seconds": seconds}, "make proof-load"), required_rate=required)
    return {"outcome": found.outcome.value, "why": found.why, "measured": dict(found.measured)}


def capacity(folder: Path, seconds: float) -> Row:
    """How far the same service goes where its own rate limit for each tenant does not end it."""
    each = min(EACH_S, seconds)
    settings = {"rate_limit_per_s": UNLIMITED, "rate_limit_burst": 2 * UNLIMITED}
    with stack.start(workers=WORKERS, service_settings=settings) as running, tempfile.TemporaryDirectory() as name:
        profile, config = Path(name, "unlimited.toml"), Path(name, "capliquify-ops.toml")
        profile.write_text(
            f'version = 1\nname = "unlimited"\nextends = "reference"\n[http]\nrate_limit = {UNLIMITED}\n', encoding="utf-8"
        )
        text = running.config.read_text(encoding="utf-8")
        config.write_text(text.replace('profile = "reference"', f"profile = {json.dumps(str(profile))}"), encoding="utf-8")
        return _command(config, "capacity", "--from", "300", "--to", "3000", "--seconds", str(each), "--out", str(folder))


def generator(folder: Path, seconds: float) -> Row:
    """One generator against an endpoint that answers at once, and its memory meanwhile."""
    memory: list[int] = []
    with endpoint() as base_url, _looked_at(memory):
        run = _driven(base_url, ALONE_RATE, seconds, Crew())
    _keep(folder, run)
    return _told(run) | {"memory_bytes": memory}


def crew(folder: Path, seconds: float) -> Row:
    """The same arrivals by one generator and by two."""
    found = {}
    with endpoint() as base_url:
        for name, members in (("one", Crew()), ("two", Crew(2, 2))):
            run = _driven(base_url, ALONE_RATE, min(60.0, seconds), members)
            _keep(folder / name, run)
            found[name] = _told(run)
    return found


PARTS: dict[str, Callable[[Path, float], Row]] = {
    "generator": generator,
    "crew": crew,
    "service": service,
    "doubled": doubled,
    "capacity": capacity,
}


def _command(config: Path, *words: str) -> Row:
    command = [COMMAND, "load", *words, "--config", str(config), "--target", "running", "--json"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if not done.stdout.startswith("{"):
        sys.exit(done.stdout + done.stderr)
    return json.loads(done.stdout)


@contextmanager
def endpoint() -> Iterator[str]:
    """The trivial endpoint of the benchmarks, in a process of its own."""
    command = [sys.executable, ROOT / "perf/endpoint.py"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        yield f"http://127.0.0.1:{process.stdout.readline().strip()}"
        process.stdin.close()


def _driven(base_url: str, rate: float, seconds: float, members: Crew) -> LoadRun:
    caller = Caller(Secret("token"), {"X-Organization-ID": "org_a"}, "sku-a-")
    plan = Plan(base_url, rate, seconds, (caller,), reads("/api/products"), warmup_s=2.0, connections=200)
    profile = load_profile("capliquify", Path())

    def show(progress: Progress) -> None:
        if progress.answered % (60 * rate) < rate:
            print(f"{progress.answered:,} of {progress.of:,}", flush=True)

    target = Target("endpoint", TargetClass.LOOPBACK, profile, base_url=base_url)
    return run_load(plan, target=target, crew=members, progress=show)


@contextmanager
def _looked_at(memory: list[int]) -> Iterator[None]:
    """The resident memory of the generator, every few seconds."""
    over = threading.Event()

    def look() -> None:
        while not over.wait(LOOK_S):
            for each in psutil.Process().children():
                with suppress(psutil.Error):
                    memory.extend([each.memory_info().rss] if "capliquify_ops.load.worker" in each.cmdline() else [])

    thread = threading.Thread(target=look)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


def _keep(folder: Path, run: LoadRun) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "raw.json").write_bytes(raw_document(run, load_limits()["load_p95_ms"]))


def _told(run: LoadRun) -> Row:
    return {"measured": dict(figures(run)), "ended_early": run.cut.why if run.cut else ""}


def write_page(parts: Row, folder: Path) -> None:
    """Write the page and its pictures, from the state and the raw data alone."""
    raw = (folder / "load-doubled/raw.json").read_bytes()
    kept = load_run(raw)
    assert kept is not None
    assert dict(figures(parse_document(raw))).items() <= parts["doubled"]["measured"].items()
    limit = kept.series.limit_ms
    pictures = {
        "load-percentiles": percentiles(kept.percentiles, "percentiles", limit),
        "load-over-time": over_time(kept.per_second, "time", limit),
        "load-throughput": throughput(kept.series, "throughput"),
        "load-capacity": (folder / "load-capacity/capacity.svg").read_text(encoding="utf-8").rstrip("\n"),
    }
    for name, picture in pictures.items():
        (IMAGES / f"{name}.svg").write_text(picture + "\n", encoding="utf-8")
    PAGE.write_text("\n".join(_lines(parts)) + "\n", encoding="utf-8")
    print(f"wrote {PAGE}")


def _lines(parts: Row) -> Iterator[str]:
    yield from ("# What was driven, and what it took", "")
    yield "`make proof-load`: generator, service and PostgreSQL on one machine, nothing else running. Every figure is computed from samples that"
    yield "the run kept; latency counts from when a request was due."
    yield ""
    yield from (f"- {each}" for each in machine())
    yield from (f"- {name}: commit {row['commit']}, ended {row['ended']} UTC" for name, row in parts.items())
    yield from _service(parts["service"], parts["doubled"])
    yield from _capacity(parts["capacity"]["capacity"])
    yield from _alone(parts["generator"])
    yield from (
        "",
        "## One generator and two",
        "",
        "The same arrivals, by one process and by two; their samples are merged, not averaged.",
    )
    yield from _table({"one": parts["crew"]["one"], "two": parts["crew"]["two"]}, _BOTH)


def _service(single: Row, double: Row) -> Iterator[str]:
    told = single["measured"]
    yield from ("", f"## The reference service for {told['seconds'] / 60:g} minutes", "")
    yield f"Two workers, {told['connections']} and {double['measured']['connections']} connections, ten tenants of ten users."
    yield from ("", f"- {single['outcome']}: {single['why']}", f"- {double['outcome']}: {double['why']}")
    yield from _table({f"{each['measured']['rate_per_s']:g} requests/s": each for each in (single, double)}, _SERVICE)
    yield from ("", "At the higher rate:", "", "![Latency over percentiles](../images/load-percentiles.svg)", "")
    yield from ("![Latency over time](../images/load-over-time.svg)", "", "![Requests per second](../images/load-throughput.svg)")


def _alone(row: Row) -> Iterator[str]:
    told = row["measured"]
    yield from ("", f"## The generator alone at {told['rate_per_s']:,g} requests/s for {told['seconds'] / 60:g} minutes", "")
    yield "Against an endpoint that answers at once, in a process of its own (`perf/endpoint.py`)."
    yield from _table({"measured": row}, _GENERATOR)
    memory = [each / 2**20 for each in row["memory_bytes"]]
    quarter = max(1, len(memory) // 4)
    yield f"| resident memory: first, a quarter in, last, MB | {memory[0]:.1f}, {memory[quarter]:.1f}, {memory[-1]:.1f} |"


_LATENCIES = (("p50, ms", "p50_ms"), ("p95, ms", "p95_ms"), ("p99, ms", "p99_ms"))
_SERVICE = (
    ("requests", "requests"),
    ("failed", "failed"),
    *_LATENCIES,
    ("least share of a second's arrivals rightly answered within 1 s", "least_in_time_ratio"),
    ("tenants served", "tenants_served"),
    ("generator: share of one core", "generator_cpu_ratio"),
    ("generator: requests sent late by so many ms (p99)", "slip_p99_ms"),
    ("machine: share idle", "machine_idle_ratio"),
)
_GENERATOR = (
    ("requests", "requests"),
    ("failed", "failed"),
    *_LATENCIES,
    ("share of one core", "generator_cpu_ratio"),
    ("requests sent late by so many ms (p99)", "slip_p99_ms"),
    ("event loop late by so many ms (p99)", "loop_lag_p99_ms"),
)
_BOTH = (("requests", "requests"), ("failed", "failed"), *_LATENCIES, ("late by so many ms (p99)", "slip_p99_ms"))


def _table(columns: Row, rows: tuple[tuple[str, str], ...]) -> Iterator[str]:
    yield from ("", f"| figure | {' | '.join(columns)} |", f"|---|{'---:|' * len(columns)}")
    for name, key in rows:
        values = [each["measured"][key] for each in columns.values()]
        yield f"| {name} | {' | '.join(f'{each:,}' if isinstance(each, int) else f'{each:.4g}' for each in values)} |"


def _capacity(found: Row) -> Iterator[str]:
    yield from ("", "## How far it goes", "")
    yield f"Highest rate that held every limit of the load box: **{found['highest_per_s']:g} requests/s**. {found['ended_by']}"
    yield from ("", "![Latency over the rate](../images/load-capacity.svg)", "")
    yield from ("| requests/s | p50, ms | p95, ms | p99, ms | |", "|---:|---:|---:|---:|---|")
    for step in found["steps"]:
        marks = " | ".join(f"{step['measured'].get(key, 0):g}" for _, key in _LATENCIES)
        yield f"| {step['rate']:g} | {marks} | {'held' if step['held'] else step['why']} |"


if __name__ == "__main__":
    sys.exit(main())
