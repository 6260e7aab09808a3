"""Options that several commands share, and how they become settings."""

from pathlib import Path
from typing import Annotated

import typer

from capliquify_ops.configuration import Settings, Target, load_settings
from capliquify_ops.evidence import Store
from capliquify_ops.preflight.addresses import require_loopback

ConfigFile = Annotated[
    Path | None, typer.Option("--config", metavar="FILE", help="Configuration; default: capliquify-ops.toml here.")
]
TargetName = Annotated[str | None, typer.Option("--target", metavar="NAME", help="Which target of the configuration.")]
EvidenceDir = Annotated[Path | None, typer.Option("--evidence-dir", metavar="DIR", help="Evidence folder; default: .readiness.")]
AsJson = Annotated[bool, typer.Option("--json", help="One JSON document on stdout.")]
Yes = Annotated[bool, typer.Option("--yes", help="Act without asking.")]
PlanOnly = Annotated[bool, typer.Option("--plan", help="Print what would be done, and do nothing.")]


def settings_of(config: Path | None, evidence_dir: Path | None = None) -> Settings:
    """Read the configuration."""
    return load_settings(config, evidence_dir)


def target_of(config: Path | None, name: str | None, *, observing: bool) -> Target:
    """Read the configuration and choose the target. Whatever the command does, class loopback is a promise."""
    chosen = load_settings(config).target(name, observing=observing)
    require_loopback(chosen)
    return chosen


def store_of(settings: Settings) -> Store:
    """Open the evidence folder."""
    return Store(settings.evidence_dir)
