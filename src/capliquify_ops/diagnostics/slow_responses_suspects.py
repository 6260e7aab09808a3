"""Which statements may make responses slow: those that run for long now, and those that took the time between two reads."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from capliquify_ops.configuration import Limits
from capliquify_ops.diagnostics.slow_responses_now import Slowness
from capliquify_ops.observation.activity import Backend
from capliquify_ops.observation.folding import folded
from capliquify_ops.observation.plans import Plan
from capliquify_ops.observation.pressure import Pressure
from capliquify_ops.observation.statements import Line
from capliquify_ops.observation.tables import Missing, Table, table_names

MOST = 5
SHARE = 0.1
"""A statement with less than a tenth of all statements' time is no reason why requests are slow."""
CUT_FROM = 1_000
"""The activity's texts are read so far."""


@dataclass(frozen=True, slots=True)
class Since:
    """What happened between two reads `over_s` apart: `lines` the statements in between, `history` since `age_s` seconds ago.

    `shares_ids`: one statement of all tenants is counted under one id. `pressure` is None where it could not be read.
    """

    over_s: float
    lines: tuple[Line, ...] = ()
    history: tuple[Line, ...] = ()
    age_s: float = 0.0
    shares_ids: bool = False
    tenants: frozenset[str] = frozenset()
    pressure: Pressure | None = None


@dataclass(frozen=True, slots=True)
class Suspect:
    """One statement, folded. `sample` can be given to EXPLAIN, "" where none can; `schemas` are its tenants where known."""

    text: str
    sample: str
    schemas: tuple[str, ...]
    line: Line | None = None
    running: tuple[Backend, ...] = ()
    tables: tuple[str, ...] = field(default=())

    @property
    def worst_ms(self) -> float:
        """How long it took or takes: the mean of its calls, or for how long it has run."""
        runs = max(((each.state_s or 0.0) * 1000 for each in self.running), default=0.0)
        return max(runs, self.line.mean_ms if self.line else 0.0)


@dataclass(frozen=True, slots=True)
class Tables:
    """The tables of the suspects, and the indexes that some of them lack."""

    tables: tuple[Table, ...] = ()
    missing: tuple[Missing, ...] = ()


Plans = Mapping[str, Plan | str]
"""Plans by statement, or why there is none."""


@dataclass(frozen=True, slots=True)
class Seen:
    """All that was seen, and the limits to judge it by."""

    found: Slowness
    since: Since | None
    tables: Tables
    plans: Plans
    limits: Limits


def suspects_of(found: Slowness, since: Since | None, limits: Limits) -> tuple[Suspect, ...]:
    """Return the statements to look at, those that run now first, then by the time that they took. A lock's victims are none."""
    tenants = since.tenants if since else frozenset()
    victims = {folded(each.query, found.activity.schemas(each.pid)) for each in found.activity.backends if each.blocked_by}
    lines = {line.text: line for line in _slow(found, since, limits) if line.text not in victims} if since else {}
    running: dict[str, list[Backend]] = {}
    for each in found.running:
        running.setdefault(folded(each.query, found.activity.schemas(each.pid)), []).append(each)
    texts = [*running, *(text for text in lines if text not in running)]
    return tuple(_suspect(text, lines.get(text), running.get(text, []), found, tenants) for text in texts[:MOST])


def _suspect(text: str, line: Line | None, running: list[Backend], found: Slowness, tenants: frozenset[str]) -> Suspect:
    locked = {schema for each in running for schema in found.activity.schemas(each.pid)}
    schemas = tuple(sorted(locked & tenants if tenants else locked)) or (line.schemas if line else ())
    whole = next((each.query for each in running if len(each.query) < CUT_FROM), "")
    return Suspect(text, whole or (line.sample if line else ""), schemas, line, tuple(running), table_names(text))


def _slow(found: Slowness, since: Since, limits: Limits) -> Iterator[Line]:
    """Yield statements that explain slow requests; where nobody has measured requests, those that are slow by themselves."""
    total_ms = sum(line.total_ms for line in since.lines)
    for line in since.lines:
        large = line.is_app and is_large(line, limits)
        weighty = line.mean_ms >= limits.number("statement_mean_ms") and line.total_ms >= SHARE * total_ms
        alone = line.is_app and line.mean_ms >= limits.number("statement_alone_ms")
        if (found.is_seen and (weighty or large)) or (not found.is_known and alone):
            yield line


def is_large(line: Line, limits: Limits) -> bool:
    """Whether a call gives so many rows that nobody reads them all."""
    return line.text.lstrip("( ").lower().startswith(("select", "with", "values", "table")) and (
        line.rows_per_call >= limits.number("result_rows")
    )


def names_of(suspects: Iterable[Suspect]) -> tuple[str, ...]:
    """Return the names of tables that the suspects speak of."""
    return tuple(dict.fromkeys(name for each in suspects for name in each.tables))
