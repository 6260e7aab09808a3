"""A copy of the library whose service is wrong on purpose: the embedded target must go red."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]
SERVICE = "reference/service/products.py"
RIGHT = "        data = await visit.finish(resources.list_query(resource), dict(page))\n"
WRONG = """        if resource is PRODUCTS:
            query = (
                "SELECT set_config('search_path', quote_ident(n.nspname), true) FROM pg_namespace AS n"
                " WHERE n.oid > (SELECT o.oid FROM pg_namespace AS o WHERE o.nspname = current_schema())"
                " AND n.nspname LIKE 'tenant%%' ORDER BY n.oid LIMIT 1"
            )
            await visit.transaction.first(query, {})
"""


@pytest.fixture
def measure(tmp_path):
    """Runs part of the readiness suite on the embedded target of the wrong copy; returns exit code and record states."""
    copy = tmp_path / "copy"
    shutil.copytree(ROOT / "src" / "capliquify_ops", copy / "capliquify_ops", ignore=shutil.ignore_patterns("__pycache__"))
    for suite in ("readiness", "security"):
        shutil.copytree(ROOT / suite, copy / "capliquify_ops" / "suites" / suite, ignore=shutil.ignore_patterns("__pycache__"))

    def run():
        module = copy / "capliquify_ops" / SERVICE
        text = (ROOT / "src" / "capliquify_ops" / SERVICE).read_text()
        assert text.count(RIGHT) == 1
        module.write_text(text.replace(RIGHT, WRONG + RIGHT))
        evidence = tmp_path / "evidence"
        environment = {key: value for key, value in os.environ.items() if not key.startswith(("CAPLIQUIFY", "PYTEST"))}
        command = [sys.executable, "-m", "capliquify_ops.cli", "readiness", "--target", "embedded", "--measured-only"]
        done = subprocess.run(
            [*command, "--evidence-dir", str(evidence), "-k", "own_rows or sees_only"],
            cwd=tmp_path,
            env=environment | {"PYTHONPATH": str(copy)},
            capture_output=True,
            text=True,
            check=False,
        )
        assert str(copy) in done.stderr, done.stderr
        boxes = json.loads((evidence / "signoff.json").read_text())["boxes"]
        return done.returncode, {record["check"]: record["state"] for box in boxes for record in box["records"]}

    return run


@pytest.mark.whole
def test_a_route_that_reads_another_tenants_schema_goes_red(measure):
    """One route patched to another tenant's schema: own-rows checks fail and the demonstration ends with 1. (Unpatched: test_wheel.py)"""
    code, states = measure()
    assert code == 1
    assert states["sec_015_own_rows_only"] == "failed"
    assert "failed" in {states["int_16_a_sees_only_a"], states["int_17_b_sees_only_b"]}
