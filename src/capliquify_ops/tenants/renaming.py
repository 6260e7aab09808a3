"""Rename a schema with all that follows: what the server tracks by OID follows by itself, settings of routines do not."""

import re

from capliquify_ops.database import Session, fill, load, quoted
from capliquify_ops.database.identifiers import composed

_NAME = re.compile(r'\s*("(?:[^"]|"")*"|[^,]*?)\s*(?:,|$)')


def rename_schema(session: Session, old: str, new: str) -> None:
    """Rename a schema, and let routines in it whose search_path names it name it still, within the open transaction.

    Without that, a copy of a tenant keeps reading its source. Bodies are text: who renames a copy refuses those that name it.
    """
    session.execute(fill('ALTER SCHEMA :"old" RENAME TO :"new"', {"old": old, "new": new}))
    for routine in session.mappings(load("capliquify_ops.tenants", "routine_paths"), {"schema": new}):
        names = path_names(routine["path"])
        if old in names:
            path = ", ".join(quoted(new if name == old else name) for name in names)
            session.execute(composed(f"ALTER ROUTINE {routine['routine']} SET search_path TO {path}"))


def names_schema(body: str, schema: str) -> bool:
    """Say whether a routine's text names a schema, in whatever quotes or letter case."""
    plain = body.replace('""', '"').replace("''", "'")
    return bool(re.search(rf"(?<![\w$]){re.escape(schema)}(?![\w$])", plain, re.IGNORECASE))


def path_names(path: str) -> list[str]:
    """Return the names of a search_path as the catalogue has them."""
    found = [match[1] for match in _NAME.finditer(path) if match[1]]
    return [name[1:-1].replace('""', '"') if name.startswith('"') else name for name in found]
