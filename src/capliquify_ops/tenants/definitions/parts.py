"""Parts of a schema: each is one object with the statements that make it, and says what has to be made before."""

import heapq
import re
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from capliquify_ops.tenants.definitions.rows import Edge, Key

_MAYBE_VARIABLE = re.compile(r"""(?<!:):(?=["'{\w])""")
_MAYBE_BODY = re.compile(r"\bbegin\b")
"""As a name: the server writes its keywords in capitals."""
_OPAQUE = re.compile(
    r"""[eE]'(?:[^'\\]|\\.|'')*'|'(?:[^']|'')*'|"(?:[^"]|"")*"|(\$(?:[A-Za-z_\x80-\U0010ffff][\w]*)?\$).*?\1|::""", re.DOTALL
)
"""What psql does not look into for variables: literals, quoted names, dollar quotes; and casts."""


class CircleError(Exception):
    """Parts that need each other."""

    def __init__(self, parts: Iterable["Part"]) -> None:
        super().__init__()
        self.parts = sorted(parts, key=lambda part: part.name)


@dataclass(frozen=True, slots=True)
class Part:
    """One object of a schema.

    `rank` and `name` order parts that do not depend on each other. A late part is made after the data. `makes` are the
    other objects that its statements make, with how COMMENT names them (None where nothing can be said of them).
    """

    key: Key
    rank: int
    name: str
    statements: tuple[str, ...]
    is_late: bool = False
    target: str | None = None
    makes: Mapping[Key, str | None] = field(default_factory=dict)
    needs: tuple[Key, ...] = ()
    grants: tuple[str, ...] = ()


def ordered(parts: Iterable[Part], edges: Iterable[Edge]) -> tuple[list[Part], list[Part]]:
    """Return the parts to make before the data and after it, each after what it needs.

    Raises CircleError for definitions that go round.
    """
    by_key = {part.key: part for part in parts}
    home = _homes(by_key, edges)
    needs: dict[Key, set[Key]] = {
        part.key: {home[key] for key in part.needs if key in home} - {part.key} for part in by_key.values()
    }
    for edge in edges:
        one, other = home.get(edge.key), home.get(edge.on)
        if one is not None and other is not None and one != other:
            needs[one].add(other)
    return _split(_sorted(by_key, needs), needs)


def _homes(by_key: Mapping[Key, Part], edges: Iterable[Edge]) -> dict[Key, Key]:
    """Say which part makes an object: itself, the part that lists it, or the one that it is an internal piece of."""
    home = {key: key for key in by_key}
    home |= {made: part.key for part in by_key.values() for made in part.makes}
    piece_of = {edge.key: edge.on for edge in edges if edge.kind == "i" and edge.key not in home}
    for key in piece_of:
        whole, seen = key, {key}
        while whole in piece_of and whole not in home and piece_of[whole] not in seen:
            whole = piece_of[whole]
            seen.add(whole)
        if whole in home:
            home[key] = home[whole]
    return home


def _sorted(by_key: Mapping[Key, Part], needs: Mapping[Key, set[Key]]) -> list[Part]:
    waiting = {key: len(before) for key, before in needs.items()}
    after: dict[Key, list[Key]] = defaultdict(list)
    for key, before in needs.items():
        for one in before:
            after[one].append(key)
    free = [(by_key[key].rank, by_key[key].name, key) for key, count in waiting.items() if not count]
    heapq.heapify(free)
    done: list[Part] = []
    while free:
        part = by_key[heapq.heappop(free)[2]]
        done.append(part)
        for key in after[part.key]:
            waiting[key] -= 1
            if not waiting[key]:
                heapq.heappush(free, (by_key[key].rank, by_key[key].name, key))
    if len(done) < len(by_key):
        raise CircleError(by_key[key] for key, count in waiting.items() if count)
    return done


def _split(parts: Sequence[Part], needs: Mapping[Key, set[Key]]) -> tuple[list[Part], list[Part]]:
    late: set[Key] = set()
    for part in parts:
        if part.is_late or needs[part.key] & late:
            late.add(part.key)
    return [part for part in parts if part.key not in late], [part for part in parts if part.key in late]


def all_safe_in_psql(statements: Iterable[str]) -> tuple[str, ...]:
    """Return statements as `safe_in_psql` does; nearly always there is nothing to do for any."""
    found = tuple(statements)
    text = "\n".join(found)
    if ":" not in text.replace("::", "") and "begin" not in text:
        return found
    return tuple(safe_in_psql(statement) for statement in found)


def safe_in_psql(statement: str) -> str:
    """Keep psql from reading more into a statement than the server does, outside of literals and quoted names.

    It takes `a[1:"AUTOCOMMIT"]` for a variable: a space goes behind the colon. And it counts every word `begin` of CREATE
    FUNCTION as the start of a body, so that it would not see the statement's end: a name goes into quotes.
    """
    if not (_MAYBE_VARIABLE.search(statement) or _MAYBE_BODY.search(statement)):
        return statement
    done, position = [], 0
    for found in _OPAQUE.finditer(statement):
        done += [_told(statement[position : found.start()] + found[0][:1])[:-1], found[0]]
        position = found.end()
    return "".join([*done, _told(statement[position:])])


def _told(text: str) -> str:
    return _MAYBE_BODY.sub('"begin"', _MAYBE_VARIABLE.sub(": ", text))
