"""What a killed audit leaves is found by its run id and removed by one command, and nothing else is."""

import json
import subprocess
import sys

import pytest
from typer.testing import CliRunner

from capliquify_ops.cli.commands import application
from capliquify_ops.database import observer

CLEAN = ("security", "clean")
AUDIT = """
import sys
from pathlib import Path
from capliquify_ops.configuration import load_settings
from capliquify_ops.configuration.system import SystemClock, new_run
from capliquify_ops.identity_providers import token_source
from capliquify_ops.isolation import build_world
target = load_settings(Path(sys.argv[1]), environment={}).targets["running"]
with build_world(target, token_source(target.identity, SystemClock()), new_run(), SystemClock()) as world:
    print(world.run, flush=True)
    sys.stdin.read()
"""


@pytest.fixture
def killed(generous_stack):
    """The run id of an audit that was killed when its world stood."""
    command = [sys.executable, "-c", AUDIT, str(generous_stack.config)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        run = process.stdout.readline().strip()
        process.kill()
    return run


def _schemas(target):
    with observer(target.database_url, "test") as session, session.transaction():
        return set(session.rows("SELECT n.nspname::text FROM pg_catalog.pg_namespace AS n ORDER BY 1", str))


def test_it_removes_what_a_killed_audit_left(killed, generous_stack, direct_target):
    """Planned, refused without a yes, done, and nothing left to do the second time."""
    before = _schemas(direct_target)
    options = ["--config", str(generous_stack.config), "--target", "running", "--run", killed]

    def run(*more):
        return CliRunner().invoke(application(CLEAN), [*CLEAN, *options, *more])

    planned = json.loads(run("--plan", "--json").stdout)["plan"]
    assert sum("throwaway tenant" in step["action"] for step in planned["steps"]) == 4
    assert _schemas(direct_target) == before
    assert run().exit_code != 0
    assert _schemas(direct_target) == before
    done = json.loads(run("--yes", "--json").stdout)
    assert (done["run"], len(done["tenants"]), done["leftovers"]) == (killed, 4, [])
    assert len(before - _schemas(direct_target)) == 4
    assert json.loads(run("--yes", "--json").stdout)["tenants"] == []


def test_another_run_is_left_alone(world, generous_stack, direct_target):
    """A run id that made nothing removes nothing."""
    before = _schemas(direct_target)
    options = ["--config", str(generous_stack.config), "--target", "running", "--run", f"{world.run}x", "--yes"]
    done = CliRunner().invoke(application(CLEAN), [*CLEAN, *options])
    assert done.exit_code == 0, done.output
    assert _schemas(direct_target) == before
