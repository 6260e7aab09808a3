"""The only maker of SQL identifiers. Names come from registries and profiles: they are data."""

import re
from collections.abc import Mapping
from functools import lru_cache

from psycopg import sql

from capliquify_ops.model.errors import UsageError

_VARIABLE = re.compile(r"""(?<![:\w"']):(?P<quote>["'])(?P<name>[a-z_]+)(?P=quote)""")
"""As psql reads them: not after a second colon (a cast), nor after a name or a quote (inside JSON)."""


def identifier(name: str) -> sql.Identifier:
    """Quote one name. NUL cannot be stored by PostgreSQL and is refused."""
    if not name or "\0" in name:
        raise UsageError(f"{name!r} cannot be the name of a database object.")
    return sql.Identifier(name)


@lru_cache(maxsize=8192)
def quoted(*names: str) -> str:
    """Return a name, qualified where several are given, as text for a script: always in double quotes."""
    text = '"."'.join([name.replace('"', '""') for name in names])
    if "\0" in text or not all(names):
        raise UsageError(f"{names!r} cannot be the name of a database object.")
    return f'"{text}"'


def literal(text: str) -> str:
    """Return a text as a literal for a script that runs with standard_conforming_strings on."""
    if "\0" in text:
        raise UsageError("A text with a NUL cannot be stored by PostgreSQL.")
    return "'" + text.replace("'", "''") + "'"


def composed(text: str) -> sql.Composed:
    """Take a statement whose names came out of `quoted` or the server's own quoting."""
    return sql.Composed([sql.SQL(text)])


def qualified(schema: str, name: str) -> sql.Composed:
    """Quote `schema.name`."""
    return sql.Composed([identifier(schema), sql.SQL("."), identifier(name)])


def fill(text: str, names: Mapping[str, str]) -> sql.Composed:
    """Replace psql's variables in a script: `:"role"` by a quoted identifier, `:'role'` by a quoted literal.

    Raises UsageError for a variable without a value: a script never runs half filled.
    """
    done: list[sql.Composable] = []
    position = 0
    for found in _VARIABLE.finditer(text):
        name = found["name"]
        if name not in names:
            raise UsageError(f"The script needs a value for {name!r}.")
        done.append(sql.SQL(text[position : found.start()]))
        done.append(identifier(names[name]) if found["quote"] == '"' else sql.Literal(names[name]))
        position = found.end()
    done.append(sql.SQL(text[position:]))
    return sql.Composed(done)
