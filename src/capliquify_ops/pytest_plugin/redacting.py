"""What pytest itself prints and keeps of a run: terminal, warnings, ids of tests, reports. No secret stands in it."""

from collections.abc import Callable
from typing import Any

import pytest

Mask = Callable[[str], str]


def redact_terminal(config: pytest.Config, mask: Mask) -> None:
    """From now on whatever is written to pytest's terminal is masked: ids, warnings and summaries included."""
    writer = config.get_terminal_writer()
    write = writer.write_raw

    def write_masked(msg: str, *, flush: bool = False) -> None:
        write(mask(msg), flush=flush)

    writer.write_raw = write_masked  # type: ignore[method-assign]


def redact_report(report: pytest.TestReport, mask: Mask) -> None:
    """Mask secrets in a report, which plugins such as junitxml keep: of a test with a check or without."""
    report.nodeid = mask(report.nodeid)
    path, line, domain = report.location
    report.location = (path, line, mask(domain))
    if report.failed:
        report.longrepr = mask(str(report.longrepr))
    elif isinstance(report.longrepr, tuple):
        path, line, why = report.longrepr
        report.longrepr = (path, line, mask(why))
    if hasattr(report, "wasxfail"):
        report.wasxfail = mask(report.wasxfail)
    report.sections = [(name, mask(content)) for name, content in report.sections]
    report.user_properties = [(name, _masked(value, mask)) for name, value in report.user_properties]


def _masked(value: Any, mask: Mask) -> Any:  # noqa: ANN401  # whatever a test has put there
    return mask(value) if isinstance(value, str) else value
