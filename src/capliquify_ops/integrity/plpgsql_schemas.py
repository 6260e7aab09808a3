"""PL/pgSQL that puts a schema's name into a statement as it was given: without the quotes that it may need.

A pure function of the text. Only what is certain is told: a parameter that is neither changed nor held against a pattern or list.
"""

import re
from collections.abc import Iterable, Iterator, Sequence

from capliquify_ops.integrity.plpgsql_text import NotUnderstoodError, Token, elements, every, read, statements, word

_SCHEMA_NEXT = re.compile(r"\b(?:create|drop|alter)\s+schema\s+(?:if\s+(?:not\s+)?exists\s+)?$", re.IGNORECASE)
_PLACES = re.compile(r"%(?:(\d+)\$)?-?\d*([sIL%])")
_GUARDS = re.compile(r"quote_ident|similar|translate|regexp_\w+|(?:to_)?regnamespace|[^\w]*~[^\w]*")


def unquoted_schemas(body: str, texts: Iterable[str]) -> tuple[str, ...]:
    """Return the parameters, of those in `texts`, that an EXECUTE takes for a schema's name without quotes."""
    try:
        tokens = read(body)
        found = [statement for statement, _ in statements(tokens, frozenset())]
    except NotUnderstoodError:
        return ()
    if any(token.kind in {"word", "sign"} and _GUARDS.fullmatch(token.text) for token in every(tokens)):
        return ()
    known = set(texts) - {""} - {name for statement in found for name in _changed(statement)}
    put_in = {name for statement in found if word(statement, 0) == "execute" for name in _put_in(statement)}
    return tuple(sorted(known & put_in))


def _changed(statement: Sequence[Token]) -> Iterator[str]:
    """Yield what a statement gives another value, or compares with a list."""
    if word(statement, 1) in {":=", "="}:
        yield statement[0].text
    for place in range(len(statement)):
        if word(statement, place) == "into":
            yield from (each.text for each in statement[place + 1 :])
        if word(statement, place) == "in":
            yield from (each.text for each in statement[max(place - 2, 0) : place])


def _put_in(statement: Sequence[Token]) -> Iterator[str]:
    """Yield the bare names that stand where the text of an EXECUTE names a schema."""
    for place, token in enumerate(statement[:-1]):
        following = statement[place + 1]
        if token.kind == "text" and _SCHEMA_NEXT.search(token.text) and word(statement, place + 1) == "||":
            is_bare = place + 3 >= len(statement) or word(statement, place + 3) in {"||", "into", "using"}
            yield from (each.text for each in statement[place + 2 : place + 3] if is_bare and each.kind in {"word", "name"})
        if token == Token("word", "format") and following.kind == "group":
            yield from _formatted(list(elements(following.inner)))


def _formatted(arguments: Sequence[Sequence[Token]]) -> Iterator[str]:
    if len(arguments[0]) != 1 or arguments[0][0].kind != "text":
        return
    text, last = arguments[0][0].text, 0
    for match in _PLACES.finditer(text):
        if match[2] == "%":
            continue
        last = int(match[1] or last + 1)
        argument = arguments[last] if last < len(arguments) else ()
        if match[2] == "s" and len(argument) == 1 and _SCHEMA_NEXT.search(text[: match.start()]):
            yield argument[0].text
