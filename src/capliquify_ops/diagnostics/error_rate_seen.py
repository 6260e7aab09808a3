"""Texts of errors that were seen in the log and in Sentry: what they say, how often, and which tenants they name."""

import re
from collections import Counter
from collections.abc import Collection, Iterable
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from capliquify_ops.diagnostics.inquiry import Inquiry, Question
from capliquify_ops.diagnostics.outside import ask_render, ask_sentry
from capliquify_ops.integrations.render import Render
from capliquify_ops.integrations.render_logs import LogLine
from capliquify_ops.integrations.sentry import Sentry
from capliquify_ops.integrations.sentry_records import TopError
from capliquify_ops.observation.error_texts import ErrorText, Kind, deadlock_lines, read_error_text

LOG, SENTRY = "the log", "Sentry"
LINES = 200
"""Runbook, issue 2: the last 200 lines."""
TITLES, HOUR = 30, timedelta(hours=1)
_TENANTS = 5
_ERRORS = frozenset({"error", "critical", "fatal", "panic", "alert", "emergency"})
_CLASS = re.compile(r"([A-Za-z_][\w.]{0,60}(?:Error|Exception)):")
_WORDS = re.compile(r"[\w$-]{1,63}")


@dataclass(frozen=True, slots=True)
class Seen:
    """A text of an error: what it says, how often it was seen in which source, how many seconds ago (None: not told)."""

    said: ErrorText
    count: int
    source: str
    ago_s: float | None = None
    text: str = field(default="", repr=False)


def log_question(inquiry: Inquiry, within_s: float) -> Question | str:
    """Read the last lines of the service's log, and keep the errors of the last seconds and the lines around deadlocks."""

    def ask(render: Render, service: str) -> tuple[tuple[Seen, ...], str]:
        lines = render.logs(render.service(service), count=LINES).lines
        found = seen_in_log(lines, inquiry.clock.now(), within_s)
        many = sum(each.count for each in found)
        return found, f"{errors(many)} of the last {within_s / 60:.0f} min, in the last {len(lines)} lines"

    return ask_render(inquiry, ask)


def titles_question(inquiry: Inquiry) -> Question | str:
    """Ask Sentry for the titles of most errors of the last hour."""

    def ask(sentry: Sentry, project: str) -> tuple[tuple[Seen, ...], str]:
        found = seen_in_sentry(sentry.top_errors(project, HOUR, TITLES))
        return found, f"{errors(sum(each.count for each in found))} of {len(found)} titles in the last hour"

    return ask_sentry(inquiry, ask)


def seen_in_log(lines: Iterable[LogLine], now: datetime, within_s: float) -> tuple[Seen, ...]:
    """Return the lines of the last seconds that say an error that is known, or that their writer calls errors.

    What a server adds to a deadlock is kept beside it, and counts as no error of its own.
    """
    found = []
    for line in lines:
        ago_s = max(0.0, (now - line.at).total_seconds())
        if ago_s > within_s:
            continue
        said = read_error_text(line.message)
        if said.kind is not Kind.UNKNOWN or (line.level or "").lower() in _ERRORS:
            found.append(Seen(said, 1, LOG, ago_s, line.message))
        elif deadlock_lines(line.message):
            found.append(Seen(ErrorText(Kind.DEADLOCK), 0, LOG, ago_s, line.message))
    return tuple(found)


def seen_in_sentry(titles: Iterable[TopError]) -> tuple[Seen, ...]:
    """Return titles as what they say."""
    return tuple(Seen(read_error_text(each.title), each.count, SENTRY, None, each.title) for each in titles)


def of_kinds(seen: Iterable[Seen], kinds: Collection[Kind]) -> tuple[Seen, ...]:
    """Return the texts of some kinds."""
    return tuple(each for each in seen if each.said.kind in kinds)


def share_of(part: Collection[Seen], whole: Collection[Seen]) -> float:
    """Return which share of the texts these are, in the source where it is the largest: sources look back for other times."""
    of = Counter({source: sum(each.count for each in whole if each.source == source) for source in (LOG, SENTRY)})
    own: Counter[str] = Counter()
    for each in part:
        own[each.source] += each.count
    return max((own[source] / of[source] for source in own if of[source]), default=0.0)


def counted(seen: Iterable[Seen]) -> str:
    """Say how often texts were seen, such as `12 in the log, 3 in Sentry`."""
    found: Counter[str] = Counter()
    for each in seen:
        found[each.source] += each.count
    return ", ".join(f"{found[source]} in {source}" for source in (LOG, SENTRY) if found[source])


def since_of(seen: Iterable[Seen]) -> float | None:
    """Return how many seconds ago the first of them was written, None where none tells."""
    return max((each.ago_s for each in seen if each.ago_s is not None), default=None)


def tenants_in(seen: Iterable[Seen], names: AbstractSet[str]) -> Counter[str]:
    """Count texts by the tenants whose schema they name; only what the registry names is one."""
    found: Counter[str] = Counter()
    for each in seen:
        words = {*_WORDS.findall(each.text), each.said.schema}
        found.update(dict.fromkeys(sorted(words & names), each.count))
    return found


def by_tenant(seen: Iterable[Seen], names: AbstractSet[str]) -> tuple[str, ...]:
    """Return the tenants whom most errors name, in lines."""
    return tuple(f"{name}: {errors(count)}" for name, count in tenants_in(seen, names).most_common(_TENANTS))


def errors(many: int) -> str:
    """Return `1 error` or `12 errors`."""
    return "1 error" if many == 1 else f"{many} errors"


def classes_of(seen: Iterable[Seen]) -> tuple[str, ...]:
    """Return the classes of errors in Sentry's titles, in lines: the first word alone, since what follows may hold values."""
    found: Counter[str] = Counter()
    for each in seen:
        if each.source == SENTRY and (match := _CLASS.match(each.text)):
            found[match[1]] += each.count
    return tuple(f"{name}: {count} in {SENTRY}" for name, count in found.most_common(_TENANTS))
