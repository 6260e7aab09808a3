"""The command line: one file per command group. It prints, it never decides."""

from capliquify_ops.cli.app import main

__all__ = ["main"]
