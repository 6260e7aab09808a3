"""The last lines that a service, or the build of a deploy, has written."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime

from capliquify_ops.integrations.caller import Caller
from capliquify_ops.integrations.render_asking import PAGE, between, bounded, path_of
from capliquify_ops.integrations.render_records import NAME, Deploy, RenderService
from capliquify_ops.integrations.shape import Shape

_OPERATION = "reading logs"
_ANSWERS = 2
"""More answers than full ones would make: each may have a line again, none may keep us for ever."""


@dataclass(frozen=True, slots=True)
class LogLine:
    """One line; what a program writes may be anything, so that no representation shows it. `kind` is app, request or build."""

    id: str
    at: datetime
    message: str = field(repr=False)
    kind: str | None
    level: str | None
    instance_id: str | None


@dataclass(frozen=True, slots=True)
class Logs:
    """The last lines, the oldest first; `has_more` where older ones were left."""

    lines: tuple[LogLine, ...]
    has_more: bool


@dataclass(frozen=True, slots=True)
class _Page:
    lines: tuple[LogLine, ...]
    following: tuple[tuple[str, str], ...] | None


def last_lines(
    caller: Caller, service: RenderService, kinds: Sequence[str], *, count: int, start: datetime | None, end: datetime | None
) -> Logs:
    """Read the last `count` lines of some kinds; without `start`, Render looks no further back than an hour.

    Two answers may both have the line at which they meet: it counts once. Raises IntegrationFailed.
    """
    fixed = [("ownerId", service.owner_id), ("resource", service.id), *(("type", kind) for kind in kinds)]
    fixed += [("direction", "backward"), ("limit", str(min(PAGE, bounded(count))))]
    lines: dict[str, LogLine] = {}
    stretch: tuple[tuple[str, str], ...] | None = tuple(between(start, end))
    for _ in range(_ANSWERS + count // PAGE):
        if stretch is None or len(lines) >= count:
            break
        page, known = _page_of(Shape(NAME, _OPERATION, caller.get(path_of("logs"), [*fixed, *stretch]).json)), len(lines)
        lines.update({line.id: line for line in page.lines if line.id not in lines})
        stretch = page.following
        if len(lines) == known:
            break
    # Render's order is not told for lines of one moment: it is kept, and the moments decide.
    newest_first = sorted(lines.values(), key=lambda line: line.at, reverse=True)[:count]
    return Logs(tuple(reversed(newest_first)), has_more=stretch is not None or len(lines) > count)


def build_lines(caller: Caller, service: RenderService, deploy: Deploy, count: int) -> Logs:
    """Read the last lines of a deploy's build: those from its start to its end, since Render knows no logs of a deploy."""
    return last_lines(
        caller, service, ["build"], count=count, start=deploy.started_at or deploy.created_at, end=deploy.finished_at
    )


def _page_of(shape: Shape) -> _Page:
    """Read one answer; where it is the last one, the times that would follow mean nothing."""
    lines = tuple(_line_of(each) for each in shape.at("logs").maybe_items())
    if lines and lines[0].at < lines[-1].at:
        lines = lines[::-1]
    if not shape.at("hasMore").flag():
        return _Page(lines, None)
    following = (("startTime", shape.at("nextStartTime")), ("endTime", shape.at("nextEndTime")))
    for _, moment in following:
        moment.time()  # must be one, and is sent back as it came: with fewer digits, lines would fall between two answers
    return _Page(lines, tuple((name, moment.text()) for name, moment in following))


def _line_of(shape: Shape) -> LogLine:
    labels = {each.at("name").text(): each.at("value").text() for each in shape.at("labels").maybe_items()}
    return LogLine(
        id=shape.at("id").text(),
        at=shape.at("timestamp").time(),
        message=shape.at("message").text(),
        kind=labels.get("type"),
        level=labels.get("level"),
        instance_id=labels.get("instance"),
    )
