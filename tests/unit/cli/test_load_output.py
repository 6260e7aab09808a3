"""What `load` keeps and ends with, without a target: folders that cannot be written, and runs that cannot be compared."""

from types import SimpleNamespace

import pytest
from typer.testing import CliRunner

from capliquify_ops.cli import load, load_approved, run_files
from capliquify_ops.cli.commands import application
from capliquify_ops.load.capacity_search import Step
from capliquify_ops.load.comparison import Change, Comparison
from capliquify_ops.model.errors import ConfigurationInvalid, EvidenceUnwritable


@pytest.mark.parametrize(
    ("change", "code"), [(Change.BETTER, 0), (Change.SAME, 0), (Change.WORSE, 1), (Change.NOT_COMPARABLE, 17)]
)
def test_a_comparison_ends_with_what_it_says(monkeypatch, tmp_path, change, code):
    """Worse is a failure; what cannot be compared is inconclusive, not good."""
    monkeypatch.setattr(load_approved, "parse_document", lambda content: content)
    monkeypatch.setattr(load_approved, "compared", lambda *_: Comparison(change, differs=("rate 1 and 2",)))
    (tmp_path / "raw.json").write_text("{}")
    said = CliRunner().invoke(application(["load"]), ["load", "compare", *[str(tmp_path / "raw.json")] * 2])
    assert said.exit_code == code


def test_a_folder_that_cannot_be_written_is_one_sentence(tmp_path):
    """Such as a file of that name; a folder that can be is there afterwards, with nothing in it."""
    (tmp_path / "file").write_text("")
    with pytest.raises(EvidenceUnwritable, match=r"cannot be written to: .*another folder"):
        run_files.require_writable(tmp_path / "file")
    run_files.require_writable(tmp_path / "new" / "folder")
    assert list((tmp_path / "new" / "folder").iterdir()) == []


def test_a_disk_that_fills_up_meanwhile_is_one_sentence(monkeypatch, tmp_path):
    """After the run, where nothing could be foreseen."""
    monkeypatch.setattr(run_files, "raw_document", lambda *_: b"{}")
    with pytest.raises(EvidenceUnwritable, match="No such file or directory"):
        run_files.write_run(tmp_path / "gone", SimpleNamespace(is_mixed=False), {"load_p95_ms": None})


def test_a_missing_extra_is_said_before_anything(monkeypatch, tmp_path):
    """The histogram log needs a package that only the extra brings."""
    monkeypatch.setattr(run_files, "find_spec", lambda _: None)
    with pytest.raises(ConfigurationInvalid, match="hdrhistogram is not installed"):
        run_files.require_histograms()


def test_the_folder_is_tried_before_tenants_are_made(monkeypatch, tmp_path):
    """An unwritable one costs nobody a run."""
    (tmp_path / "file").write_text("")
    monkeypatch.setattr(load, "target_of", lambda *_, **__: None)
    monkeypatch.setattr(load, "settings_of", lambda *_: SimpleNamespace(limits=None))
    monkeypatch.setattr(load, "_traffic", lambda *_: pytest.fail("tenants were made"))
    said = CliRunner().invoke(application(["load"]), ["load", "run", "--out", str(tmp_path / "file")])
    assert isinstance(said.exception, EvidenceUnwritable) or "cannot be written" in said.output


def test_each_step_is_told_as_what_it_was(capsys):
    """Held, broken with what was met first, or not to be judged."""
    load._tell(Step(100, held=True, why="", figures={"p50_ms": 1.5, "p95_ms": 3.0}))
    load._tell(Step(130, held=False, why="It was gone.", limited_by="the service was gone", broke=True))
    load._tell(Step(130, held=False, why="No generator."))
    assert [line.split("ms  ")[-1] for line in capsys.readouterr().out.splitlines()] == [
        "held",
        "broke: It was gone. (the service was gone)",
        "inconclusive: No generator.",
    ]
