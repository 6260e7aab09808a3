"""Does the service leak memory, how much is left until its limit, and how much do its database sessions hold?"""

from collections.abc import Iterator
from dataclasses import dataclass

from capliquify_ops.configuration import Limits
from capliquify_ops.diagnostics.inquiry import Answers, Inquiry, Issue, Questions, value_of
from capliquify_ops.diagnostics.memory_sessions import SESSIONS, ask_sessions, sessions_cause
from capliquify_ops.diagnostics.memory_sources import (
    BY_PROMETHEUS,
    BY_RENDER,
    HOUR_S,
    WATCHED,
    Memory,
    amount,
    hours_until,
    prometheus_question,
    slope_line,
    span,
    trend_line,
    watched_question,
)
from capliquify_ops.diagnostics.memory_sources import render_question as memory_in_render
from capliquify_ops.diagnostics.service_down_platform import Platform, out_of_memory_events, out_of_memory_lines
from capliquify_ops.diagnostics.shared_questions import RENDER, render_question
from capliquify_ops.model.diagnosis import Cause
from capliquify_ops.model.finding import Level
from capliquify_ops.observation.backend_memory import BackendMemory
from capliquify_ops.observation.memory_trend import Life, Slope, Trend

NAME = "memory"
_RESTART = "capliquify-ops remedy plan restart-service"
_AGAIN = f"then look again: capliquify-ops diagnose {NAME} --watch 60"
_URGENT_H = 2.0
_WHOLE_H = 1.0


@dataclass(frozen=True, slots=True)
class MemoryRows:
    """What was seen of the service's memory, the best source first, and of the memory of its database sessions."""

    memories: tuple[Memory, ...]
    platform: Platform | None
    sessions: BackendMemory | None
    is_heap: bool = False

    @property
    def limit(self) -> float | None:
        """The platform's limit in bytes."""
        return next((each.limit for each in self.memories if each.limit), None)


@dataclass(frozen=True, slots=True)
class _Leak:
    name: str
    trend: Trend
    life: Life
    slope: Slope
    tail: Slope


def ask(inquiry: Inquiry) -> Questions:
    """Return what can be asked: the memory of the last hours and of now, the platform's failures, the database sessions."""
    outside = {
        BY_PROMETHEUS: prometheus_question(inquiry),
        BY_RENDER: memory_in_render(inquiry),
        WATCHED: watched_question(inquiry),
        RENDER: render_question(inquiry),
    }
    return Questions(outside, {SESSIONS: lambda session: ask_sessions(session, inquiry)})


def rows_of(answers: Answers, inquiry: Inquiry) -> MemoryRows:
    """Put the answers together."""
    found = (value_of(answers, name) for name in (BY_PROMETHEUS, BY_RENDER, WATCHED))
    status = value_of(answers, RENDER)
    platform = Platform(status, inquiry.clock.now(), inquiry.limits.number("deploy_in_progress_s")) if status else None
    is_heap = "heap" in inquiry.target.profile.metrics.get("memory", "")
    return MemoryRows(tuple(each for each in found if each), platform, value_of(answers, SESSIONS), is_heap)


def explain(rows: MemoryRows, limits: Limits) -> tuple[Cause, ...]:
    """Return the probable causes: a leak before what it leads to."""
    found = [_leak(rows, limits), _out_of_memory(rows), _level(rows, limits), sessions_cause(rows.sessions, limits)]
    return tuple(cause for cause in found if cause)


def _leak(rows: MemoryRows, limits: Limits) -> Cause | None:
    """Name the instance that grows most, by the first source that knows a trend: hours tell more than seconds."""
    memory = next((each for each in rows.memories if each.has_trend), None)
    found = list(_leaks(rows, memory, limits)) if memory else []
    return _leak_of(rows, memory, max(found, key=lambda each: each.life.growth)) if memory and found else None


def _leaks(rows: MemoryRows, memory: Memory, limits: Limits) -> Iterator[_Leak]:
    """Yield who leaks: it grows, to an amount that matters, and where it fell in between, that was by restarts."""
    for name, trend in memory.trends.items():
        life = trend.leaking
        ceiling = rows.limit or max(limits.number("memory_heap_bytes"), trend.level)
        if life is None or not life.slope or not life.tail or life.span_s < memory.young_s:
            continue
        if life.growth < limits.number("memory_growth_ratio") * ceiling:
            continue
        # Without a restart that is known, or a peak near the limit, what falls and grows again may be garbage that is collected.
        near = limits.number("memory_warning_ratio") * ceiling
        if not trend.restarts or memory.restarts or max(trend.peaks) >= near or (rows.platform and _failed(rows.platform)):
            yield _Leak(name, trend, life, life.slope, life.tail)


def _leak_of(rows: MemoryRows, memory: Memory, leak: _Leak) -> Cause:
    name, trend, life, restarts = leak.name, leak.trend, leak.life, max(leak.trend.restarts, memory.restarts)
    hours = hours_until(rows.limit, trend.level, leak.slope.per_s) if rows.limit else None
    reaches = f"; it reaches the limit of {amount(rows.limit or 0)} in about {_hours(hours)}" if hours is not None else ""
    grows = f"Memory of {name} grows by {slope_line(leak.slope)} and does not stop{reaches}."
    lines = [f"{name}: {trend_line(trend)}"]
    lines += [f"restarts meanwhile: {restarts}; the slope is that within one life"] if restarts else []
    lines.append(f"seen over {span(life.span_s)}: the last third still grows by {slope_line(leak.tail)}")
    is_urgent = hours is not None and hours < _URGENT_H
    command = f"{_RESTART} (relief, not the cure); {_AGAIN}; look for unclosed connections, caches without bound, listeners"
    return Cause("memory leak", grows, tuple(lines), command, since_s=life.span_s, level=Level.L2 if is_urgent else Level.L1)


def _out_of_memory(rows: MemoryRows) -> Cause | None:
    events = out_of_memory_events(rows.platform.status) if rows.platform else ()
    if not rows.platform or not events:
        return None
    limit = next((each.failure.memory_limit for each in events if each.failure), None)
    often = "once" if len(events) == 1 else f"{len(events)} times"
    why = f"The platform ended the service {often} in the last hour because it used more than its {limit} of memory."
    command = f"More memory until it is mended: the service's plan in the dashboard; {_AGAIN}"
    lines = out_of_memory_lines(rows.platform, events)
    return Cause("out of memory", why, lines, command, since_s=rows.platform.since_s(events[-1].at), level=Level.L2)


def _level(rows: MemoryRows, limits: Limits) -> Cause | None:
    """Compare the highest level of the best source with the platform's limit; a heap, or all of it without one, with 1 GB."""
    levels = [(trend.level, name) for memory in rows.memories[:1] for name, trend in memory.trends.items()]
    if not levels:
        return None
    level, name = max(levels)
    warning, critical = (limits.number(f"memory_{kind}_ratio") for kind in ("warning", "critical"))
    share, alert = level / rows.limit if rows.limit else 0.0, limits.number("memory_heap_bytes")
    if rows.limit and share > warning:
        why = f"{name[:1].upper()}{name[1:]} holds {share:.0%} of its limit of {amount(rows.limit)}."
        wake = Level.L2 if share > critical else Level.L1
    elif level > alert and (rows.is_heap or not rows.limit):
        unknown = "" if rows.limit else "; the platform's limit is not known"
        why = f"{name[:1].upper()}{name[1:]} holds {amount(level)}, above the {amount(alert)} at which it alerts{unknown}."
        wake = Level.L1
    else:
        return None
    return Cause("memory nearly full", why, (f"{name}: {amount(level)}",), f"{_RESTART}; {_AGAIN}", level=wake)


def _failed(platform: Platform) -> bool:
    return bool(platform.status.failures.items)


def _hours(hours: float) -> str:
    return f"{hours:.1f} h" if hours >= _WHOLE_H else span(hours * HOUR_S)


ISSUE = Issue(
    NAME,
    "Does the service leak memory, how near is it to its limit, and how much do its database sessions hold?",
    ask,
    lambda answers, inquiry: explain(rows_of(answers, inquiry), inquiry.limits),
)
