"""Logs that mix tenants: told from logs that name each line's tenant, and from logs that say nothing."""

import dataclasses
import threading

import pytest

from capliquify_ops.isolation.log_lines import lines_apart, mixed
from capliquify_ops.isolation.probe import CannotTell

ROWS = {"a": ("row-of-a",), "b": ("row-of-b",)}
NAMES = {"a": ("org_a", "shop-a"), "b": ("org_b", "shop-b")}


@pytest.mark.parametrize(
    ("content", "lines"),
    [
        (b"", 0),
        (b"GET /x/row-of-a org=org_a\nGET /x/row-of-b org=org_b", 0),
        (b"pools: org_a org_b", 0),
        (b"GET /x/row-of-a org=ORG_B", 1),
        (b"GET /x/row-of-a\nGET /x/row-of-b", 0),
        (b"row-of-a row-of-b", 1),
        (b"\xff row-of-b shop-a\nrow-of-a org_b", 2),
    ],
)
def test_which_lines_are_mixed(content, lines):
    """A line is mixed that is about one tenant's row and names another tenant; a list of tenants is not."""
    assert mixed(content, ROWS, NAMES) == lines


class Logger:
    """A log before the service, whose lines name the tenant of the request, or whatever tenant was asked for last."""

    def __init__(self, path, is_shared):
        self._path, self._is_shared, self._current, self._lock = path, is_shared, "", threading.Lock()
        path.write_text("")

    def __call__(self, request, forward):
        self._current = request.organization
        answer = forward(request)
        with self._lock, self._path.open("a") as file:
            file.write(f"{self._current if self._is_shared else request.organization} {request.method} {request.path}\n")
        return answer


@pytest.fixture
def logged(world, tmp_path, lie):
    """The world with a log of its own, written as the test says."""

    def build(*, is_shared):
        log = tmp_path / "service.log"
        lie(Logger(log, is_shared))
        return dataclasses.replace(world, target=dataclasses.replace(world.target, log_files=(log,)))

    return build


def problems(world):
    """What is wrong with the lines, and what was not tried."""
    rows = list(lines_apart(world))
    return [row.problem for row in rows if row.problem], [row.name for row in rows if row.untried]


def test_a_log_that_names_the_last_tenant(logged):
    """A tenant kept for the whole process names the wrong one on the line of a request that was held up; else nothing is said."""
    assert problems(logged(is_shared=False)) == ([], [])
    wrong, left = problems(logged(is_shared=True))
    assert wrong == ["2 lines are about a row of one tenant and name the other"]
    assert left == []
    assert problems(logged(is_shared=False)) == ([], [])


def test_a_log_that_names_no_row(world, tmp_path):
    """Where no line names the rows that were read, that is said; without log files there is nothing to read."""
    log = tmp_path / "service.log"
    log.write_text("")
    silent = dataclasses.replace(world, target=dataclasses.replace(world.target, log_files=(log,)))
    assert problems(silent) == ([], ["lines of the log about rows"])
    assert problems(dataclasses.replace(world, target=dataclasses.replace(world.target, log_files=()))) == ([], [])


def test_a_log_that_is_not_there(world, tmp_path):
    """A log that cannot be read is said, with the setting."""
    gone = dataclasses.replace(world, target=dataclasses.replace(world.target, log_files=(tmp_path / "gone.log",)))
    with pytest.raises(CannotTell, match="log_files"):
        problems(gone)
