"""How the server would run a statement, or did: kinds of steps, names of tables and numbers of rows, never a value."""

import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import sqlparse
from sqlparse import tokens
from sqlparse.exceptions import SQLParseError
from sqlparse.sql import Statement, Token

from capliquify_ops.database import Session, load, quoted
from capliquify_ops.database.identifiers import composed
from capliquify_ops.model.errors import UsageError
from capliquify_ops.observation.activity import PACKAGE
from capliquify_ops.observation.folding import folded
from capliquify_ops.observation.statements import unquoted

_NAME = "capliquify_ops_plan"
_CONDITIONS = ("Index Cond", "Recheck Cond", "Filter", "Join Filter", "Hash Cond", "Merge Cond")
_CALL = re.compile(r'("(?:[^"]|"")+"|[^\W\d][\w$]*)\s*\(')
_HIDDEN_NAME = re.compile(r'[uU]&"')
_INDENT = "  "
_LINES = 12


@dataclass(frozen=True, slots=True)
class Step:
    """One step of a plan: what it does, on which table, with which conditions, for how many rows.

    `rows` is estimated for one run; `actual` and `removed` are of all its runs, None where the statement was not run.
    """

    kind: str
    table: str
    conditions: tuple[str, ...]
    rows: float
    actual: float | None
    removed: float | None
    depth: int

    @property
    def reads_all(self) -> bool:
        """Whether it reads a whole table to find some of its rows."""
        return self.kind == "Seq Scan" and any(each.startswith("Filter: ") for each in self.conditions)

    def told(self) -> str:
        """Return the step as one line."""
        on = f" on {self.table}" if self.table else ""
        ran = "" if self.actual is None else f", {self.actual:,.0f} in fact"
        removed = f", {self.removed:,.0f} read and dropped" if self.removed else ""
        said = "".join(f"; {each}" for each in self.conditions)
        return f"{_INDENT * self.depth}{self.kind}{on}: about {self.rows:,.0f} rows{ran}{removed}{said}"


@dataclass(frozen=True, slots=True)
class Plan:
    """The steps from the result down; `ran_ms` is None where the statement was not run."""

    steps: tuple[Step, ...]
    ran_ms: float | None

    def told(self) -> tuple[str, ...]:
        """Return the plan as lines, a long one cut."""
        more = (f"and {len(self.steps) - _LINES} more steps",) if len(self.steps) > _LINES else ()
        return (*(each.told() for each in self.steps[:_LINES]), *more)


def why_not_planned(text: str) -> str | None:
    """Return why a statement is not given to EXPLAIN, None where it is one that only reads."""
    try:
        statements = [each for each in sqlparse.parse(text) if not _is_blank(each)]
    except SQLParseError:
        return "it is too long or too deep to be looked at"
    if len(statements) != 1:
        return "it is not one statement"
    words = _words(statements[0])
    first = words[0].normalized if words else ""
    if first not in {"SELECT", "WITH"}:
        return "it does more than read"
    # A plan of SELECT ... FOR SHARE locks its tables more than reading does.
    locks = any(each.normalized == "FOR" and _says_share(words[number + 1 :][:2]) for number, each in enumerate(words))
    changing = {"INSERT", "UPDATE", "DELETE", "MERGE", "INTO"}
    if locks or any(each.normalized in changing for each in words if each.is_keyword):
        return "it does more than read"
    return None


def read_plan(session: Session, text: str, schema: str, *, analyze: bool) -> Plan:
    """Ask for the plan in a tenant's schema, in a read-only transaction of its own. `analyze` runs the statement.

    A statement with parameters is planned without values and never run. Raises UsageError for a statement that does more than
    read, PrivilegeMissing, StatementTimedOut and StatementFailed.
    """
    if not session.read_only:
        raise UsageError("A plan is asked for by a session that may not change anything.")
    if reason := why_not_planned(text):
        raise UsageError(f"No plan: {reason}.")
    settings = {"search_path": f"{quoted(schema)}, public" if schema else "public", "plan_cache_mode": "force_generic_plan"}
    with session.transaction(settings):
        if analyze:
            _require_harmless(session, text)
        with _prepared(session, text) as parameters, session.transaction(settings):
            how = "FORMAT JSON, ANALYZE, TIMING OFF, BUFFERS" if analyze and not parameters else "FORMAT JSON"
            values = f"({', '.join(['NULL'] * parameters)})" if parameters else ""
            [document] = session.value(composed(f"EXPLAIN ({how}) EXECUTE {_NAME}{values}"))
    return plan_of(document, schema)


@contextmanager
def _prepared(session: Session, text: str) -> Iterator[int]:
    """Give a statement a name for some lines, and return how many parameters it has.

    The server takes it as one that reads or changes rows, and in a pipeline as one only, whatever its text was taken for here.
    """
    with session.together():
        session.execute(composed(f"PREPARE {_NAME} AS {text.rstrip().rstrip(';')}"))
    try:
        yield session.rows(load(PACKAGE, "plan_parameters"), int, {"name": _NAME})[0]
    finally:
        session.execute(composed(f"DEALLOCATE {_NAME}"))


def plan_of(document: Mapping[str, Any], schema: str) -> Plan:
    """Return the steps of EXPLAIN's document, its values folded away."""
    return Plan(tuple(_steps(document["Plan"], schema, 0)), document.get("Execution Time"))


def _require_harmless(session: Session, text: str) -> None:
    """Refuse to run a statement with a function that may do more than compute: read-only holds for tables, not for signals.

    Names within literals count too: what is taken for a literal here may be none for the server.
    """
    names = [unquoted(word) for word in _CALL.findall(text)]
    found = session.rows(load(PACKAGE, "plan_functions"), str, {"names": names})
    if found or _HIDDEN_NAME.search(text):
        what = f"{found[0]}()" if found else "a function with a hidden name"
        raise UsageError(f"Not run: {what} may do more than compute.", hint="Without --analyze its plan is shown.")


def _steps(node: Mapping[str, Any], schema: str, depth: int) -> Iterator[Step]:
    loops = node.get("Actual Loops", 1)
    removed = [node[key] for key in ("Rows Removed by Filter", "Rows Removed by Join Filter") if key in node]
    yield Step(
        node["Node Type"],
        node.get("Relation Name", ""),
        tuple(f"{name}: {folded(node[name], (schema,) if schema else ())}" for name in _CONDITIONS if name in node),
        float(node["Plan Rows"]),
        node["Actual Rows"] * loops if "Actual Rows" in node else None,
        sum(removed) * loops if removed else None,
        depth,
    )
    for each in node.get("Plans", ()):
        yield from _steps(each, schema, depth + 1)


def _says_share(words: Sequence[Token]) -> bool:
    return any(each.value.upper().endswith("SHARE") for each in words)


def _is_blank(statement: Statement) -> bool:
    return all(each.value == ";" for each in _words(statement))


def _words(statement: Statement) -> Sequence[Token]:
    """Return the parts of a statement that are neither space nor comment."""
    parts: Iterator[Token] = statement.flatten()  # type: ignore[no-untyped-call]
    return [each for each in parts if not each.is_whitespace and each.ttype not in tokens.Comment]
