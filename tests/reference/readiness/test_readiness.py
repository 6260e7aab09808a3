"""The main job as a person runs it: measured, reported, and nothing left behind, however it ends."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]
MARK = "CAPLIQUIFY_TEST_MARK"
BLOCKING = """
import os, time
from pathlib import Path
from capliquify_ops.pytest_plugin import check

@check("registry_catalogue")
def test_blocks(require):
    \"\"\"A claim.\"\"\"
    Path(os.environ["BLOCKED"]).touch()
    time.sleep(600)
"""


def _of_run(mark):
    """The processes that carry a mark in their environment, and those that their command line names as the embedded stack's."""
    found = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                environment = (entry / "environ").read_bytes()
                state = (entry / "stat").read_text().rsplit(")", 1)[1].split()[0]
            except OSError:
                continue
            if f"{MARK}={mark}".encode() in environment and state != "Z":
                found[int(entry.name)] = (entry / "cmdline").read_bytes().replace(b"\0", b" ")[:200]
    return found


def _until(condition, seconds, what):
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, what
        time.sleep(0.05)


@pytest.fixture
def run(tmp_path):
    """Starts `capliquify-ops readiness` on the embedded target with a temporary folder of its own."""
    mark = tmp_path.name + str(os.getpid())
    temporary = tmp_path / "tmp"
    temporary.mkdir()
    tmp_path.chmod(0o755)
    temporary.chmod(0o1777)
    evidence = tmp_path / "evidence"

    class Run:
        def __init__(self):
            self.mark, self.evidence, self.temporary = mark, evidence, temporary

        def start(self, *options, **variables):
            environment = {key: value for key, value in os.environ.items() if not key.startswith(("CAPLIQUIFY", "PYTEST"))}
            return subprocess.Popen(
                [
                    sys.executable,
                    "-m",
                    "capliquify_ops.cli",
                    "readiness",
                    "--target",
                    "embedded",
                    "--evidence-dir",
                    str(evidence),
                    *options,
                ],
                cwd=tmp_path,
                env=environment | variables | {MARK: mark, "TMPDIR": str(temporary)},
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                start_new_session=True,
            )

        def start_blocked(self):
            """Start on a test that never ends, and wait until it is in it: the embedded stack runs by then."""
            blocked, suite = tmp_path / "blocked", tmp_path / "test_blocking.py"
            suite.write_text(BLOCKING)
            process = self.start(str(suite), "-k", "test_blocks", BLOCKED=str(blocked))
            _until(blocked.exists, 90, "the test never started")
            return process

        def records(self):
            return [json.loads(path.read_text()) for path in (evidence / "records").glob("*.json")]

        def nothing_left(self):
            _until(lambda: not _of_run(mark), 30, f"processes left: {_of_run(mark)}")
            _until(lambda: not list(temporary.iterdir()), 30, f"files left: {list(temporary.iterdir())}")

    return Run()


@pytest.mark.parametrize("number", [pytest.param(signal.SIGINT, marks=pytest.mark.whole), signal.SIGKILL])
def test_nothing_is_left_when_pytest_is_ended(run, number):
    """Ctrl-C and SIGKILL of pytest in the middle of a load leave no process, no port and no temporary folder."""
    process = run.start("-k", "request_latency or registry_catalogue")

    def loading():
        return any(b"load.worker" in line for line in _of_run(run.mark).values())

    _until(loading, 90, "the load never started")
    [pytest_pid] = [pid for pid, line in _of_run(run.mark).items() if b"-m pytest" in line]
    os.kill(pytest_pid, number)
    process.communicate(timeout=60)
    assert process.returncode != 0
    run.nothing_left()
    states = {record["check"]: (record["state"], record["finished_at"] is None) for record in run.records()}
    assert states["request_latency"][0] == "not_run"


@pytest.mark.whole
def test_nothing_is_left_when_pytest_is_terminated(run):
    """SIGTERM of pytest leaves nothing either."""
    process = run.start_blocked()
    [pytest_pid] = [pid for pid, line in _of_run(run.mark).items() if b"-m pytest" in line]
    os.kill(pytest_pid, signal.SIGTERM)
    process.communicate(timeout=60)
    assert process.returncode != 0
    run.nothing_left()


def test_a_failure_leaves_nothing_either(run):
    """A run whose suite cannot even be collected ends, and leaves nothing."""
    process = run.start("--no-such-option-of-pytest")
    output, _ = process.communicate(timeout=60)
    assert process.returncode == 64, output
    run.nothing_left()


@pytest.mark.parametrize("number", [signal.SIGTERM, pytest.param(signal.SIGHUP, marks=pytest.mark.whole)])
def test_the_command_takes_pytest_down_with_it(run, number):
    """A signal to the command alone (as make and CI systems send it) interrupts pytest, which reports, cleans up and ends."""
    process = run.start_blocked()
    process.send_signal(number)
    output, _ = process.communicate(timeout=60)
    assert process.returncode == 2, output
    assert "NOT READY" in output
    run.nothing_left()


@pytest.mark.whole
def test_an_interrupt_counts_also_where_it_was_ignored(run):
    """Started in the background of a script, where SIGINT is ignored, the command still takes one and ends as by any other signal."""
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        process = run.start_blocked()
    finally:
        signal.signal(signal.SIGINT, before)
    process.send_signal(signal.SIGINT)
    output, _ = process.communicate(timeout=60)
    assert process.returncode == 2, output
    assert "NOT READY" in output
    run.nothing_left()


@pytest.mark.whole
def test_a_killed_command_takes_pytest_down_with_it(run):
    """SIGKILL of the command interrupts pytest; nothing runs on."""
    process = run.start_blocked()
    started = time.monotonic()
    process.kill()
    process.communicate(timeout=60)
    run.nothing_left()
    assert time.monotonic() - started < 20
    assert "not_run" in {record["state"] for record in run.records()}


ANOTHER_SERVERS = {
    "PGSERVICE": "verify-full",
    "PGHOSTADDR": "192.0.2.1",
    "PGREQUIREAUTH": "md5",
    "PGTARGETSESSIONATTRS": "read-only",
    "PGCHANNELBINDING": "require",
    "PGSSLMODE": "verify-full",
    "PGSSLNEGOTIATION": "direct",
}
"""Each alone keeps libpq from the embedded server, so one run with all of them shows it of each."""


def test_the_demonstration_ends_with_0_when_nothing_measured_failed(run, monkeypatch):
    """With --measured-only boxes that are not run do not count; records say what was examined. Neither umask 077 nor what the environment tells libpq about another
    server keeps the embedded one from starting."""
    for name, value in ANOTHER_SERVERS.items():
        monkeypatch.setenv(name, value)
    before = os.umask(0o077)
    try:
        process = run.start("--measured-only", "-k", "registry_catalogue or structure_equality")
    finally:
        os.umask(before)
    output, _ = process.communicate(timeout=120)
    assert process.returncode == 0, output
    records = {record["check"]: record for record in run.records()}
    assert set(records) == {"registry_catalogue", "structure_equality"}
    for record in records.values():
        assert record["state"] == "passed"
        assert record["findings"][0]["examined"] >= 10
        assert record["target"]["kind"] == "loopback"
    assert (run.evidence / "report" / "index.html").is_file()
    run.nothing_left()


def test_a_supervisor_killed_while_it_starts_leaves_nothing(run):
    """SIGKILL of the supervisor in the middle of a start is one sentence and 69, and its folder is removed."""
    process = run.start("-k", "registry_catalogue")
    _until(lambda: any(b"reference.supervisor" in line for line in _of_run(run.mark).values()), 60, "no supervisor")
    [supervisor] = [pid for pid, line in _of_run(run.mark).items() if b"reference.supervisor" in line]
    os.kill(supervisor, signal.SIGKILL)
    output, _ = process.communicate(timeout=60)
    assert process.returncode in {69, 1}, output
    assert "Traceback" not in output
    run.nothing_left()
