"""Tests that carry `@check`: which check, which claim, and whether the marks are clear."""

from collections.abc import Sequence

import pytest

from capliquify_ops.model.errors import OpsError, UsageError
from capliquify_ops.model.names import check_id
from capliquify_ops.pytest_plugin.leaving import leave


def check_of(item: pytest.Item) -> str:
    """Return the id of the check that an item measures, "" for one without."""
    marker = item.get_closest_marker("check")
    return str(marker.args[0]) if marker and marker.args else ""


def refuse_unclear(items: Sequence[pytest.Item]) -> None:
    """Refuse markers without a usable id, and two tests for one check: the later one would hide the earlier one's answer."""
    seen: dict[str, str] = {}
    for item in items:
        check = check_of(item)
        try:
            check_id(check)
        except OpsError as error:
            leave(UsageError(f"{_named(item)}: {error.what}", hint='Expected: @check("registry_catalogue")'))
        if check in seen:
            leave(UsageError(f"{check} is measured by {seen[check]} and by {_named(item)}.", hint="A check has one test."))
        seen[check] = _named(item)


def _named(item: pytest.Item) -> str:
    """The test without its parameters: no secret is known yet that could be masked in them."""
    return item.nodeid.partition("[")[0]


def claim_of(item: pytest.Item) -> str:
    """Return the first sentence of the test's docstring: what the report prints."""
    text = (getattr(getattr(item, "function", None), "__doc__", None) or item.name).strip()
    return " ".join(text.split("\n\n", maxsplit=1)[0].split())
