"""`load run · capacity · compare` on the reference stack, as somebody types them; nothing of them is left behind."""

import json

import psycopg
import pytest
from typer.testing import CliRunner

from capliquify_ops.cli.app import run
from capliquify_ops.cli.commands import application
from capliquify_ops.load import recompute
from capliquify_ops.model.decision import ExitCode
from capliquify_ops.model.errors import UsageError

PRODUCTION = """
[targets.live]
class = "production"
base_url = "https://app.example.com"
operator_url_env = "NOBODYS_URL"
"""


@pytest.fixture
def load(whole_stack):
    """Runs a command of the group `load` on the stack's target."""

    def invoke(*words):
        of_target = () if words[0] == "compare" else ("--config", str(whole_stack.config), "--target", "running")
        return CliRunner().invoke(application(["load"]), ["load", *words, *of_target])

    yield invoke
    with psycopg.connect(whole_stack.superuser_url) as connection:
        assert connection.execute("SELECT slug FROM public.tenants WHERE slug LIKE 'load-%'").fetchall() == []


def test_a_small_run_is_told_whole_and_is_no_claim(load, tmp_path):
    """Figures, verdict and raw data; less load than the sheet asks for is inconclusive, with how much there was."""
    said = load("run", "--rate", "40", "--seconds", "1", "--out", str(tmp_path), "--json")
    document = json.loads(said.stdout)
    assert said.exit_code == ExitCode.INCONCLUSIVE, said.output
    assert document["measured"]["requests"] == 40
    assert document["measured"]["tenants"] == 10
    told = {name: value for name, value in document["measured"].items() if name != "limited_by"}
    assert json.loads(json.dumps(dict(recompute((tmp_path / "raw.json").read_bytes())))) == told
    assert (tmp_path / "latency.hlog").read_text().count("Tag=") == 1
    compared = load("compare", str(tmp_path / "raw.json"), str(tmp_path / "raw.json"))
    assert "the new run has 1 s of arrivals, and at least 20 s are needed." in compared.stdout
    assert compared.exit_code == ExitCode.INCONCLUSIVE
    refused = load("approve", str(tmp_path / "raw.json"), "--evidence-dir", str(tmp_path))
    assert isinstance(refused.exception, UsageError)


@pytest.mark.whole
def test_a_mixed_run_by_two_workers(load):
    """Reads, writes and reports of a hundred tenants, sent by two processes."""
    said = load("run", "--scenario", "mixed", "--rate", "100", "--seconds", "2", "--workers", "2")
    assert "write_p95_ms" in said.stdout, said.output
    assert "tenants_served                     100" in said.stdout


@pytest.mark.whole
def test_capacity_says_how_far_it_got(load, tmp_path):
    """Each rate with what it gave, and the highest that held."""
    said = load("capacity", "--from", "20", "--to", "30", "--seconds", "2", "--out", str(tmp_path), "--json")
    found = json.loads(said.stdout)["capacity"]
    assert json.loads((tmp_path / "capacity.json").read_text()) == found
    assert "Latency over the rate" in (tmp_path / "capacity.svg").read_text()
    assert [step["rate"] for step in found["steps"]] == [20, 26, 30]
    assert found["highest_per_s"] in {0, 20, 26, 30}
    assert found["ended_by"]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--rate", "0"), "Give a rate above 0"),
        (("--rate", "-5"), "Give a rate above 0"),
        (("--workers", "3", "--expect-workers", "99"), "64 at most"),
    ],
)
def test_what_cannot_be_driven_is_one_sentence(whole_stack, capsys, words, said):
    """No traceback, the code of a wrong call, and no tenants made for nothing."""
    code = run(["load", "run", "--config", str(whole_stack.config), "--target", "running", "--seconds", "1", *words])
    shown = capsys.readouterr()
    assert code == ExitCode.USAGE
    assert said in shown.err
    assert "Traceback" not in shown.err


def test_production_is_never_loaded(tmp_path, capsys, monkeypatch):
    """A target of that class is refused before anything is asked of it."""
    monkeypatch.setenv("NOBODYS_URL", "postgresql://nobody@127.0.0.1:1/none")
    config = tmp_path / "capliquify-ops.toml"
    config.write_text(PRODUCTION)
    assert run(["load", "run", "--config", str(config), "--target", "live"]) != 0
    assert "production" in capsys.readouterr().err


def test_a_raw_file_that_is_none(tmp_path, capsys):
    """What is no load run, or not there, is said."""
    (tmp_path / "raw.json").write_text("{}")
    for path in (tmp_path / "raw.json", tmp_path / "missing.json"):
        assert run(["load", "compare", str(path), str(path)]) != 0
        assert "raw" in capsys.readouterr().err


def test_a_worker_without_an_address(capsys):
    """The address is host and port."""
    assert run(["load", "worker", "--master", "somewhere"]) == ExitCode.USAGE
    assert "--master 10.0.0.5:5557" in capsys.readouterr().err
