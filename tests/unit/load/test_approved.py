"""The approved run: kept for a class of targets and a scenario, replaced whole, and what later runs are compared with."""

from dataclasses import replace

import pytest
from typer.testing import CliRunner

from capliquify_ops.cli.commands import application
from capliquify_ops.configuration import TargetClass, load_limits
from capliquify_ops.load import Kind, Operation, raw_document, reads
from capliquify_ops.load.approved import FOLDER, against_approved, approve
from capliquify_ops.load.comparison import Change
from capliquify_ops.load.result import Cut, Side
from capliquify_ops.model.errors import EvidenceDamaged, EvidenceUnwritable, UsageError

P95 = load_limits()["load_p95_ms"]
CONFIG = '[targets.here]\nclass = "loopback"\nbase_url = "http://127.0.0.1:9"\n'


@pytest.fixture
def run(make_run):
    return make_run([5_000] * 1_000, rate=50, seconds=20)


def test_a_run_is_compared_with_the_one_approved_for_its_class_and_scenario(tmp_path, run):
    """Without an approval nothing is compared; after it a slower run is worse; another class or scenario has none."""
    slower = replace(run, samples=replace(run.samples, latency_us=run.samples.latency_us.__class__("i", [50_000] * 1_000)))
    mixed = replace(run, operations=(*reads("/api/products"), Operation("POST", "/api/products", Kind.WRITE)), order=(0, 1))
    assert against_approved(tmp_path, TargetClass.STAGING, run) is None
    path = approve(tmp_path, TargetClass.STAGING, raw_document(run, P95))
    assert path == tmp_path / FOLDER / "staging-api.json"
    assert against_approved(tmp_path, TargetClass.STAGING, run).change is Change.SAME
    assert against_approved(tmp_path, TargetClass.STAGING, slower).change is Change.WORSE
    assert against_approved(tmp_path, TargetClass.LOOPBACK, run) is None
    assert against_approved(tmp_path, TargetClass.STAGING, mixed) is None
    approve(tmp_path, TargetClass.STAGING, raw_document(slower, P95))
    assert against_approved(tmp_path, TargetClass.STAGING, slower).change is Change.SAME
    assert against_approved(tmp_path, TargetClass.STAGING, run).change is Change.BETTER


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"seconds": 10}, "it has 10 s of arrivals, and at least 20 s are needed"),
        ({"cut": Cut(Side.TARGET, "the target stopped answering")}, "it ended early: the target stopped answering"),
    ],
)
def test_a_run_that_tells_nothing_is_not_approved(tmp_path, run, change, said):
    """The one approved before stays."""
    before = approve(tmp_path, TargetClass.STAGING, raw_document(run, P95)).read_bytes()
    with pytest.raises(UsageError, match=said):
        approve(tmp_path, TargetClass.STAGING, raw_document(replace(run, **change), P95))
    assert (tmp_path / FOLDER / "staging-api.json").read_bytes() == before


def test_a_damaged_file_is_no_approval(tmp_path, run):
    """Neither is kept as one, nor is compared with as if there were none."""
    with pytest.raises(EvidenceDamaged):
        approve(tmp_path, TargetClass.STAGING, b"{}")
    approve(tmp_path, TargetClass.STAGING, raw_document(run, P95)).write_bytes(b"{")
    with pytest.raises(EvidenceDamaged):
        against_approved(tmp_path, TargetClass.STAGING, run)


def test_a_folder_that_cannot_be_written_is_one_sentence(tmp_path, run):
    """A file stands where the folder should be."""
    (tmp_path / FOLDER).write_text("")
    with pytest.raises(EvidenceUnwritable, match="cannot be written"):
        approve(tmp_path, TargetClass.STAGING, raw_document(run, P95))


def test_approving_by_command_says_where_and_how_it_compares(tmp_path, run):
    """The second time, the run approved before is what it is compared with."""
    (tmp_path / "config.toml").write_text(CONFIG)
    (tmp_path / "raw.json").write_bytes(raw_document(run, P95))
    words = ["load", "approve", str(tmp_path / "raw.json"), "--config", str(tmp_path / "config.toml")]
    words += ["--target", "here", "--evidence-dir", str(tmp_path)]
    first, second = (CliRunner().invoke(application(["load"]), words) for _ in range(2))
    assert (first.exit_code, second.exit_code) == (0, 0), first.output
    assert "approved for targets of class loopback" in first.stdout
    assert "Against the approved run" not in first.stdout
    assert "Against the approved run: p50_ms 5 -> 5 (same)" in second.stdout
