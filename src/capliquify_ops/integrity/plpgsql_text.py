"""The text of a PL/pgSQL function as tokens, and as statements with the variables that each can see.

Pure functions. What is not understood raises NotUnderstoodError: whoever asks then has nothing to tell.
"""

import re
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

_TOKEN = re.compile(
    r"""(?P<skip>\s+|--[^\n]*)
      | (?P<comment>/\*)
      | (?P<odd>e'(?:[^'\\]|''|\\.)*'|[bnx]'[^']*'|u&'(?:[^']|'')*'|u&"(?:[^"]|"")*"|\$\d+|\d[\d.]*(?:e[-+]?\d+)?)
      | '(?P<plain>(?:[^']|'')*)'
      | \$(?P<tag>(?:[^\W\d]\w*)?)\$(?P<dollar>.*?)\$(?P=tag)\$
      | "(?P<name>(?:[^"]|"")+)"
      | (?P<word>[^\W\d][\w$]*)
      | (?P<sign>::|:=|=>|<<|>>|\|\||(?:(?!--|/\*)[-+*/<>=~!@\#%^&|`?])+|[].,;:()[])""",
    re.VERBOSE | re.DOTALL | re.IGNORECASE,
)
_DEEPEST = 100
"""Brackets within brackets, at most: what reads them calls itself."""
_COMMENT = re.compile(r"/\*|\*/")
_ASCII_LOWER = str.maketrans("ABCDEFGHIJKLMNOPQRSTUVWXYZ", "abcdefghijklmnopqrstuvwxyz")
HEAD_ENDS = {
    "if": "then",
    "elsif": "then",
    "elseif": "then",
    "case": "then",
    "when": "then",
    "for": "loop",
    "foreach": "loop",
    "while": "loop",
}
"""Statements that hold others, by their first word: the word that ends their head."""


class NotUnderstoodError(ValueError):
    """The text is no PL/pgSQL, or more of it than is known here."""


class Token(NamedTuple):
    """A word, quoted name, text, sign or other literal; or a group: what two brackets hold is `inner`."""

    kind: str
    text: str
    inner: tuple["Token", ...] = ()


def read(body: str) -> tuple[Token, ...]:
    """Return the tokens of a body: words folded as the server folds them, texts and quoted names unquoted, comments left out."""
    return _grouped(_tokens(body), 0)


def every(tokens: Iterable[Token]) -> Iterator[Token]:
    """Yield tokens, and those within groups."""
    for token in tokens:
        yield token
        yield from every(token.inner)


def word(tokens: Sequence[Token], place: int) -> str:
    """Return the word or sign at a place; "" for anything else, and beyond both ends."""
    token = tokens[place] if 0 <= place < len(tokens) else None
    return token.text if token and token.kind in {"word", "sign"} else ""


def elements(tokens: Sequence[Token]) -> Iterator[Sequence[Token]]:
    """Cut a list at its commas."""
    first = 0
    for place in range(len(tokens) + 1):
        if place == len(tokens) or word(tokens, place) == ",":
            yield tokens[first:place]
            first = place + 1


def statements(tokens: Sequence[Token], variables: frozenset[str]) -> Iterator[tuple[Sequence[Token], frozenset[str]]]:
    """Yield every statement, and the head of every one that holds others, with the variables of the blocks around it."""
    scopes, declared, place = [variables], frozenset[str](), 0
    while place < len(tokens):
        first = word(tokens, place)
        if first == "declare":
            declared, place = _declared(tokens, place + 1)
        elif first == "begin":
            scopes.append(scopes[-1] | declared)
            declared, place = frozenset(), place + 1
        elif first == "end":
            if word(tokens, place + 1) not in {"if", "loop", "case"}:
                scopes.pop()
            place = _until(tokens, place, ";") + 1 if len(scopes) > 1 else len(tokens)
        elif first in {"else", "exception", "loop", ";"}:
            place += 1
        elif first in {"<<", "#"}:  # a label; an option of the whole text
            place += 3
        else:
            end = _until(tokens, place, HEAD_ENDS.get(first, ";"))
            yield tokens[place:end], scopes[-1]
            place = end + 1
    if len(scopes) != 1:
        raise NotUnderstoodError


def _tokens(body: str) -> Iterator[Token]:
    place = 0
    while place < len(body):
        match = _TOKEN.match(body, place)
        if match is None:
            raise NotUnderstoodError
        place = match.end()
        if match["comment"]:
            place = _comment_end(body, place)
        elif match["word"]:
            yield Token("word", match["word"].translate(_ASCII_LOWER))
        elif match["name"]:
            yield Token("name", match["name"].replace('""', '"'))
        elif match["plain"] is not None:
            yield Token("text", match["plain"].replace("''", "'"))
        elif match["dollar"] is not None:
            yield Token("text", match["dollar"])
        elif not match["skip"]:
            yield Token("sign" if match["sign"] else "odd", match[0])


def _comment_end(body: str, place: int) -> int:
    """Return where a comment ends; comments stand in comments."""
    depth = 1
    for match in _COMMENT.finditer(body, place):
        depth += 1 if match[0] == "/*" else -1
        if not depth:
            return match.end()
    raise NotUnderstoodError


def _grouped(tokens: Iterator[Token], depth: int) -> tuple[Token, ...]:
    found: list[Token] = []
    for token in tokens:
        if token == Token("sign", ")"):
            if depth:
                return tuple(found)
            raise NotUnderstoodError
        if token == Token("sign", "(") and depth == _DEEPEST:
            raise NotUnderstoodError
        found.append(Token("group", "()", _grouped(tokens, depth + 1)) if token == Token("sign", "(") else token)
    if depth:
        raise NotUnderstoodError
    return tuple(found)


def _until(tokens: Sequence[Token], place: int, end: str) -> int:
    """Return where a statement or its head ends: not at the THEN of a CASE within an expression."""
    depth = 0
    for at in range(place + 1, len(tokens)):
        here = word(tokens, at)
        if here == end and not depth:
            return at
        if end != ";":
            depth += (here == "case") - (here == "end")
            if here == ";":
                break
    raise NotUnderstoodError


def _declared(tokens: Sequence[Token], place: int) -> tuple[frozenset[str], int]:
    """Return the names that a DECLARE declares, and where its BEGIN is."""
    names = set()
    while (here := word(tokens, place)) != "begin":
        if place >= len(tokens):
            raise NotUnderstoodError
        if here != "declare":
            names.add(tokens[place].text)
            place = _until(tokens, place, ";")
        place += 1
    return frozenset(names), place
