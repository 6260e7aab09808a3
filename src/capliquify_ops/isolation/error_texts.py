"""What an error must not tell of the database behind it: codes, names, statements, drivers, other tenants. Pure."""

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from urllib.parse import unquote

from capliquify_ops.isolation.canary import Canary
from capliquify_ops.isolation.disclosures import disclosed
from capliquify_ops.isolation.exchange import Call, Exchange, leaves

SHORTEST_ECHO = 4
"""What was sent is taken out of an answer before it is looked through; shorter pieces occur in every text."""
_PATTERNS: tuple[tuple[str, str], ...] = (
    (
        "an SQLSTATE",
        r"(?<![\w.-])(?:0800[0136]|2200[13789]|22012|22021|22P0[2-5]|2350[235]|23514|23P01|25P0[123]|3[DF]000)(?![\w.-])",
    ),
    ("an SQLSTATE", r"(?<![\w.-])(?:40001|40P01|42501|42601|4270[123]|42804|42883|42P0[1-9]|42P10|53[1-4]00)(?![\w.-])"),
    ("an SQLSTATE", r"(?<![\w.-])(?:55P03|57014|57P0[1-5]|XX00[0-2])(?![\w.-])"),
    ("a line of the database's error", r"\bDETAIL: |\bHINT: |\bLINE \d+: |\bCONTEXT: |\bKey \([^()]{1,200}\)=\("),
    ("a name of the database's", r"\b(?:relation|constraint|index|sequence|schema) [\"“][^\"”]{1,100}[\"”]"),
    (
        "a name of the database's",
        r"\b[a-z]\w{1,60}_(?:pkey|fkey|excl)\b|\bforeign key constraint\b|\bunique (?:constraint|index)\b",
    ),
    ("an error of the database", r"value too long for type|invalid byte sequence|numeric field overflow|out of range for type"),
    (
        "an error of the database",
        r"canceling statement due|field value out of range|null value in column|is not present in table",
    ),
    ("an error of the database", r"could not serialize access|deadlock detected|lock timeout|terminating connection due"),
    (
        "an error of the database",
        r"operator does not exist|cannot contain NUL|no such table|constraint failed: |Duplicate entry '",
    ),
    ("an error of the database", r"\bORA-\d{5}\b|\bSQLITE_[A-Z]+\b"),
    (
        "a driver or mapper",
        r"\bpsycopg\w*|\basyncpg\b|\bpg8000\b|\bsqlalchemy\b|\bsqlalche\.me\b|\bdjango\.db\b|\bPDOException\b",
    ),
    ("a driver or mapper", r"\bQueryException\b|\bPSQLException\b|\borg\.postgresql\b|\bjdbc:|\b\w*Hibernate\w*Exception\b"),
    (
        "a driver or mapper",
        r"\bActiveRecord::|\bPG::[A-Z]\w+|\bNpgsql\w*|\bSequelize\w*Error\b|\bPrismaClient\w+|\bTypeORMError\b",
    ),
    (
        "a driver or mapper",
        r"\bQueryFailedError\b|\bpq: |\bpgx\b|\bpgconn\b|\bsqlx\b|\bEcto\.\w+|\bPostgrex\b|\b[Pp]ostgre(?:s|SQL|sql)\b",
    ),
    (
        "a driver or mapper",
        r"\b(?:Unique|ForeignKey|NotNull|Check|Integrity)(?:Constraint)?Violation\b|\bUndefined(?:Table|Column)\b",
    ),
    ("a driver or mapper", r"\bInvalidTextRepresentation\b|\b(?:Integrity|Operational|Programming|Data|Interface)Error\b"),
    (
        "a driver or mapper",
        r"\bQueryCanceled\b|\bNumericValueOutOfRange\b|\bStringDataRightTruncation\b|\bDatetimeFieldOverflow\b",
    ),
)
_COMPILED = tuple((name, re.compile(pattern, re.IGNORECASE if name.startswith("an error") else 0)) for name, pattern in _PATTERNS)
_OK = range(200, 300)


def betrayed(answer: Exchange, names: Iterable[Canary]) -> tuple[str, ...]:
    """Return what an answer tells, each once; `names` are those of schemas, constraints and other tenants, from `wanted`.

    The names count in every answer but those that the caller sent; codes and words of the database only in an error.
    """
    sent = sorted(_sent(answer.call), key=len, reverse=True)
    known = [name for name in names if not any(name.token in one.lower() for one in sent)]
    is_error = answer.status not in _OK
    found = list(disclosed(answer.response.body, answer.response.headers, known, sent, is_error=is_error))
    if is_error:
        texts = {"body": _text(answer), "headers": _lines(answer.response.headers)}
        for place, text in texts.items():
            left = _without(text, sent)
            found += [f"{name} in {place}" for name, pattern in _COMPILED if pattern.search(left)]
    return tuple(dict.fromkeys(found))


def told_in(text: str, sent: Iterable[str] = ()) -> tuple[str, ...]:
    """Return what a text inside a successful answer tells, such as the reason of a failed job."""
    left = _without(text, sorted(sent, key=len, reverse=True))
    return tuple(dict.fromkeys(name for name, pattern in _COMPILED if pattern.search(left)))


def _text(answer: Exchange) -> str:
    """The body as it stands, and once more with its JSON texts as somebody reads them."""
    read = [str(value) for _, value in leaves(answer.document)] if answer.document is not None else []
    return "\n".join([answer.response.body.decode("utf-8", "replace"), *read])


def _lines(headers: Mapping[str, str]) -> str:
    return "\n".join(f"{name}: {value}" for name, value in headers.items())


def _sent(call: Call) -> Iterator[str]:
    values = [*call.path.replace("?", "/").replace("&", "/").split("/"), call.path, *call.headers.values()]
    values += [call.sent_organization() or "", *(str(value) for _, value in leaves(call.json))]
    if call.content is not None:
        values.append(call.content.decode("utf-8", "replace"))
    for value in values:
        if len(value) >= SHORTEST_ECHO:
            yield from {value, unquote(value), json.dumps(value)[1:-1], repr(value)[1:-1]}


def _without(text: str, sent: Iterable[str]) -> str:
    for each in sent:
        text = text.replace(each, " ")
    return text
