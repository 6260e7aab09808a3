"""Box: alerts configured (Slack + e-mail)."""

from collections.abc import Callable
from typing import NoReturn

from capliquify_ops.pytest_plugin import check

NotRun = Callable[[str], NoReturn]


@check("alert_rules_fire")
def test_alert_rules_fire(not_run: NotRun) -> None:
    """Every alert rule fires on the condition that it names, and not just below it."""
    not_run("this version has no check of alert rules")


@check("alerts_are_delivered")
def test_alerts_are_delivered(not_run: NotRun) -> None:
    """A drill alert reaches Slack and e-mail once each, and its end does too."""
    not_run("this version has no delivery drill")
