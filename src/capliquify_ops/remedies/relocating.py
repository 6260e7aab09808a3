"""A definition of one schema as it would be in another: qualified names change, texts that name the schema are refused."""

import re
from collections.abc import Iterator

from capliquify_ops.database import literal, quoted
from capliquify_ops.tenants.renaming import names_schema

_TOKEN = re.compile(
    r"""(?P<literal>[eE]'(?:[^'\\]|''|\\.)*'|'(?:[^']|'')*')|(?P<body>(?P<tag>\$(?:[A-Za-z_\x80-\U0010ffff]\w*)?\$).*?(?P=tag))"""
    r"""|(?P<name>"(?:[^"]|"")*"|[A-Za-z_\x80-\U0010ffff][\w$]*)|(?P<other>.)""",
    re.DOTALL,
)
_OID_NAME = re.compile(r"::reg(?:class|type|proc|procedure|oper|operator|collation|config|dictionary)\b")
_PATH = re.compile(r"\bSET search_path (?:TO|=)\s*(?:'(?:[^']|'')*'\s*,\s*)*\Z")


class NamesTheSchemaError(Exception):
    """A text within a definition names the schema, and would go on naming it from everywhere else."""


def relocated(statement: str, old: str, new: str) -> str:
    """Return a statement about the schema `old`, in the server's own quoting, as one about `new`.

    Names change where they qualify another one, in casts such as `'s.t'::regclass`, and in a routine's search_path.
    Raises NamesTheSchemaError where another literal or a routine's text names the schema.
    """
    return "".join(_parts(statement, old, new))


def settled(definition: str, schema: str) -> str:
    """Return a neutral definition whose search_path is neutral too, however the schema's name has to be quoted in it."""
    for own in (literal(schema), "~'"):
        definition = definition.replace(f"SET search_path TO {own}", "SET search_path TO ~")
    return definition


def _parts(statement: str, old: str, new: str) -> Iterator[str]:
    before = ""
    for found in _TOKEN.finditer(statement):
        text = found[0]
        if found["name"]:
            qualifies = statement.startswith(".", found.end()) and before != "."
            yield quoted(new) if qualifies and _plain(text) == old else text
        elif found["literal"]:
            yield _literal(statement, found, old, new)
        elif found["body"]:
            if names_schema(text, old):
                raise NamesTheSchemaError
            yield text
        else:
            yield text
        before = text


def _literal(statement: str, found: re.Match[str], old: str, new: str) -> str:
    text = found[0]
    inside = text[1:-1].replace("''", "'") if text.startswith("'") else text
    if _OID_NAME.match(statement, found.end()):
        return literal(relocated(inside, old, new))
    if inside == old and _PATH.search(statement, 0, found.start()):
        return literal(new)
    if names_schema(inside, old) and f"{old}." in inside.replace('"', ""):
        raise NamesTheSchemaError
    return text


def _plain(name: str) -> str:
    return name[1:-1].replace('""', '"') if name.startswith('"') else name
