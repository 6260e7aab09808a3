"""SEC-013, 014, 019: what the service says and writes down, and what it does with what it was given."""

from collections.abc import Callable
from typing import NoReturn

from capliquify_ops.pytest_plugin import check

NotRun = Callable[[str], NoReturn]


@check("sec_013_secrets_in_errors")
def test_secrets_in_errors(not_run: NotRun) -> None:
    """Connection strings and secrets never appear in errors or logs."""
    not_run("SEC-013 is not measured by this version: it provokes no database errors and reads no logs")


@check("sec_014_audit_trail")
def test_audit_trail(not_run: NotRun) -> None:
    """Sensitive operations and failed logins are written into the tenant's audit log."""
    not_run("SEC-014 is not measured by this version: it does not compare the audit log with what it did")


@check("sec_019_inert_input")
def test_inert_input(not_run: NotRun) -> None:
    """Stored and reflected input stays inert."""
    not_run("SEC-019 is not measured by this version: it plants no markup")
