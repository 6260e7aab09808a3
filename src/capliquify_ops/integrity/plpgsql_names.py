"""PL/pgSQL that cannot run: an unqualified name in a query that is a variable, and could be a column of the query's tables too.

Pure functions of the text. Only what is certain is told. Left out are clauses in which the server looks elsewhere first (GROUP
BY, ORDER BY, DISTINCT ON), joins' conditions, names that are no plain operand, and texts that are not understood.
"""

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from capliquify_ops.integrity.plpgsql_text import HEAD_ENDS, NotUnderstoodError, Token, elements, every, read, statements, word

Table = tuple[str, str]
"""Schema, empty where none is named, and name."""
_Query = tuple[list[Table], list[str]]
"""The tables that a query asks, and the unqualified names that it looks for among their columns."""

_VERBS = frozenset({"select", "perform", "insert", "update", "delete", "with"})
_ASKING = frozenset({"select", "perform", "where", "having", "returning"})
_ENDS = ("from", "group", "order", "limit", "offset", "fetch", "for", "window", "into", "on", "join", "using", "set", "values")
_CLAUSES = _ASKING.union(_ENDS, ("insert", "update", "delete"))
_NO_ALIAS = _CLAUSES | {"left", "right", "inner", "full", "cross", "natural", "union", "intersect", "except", "tablesample"}
_BEFORE = frozenset(("", ",", "and", "or", "not", "where", "when", "then", "else", "case", "between", "like", "distinct", "all"))
_AFTER = frozenset(("", ",", "::", "[", "and", "or", "is", "in", "like", "between", "not", "then", "else", "when", "end", "as"))
_OPERATOR = re.compile(r"(?!=>)[-+*/<>=~!@#%^&|`?]+")
_CURRENT = frozenset(f"current_{what}" for what in ("catalog", "date", "role", "schema", "time", "timestamp", "user"))
_NEVER_NAMES = _CURRENT | {"default", "localtime", "localtimestamp", "session_user", "system_user", "user"}
"""Words that are values, wherever they stand without quotes."""
_OTHER_TABLES = re.compile(r"\btemp(orary)?\b|search_path", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Use:
    """A variable's name that stands where it could be a column of one of `tables`: the server then calls it ambiguous."""

    name: str
    tables: tuple[Table, ...]


def uses(body: str, parameters: Iterable[str]) -> tuple[Use, ...]:
    """Return the unqualified names in a body's queries that are variables there; `parameters` as the catalogue has them."""
    try:
        tokens = read(body)
        found = list(statements(tokens, frozenset(parameters) - {""} | {"found"}))
    except NotUnderstoodError:
        return ()
    if _says_which(tokens):
        return ()
    # A text that makes tables, or moves the path, may mean others than the catalogue has.
    is_plain = not any(_OTHER_TABLES.search(token.text) for token in every(tokens))
    made = _made_here(tokens)
    told: dict[Use, None] = {}
    for statement, variables in found:
        for tables, names in _queries(statement):
            known = tuple(table for table in tables if table[0] or (is_plain and table[1] not in made))
            told.update(dict.fromkeys(Use(name, known) for name in names if known and name in variables))
    return tuple(told)


def _says_which(tokens: Sequence[Token]) -> bool:
    """Say whether an option of the text decides between variables and columns."""
    options = (place for place in range(0, len(tokens), 3) if word(tokens, place) == "#")
    return any(word(tokens, place + 1) == "variable_conflict" and word(tokens, place + 2) != "error" for place in options)


def _queries(statement: Sequence[Token]) -> Iterator[_Query]:
    """Yield every query within a statement."""
    start = _query_start(statement)
    if start is None:
        return
    if word(statement, start) in _VERBS:
        yield from _parts(statement[start:])
    for token in every(statement):
        if word(token.inner, 0) in _VERBS:
            yield from _parts(token.inner)


def _query_start(statement: Sequence[Token]) -> int | None:
    """Return where the query or the expression of a statement starts; None where a text is run, or names mean something else."""
    words = [word(statement, place) for place in range(len(statement))]
    first = words[0]
    if "execute" in words[:3]:
        return None
    if first == "return" and words[1:2] == ["query"]:
        return 2
    if first in {"for", "open"}:
        opens = "in" if first == "for" else "for"
        is_query = opens in words and "execute" not in words
        return words.index(opens) + 1 if is_query else None
    is_known = first in _VERBS or first in HEAD_ENDS or first == "return" or ":=" in words[:4] or words[1:2] == ["="]
    return 0 if is_known else None


def _parts(tokens: Sequence[Token]) -> Iterator[_Query]:
    """Yield each member of a UNION, and the parts of an INSERT: each has tables of its own."""
    if word(tokens, 0) == "with":
        tokens = tokens[next((at for at in range(1, len(tokens)) if word(tokens, at) in _VERBS), len(tokens)) :]
    if word(tokens, 0) == "insert":
        yield from _insert(tokens)
        return
    first = 0
    for place in range(len(tokens) + 1):
        if place == len(tokens) or word(tokens, place) in {"union", "intersect", "except"}:
            yield _level(tokens[first:place])
            first = place + 1


def _insert(tokens: Sequence[Token]) -> Iterator[_Query]:
    words = [word(tokens, place) for place in range(len(tokens))]
    target = [table for table in (_table(tokens, 2, is_target=True),) if table]
    conflict = next((at for at in range(len(words)) if words[at : at + 2] == ["on", "conflict"]), len(words))
    returning = words.index("returning") if "returning" in words else len(words)
    start = next((at for at, each in enumerate(words) if each in {"select", "with"}), len(words))
    yield from _parts(tokens[start : min(conflict, returning)])
    for group in tokens[conflict + 2 : conflict + 3]:
        keys = [each[0] for each in elements(group.inner) if len(each) == 1]
        yield target, [key.text for key in keys if key.kind in {"word", "name"}]
    yield target, _level(tokens[returning:])[1]


def _level(tokens: Sequence[Token]) -> _Query:
    """Return the tables and names of one query, without its subqueries."""
    tables: list[Table | None] = []
    names: list[str] = []
    clause, first = "", 0
    lists = {"from", "join", "using"} if word(tokens, 0) == "delete" else {"from", "join"}
    for place in range(len(tokens) + 1):
        here, before = word(tokens, place), word(tokens, place - 1)
        is_clause = here in _CLAUSES and before not in {".", "as"} and (before, here) != ("distinct", "from")
        if is_clause or place == len(tokens):
            names += _operands(tokens[first:place]) if clause in _ASKING else []
            clause, first = here, place + 1
        if (is_clause and (here in lists or (here == "update" and not place))) or (here == "," and clause in lists):
            tables.append(_table(tokens, place + 1))
    return [table for table in tables if table], names


def _table(tokens: Sequence[Token], place: int, *, is_target: bool = False) -> Table | None:
    """Return the table that is named at a place; None for functions, subqueries, and those whose columns get other names."""
    place += word(tokens, place) == "only"
    parts: list[str] = []
    while _is_name(tokens, place):
        parts.append(tokens[place].text)
        place += 1
        if word(tokens, place) != ".":
            break
        place += 1
    alias = place + (word(tokens, place) == "as")
    is_aliased = _is_name(tokens, alias) and word(tokens, alias) not in _NO_ALIAS
    is_other = any(_is_group(tokens, at) for at in (place, alias + is_aliased))
    if len(parts) not in {1, 2} or (is_other and not is_target):
        return None
    return ("" if len(parts) == 1 else parts[0], parts[-1])


def _operands(tokens: Sequence[Token]) -> list[str]:
    """Return the unqualified names that are operands: no function's, type's, alias's, argument's or field's."""
    found: list[str] = []
    for place, token in enumerate(tokens):
        before, after = _beside(tokens, place - 1), _beside(tokens, place + 1)
        if token.kind == "group" and before != "over" and word(token.inner, 0) not in _VERBS:
            found += _operands(token.inner)
        elif (
            (token.kind == "name" or (token.kind == "word" and token.text not in _NEVER_NAMES))
            and (before in _BEFORE or _OPERATOR.fullmatch(before))
            and (after in _AFTER or _OPERATOR.fullmatch(after))
        ):
            found.append(token.text)
    return found


def _is_name(tokens: Sequence[Token], place: int) -> bool:
    return place < len(tokens) and tokens[place].kind in {"word", "name"}


def _is_group(tokens: Sequence[Token], place: int) -> bool:
    return place < len(tokens) and tokens[place].kind == "group"


def _beside(tokens: Sequence[Token], place: int) -> str:
    """Return what stands beside a name: "" beyond the ends."""
    return (word(tokens, place) or "something") if 0 <= place < len(tokens) else ""


def _made_here(tokens: Sequence[Token]) -> frozenset[str]:
    """Return the names that a WITH gives to a query, or that may be those of tables made by the text itself."""
    found: set[str] = set()
    for place, token in enumerate(tokens):
        found |= _made_here(token.inner)
        if word(tokens, place) == "as" and (_is_group(tokens, place + 1) or word(tokens, place + 1) in {"not", "materialized"}):
            # WITH name (columns) AS
            found.update(each.text for each in tokens[max(place - 2, 0) : place])
        if word(tokens, place) in {"table", "view"}:
            found.update(each.text for each in tokens[place + 1 : place + 7])
    return frozenset(found)
