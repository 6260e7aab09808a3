"""pytest's hooks. Each does one thing and leaves the work to `gate`, which is imported when the first check is collected."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from capliquify_ops.pytest_plugin.outcomes import SHOWN_AS, NotRun

if TYPE_CHECKING:
    from capliquify_ops.pytest_plugin.gate import Gate

SECURITY_ADDED = pytest.StashKey[Sequence[Path]]()
_ONCE = "cannot be used with readiness or security checks: each is measured once, in order."
GATE: pytest.StashKey[Gate] = pytest.StashKey()


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("capliquify_ops", "capliquify_ops: the launch gate")
    group.addoption("--config", metavar="FILE", help="configuration; default: capliquify-ops.toml in the current folder")
    group.addoption("--target", metavar="NAME", help="which target; default: the only one, or the embedded stack")
    group.addoption("--evidence-dir", metavar="DIR", help="where records and the report go; default: .readiness")
    group.addoption("--tenant-a", metavar="SLUG", help="an existing test tenant, where no operator URL is configured")
    group.addoption("--tenant-b", metavar="SLUG", help="another existing test tenant")
    group.addoption(
        "--depth", choices=("quick", "full"), default="full", help="of the security audit: quick leaves the slower families out"
    )
    group.addoption(
        "--load-depth",
        dest="load_depth",
        choices=("quick", "release", "soak"),
        default="quick",
        help="of the load tests: 30 s each, 10 minutes (what ticks the box of a deployment), or an hour; default: quick",
    )
    group.addoption(
        "--i-own-this-production",
        dest="own_production",
        metavar="TARGET",
        help="audit this target of class production by reading it only, in --tenant-a and --tenant-b; all else is inconclusive",
    )
    group.addoption("--seed", type=int, default=0, help="what the audit's plans are drawn from; reports print it; default: 0")


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "check(id): the test measures this check and writes its record")
    added = _security_beside_readiness(config)
    config.stash[SECURITY_ADDED] = added
    config.args[:0] = map(str, added)


def _security_beside_readiness(config: pytest.Config) -> list[Path]:
    """The readiness suite requires the records of the security suite: where it is asked for whole, both are collected.

    Returns the files that nobody named: of those, what passed already is not run again.
    """
    given = {Path(config.invocation_params.dir, argument.split("::")[0]).resolve() for argument in config.args}
    readiness = [path for path in given if path.name == "readiness" and (path / "test_security.py").is_file()]
    folders = [path.parent / "security" for path in readiness]
    return [path for folder in folders if folder not in given for path in sorted(folder.glob("test_*.py")) if path not in given]


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    checked = [item for item in items if item.get_closest_marker("check")]
    if not checked or config.option.collectonly or hasattr(config, "workerinput"):
        return
    _refuse(config)
    from capliquify_ops.pytest_plugin.gate import open_gate  # noqa: PLC0415  # nothing but pytest so far
    from capliquify_ops.pytest_plugin.marked import refuse_unclear  # noqa: PLC0415  # likewise

    refuse_unclear(checked)
    gate = open_gate(config)
    config.stash[GATE] = gate
    kept = gate.within_depth(gate.without_known_security(items, config.stash[SECURITY_ADDED]))
    if len(kept) < len(items):
        config.hook.pytest_deselected(items=[item for item in items if item not in kept])
        items[:] = kept


def _refuse(config: pytest.Config) -> None:
    option = config.option
    refused = {
        "xdist (-n)": bool(getattr(option, "numprocesses", None)),
        "reruns": bool(getattr(option, "reruns", None)),
        "--lf or --ff": bool(getattr(option, "lf", False)) or bool(getattr(option, "failedfirst", False)),
    }
    for name, used in refused.items():
        if used:
            pytest.exit(f"{name} {_ONCE}", returncode=64)


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    """A worker of xdist has no voice of its own: what it may not measure, each test says."""
    if hasattr(item.config, "workerinput") and item.get_closest_marker("check"):
        raise NotRun(f"xdist (-n) {_ONCE}")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Generator[None, Any, Any]:
    gate = item.config.stash.get(GATE, None)
    marker = item.get_closest_marker("check")
    if gate is None or marker is None:
        return (yield)
    gate.start(item, marker)
    result = yield
    gate.finish(item)
    return result


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]) -> Generator[None, Any, pytest.TestReport]:
    report: pytest.TestReport = yield
    gate = item.config.stash.get(GATE, None)
    if gate is not None and not item.get_closest_marker("check"):
        gate.redact(report)
    elif gate is not None:
        gate.note(item, call, report)
    return report


def pytest_report_teststatus(report: pytest.TestReport) -> tuple[str, str, str] | None:
    """Show what nobody knows as an error: a failure would say that the system is wrong, a skip that all is well."""
    words = dict(getattr(report, "user_properties", ())).get(SHOWN_AS)
    return ("error", "E", str(words)) if words else None


@pytest.hookimpl(tryfirst=True)
def pytest_sessionfinish(session: pytest.Session) -> None:
    gate = session.config.stash.get(GATE, None)
    if gate is not None and not gate.conclude() and session.exitstatus == pytest.ExitCode.OK:
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    gate = terminalreporter.config.stash.get(GATE, None)
    if gate is not None:
        gate.summarise(terminalreporter)


def pytest_unconfigure(config: pytest.Config) -> None:
    gate = config.stash.get(GATE, None)
    if gate is not None:
        gate.close()
