"""SEC-018, 020: limits and encryption at the edge of the service."""

from collections.abc import Callable
from typing import NoReturn

from capliquify_ops.pytest_plugin import check

NotRun = Callable[[str], NoReturn]


@check("sec_018_rate_limit")
def test_rate_limit(not_run: NotRun) -> None:
    """One tenant's requests beyond its rate limit are answered 429, and other tenants do not notice."""
    not_run("SEC-018 is not measured by this version: it does not exhaust a tenant's rate limit")


@check("sec_020_https_enforced")
def test_https_enforced(not_run: NotRun) -> None:
    """A request that came over plain HTTP is redirected or refused."""
    not_run("SEC-020 is not measured by this version: it sends no X-Forwarded-Proto")
