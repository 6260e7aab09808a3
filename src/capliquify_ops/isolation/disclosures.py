"""What an answer, or a log, must never tell: secrets, connection strings, stack traces, SQL, paths of the server. Pure."""

import html
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from urllib.parse import unquote

from capliquify_ops.isolation.canary import Canary
from capliquify_ops.isolation.sensor import sightings

SHORTEST_SECRET = 8
"""Shorter ones (a role's name as its password) occur by chance."""
_SECRET_PATTERNS: tuple[tuple[str, str], ...] = (
    ("a connection string", r"\b(?:postgres(?:ql)?|mysql|mariadb|mongodb(?:\+srv)?|rediss?|amqps?|jdbc:\w+)://[^\s\"'<>]{4,}"),
    ("credentials in an address", r"\b[a-z][a-z0-9+.-]{1,20}://[^/\s:@\"'<>]{1,64}:[^/\s:@\"'<>]{1,256}@"),
    ("a connection string", r"\b(?:host|dbname|user)=\S{1,200}[ \w=.'/:-]{0,200}\bpassword=\S"),
    ("a private key", r"-----BEGIN [A-Z ]{0,20}PRIVATE KEY-----"),
    ("an access key", r"\b(?:sk_(?:live|test)_[A-Za-z0-9]{10,}|AKIA[0-9A-Z]{16}|gh[pousr]_[A-Za-z0-9]{36}|xox[abp]-[\w-]{10,})"),
)
_CODE = r"(?:py|[cm]?[jt]sx?|rb|go|java|kt|php|cs|rs|exs?|scala)"
_DETAIL_PATTERNS: tuple[tuple[str, str], ...] = (
    ("a stack trace", r"Traceback \(most recent call last\)|File \"[^\"]{1,300}\", line \d+"),
    ("a stack trace", r"\bat (?:async )?(?:[\w.$<>\[\] ]{1,120} \()?(?:file://|node:|/|[A-Za-z]:\\)[^\s()]{1,300}:\d+:\d+"),
    ("a stack trace", r"\bat [\w.$<>/]{3,200}\((?:[\w$]+\.(?:java|kt|scala|groovy):\d+|Native Method|Unknown Source)\)"),
    ("a stack trace", r"\bgoroutine \d+ \[|\bpanic: |\.go:\d+ \+0x|thread '[^']{1,60}' panicked at"),
    ("a stack trace", r"\.rb:\d+:in [`']|#\d+ [^\s]{1,300}\.php\(\d+\)|(?:Fatal error|Warning|Notice):.{1,300} on line \d+"),
    ("a stack trace", r"\bat [\w.<>`\[\],]{3,200}\([^)]{0,200}\) in [^\n]{1,300}:line \d+"),
    ("SQL", r"\bSQLSTATE\b|syntax error at or near|\b(?:relation|column|schema|function) \"[^\"]{1,100}\" .{0,80}does not exist"),
    ("SQL", r"duplicate key value violates|violates (?:unique|foreign key|check|not-null|exclusion|row-level)"),
    ("SQL", r"invalid input syntax for (?:type )?\w|permission denied for (?:table|schema|relation|sequence|function)"),
    ("SQL", r"current transaction is aborted|unterminated quoted string|ERROR: +[\w \"]{3,}(?:LINE \d+|DETAIL|CONTEXT)"),
    ("SQL", r"\bSELECT\b.{1,300}\bFROM\b|\bINSERT INTO \S{1,100} ?\(|\bUPDATE \S{1,100} SET \b|\bDELETE FROM \S{1,100} WHERE\b"),
    ("a path of the server", rf"(?<![\w.:/-])/(?:[\w.@+-]{{1,80}}/){{1,20}}[\w.@+-]{{1,80}}\.{_CODE}\b"),
    ("a path of the server", r"[\w/.-]{1,200}/(?:site-packages|dist-packages|node_modules|vendor/bundle|\.cargo/registry)/"),
    ("a path of the server", r"\b[A-Z]:\\(?:[\w .-]{1,80}\\){1,20}[\w .-]{1,80}"),
)
Compiled = tuple[tuple[str, re.Pattern[str]], ...]
_SECRETS: Compiled = tuple((name, re.compile(pattern, re.IGNORECASE)) for name, pattern in _SECRET_PATTERNS)
_DETAILS: Compiled = tuple((name, re.compile(pattern)) for name, pattern in _DETAIL_PATTERNS)


def wanted(secrets: Mapping[str, str]) -> tuple[Canary, ...]:
    """Return what to look for, of secrets by what a report calls them."""
    return tuple(Canary("target", name, text.lower()) for name, text in sorted(secrets.items()) if len(text) >= SHORTEST_SECRET)


def disclosed(
    body: bytes, headers: Mapping[str, str], secrets: Iterable[Canary], sent: Sequence[str] = (), *, is_error: bool
) -> tuple[str, ...]:
    """Return what is told, each once, never the text itself.

    Secrets and connection strings count everywhere; a trace, SQL or a path of the server only in an error, since data may
    hold such words. What was sent is taken out first: a caller may be shown the own path again.
    """
    found = [f"the {one.label} ({one.form} in {one.place})" for one in sightings(secrets, body, headers)]
    head = "\n".join(f"{name}: {value}" for name, value in headers.items())
    patterns = (*_SECRETS, *_DETAILS) if is_error else _SECRETS
    for place, text in (("body", body.decode("utf-8", "replace")), ("headers", head)):
        for view in _views(text):
            left = _without(view, sent)
            found += [f"{name} in {place}" for name, pattern in patterns if pattern.search(left)]
    return tuple(dict.fromkeys(found))


def _views(text: str) -> Iterator[str]:
    yield text
    if "\\" in text:
        yield text.replace("\\n", "\n").replace('\\"', '"').replace("\\/", "/").replace("\\\\", "\\")
    if "&" in text:
        yield html.unescape(text)


def _without(text: str, sent: Sequence[str]) -> str:
    for each in sorted({form for one in sent for form in (one, unquote(one))}, key=len, reverse=True):
        if len(each) > 1:
            text = text.replace(each, " ")
    return text
