"""The pytest side: options, the marker, fixtures, and the way from a test's outcome to a record.

Imports nothing but pytest until a collected item carries `@check`: the plugin is loaded in every pytest run of an
environment that has this library, and must cost nothing there.
"""

import pytest

from capliquify_ops.pytest_plugin.fixtures import (
    clock,
    inhabited,
    keep_raw,
    limits,
    load_seconds,
    not_run,
    observer_session,
    require,
    storm_run,
    target,
    traffic,
    world,
)
from capliquify_ops.pytest_plugin.hooks import (
    pytest_addoption,
    pytest_collection_modifyitems,
    pytest_configure,
    pytest_report_teststatus,
    pytest_runtest_makereport,
    pytest_runtest_protocol,
    pytest_runtest_setup,
    pytest_sessionfinish,
    pytest_terminal_summary,
    pytest_unconfigure,
)

__all__ = [
    "check",
    "clock",
    "inhabited",
    "keep_raw",
    "limits",
    "load_seconds",
    "not_run",
    "observer_session",
    "pytest_addoption",
    "pytest_collection_modifyitems",
    "pytest_configure",
    "pytest_report_teststatus",
    "pytest_runtest_makereport",
    "pytest_runtest_protocol",
    "pytest_runtest_setup",
    "pytest_sessionfinish",
    "pytest_terminal_summary",
    "pytest_unconfigure",
    "require",
    "storm_run",
    "target",
    "traffic",
    "world",
]

check = pytest.mark.check
"""Marks a test as the one that measures a check: `@check("registry_catalogue")`."""
