"""PL/pgSQL bodies that cannot run: an unqualified name in a WHERE that is a variable and a column of a table asked there.

Only what is certain is told: such a statement ends with `column reference is ambiguous` each time, unless the function says
which of the two is meant. Pure functions of the text; a body that is not understood has no findings.
"""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

_TOKEN = re.compile(
    r"""(?P<skip>\s+|--[^\n]*|/\*.*?\*/)
      | (?P<text>E?'(?:[^'\\]|''|\\.)*'|\$(?P<tag>\w*)\$.*?\$(?P=tag)\$)
      | (?P<quoted>"(?:[^"]|"")*")
      | (?P<word>[^\W\d][\w$]*)
      | (?P<other>:=|.)""",
    re.VERBOSE | re.DOTALL | re.IGNORECASE,
)
_CLAUSES = "group order having limit offset returning union intersect except window for into loop then select from where on set"
_WHERE_ENDS = frozenset(_CLAUSES.split())
_NOT_TABLES = frozenset({"lateral", "only", "select", "unnest", "generate_series"})
_DECLARATION = re.compile(r"\s*([^\W\d][\w$]*)\s+(?!alias\b|cursor\b)[\w\"%.\[\]() ,]+", re.IGNORECASE)

Table = tuple[str, str]
"""Schema, empty where none is named, and name."""


@dataclass(frozen=True, slots=True)
class Asked:
    """One WHERE: the tables of its statement, and the names that stand in it without a qualifier."""

    tables: tuple[Table, ...]
    names: frozenset[str]


def tokens(body: str) -> list[str]:
    """Return the words and signs of a body, folded as PostgreSQL folds names; texts and comments are left out."""
    found = []
    for match in _TOKEN.finditer(body):
        if match["word"]:
            found.append(match["word"].lower())
        elif match["quoted"]:
            found.append(match["quoted"][1:-1].replace('""', '"'))
        elif match["text"]:
            found.append("''")
        elif match["other"]:
            found.append(match["other"])
    return found


def variables(body: str, parameters: Iterable[str]) -> frozenset[str]:
    """Return the names of parameters and of what the first DECLARE declares."""
    declared = re.search(r"\bdeclare\b(.*?)\bbegin\b", re.sub(r"--[^\n]*", "", body), re.IGNORECASE | re.DOTALL)
    lines = declared[1].split(";") if declared else []
    names = (match[1].lower() for line in lines if (match := _DECLARATION.match(line)))
    return frozenset({*names, *(name for name in parameters if name)})


def questions(body: str) -> Iterator[Asked]:
    """Yield each WHERE of a body that has the tables of its own statement beside it."""
    if "#variable_conflict" in body:
        return
    for statement in _statements(tokens(body)):
        tables = tuple(_tables(statement))
        names = frozenset(_names(statement))
        if tables and names:
            yield Asked(tables, names)


def ambiguous(asked: Iterable[Asked], known: frozenset[str], columns: Mapping[Table, Sequence[str]]) -> list[str]:
    """Return the names that are a variable and a column alike, given the columns of the tables asked."""
    found = {name for one in asked for name in one.names & known if any(name in columns.get(table, ()) for table in one.tables)}
    return sorted(found)


def _statements(found: Sequence[str]) -> Iterator[list[str]]:
    """Cut at semicolons, and into the parts between brackets: a subquery's names are looked for in its own tables."""
    stack: list[list[str]] = [[]]
    for word in found:
        if word == "(":
            stack.append([])
        elif word == ")" and len(stack) > 1:
            yield stack.pop()
            stack[-1].append("()")
        elif word == ";" and len(stack) == 1:
            yield stack.pop()
            stack.append([])
        else:
            stack[-1].append(word)
    yield stack[0]


def _tables(statement: Sequence[str]) -> Iterator[Table]:
    for place, word in enumerate(statement[:-1]):
        is_update = word == "update" and "set" in statement[place:] and statement[place - 1] not in {"for", "do"}
        if word in {"from", "join"} or is_update:
            name, *rest = statement[place + 1 : place + 4]
            if rest[:1] == ["()"] or name in _NOT_TABLES or not _is_name(name):
                continue
            yield (name, rest[1]) if rest[:1] == ["."] and len(rest) > 1 else ("", name)


def _names(statement: Sequence[str]) -> Iterator[str]:
    """Yield unqualified names of the WHERE clauses: neither side of a dot, and no function's."""
    is_within = False
    for place, word in enumerate(statement):
        if word == "where":
            is_within = True
        elif word in _WHERE_ENDS:
            is_within = False
        elif is_within and _is_name(word):
            before, after = statement[place - 1], statement[place + 1] if place + 1 < len(statement) else ""
            if before not in {".", "as", ":"} and after not in {".", "()"}:
                yield word


def _is_name(word: str) -> bool:
    return bool(re.fullmatch(r"[^\W\d][\w$]*", word))
