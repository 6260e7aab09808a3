"""`reference serve` and its neighbours, as somebody uses them in two terminals."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import pytest

from capliquify_ops.cli import main

COMMAND = [sys.executable, "-m", "capliquify_ops.cli"]


def _run(*arguments, **options):
    return subprocess.run([*COMMAND, *arguments], capture_output=True, text=True, check=False, timeout=120, **options)


@pytest.fixture
def run(forked, tmp_path):
    """Runs a command in a fork: only what is shown of starting and ending needs a Python of its own."""
    return lambda *arguments: forked(lambda: main(arguments), cwd=tmp_path, env=os.environ)


def _nothing_left(line):
    assert not Path(line["config"]).parent.exists()
    port = int(line["base_url"].rsplit(":", 1)[1])
    deadline = time.monotonic() + 10
    while True:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)):
                break
        assert time.monotonic() < deadline


@pytest.fixture(scope="module")
def served(tmp_path_factory):
    """A stack started by the command, with the JSON line that it printed; SIGTERM at the end ends all of it."""
    folder = tmp_path_factory.mktemp("serve")
    with (
        (folder / "log").open("w") as log,
        subprocess.Popen([*COMMAND, "reference", "serve"], stdout=subprocess.PIPE, stderr=log) as process,
    ):
        line = json.loads(process.stdout.readline())
        yield line
        process.terminate()
        process.communicate(timeout=60)
        assert process.returncode == 0, (folder / "log").read_text()
        _nothing_left(line)


def test_the_line_says_where_everything_is(served):
    """The JSON line has the addresses, passwords only as a file's name, and a configuration whose target is this stack."""
    assert set(served) == {"base_url", "database_url", "operator_url", "metrics_url", "config"}
    assert "passfile=" in served["database_url"]
    assert "password=" not in json.dumps(served)
    with urllib.request.urlopen(f"{served['base_url']}/api/health") as answer:
        assert json.loads(answer.read())["status"] == "healthy"
    with urllib.request.urlopen(served["metrics_url"]) as answer:
        assert b"http_requests_total" in answer.read()


def test_the_target_running(served, run):
    """Doctor, fleet, list and verify work on the target `running` of the printed configuration."""
    target = ["--config", served["config"], "--target", "running"]
    doctor = run("doctor", *target)
    assert doctor.returncode == 0, doctor.stdout
    filled = run("reference", "fleet", "--tenants", "3", *target)
    assert filled.returncode == 0, filled.stderr
    tenants = json.loads(run("tenant", "list", "--json", *target).stdout)["tenants"]
    assert len(tenants) == 3
    verified = run("tenant", "verify", tenants[0]["slug"], "--json", *target)
    assert verified.returncode == 0, verified.stdout
    assert all(answer["holds"] is not False for answer in json.loads(verified.stdout)["answers"])


def test_tokens(served):
    """The token program answers its protocol, and a malformed document is a usage error."""
    folder = str(Path(served["config"]).parent)
    asked = {
        "requests": [{"user_id": "u1", "email": "u@example.com", "organization_id": "org_x", "role": "owner", "ensure": True}]
    }
    done = _run("reference", "tokens", "--run-folder", folder, input=json.dumps(asked))
    assert done.returncode == 0, done.stderr
    [token] = json.loads(done.stdout)["tokens"]
    assert token.count(".") == 2
    broken = _run("reference", "tokens", "--run-folder", folder, input="{")
    assert broken.returncode == 64
    assert "Traceback" not in broken.stderr


def test_a_port_in_use(tmp_path):
    """A port that somebody listens on is one sentence, and nothing is left running."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        done = _run("reference", "serve", "--port", str(taken.getsockname()[1]))
    assert done.returncode in {64, 69}
    assert "Traceback" not in done.stderr
    assert "port" in done.stderr.lower()


@pytest.mark.whole
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_stops_all_of_it(number, tmp_path):
    """SIGINT and SIGTERM end every process; the service's port is free again and the run's folder gone. (SIGTERM also by `served`.)"""
    process = subprocess.Popen([*COMMAND, "reference", "serve"], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    line = json.loads(process.stdout.readline())
    folder = Path(line["config"]).parent
    assert folder.is_dir()
    os.kill(process.pid, number)
    _, complaints = process.communicate(timeout=60)
    assert process.returncode == 0, complaints
    _nothing_left(line)
