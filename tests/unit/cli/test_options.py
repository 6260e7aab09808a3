"""What every command has in common, and what the command line says of itself."""

import re
from pathlib import Path

import typer

from capliquify_ops.cli.app import app
from capliquify_ops.cli.tenant import STATUSES

ROOT = Path(__file__).resolve().parents[3]
ALWAYS_JSON = {"reference serve", "reference tokens"}


def _commands(group, path=()):
    for name, command in group.commands.items():
        here = (*path, name)
        yield from _commands(command, here) if hasattr(command, "commands") else [(" ".join(here), command)]


def test_every_command_takes_json():
    """Every command has --json, but for the two that print nothing else; the README says so."""
    found = {
        name: {option for each in command.params for option in each.opts}
        for name, command in _commands(typer.main.get_command(app))
    }
    assert {name for name, options in found.items() if "--json" not in options} == ALWAYS_JSON
    assert (
        "Every command takes `--json`; `reference serve` and `reference tokens` print nothing else."
        in (ROOT / "README.md").read_text()
    )


def test_the_statuses_are_those_of_the_schema():
    """The statuses that `tenant list` knows are those of the product's type."""
    text = (ROOT / "src/capliquify_ops/tenants/sql/product/0001_shared_tables.sql").read_text()
    named = re.search(r"CREATE TYPE public\.subscription_status AS ENUM \(([^)]*)\)", text)[1]
    assert tuple(re.findall(r"'(\w+)'", named)) == STATUSES
