"""Statements without their values and without the tenant's name: what code sent them, and nothing of what was in them.

Read by an own scanner: servers cut texts at track_activity_query_size, and of a value that is cut off nothing may be shown
either, which sqlparse takes for names.
"""

import re
from collections.abc import Iterable

_TEXT = re.compile(
    r"""
    (?P<space> \s+ | --[^\n]* | /\*.*?(?:\*/|\Z) )
  | (?P<value>
      [eE]'(?:[^'\\]|\\.|'')*(?:'|\\?\Z)
    | (?:[uU]&|[bBxXnN])?'(?:[^']|'')*(?:'|\Z)
    | \$(?P<tag>(?:[^\W\d]\w*)?)\$.*?(?:\$(?P=tag)\$|\Z)
    | \$\d+ | %s | %\(\w+\)s
    | (?<![\w$"])[+-]?(?:0[xXoObB][\da-fA-F_]+|\d[\d_]*(?:\.[\d_]*)?(?:[eE][+-]?\d+)?|\.\d[\d_]*(?:[eE][+-]?\d+)?)
    )
  | (?P<name> (?:[uU]&)?"(?:[^"]|"")*(?:"|\Z) | [^\W\d][\w$]* )
  | (?P<other> . )
    """,
    re.VERBOSE | re.DOTALL,
)
_LIST = re.compile(r"\?(?:\s*,\s*\?)+")
_ROWS = re.compile(r"\(\?\)(?:\s*,\s*\(\?\))+")


def folded(query: str, schemas: Iterable[str] = ()) -> str:
    """Return a statement with `?` for each value and each list of values or rows, and `~` for the names of the given schemas."""
    own = {name for schema in schemas for name in (schema, '"' + schema.replace('"', '""') + '"')}
    found = "".join(_word(match, own) for match in _TEXT.finditer(query))
    return " ".join(_ROWS.sub("(?)", _LIST.sub("?", found)).split())


def _word(match: re.Match[str], own: set[str]) -> str:
    match match.lastgroup:
        case "space":
            return " "
        case "name":
            return "~" if match[0] in own else match[0]
        case "other":
            return match[0]
        case _:
            return "?"
