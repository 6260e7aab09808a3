"""What every command has in common, and what the command line says of itself."""

import re
import subprocess
import sys
from pathlib import Path

import pytest
import typer

from capliquify_ops.cli.app import run
from capliquify_ops.cli.commands import UNDER_ALONE, application
from capliquify_ops.cli.tenant import STATUSES
from capliquify_ops.model.decision import ExitCode

ROOT = Path(__file__).resolve().parents[3]
ALWAYS_JSON = {"fleet structure", "reference serve", "reference tokens"}


def _commands(group, path=()):
    for name, command in group.commands.items():
        here = (*path, name)
        yield from _commands(command, here) if hasattr(command, "commands") else [(" ".join(here), command)]


def test_every_command_takes_json():
    """Every command has --json, but for the three that print nothing else; the README says so."""
    under = [("security", "clean")]
    assert [(word, name) for word, group in UNDER_ALONE.items() for name in group.commands] == under
    found = {
        name: {option for each in command.params for option in each.opts}
        for words in [(), *under]
        for name, command in _commands(typer.main.get_command(application(words)))
    }
    assert {"security", "security clean"} <= found.keys()
    assert {name for name, options in found.items() if "--json" not in options} == ALWAYS_JSON
    assert (
        "Every command takes `--json`; `fleet structure`, `reference serve` and `reference tokens` print nothing else."
        in (ROOT / "README.md").read_text()
    )


@pytest.mark.parametrize("words", [("tenant", "list"), ("tenant", "backup"), ("fleet", "backup"), ("signoff", "status")])
def test_a_command_loads_what_it_needs(words):
    """A command starts without the HTTP client, and without the report's templates unless it writes one."""
    program = f"import sys; from capliquify_ops.cli.commands import application; application({words}); print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    heavy = {"httpx", "jinja2", "locust"} - ({"jinja2"} if words[0] == "signoff" else set())
    assert heavy.isdisjoint(done.stdout.split())


def test_it_says_its_version(capsys):
    """--version prints one line, and needs no command."""
    assert run(["--version"]) == 0
    assert re.fullmatch(r"capliquify-ops \d\S*\n", capsys.readouterr().out)


def test_a_mistyped_command_is_put_right(capsys):
    """A mistyped word is refused with the nearest one, although only named commands are loaded."""
    assert run(["tenant", "lis"]) == ExitCode.USAGE
    assert "Did you mean 'list'?" in capsys.readouterr().err


def test_the_statuses_are_those_of_the_schema():
    """The statuses that `tenant list` knows are those of the product's type."""
    text = (ROOT / "src/capliquify_ops/tenants/sql/product/0001_shared_tables.sql").read_text()
    named = re.search(r"CREATE TYPE public\.subscription_status AS ENUM \(([^)]*)\)", text)[1]
    assert tuple(re.findall(r"'(\w+)'", named)) == STATUSES
