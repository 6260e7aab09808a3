"""On a target that outlives the run, what a killed run made is removed by its watchdog."""

import json
import os
import signal
import subprocess
import sys
import time

import pytest

from capliquify_ops.configuration import load_settings
from capliquify_ops.database import observer
from capliquify_ops.tenants.registry import list_tenants


@pytest.fixture(scope="module")
def running(whole_stack):
    return whole_stack


def _tenants(stack):
    url = load_settings(stack.config, environment={}).targets["running"].observer_url()
    with observer(url, "test") as session, session.transaction():
        return {tenant.slug for tenant in list_tenants(session, deleted=None)}


def _until(condition, what):
    deadline = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < deadline, what
        time.sleep(0.05)


def test_a_killed_run_leaves_no_tenant(running, tmp_path):
    """pytest is killed or interrupted while its throwaway tenants exist: within moments they are gone, and the target's own are not."""
    before = _tenants(running)
    command = [sys.executable, "-m", "capliquify_ops.cli", "readiness", "--config", str(running.config), "--target", "running"]
    environment = {key: value for key, value in os.environ.items() if not key.startswith(("CAPLIQUIFY", "PYTEST"))}
    processes = {
        number: subprocess.Popen(
            [*command, "--evidence-dir", str(tmp_path / f"evidence_{number}"), "-k", "request_latency"],
            env=environment,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        for number in (signal.SIGKILL, signal.SIGINT)
    }

    def runs():
        return {slug.rsplit("-", 1)[0] for slug in _tenants(running) if slug.startswith("load-")}

    _until(lambda: len(runs()) == len(processes), "the loads' tenants never came")
    for number, process in processes.items():
        os.killpg(process.pid, number)
        process.wait(60)
    _until(lambda: _tenants(running) == before, f"tenants left: {_tenants(running) - before}")


@pytest.mark.whole
def test_evidence_of_a_running_target_adds_up(running, tmp_path):
    """The security suite run first is not run again by readiness on the same target; a box keeps what was measured before."""
    base = ["--config", str(running.config), "--target", "running", "--evidence-dir", str(tmp_path / "evidence")]

    def run(suite, *options):
        command = [sys.executable, "-m", "capliquify_ops.cli", suite, *base, *options]
        return subprocess.run(command, capture_output=True, text=True, check=False, timeout=180).stdout

    assert "1 passed" in run("security", "-k", "own_rows")
    run("readiness", "-k", "own_rows or registry_catalogue")
    records = [json.loads(path.read_text()) for path in (tmp_path / "evidence" / "records").glob("*.json")]
    assert sorted(record["check"] for record in records) == ["registry_catalogue", "sec_015_own_rows_only"]
    assert len({record["target"]["fingerprint"] for record in records}) == 1
