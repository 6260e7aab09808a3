"""What an answer says, as the same objects whatever it is written in: JSON, or XML or CSV where its type says so. Pure."""

import csv
import io
import json
import re
from email.message import Message
from xml.parsers import expat

MOST_DEPTH = 100
"""Elements inside each other: no service's answer goes deeper, a hostile one does."""
TEXT = "#text"
"""The text of an element that has attributes or children as well."""
_XML = re.compile(r"(application|text)/(xml|(?!xhtml)[\w.-]+\+xml)")
_CSV = {"text/csv": ",;\t|", "application/csv": ",;\t|", "text/tab-separated-values": "\t"}


def document_of(body: bytes, content_type: str) -> object:
    """Return what a body says: mappings, lists and values; None where it is none of these forms, such as a page of HTML."""
    kind, charset = _kind(content_type)
    try:
        if kind in _CSV:
            return _rows(body.decode(charset or "utf-8-sig", "replace"), _CSV[kind])
        return _Tree(charset).read(body) if _XML.fullmatch(kind) else json.loads(body)
    except (ValueError, LookupError, RecursionError, expat.ExpatError, csv.Error):
        return None


def _kind(content_type: str) -> tuple[str, str]:
    header = Message()
    header["Content-Type"] = content_type.replace("\n", " ").replace("\r", " ")
    return header.get_content_type() if content_type else "", header.get_content_charset() or ""


def _key(name: str) -> str:
    """Return a name without its namespace; an id is called id, however that is written."""
    local = name.rpartition(" ")[2].strip()
    return "id" if local.lower() == "id" else local


def _rows(text: str, delimiters: str) -> list[dict[str, str]]:
    """Return the rows below the line of names, told apart by what stands most often in that line."""
    lines = io.StringIO(text.replace("\0", ""), newline="")
    delimiter = max(delimiters, key=lines.readline().count)
    lines.seek(0)
    reader = csv.reader(lines, delimiter=delimiter)
    names = [_key(name) for name in next(reader, [])]
    return [dict(zip(names, row, strict=False)) for row in reader if row]


class _Tree:
    """An XML document as mappings: attributes and children by name, in a list where several are called the same.

    A document type is refused: it can make a small answer explode, or read files.
    """

    def __init__(self, charset: str) -> None:
        self._parser = expat.ParserCreate(charset or None, " ")
        self._parser.buffer_text = True
        self._parser.StartDoctypeDeclHandler = self._refuse
        self._parser.StartElementHandler = self._start
        self._parser.EndElementHandler = self._end
        self._parser.CharacterDataHandler = self._text
        self._open: list[tuple[dict[str, object], list[str]]] = [({}, [])]

    def read(self, body: bytes) -> object:
        """Return what the outermost element holds; by the element's name where that is a text. Raises ExpatError, ValueError."""
        self._parser.Parse(body, True)
        whole = self._open[0][0]
        inner = next(iter(whole.values()))
        return inner if isinstance(inner, dict) else whole

    def _refuse(self, *_: object) -> None:
        message = "a document type"
        raise ValueError(message)

    def _text(self, text: str) -> None:
        self._open[-1][1].append(text)

    def _start(self, _name: str, attributes: dict[str, str]) -> None:
        if len(self._open) > MOST_DEPTH:
            message = "too deep"
            raise ValueError(message)
        self._open.append(({_key(one): value for one, value in attributes.items()}, []))

    def _end(self, name: str) -> None:
        members, texts = self._open.pop()
        text = "".join(texts)
        if members and text.strip():
            members[TEXT] = text.strip()
        outside, key = self._open[-1][0], _key(name)
        value: object = members or text
        before = outside.get(key)
        if isinstance(before, list):
            before.append(value)
        else:
            outside[key] = value if before is None else [before, value]
