"""Access lists as statements that make them again, entry for entry."""

import json
import re
from collections.abc import Iterable, Iterator

from capliquify_ops.database import quoted
from capliquify_ops.model.errors import DefinitionsRefused

_PRIVILEGES = {
    "r": "SELECT",
    "a": "INSERT",
    "w": "UPDATE",
    "d": "DELETE",
    "D": "TRUNCATE",
    "x": "REFERENCES",
    "t": "TRIGGER",
    "X": "EXECUTE",
    "U": "USAGE",
    "C": "CREATE",
    "m": "MAINTAIN",
}
_DEFAULT_KINDS = {"r": "TABLES", "S": "SEQUENCES", "f": "FUNCTIONS", "T": "TYPES", "n": "SCHEMAS", "L": "LARGE OBJECTS"}
_ENTRY = re.compile(r'(?P<grantee>"(?:[^"]|"")*"|[^"=]*)=(?P<letters>[A-Za-z*]*)/(?P<grantor>"(?:[^"]|"")*"|.*)', re.DOTALL)


def grants(what: str, owner: str, acl: Iterable[str] | None, column: str | None = None) -> Iterator[str]:
    """Yield what gives `what` ("TABLE s.t") exactly this access list; nothing for one that was never touched.

    Raises DefinitionsRefused for an entry that somebody else than the owner granted: only that role could grant it again.
    """
    if acl is None:
        return
    if column is None:
        # From here on the list is empty, whatever PUBLIC and the owner have by default.
        yield f"REVOKE ALL ON {what} FROM PUBLIC"
        yield f"REVOKE ALL ON {what} FROM {quoted(owner)}"
    for entry in acl:
        yield from _entry(what, owner, entry, column)


def default_grants(schema: str, rows: Iterable[str]) -> Iterator[str]:
    """Yield the default privileges that hold in a schema."""
    for row in rows:
        role, kind, acl = json.loads(row)
        for entry in acl:
            grantee, letters, _ = _parsed(entry)
            for privileges, option in _by_option(letters):
                yield (
                    f"ALTER DEFAULT PRIVILEGES FOR ROLE {quoted(role)} IN SCHEMA {quoted(schema)} GRANT {', '.join(privileges)}"
                    f" ON {_DEFAULT_KINDS[kind]} TO {grantee}{option}"
                )


def grantees(acl: Iterable[str] | None) -> set[str]:
    """Return the roles that an access list names."""
    named = {match["grantee"] for entry in acl or () if (match := _ENTRY.fullmatch(entry))}
    return {_plain(name) for name in named if name}


def _entry(what: str, owner: str, entry: str, column: str | None) -> Iterator[str]:
    grantee, letters, grantor = _parsed(entry)
    if grantor != owner:
        raise DefinitionsRefused.because([f"a privilege on {what} that was granted by {grantor}, not by the owner {owner}"])
    of = "" if column is None else f" ({quoted(column)})"
    for privileges, option in _by_option(letters):
        yield f"GRANT {', '.join(name + of for name in privileges)} ON {what} TO {grantee}{option}"


def _parsed(entry: str) -> tuple[str, str, str]:
    found = _ENTRY.fullmatch(entry)
    if found is None:
        raise DefinitionsRefused.because([f"an access list entry that cannot be read: {entry}"])
    grantee = quoted(_plain(found["grantee"])) if found["grantee"] else "PUBLIC"
    return grantee, found["letters"], _plain(found["grantor"])


def _plain(name: str) -> str:
    return name[1:-1].replace('""', '"') if name.startswith('"') else name


def _by_option(letters: str) -> Iterator[tuple[list[str], str]]:
    found = re.findall(r"([A-Za-z])(\*?)", letters)
    for star, option in (("", ""), ("*", " WITH GRANT OPTION")):
        if privileges := [_PRIVILEGES[letter] for letter, given in found if given == star]:
            yield privileges, option
