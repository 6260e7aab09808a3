"""Every command with the module that it stands in. A call imports that one alone: a command at 3 a.m. should start at once."""

from collections.abc import Callable, Mapping, Sequence
from importlib import import_module
from typing import Annotated, NamedTuple

import typer

from capliquify_ops.cli.output import line
from capliquify_ops.configuration.system import this_tool


class Group(NamedTuple):
    """Commands behind a common word: each name with its module and function."""

    help: str
    commands: Mapping[str, str]


ALONE = {
    "readiness": "suites.readiness",
    "security": "suites.security",
    "doctor": "doctor.doctor",
    "diagnose": "diagnose.diagnose",
}
GROUPS = {
    "tenant": Group(
        "One tenant: what the runbook's procedures do, made safe.",
        {
            "install": "tenant.install",
            "create": "tenant.create",
            "list": "tenant.list_",
            "show": "tenant.show",
            "verify": "tenant.verify",
            "delete": "tenant.delete",
            "activate": "lifecycle.activate",
            "past-due": "lifecycle.past_due",
            "change-tier": "lifecycle.change_tier",
            "suspend": "lifecycle.suspend",
            "resume": "lifecycle.resume",
            "cancel": "lifecycle.cancel",
            "expire-trials": "lifecycle.expire_trials",
            "purge": "purge.purge",
            "backup": "archive.backup",
            "restore": "restore.restore",
            "clone": "restore.clone",
        },
    ),
    "fleet": Group(
        "All tenants.",
        {
            "check": "fleet_check.check",
            "structure": "fleet_structure.structure",
            "backup": "fleet.backup",
            "restore-drill": "fleet.restore_drill_",
            "migrate": "fleet_migrate.migrate",
            "repair": "fleet_repair.repair",
        },
    ),
    "remedy": Group(
        "The runbook's resolution steps: planned, confirmed, logged, looked at afterwards.",
        {"list": "remedy.list_", "plan": "remedy.plan", "run": "remedy.run", "trail": "remedy.trail"},
    ),
    "load": Group(
        "Load outside the suites: one run, how much a service takes, remote generators.",
        {
            "run": "load.run",
            "capacity": "load.capacity",
            "approve": "load_approved.approve",
            "compare": "load_approved.compare",
            "worker": "load.worker",
        },
    ),
    "signoff": Group(
        "The launch decision, computed from the evidence folder.",
        {"status": "signoff.status", "verify": "signoff.verify", "report": "signoff.report"},
    ),
    "reference": Group(
        "The embedded stack: PostgreSQL and a correct service on loopback.",
        {"serve": "reference.serve", "fleet": "reference.fleet", "tokens": "reference.tokens"},
    ),
    "config": Group("The effective configuration.", {"show": "config.show", "check": "config.check"}),
}
UNDER_ALONE = {
    "security": Group(
        "What the security audit left behind; without a word after it: the audit itself.", {"clean": "security_clean.clean"}
    )
}
"""Commands whose first word alone is a command of pytest's, which takes all that follows."""
_OF_PYTEST = {"allow_extra_args": True, "ignore_unknown_options": True}


def application(arguments: Sequence[str] = ()) -> typer.Typer:
    """Return the command line with the one command that the arguments name, with all of them where they name none."""
    word, name = (*arguments, "", "")[:2]
    app = typer.Typer(
        name="capliquify-ops",
        help="Operations library and launch gate for SaaS products with one PostgreSQL schema per tenant.",
        no_args_is_help=True,
        pretty_exceptions_enable=False,
        add_completion=False,
    )
    app.callback()(_start)
    if word in UNDER_ALONE and name in UNDER_ALONE[word].commands:
        app.add_typer(_group(UNDER_ALONE[word], name), name=word)
        return app
    for alone in _chosen(word, {**ALONE, **dict.fromkeys(GROUPS, "")}):
        if alone in ALONE:
            settings = _OF_PYTEST if ALONE[alone].startswith("suites.") else None
            app.command(alone, context_settings=settings)(_function(ALONE[alone]))
        else:
            app.add_typer(_group(GROUPS[alone], name), name=alone)
    return app


def _say_version(asked: bool) -> None:
    if asked:
        line(f"capliquify-ops {this_tool().version}")
        raise typer.Exit


def _start(
    _version: Annotated[
        bool, typer.Option("--version", is_eager=True, callback=_say_version, help="Say which version this is.")
    ] = False,
) -> None:
    """Stand before every command."""


def _group(group: Group, name: str) -> typer.Typer:
    app = typer.Typer(help=group.help, no_args_is_help=True)
    # Without it a single command would be the whole program, and its name an argument.
    app.callback()(lambda: None)
    for one in _chosen(name, group.commands):
        app.command(one)(_function(group.commands[one]))
    return app


def _chosen(name: str, among: Mapping[str, str]) -> Sequence[str]:
    return [name] if name in among else list(among)


def _function(home: str) -> Callable[..., object]:
    module, name = home.split(".")
    found: Callable[..., object] = getattr(import_module(f"capliquify_ops.cli.{module}"), name)
    return found
