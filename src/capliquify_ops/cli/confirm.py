"""Plan first, then a yes: what changes anything shows what it will do, and acts on `--yes` or the typed name only."""

import sys
from collections.abc import Callable

from capliquify_ops.cli.output import document, line, note
from capliquify_ops.model.errors import UsageError
from capliquify_ops.model.plan import Plan


def proceeds(plan: Plan, name: str, *, plan_only: bool, yes: bool, json: bool) -> bool:
    """Return whether to act: not when only the plan was wanted, which then is the output. Raises as `require_confirmation`."""
    if not plan_only:
        require_confirmation(plan, name, yes=yes, quiet=json)
        return True
    if json:
        document({"plan": plan})
    else:
        _print(plan, line)
    return False


def require_confirmation(plan: Plan, name: str, *, yes: bool, quiet: bool) -> None:
    """Print the plan on stderr and ask for the name to be typed. Raises UsageError without a terminal or with another name."""
    if not quiet or not yes:
        _print(plan, note)
    if yes:
        return
    if not sys.stdin.isatty():
        raise UsageError("Nothing was changed: there is no terminal to ask at.", hint="Read the plan above, then add --yes.")
    sys.stderr.write(f"Type {name} to go on: ")
    sys.stderr.flush()
    if sys.stdin.readline().strip() != name:
        raise UsageError("Nothing was changed: the name typed is another one.")


def _print(plan: Plan, tell: Callable[[str], None]) -> None:
    tell(f"plan: {plan.verb} {plan.subject}")
    for number, step in enumerate(plan.steps, 1):
        tell(f"  {number}. {step.action}{': ' + step.statement if step.statement else ''}")
    for key, value in plan.concerns.items():
        tell(f"  concerns {key}: {value}")
    for warning in plan.warnings:
        tell(f"  WARNING: {warning}")
