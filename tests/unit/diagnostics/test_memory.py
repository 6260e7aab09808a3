"""memory over real HTTP: hours by fakes of Prometheus and Render, seconds by processes that really grow; what explains, what does not."""

import dataclasses
import subprocess
import sys
import threading
import time
from datetime import timedelta

import pytest
from tests.unit.integrations.conftest import Fake
from tests.unit.integrations.fake_prometheus import FakePrometheus, text
from tests.unit.integrations.fake_render import TOKEN, FakeRender
from typer.testing import CliRunner

from capliquify_ops.cli.commands import application
from capliquify_ops.configuration import Integration, Target, TargetClass, load_limits, load_profile
from capliquify_ops.configuration.system import SystemClock
from capliquify_ops.diagnostics import memory, memory_sources
from capliquify_ops.diagnostics.diagnose import diagnose
from capliquify_ops.diagnostics.inquiry import Inquiry
from capliquify_ops.diagnostics.memory import MemoryRows, explain
from capliquify_ops.diagnostics.memory_sessions import sessions_cause
from capliquify_ops.diagnostics.memory_sources import BY_PROMETHEUS, BY_RENDER, WATCHED, Memory, amount, span
from capliquify_ops.model.finding import Level
from capliquify_ops.model.secret import Secret
from capliquify_ops.observation.backend_memory import BackendMemory
from capliquify_ops.observation.memory_trend import trend_of

MB, LIMIT = 1e6, 512 * 2**20
LIMITS = load_limits()
QUERY = "process_resident_memory_bytes and on (job, instance) http_requests_total"


def steady(minutes):
    """Level, with garbage that is collected every few minutes."""
    return 200 * MB + 3 * MB * (int(minutes) * 7 % 5)


def leaking(minutes):
    return steady(minutes) + 1 * MB * minutes


def stepped(minutes):
    return steady(minutes) + (100 * MB if minutes > 60 else 0)


def restarting(minutes):
    return steady(0) + 5.5 * MB * (minutes % 60)


class RangedPrometheus(FakePrometheus):
    """Memory by instance as a function of the minutes since the range began, and how often counters began anew."""

    def __init__(self):
        super().__init__()
        self.memory, self.resets = {"a:1": steady}, 0

    def _range(self, given):
        assert given["query"] == QUERY
        start, end, step = (float(given[name]) for name in ("start", "end", "step"))
        assert end - start == 4 * 3600
        times = [start + number * step for number in range(int((end - start) / step) + 1)]
        rows = [
            {"metric": {"instance": name}, "values": [[at, text(float(value((at - start) / 60)))] for at in times]}
            for name, value in self.memory.items()
        ]
        return self._limited("matrix", rows, given)

    def _query(self, given):
        if given["query"] == "max(resets(http_requests_total[14400s]))":
            self.queries[given["query"]] = [({}, float(self.resets))]
        return super()._query(given)


class MeasuringRender(FakeRender):
    """A Render whose memory is a function of the minutes since the window began."""

    def __init__(self):
        super().__init__()
        self.memory, self.limit, self.unit = steady, LIMIT, "bytes"

    def _answered(self, asked):
        status, body = super()._answered(asked)
        if status == 200 and asked.path.startswith("/v1/metrics/memory"):
            for series in body:
                series["unit"] = self.unit
                for number, point in enumerate(series["values"]):
                    point["value"] = float(self.limit if asked.path.endswith("limit") else self.memory(number))
        return status, body


class WorldClock:
    def __init__(self, world):
        self.world = world

    def now(self):
        return self.world.now

    def monotonic(self):
        return time.monotonic()


@pytest.fixture
def prometheus():
    state = RangedPrometheus()
    fake = Fake(state.answer)
    yield state, fake.url
    fake.close()
    assert state.problems == []


@pytest.fixture
def render():
    world = MeasuringRender()
    service = world.add(instances=1)
    world.push(service, "c0ffee")
    world.now += timedelta(hours=2)
    fake = Fake(world)
    yield world, service, Integration({"base_url": f"{fake.url}/v1", "service": service}, {"token": Secret(TOKEN)})
    fake.close()
    assert world.wrong == []


@pytest.fixture
def found(tmp_path):
    bare = Target("here", TargetClass.LOOPBACK, load_profile("capliquify", tmp_path))

    def run(clock=None, watch_s=2.0, **changes):
        inquiry = Inquiry(dataclasses.replace(bare, **changes), LIMITS, clock or SystemClock(), lambda: 0.5, watch_s=watch_s)
        [diagnosis] = diagnose(inquiry, [memory.NAME])
        return diagnosis

    return run


def names(diagnosis):
    return [cause.name for cause in diagnosis.causes]


def source(diagnosis, name):
    return next(each for each in diagnosis.sources if each.name == name)


def test_hours_in_prometheus(prometheus, found):
    """Level, a step and then a level: nothing. Growth: the instance that leaks, its slope, for how long. Level again: nothing."""
    state, url = prometheus
    diagnosis = found(prometheus_url=url)
    assert (names(diagnosis), diagnosis.is_certain) == ([], True), diagnosis
    state.memory = {"a:1": stepped}
    assert names(found(prometheus_url=url)) == []
    state.memory = {"a:1": steady, "b:1": leaking}
    [cause] = found(prometheus_url=url).causes
    assert (cause.name, cause.level, cause.since_s) == ("memory leak", Level.L1, 14400)
    assert "Memory of b:1 grows by +6" in cause.why or "Memory of b:1 grows by +59" in cause.why
    assert "MB/h (95 %:" in cause.why
    assert "reaches the limit" not in cause.why
    assert "over 4.0 h" in cause.evidence[0]
    state.memory = {"a:1": steady}
    assert names(found(prometheus_url=url)) == []


def test_restarts_in_prometheus(prometheus, found):
    """What grows and falls is a leak where counters began anew with it; else it may be garbage that is collected."""
    state, url = prometheus
    state.memory = {"a:1": restarting}
    diagnosis = found(prometheus_url=url)
    assert names(diagnosis) == []
    assert "fell to a low level 4 times" in source(diagnosis, BY_PROMETHEUS).says
    state.resets = 4
    [cause] = found(prometheus_url=url).causes
    assert cause.name == "memory leak"
    assert "restarts meanwhile: 4; the slope is that within one life" in cause.evidence
    assert "+330" in cause.why or "+329" in cause.why or "+331" in cause.why


def test_a_prometheus_without_the_metric_is_no_all_clear_by_itself(prometheus, found):
    """It answers, and says that it has none."""
    state, url = prometheus
    state.memory = {}
    assert (
        source(found(prometheus_url=url), BY_PROMETHEUS).says == "has no metric process_resident_memory_bytes of the last hours"
    )


def test_hours_in_render(render, found):
    """Level: nothing, and the limit is said. Growth: in how many hours the limit is reached. Near it: that is named beside it."""
    world, _, integration = render
    clock, integrations = WorldClock(world), {"render": integration}
    diagnosis = found(clock, integrations=integrations)
    assert names(diagnosis) == []
    assert "the limit is 537 MB" in source(diagnosis, BY_RENDER).says
    world.memory = lambda minutes: leaking(minutes) - 100 * MB
    [cause] = found(clock, integrations=integrations).causes
    assert cause.name == "memory leak"
    assert "reaches the limit of 537 MB in about 3.2 h" in cause.why
    assert cause.level is Level.L1
    world.memory = leaking
    [cause] = found(clock, integrations=integrations).causes
    assert "in about 1.6 h" in cause.why
    assert cause.level is Level.L2
    world.memory = lambda minutes: leaking(minutes) + 60 * MB
    diagnosis = found(clock, integrations=integrations)
    assert names(diagnosis) == ["memory leak", "memory nearly full"]
    world.memory = steady
    assert names(found(clock, integrations=integrations)) == []


@pytest.mark.parametrize(("share", "level"), [(0.84, None), (0.87, Level.L1), (0.94, Level.L1), (0.96, Level.L2)])
def test_levels_against_the_limit(render, found, share, level):
    """85 % warns, 95 % is critical; without growth that is all."""
    world, _, integration = render
    world.memory = lambda _: share * LIMIT
    diagnosis = found(WorldClock(world), integrations={"render": integration})
    assert [(cause.name, cause.level) for cause in diagnosis.causes] == ([("memory nearly full", level)] if level else [])


def test_out_of_memory_and_its_leak(render, found):
    """An instance that was ended for its memory is named with the leak that led there; an hour later it is history."""
    world, service, integration = render
    clock, integrations = WorldClock(world), {"render": integration}
    world.memory = restarting
    world.crash(service, oomKilled={"memoryLimit": "512Mi"})
    diagnosis = found(clock, integrations=integrations)
    assert names(diagnosis) == ["memory leak", "out of memory"]
    assert "more than its 512Mi" in diagnosis.causes[1].why
    world.memory = steady
    assert names(found(clock, integrations=integrations)) == ["out of memory"]
    world.now += timedelta(minutes=61)
    assert names(found(clock, integrations=integrations)) == []


def test_a_unit_that_is_not_known_is_no_answer(render, found):
    """Megabytes are read; of an unknown unit nothing is guessed."""
    world, _, integration = render
    world.memory, world.limit, world.unit = (lambda minutes: steady(minutes) / MB), 512, "MB"
    diagnosis = found(WorldClock(world), integrations={"render": integration})
    assert "the limit is 512 MB" in source(diagnosis, BY_RENDER).says
    world.unit = "pages"
    diagnosis = found(WorldClock(world), integrations={"render": integration})
    assert (source(diagnosis, BY_RENDER).answered, diagnosis.is_certain) == (False, False)
    assert "'pages', which is no known unit" in source(diagnosis, BY_RENDER).says


SERVICE = """
import http.server, sys
kept, size, most = [], int(sys.argv[1]) * 1_000_000, int(sys.argv[2])
class Handler(http.server.BaseHTTPRequestHandler):
    def log_message(self, *_): pass
    def do_GET(self):
        if len(kept) < most:
            kept.append(b"x" * size)
        pages = int(open("/proc/self/statm").read().split()[1])
        body = f"process_resident_memory_bytes {pages * 4096}\\n".encode()
        self.send_response(200); self.send_header("Content-Length", str(len(body))); self.end_headers(); self.wfile.write(body)
server = http.server.HTTPServer(("127.0.0.1", 0), Handler)
print(server.server_port, flush=True)
server.serve_forever()
"""


@pytest.fixture
def process():
    """Starts a service that keeps so many MB of each request, of so many requests at most."""
    running = []

    def start(size, most):
        child = subprocess.Popen([sys.executable, "-c", SERVICE, str(size), str(most)], stdout=subprocess.PIPE, text=True)
        running.append(child)
        return f"http://127.0.0.1:{int(child.stdout.readline())}"

    yield start
    for child in running:
        child.kill()
        child.wait()
        child.stdout.close()


def test_processes_that_really_grow(process, found, monkeypatch):
    """Watched at the same time: one that leaks is named with a slope, one that grew and then stays is not."""
    monkeypatch.setattr(memory_sources, "_PAUSE_S", 0.15)
    urls, diagnoses = {"leaks": process(20, 1000), "stays": process(20, 3)}, {}

    def look(name):
        for _ in range(3):  # a machine that stands still for seconds leaves too few points: then again
            diagnoses[name] = found(base_url=urls[name], watch_s=2.1)
            if "no trend" not in source(diagnoses[name], WATCHED).says:
                break

    threads = [threading.Thread(target=look, args=(name,)) for name in urls]
    for each in threads:
        each.start()
    for each in threads:
        each.join(60)
    assert names(diagnoses["leaks"]) == ["memory leak"], diagnoses["leaks"]
    [cause] = diagnoses["leaks"].causes
    assert cause.since_s < 12
    assert "the last third still grows" in cause.evidence[-1]
    assert names(diagnoses["stays"]) == [], diagnoses["stays"]
    assert "MB/h" in source(diagnoses["stays"], WATCHED).says


def test_two_seconds_tell_a_level_and_no_trend(process, found):
    """With the default the level is said, and what to give to be told more."""
    says = source(found(base_url=process(1, 1), watch_s=1.0), WATCHED).says
    assert " MB; in 1 s no trend can be told: --watch 60" in says


def test_a_service_that_shows_no_memory(found):
    """A page without the metric names the setting; a service without an address is not asked."""
    fake = Fake(lambda _: (200, b"other 1\n"))
    diagnosis = found(base_url=fake.url, watch_s=0.5)
    fake.close()
    assert source(diagnosis, WATCHED).answered is False
    assert "shows no process_resident_memory_bytes. Set metrics.memory" in source(diagnosis, WATCHED).says
    assert source(found(), WATCHED).is_configured is False


def rows(values, minutes=1.0, young_s=0.0, limit=None, restarts=0, is_heap=False):
    trend = trend_of((number * 60 * minutes, value) for number, value in enumerate(values))
    return MemoryRows((Memory({"x": trend}, limit, restarts, young_s),), None, None, is_heap)


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (rows([0.9e9] * 20), []),
        (rows([1.2e9] * 20), ["memory nearly full"]),
        (rows([1.2e9] * 20, is_heap=True, limit=4e9), ["memory nearly full"]),
        (rows([1.2e9] * 20, limit=4e9), []),
        (rows([100 * MB + 3 * MB * number for number in range(20)]), ["memory leak"]),
        (rows([100 * MB + 2 * MB * number for number in range(20)]), []),
        (rows([100 * MB + 2 * MB * number for number in range(20)], limit=LIMIT), ["memory leak"]),
        (rows([100 * MB + 3 * MB * number for number in range(20)], young_s=1800), []),
        (rows([100 * MB + 3 * MB * number for number in range(40)], young_s=1800), ["memory leak"]),
        (rows([100 * MB + 14 * MB * number for number in range(30)] * 3, limit=LIMIT), ["memory leak", "memory nearly full"]),
        (rows([100 * MB + 5 * MB * number for number in range(30)] * 3, limit=LIMIT), []),
        (rows([100 * MB + 5 * MB * number for number in range(30)] * 3, limit=LIMIT, restarts=2), ["memory leak"]),
        (MemoryRows((), None, None), []),
    ],
)
def test_what_counts_as_wrong(given, expected):
    """Growth that matters, of a process that is old enough, whose falls are restarts; levels of heaps and of limits unknown."""
    causes = explain(given, LIMITS)
    assert [cause.name for cause in causes] == expected
    assert all(cause.why.endswith(".") and cause.evidence and cause.next_command for cause in causes)


def test_hours_tell_more_than_seconds():
    """A steady series of hours outweighs seconds of growth; one without a trend leaves the word to the next source."""
    [steady_] = rows([100 * MB] * 40).memories
    [growing] = rows([100 * MB + 3 * MB * number for number in range(40)]).memories
    [short] = rows([100 * MB] * 5).memories
    assert explain(MemoryRows((steady_, growing), None, None), LIMITS) == ()
    assert [cause.name for cause in explain(MemoryRows((short, growing), None, None), LIMITS)] == ["memory leak"]


SEEN = BackendMemory(19, 100_000.0, 1_000, 20, 10, 7200.0, 128 * 2**20)


@pytest.mark.parametrize(
    ("changes", "many"),
    [({}, 1), ({"tenants": 100}, 0), ({"old_sessions": 0}, 0), ({"per_tenant": 13_000.0}, 0), ({"shared_buffers": 2**30}, 0)],
)
def test_sessions_that_keep_too_much(changes, many):
    """Old sessions times tenants times what each keeps, against shared_buffers; sessions that are renewed keep little."""
    seen = dataclasses.replace(SEEN, **changes)
    cause = sessions_cause(seen, LIMITS)
    assert (cause is not None) == bool(many)
    if cause:
        assert "with 1000 tenants up to 1000 MB" in cause.why
        assert "lifetime of 30 min" in cause.next_command
        assert explain(MemoryRows((), None, seen), LIMITS) == (cause,)
    assert sessions_cause(None, LIMITS) is None


def test_amounts_and_spans():
    """In the units that a person reads."""
    assert [amount(each) for each in (512 * MB, 1.2e9)] == ["512 MB", "1.20 GB"]
    assert [span(each) for each in (45, 1200, 14400)] == ["45 s", "20 min", "4.0 h"]


def test_the_option_watch(process, tmp_path):
    """`--watch` says for how many seconds; none and too many are refused."""
    config = tmp_path / "ops.toml"
    config.write_text(f'[targets.here]\nclass = "loopback"\nbase_url = "{process(1, 1)}"\n')
    command = ["diagnose", "memory", "--config", str(config), "--target", "here"]
    told = CliRunner().invoke(application(), [*command, "--watch", "0.5"])
    assert told.exit_code == 0, told.output
    assert "in 0.5 s no trend can be told: --watch 60" in told.output
    for seconds in ("0", "601"):
        assert CliRunner().invoke(application(), [*command, "--watch", seconds]).exit_code != 0
