"""SQL lives in files: one statement each, with a header that says what it needs.

-- name: registry_catalogue
-- needs: SELECT on the registry table
-- since: 14
-- params: older_than_s int
-- schemas: registry
-- why: one sentence
"""

import re
from dataclasses import dataclass
from functools import cache
from importlib import resources

from capliquify_ops.model.errors import ServerUnsupported

_HEADER = re.compile(r"-- (name|needs|since|params|schemas|why): ?(.*)")
OLDEST_SERVER = 14
NEWEST_SERVER = 18


@dataclass(frozen=True, slots=True)
class Statement:
    """One statement from a file. `since` is a PostgreSQL major version."""

    name: str
    text: str
    needs: str
    since: int
    params: tuple[str, ...]
    schemas: str
    why: str


def parse(content: str) -> Statement:
    """Parse a statement file; the text keeps its header, so that pg_stat_activity shows the name."""
    header: dict[str, str] = {}
    for line in content.splitlines():
        if found := _HEADER.fullmatch(line):
            header[found[1]] = found[2]
    missing = {"name", "needs", "since", "params", "why"} - header.keys()
    if missing:
        raise ValueError(f"a statement file lacks the header lines {sorted(missing)}")
    return Statement(
        name=header["name"],
        text=content,
        needs=header["needs"],
        since=int(header["since"]),
        params=tuple(part.split()[0] for part in header["params"].split(",") if part.strip() not in {"", "none"}),
        schemas=header.get("schemas", ""),
        why=header["why"],
    )


@cache
def load(package: str, stem: str, major: int = OLDEST_SERVER) -> Statement:
    """Load `sql/<stem>.sql` of a package, or its newest variant `<stem>.pg<version>.sql` that the server's major allows."""
    folder = resources.files(package) / "sql"
    for version in range(major, OLDEST_SERVER, -1):
        variant = folder / f"{stem}.pg{version}.sql"
        if variant.is_file():
            return parse(variant.read_text(encoding="utf-8"))
    statement = parse((folder / f"{stem}.sql").read_text(encoding="utf-8"))
    if major < statement.since:
        raise ServerUnsupported(f"{stem} needs PostgreSQL {statement.since}; the server has {major}.")
    return statement
