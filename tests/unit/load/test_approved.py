"""The approved run: kept for a class of targets and a scenario, replaced whole, and what later runs are compared with."""

from array import array
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest
from typer.testing import CliRunner

from capliquify_ops.cli import load as load_command
from capliquify_ops.cli.commands import application
from capliquify_ops.configuration import Target, TargetClass, load_limits, load_profile
from capliquify_ops.load import raw_document
from capliquify_ops.load.approved import FOLDER, approve, approved_run
from capliquify_ops.load.comparison import Change, compare
from capliquify_ops.load.result import Cut, Health, Side
from capliquify_ops.load.samples import Verdict
from capliquify_ops.model.errors import EvidenceDamaged, EvidenceUnwritable, UsageError

LIMITS = load_limits()
P95 = LIMITS["load_p95_ms"]
CONFIG = '[targets.here]\nclass = "loopback"\nbase_url = "http://127.0.0.1:9"\n'


@pytest.fixture
def run(make_run):
    return make_run([5_000] * 1_000, rate=50, seconds=20)


@pytest.fixture
def keep(tmp_path, run):
    """Approves a run for the address at which it was driven."""

    def keep(wanted, base_url=run.base_url, kind=TargetClass.STAGING):
        target = Target("there", kind, load_profile("capliquify", Path()), base_url=base_url)
        return approve(tmp_path, target, raw_document(wanted, P95), LIMITS)

    return keep


def test_the_approved_run_is_that_of_the_class_and_the_scenario(tmp_path, run, keep):
    """There is none before an approval, nor for another class or scenario; a later one takes its place."""
    slower = replace(run, samples=replace(run.samples, latency_us=array("i", [40_000] * 1_000)))
    assert approved_run(tmp_path, TargetClass.STAGING, is_mixed=False) is None
    assert keep(run) == tmp_path / FOLDER / "staging-api.json"
    approved = approved_run(tmp_path, TargetClass.STAGING, is_mixed=False)
    assert compare(approved, run).change is Change.SAME
    assert compare(approved, slower).change is Change.WORSE
    assert approved_run(tmp_path, TargetClass.LOOPBACK, is_mixed=False) is None
    assert approved_run(tmp_path, TargetClass.STAGING, is_mixed=True) is None
    keep(slower)
    assert compare(approved_run(tmp_path, TargetClass.STAGING, is_mixed=False), run).change is Change.BETTER


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"seconds": 10}, "it has 10 s of arrivals, and at least 20 s are needed"),
        ({"cut": Cut(Side.TARGET, "the target stopped answering")}, "it ended early: the target stopped answering"),
        (
            {"base_url": "http://127.0.0.1:8001"},
            "it was driven at http://127.0.0.1:8001, and the target there is http://127.0.0.1:8000",
        ),
        ({"health": Health(30.0, 30.0, 60_000_000, 0, array("i", [100] * 100), 100)}, "it is inconclusive. .*processor core"),
    ],
)
def test_a_run_that_tells_nothing_is_not_approved(tmp_path, run, keep, change, said):
    """The one approved before stays."""
    before = keep(run).read_bytes()
    with pytest.raises(UsageError, match=said):
        keep(replace(run, **change))
    assert (tmp_path / FOLDER / "staging-api.json").read_bytes() == before


@pytest.mark.parametrize("wrong", [{"status": 500, "verdict": Verdict.STATUS}, {"verdict": Verdict.FOREIGN}])
def test_a_run_that_failed_is_no_measure_of_later_ones(make_run, keep, wrong):
    """After it any other would be better."""
    with pytest.raises(UsageError, match="it is failing"):
        keep(make_run([1_000] * 1_000, rate=50, seconds=20, **wrong))


def test_a_loopback_target_may_have_another_port(keep, run):
    """It has one each time that it starts; another host is another target."""
    assert keep(run, "http://127.0.0.1:9", TargetClass.LOOPBACK).name == "loopback-api.json"
    with pytest.raises(UsageError, match="driven at"):
        keep(replace(run, base_url="https://staging.example.com"), "http://127.0.0.1:9", TargetClass.LOOPBACK)


def spoilt(path):
    path.write_bytes(b"{")


def gone_wrong(path):
    path.unlink()
    path.mkdir()


@pytest.mark.parametrize("spoil", [spoilt, gone_wrong])
def test_an_approved_run_that_cannot_be_used_is_said_before_the_load(tmp_path, run, keep, monkeypatch, spoil):
    """No tenant is made for a run whose comparison is going to fail."""
    keep(run, kind=TargetClass.LOOPBACK)
    spoil(tmp_path / FOLDER / "loopback-api.json")
    with pytest.raises(EvidenceDamaged, match=r"loopback-api\.json cannot be used"):
        approved_run(tmp_path, TargetClass.LOOPBACK, is_mixed=False)
    monkeypatch.setattr(load_command, "target_of", lambda *_, **__: SimpleNamespace(kind=TargetClass.LOOPBACK))
    monkeypatch.setattr(load_command, "settings_of", lambda *_: SimpleNamespace(limits=LIMITS, evidence_dir=tmp_path))
    monkeypatch.setattr(load_command, "_traffic", lambda *_: pytest.fail("tenants were made"))
    assert isinstance(CliRunner().invoke(application(["load"]), ["load", "run"]).exception, EvidenceDamaged)


def test_a_damaged_one_is_replaced(tmp_path, run, keep):
    """What cannot be read is compared with nothing, and stands in nobody's way; bytes that are no run are refused."""
    spoilt(keep(run, kind=TargetClass.LOOPBACK))
    (tmp_path / "config.toml").write_text(CONFIG)
    (tmp_path / "raw.json").write_bytes(raw_document(run, P95))
    words = ["load", "approve", str(tmp_path / "raw.json"), "--config", str(tmp_path / "config.toml")]
    words += ["--target", "here", "--evidence-dir", str(tmp_path)]
    first, second = (CliRunner().invoke(application(["load"]), words) for _ in range(2))
    assert (first.exit_code, second.exit_code) == (0, 0), first.output
    assert "approved for targets of class loopback" in first.stdout
    assert "Against the approved run" not in first.stdout
    assert "Against the approved run: p50_ms 5 -> 5 (same)" in second.stdout
    (tmp_path / "raw.json").write_bytes(b"{}")
    assert isinstance(CliRunner().invoke(application(["load"]), words).exception, EvidenceDamaged)


def test_a_folder_that_cannot_be_written_is_one_sentence(tmp_path, run, keep):
    """A file stands where the folder should be."""
    (tmp_path / FOLDER).write_text("")
    with pytest.raises(EvidenceUnwritable, match="cannot be written"):
        keep(run)
