"""Statistics of statements: what ran between two reads, one line for each logical statement whatever tenant it was for."""

import re
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

from capliquify_ops.database import Session, fill, load, quoted
from capliquify_ops.model.errors import PrivilegeMissing, ServerUnsupported, StatementFailed
from capliquify_ops.observation.activity import PACKAGE
from capliquify_ops.observation.folding import folded

MOST = 10_000
"""Statements whose numbers are read: twice what the server keeps as it comes."""
MOST_TEXTS = 1_000
LONGEST = 2_000
"""Characters of a text: who sends longer statements is known by their beginning."""
SHARES_IDS_FROM = 18
"""From PostgreSQL 18 on tables of one name count as one table: a statement has one id, whatever tenant it was for."""
_ROWS = frozenset({"select", "with", "insert", "update", "delete", "merge", "values", "table"})
_OURS = "-- name: "
_QUALIFIED = re.compile(r'("(?:[^"]|"")+"|[^\W\d][\w$]*)\s*\.')
_LOAD = "shared_preload_libraries = 'pg_stat_statements' (a restart), then as a superuser: CREATE EXTENSION pg_stat_statements"


@dataclass(frozen=True, slots=True)
class Access:
    """Where the extension stands, "" for nowhere, and what this role may see of it; `track` is "" where it is not loaded."""

    role: str
    schema: str
    may_use: bool
    track: str
    sees_all: bool


@dataclass(frozen=True, slots=True)
class Counted:
    """The numbers of one statement; `is_app`: it was sent by the application's role."""

    queryid: int
    is_app: bool
    calls: int
    total_ms: float
    rows: int


@dataclass(frozen=True, slots=True)
class Statistics:
    """The numbers of all statements as of one read, since `age_s` seconds; `is_cut`: those with the least time were not read."""

    counted: Mapping[tuple[int, bool], Counted]
    age_s: float
    is_cut: bool


@dataclass(frozen=True, slots=True)
class Text:
    """The text of a statement as the server keeps it."""

    queryid: int
    text: str
    is_cut: bool


@dataclass(frozen=True, slots=True)
class Line:
    """One logical statement, folded, and what it took of all tenants together.

    `schemas` are those that its texts name, the one that took most time first; `ids` is under how many ids the server counts it.
    `sample` is one of its texts with the server's parameters in it, "" where all were cut.
    """

    text: str
    sample: str
    is_app: bool
    calls: int
    total_ms: float
    rows: int
    ids: int
    schemas: tuple[str, ...]
    queryids: frozenset[int]

    @property
    def mean_ms(self) -> float:
        """How long one call took."""
        return self.total_ms / self.calls if self.calls else 0.0

    @property
    def rows_per_call(self) -> float:
        """How many rows one call gave or changed."""
        return self.rows / self.calls if self.calls else 0.0


def find_statistics(session: Session) -> Access:
    """Return where the statistics are, within the open transaction.

    Raises ServerUnsupported where there are none, PrivilegeMissing where this role may not see those of others.
    """
    found = session.rows(load(PACKAGE, "statements_access"), Access)[0]
    role = quoted(found.role)
    if not found.sees_all:
        # Sessions of others are hidden from it as well.
        message = f"The role {found.role!r} sees its own statements and sessions alone."
        raise PrivilegeMissing(message, hint=f"GRANT pg_read_all_stats TO {role}")
    if not found.schema or not found.track:
        missing = "The database has no extension pg_stat_statements" if not found.schema else "pg_stat_statements is not loaded"
        raise ServerUnsupported(f"{missing}: nobody knows which statements took long.", hint=f"Set {_LOAD}")
    if found.track == "none":
        raise ServerUnsupported("pg_stat_statements counts nothing.", hint="Set pg_stat_statements.track = 'top', and reload.")
    if not found.may_use:
        grant = f"As its owner: GRANT USAGE ON SCHEMA {quoted(found.schema)} TO {role}"
        raise PrivilegeMissing(f"The role {found.role!r} may not read the statistics of statements.", hint=grant)
    return found


def read_statistics(session: Session, access: Access, app_role: str) -> Statistics:
    """Read the numbers of all statements, within the open transaction. Raises PrivilegeMissing and ServerUnsupported."""
    names = {"statements_schema": access.schema}
    numbers, since = (fill(load(PACKAGE, stem).text, names) for stem in ("statements", "statements_age"))
    try:
        with session.transaction():
            rows = session.rows(numbers, Counted, {"app": app_role, "at_most": MOST})
            age_s = float(session.value(since) or 0.0)
    except PrivilegeMissing:
        function = f"{quoted(access.schema)}.pg_stat_statements"
        grant = f"As their owner: GRANT EXECUTE ON FUNCTION {function}(boolean), {function}_info() TO {quoted(access.role)}"
        raise PrivilegeMissing(f"The role {access.role!r} may not read the statistics of statements.", hint=grant) from None
    except (ServerUnsupported, StatementFailed):
        message = "The statistics of statements cannot be read: the extension is older than its library, or not loaded."
        raise ServerUnsupported(
            message, hint=f"As a superuser: ALTER EXTENSION pg_stat_statements UPDATE; else set {_LOAD}"
        ) from None
    return Statistics(MappingProxyType({(each.queryid, each.is_app): each for each in rows}), age_s, len(rows) >= MOST)


def read_texts(session: Session, access: Access, queryids: Iterable[int]) -> tuple[Text, ...]:
    """Read the texts of some statements, at most MOST_TEXTS, within the open transaction."""
    query = fill(load(PACKAGE, "statements_texts").text, {"statements_schema": access.schema})
    wanted = list(dict.fromkeys(queryids))[:MOST_TEXTS]
    return tuple(session.rows(query, Text, {"queryids": wanted, "longest": LONGEST})) if wanted else ()


def growth(before: Statistics, after: Statistics) -> Statistics:
    """Return what was counted between two reads: statements with a call in between. A number that went back began anew.

    What an earlier read was too short for is left out: nobody knows whether it grew.
    """
    grown = {key: each for key, now in after.counted.items() if (each := _grown(before.counted.get(key), now, before)).calls > 0}
    return Statistics(MappingProxyType(grown), after.age_s, after.is_cut)


def _grown(was: Counted | None, now: Counted, before: Statistics) -> Counted:
    if was is None:
        return Counted(now.queryid, now.is_app, 0, 0.0, 0) if before.is_cut else now
    if now.calls < was.calls or now.total_ms < was.total_ms:
        return now
    return Counted(now.queryid, now.is_app, now.calls - was.calls, now.total_ms - was.total_ms, now.rows - was.rows)


def by_time(statistics: Statistics) -> tuple[int, ...]:
    """Return the ids of statements, the one that took most time first."""
    return tuple(each.queryid for each in sorted(statistics.counted.values(), key=lambda each: (-each.total_ms, each.queryid)))


def folded_lines(statistics: Statistics, texts: Iterable[Text], tenants: frozenset[str]) -> tuple[Line, ...]:
    """Return one line for each logical statement that reads or changes rows, the one that took most time first.

    Statements of this program's own diagnoses are left out, and those without a text.
    """
    known = {each.queryid: each for each in texts if not each.text.lstrip().startswith(_OURS)}
    lines: dict[tuple[str, bool], list[tuple[Counted, Text, tuple[str, ...]]]] = defaultdict(list)
    for each in statistics.counted.values():
        if text := known.get(each.queryid):
            schemas = named_schemas(text.text, tenants)
            shown = folded(text.text, schemas)
            if shown.lstrip("( ").partition(" ")[0].lower() in _ROWS:
                lines[shown, each.is_app].append((each, text, schemas))
    found = [_line(shown, is_app, parts) for (shown, is_app), parts in lines.items()]
    return tuple(sorted(found, key=lambda line: (-line.total_ms, line.text)))


def named_schemas(text: str, tenants: frozenset[str]) -> tuple[str, ...]:
    """Return the tenants that a statement names, in the order in which it does."""
    return tuple(dict.fromkeys(name for word in _QUALIFIED.findall(text) if (name := unquoted(word)) in tenants))


def unquoted(word: str) -> str:
    """Return the name that the server makes of a word."""
    return word[1:-1].replace('""', '"') if word.startswith('"') else word.lower()


def _line(text: str, is_app: bool, parts: Sequence[tuple[Counted, Text, tuple[str, ...]]]) -> Line:
    worst = sorted(parts, key=lambda part: (-part[0].total_ms, part[0].queryid))
    return Line(
        text,
        next((each.text for _, each, _ in worst if not each.is_cut), ""),
        is_app,
        sum(counted.calls for counted, _, _ in parts),
        sum(counted.total_ms for counted, _, _ in parts),
        sum(counted.rows for counted, _, _ in parts),
        len({counted.queryid for counted, _, _ in parts}),
        tuple(dict.fromkeys(name for _, _, schemas in worst for name in schemas)),
        frozenset(counted.queryid for counted, _, _ in parts),
    )
