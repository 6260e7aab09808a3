"""A service that stands still for 300 ms every 10 s, and a load run that says so."""

import json

from typer.testing import CliRunner

from capliquify_ops.cli.commands import application
from capliquify_ops.reference import stack


def test_a_stall_every_ten_seconds_shows_in_the_99th_percentile():
    """Each of twelve seconds' arrivals that fell into it counts: of a closed loop only the one under way would have."""
    words = ["load", "run", "--rate", "50", "--seconds", "12", "--json", "--target", "running"]
    with stack.start(switches=("STALL",)) as stalling:
        said = CliRunner().invoke(application(["load"]), [*words, "--config", str(stalling.config)])
    measured = json.loads(said.stdout)["measured"]
    assert measured["requests"] == 600
    assert measured["p99_ms"] > 150
    assert measured["p50_ms"] < measured["p99_ms"] / 3
