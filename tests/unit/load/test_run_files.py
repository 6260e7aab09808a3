"""What `load run --out` keeps: the run, with the limits of what it did."""

import json

import pytest

from capliquify_ops.cli.run_files import write_run
from capliquify_ops.configuration import load_limits
from capliquify_ops.load import Kind, Operation, reads
from capliquify_ops.load.result import Sender

LIMITS = load_limits()


@pytest.mark.parametrize(
    ("operations", "limit", "of_operations"),
    [
        (reads("/r"), "load_p95_ms", ["load_p95_ms"]),
        (
            (*reads("/r"), Operation("POST", "/w", Kind.WRITE)),
            "mixed_p95_ms",
            ["mixed_read_p95_ms", "mixed_write_p95_ms"],
        ),
    ],
)
def test_a_run_is_kept_with_the_limits_of_its_scenario(make_run, tmp_path, operations, limit, of_operations):
    """Reads alone have the one of the API load; of a mixture each kind has its own."""
    order = tuple(range(len(operations)))
    write_run(tmp_path, make_run(rate=10, seconds=2, operations=operations, order=order, senders=(Sender("sku-a-"),)), LIMITS)
    kept = json.loads((tmp_path / "raw.json").read_text())
    assert kept["limit_ms"] == LIMITS[limit].value
    assert [row[-1] for row in kept["of_operations"]] == [LIMITS[each].value for each in of_operations]
    assert (tmp_path / "latency.hlog").read_text()
