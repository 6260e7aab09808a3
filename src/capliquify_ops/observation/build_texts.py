"""What the log of a build or a start says went wrong, by the words of the tools. Pure, and safe for any text.

What is shown of a line are names, codes and places, of a statement its form: values of whatever kind are left out.
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum

from capliquify_ops.evidence.redaction import Redactor
from capliquify_ops.observation.build_migrations import find_migration

MOST_LINES, LONGEST = 500, 2_000
"""Of a log the last lines, of each line the beginning: what went wrong stands at the end of the one, the start of the other."""
_SHOWN, _MANY = 160, 5
_ESCAPES = re.compile(r"\x1b(?:\[[0-9;:?]{0,40}[ -/]{0,4}[@-~]|\][^\x07\x1b]{0,200}(?:\x07|\x1b\\)|[@-Z\\-_])")
_CONTROLS = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029]")


class Kind(StrEnum):
    """What failed. The first five say why; the others are what such a failure leads to, or leave the why open."""

    MIGRATION = "migration failure"
    VARIABLE = "missing environment variable"
    TYPESCRIPT = "TypeScript error"
    MODULE = "missing module"
    MEMORY = "out of memory in the build"
    PYTHON = "Python error"
    PACKAGES = "package manager error"
    DOCKER = "Docker build error"


@dataclass(frozen=True, slots=True)
class Problem:
    """One kind of failure, what it names (variables, modules, places, codes), and lines that show it. `at` is its first line."""

    kind: Kind
    names: tuple[str, ...]
    lines: tuple[str, ...]
    at: int


_NAME = r"([A-Z][A-Z0-9_]{1,80})"
_QUOTE = r"[`'\"]?"
_MISSING = r"(?i:(?:is|was) (?:not defined|not set|required|missing|undefined|unset)|must be set)"
_VARIABLES = (
    re.compile(rf"KeyError: '{_NAME}'"),
    re.compile(rf"Environment variable not found: {_QUOTE}{_NAME}\b"),
    re.compile(
        r"(?i:missing|required|unset|undefined)(?i: required)? (?i:env(?:ironment)?[ -]?var(?:iable)?s?)"
        rf"\b:? {{0,3}}{_QUOTE}{_NAME}\b"
    ),
    re.compile(rf"(?i:env(?:ironment)? ?var(?:iable)?) {_QUOTE}{_NAME}{_QUOTE} (?i:is|was|must be|not)\b"),
    re.compile(rf"\b{_NAME}{_QUOTE} (?i:environment variable )?{_MISSING}"),
    re.compile(rf"(?i:\bmissing|\bundefined)[^\n]{{0,40}}process\.env\.{_NAME}\b"),
    re.compile(rf"process\.env\.{_NAME}\b[^\n]{{0,20}} (?i:is )?(?i:missing|undefined|required|not set|not defined)"),
)
_PLAIN = 4
"""The pattern that any capital word would fit: its names must look like a variable's, or be known to be one."""
_MODULES = (
    re.compile(r"[Cc]annot find (?:module|package) '([\w@./-]{1,120})'"),
    re.compile(r"Can't resolve '([\w@./-]{1,120})'"),
    re.compile(r"No module named '?([\w.]{1,120})"),
)
_TYPESCRIPT = re.compile(r"\berror (TS\d{3,5})\b")
_PLACE = re.compile(r"([\w./@\[\]-]{1,200}\.[cm]?tsx?)[(:](\d{1,7})[,:](\d{1,7})")
_MEMORY = re.compile(
    r"heap out of memory|^Killed$|exit(?:ed with)?(?: code)?:? 137\b|signal: killed|Ran out of memory|MemoryError\b|\bOOMKilled\b"
)
_PACKAGES = re.compile(
    r"npm (?:ERR!|error) code (E[A-Z0-9]{2,30})|\b(ERR_PNPM_[A-Z0-9_]{1,60})|No matching distribution found for ([\w.-]{1,80})"
)
_DOCKER = re.compile(
    r"(failed to (?:solve|build|compute cache key)|dockerfile parse error|executor failed running|did not complete successfully"
    r"(?:: exit code: \d{1,3})?)",
    re.IGNORECASE,
)
_EXCEPTION = re.compile(r"^([A-Za-z_][\w.]{0,120}(?:Error|Exception))(?::|$)")
_PYTHON_PLACE = re.compile(r'^ {0,8}File "([^"\n]{1,200})", line (\d{1,7})')


def cleaned(text: str) -> str:
    """Return the beginning of a line without colours and control characters, and without what looks like a credential."""
    plain = _CONTROLS.sub(" ", _ESCAPES.sub("", text[:LONGEST])).rstrip()
    return Redactor().text(plain.encode("utf-8", "replace").decode())


def classify(lines: Iterable[str], known: Iterable[str] = ()) -> tuple[Problem, ...]:
    """Return what went wrong, what says why before what follows from it. `known` are names of variables."""
    texts = [cleaned(part) for line in list(lines)[-MOST_LINES:] for part in line[: 20 * LONGEST].split("\n")][-MOST_LINES:]
    looks = (_migration(texts), _variables(texts, frozenset(known)), _typescript(texts), _modules(texts), _memory(texts))
    why = [each for each in looks if each]
    follows = [each for each in (_python(texts), _packages(texts), _docker(texts)) if each]
    return tuple(why or follows[:1])


def _migration(texts: Sequence[str]) -> Problem | None:
    found = find_migration(texts)
    return Problem(Kind.MIGRATION, found.names, found.lines, found.at) if found else None


def _variables(texts: Sequence[str], known: frozenset[str]) -> Problem | None:
    found: dict[str, int] = {}
    for at, text in enumerate(texts):
        for number, pattern in enumerate(_VARIABLES):
            for match in pattern.finditer(text):
                if number != _PLAIN or "_" in match[1] or match[1] in known:
                    found.setdefault(match[1], at)
    return _problem(Kind.VARIABLE, found, "the log says that {} is missing")


def _typescript(texts: Sequence[str]) -> Problem | None:
    found: dict[str, int] = {}
    for at, text in enumerate(texts):
        if match := _TYPESCRIPT.search(text):
            place = _PLACE.search(text[: match.start()])
            found.setdefault(f"{match[1]} in {place[1]}:{place[2]}" if place else match[1], at)
    return _problem(Kind.TYPESCRIPT, found, "{}")


def _modules(texts: Sequence[str]) -> Problem | None:
    found: dict[str, int] = {}
    for at, text in enumerate(texts):
        if not _TYPESCRIPT.search(text):
            found |= {match[1]: at for pattern in _MODULES if (match := pattern.search(text)) and match[1] not in found}
    return _problem(Kind.MODULE, found, "there is no module {}")


def _memory(texts: Sequence[str]) -> Problem | None:
    found = {match[0]: at for at, text in reversed(list(enumerate(texts))) if (match := _MEMORY.search(text))}
    return _problem(Kind.MEMORY, found, "the log says: {}")


def _packages(texts: Sequence[str]) -> Problem | None:
    found: dict[str, int] = {}
    for at, text in enumerate(texts):
        if match := _PACKAGES.search(text):
            found.setdefault(next(each for each in match.groups() if each), at)
        elif "npm ERR!" in text:
            found.setdefault("npm ERR!", at)
    return _problem(Kind.PACKAGES, found, "{}")


def _docker(texts: Sequence[str]) -> Problem | None:
    found: dict[str, int] = {}
    for at, text in enumerate(texts):
        if match := _DOCKER.search(text):
            found.setdefault(match[1], at)
    return _problem(Kind.DOCKER, found, "{}")


def _python(texts: Sequence[str]) -> Problem | None:
    """Name the exception that ends a traceback, and the last place of it."""
    found: dict[str, int] = {}
    place, is_open = "", False
    for at, text in enumerate(texts):
        if text.lstrip().startswith("Traceback (most recent call last)"):
            is_open = True
        elif match := _PYTHON_PLACE.match(text):
            place = f" in {match[1]}:{match[2]}"
        elif (match := _EXCEPTION.match(text)) and (is_open or place):
            found.setdefault(f"{match[1]}{place}", at)
            place, is_open = "", False
    return _problem(Kind.PYTHON, found, "{}")


def _problem(kind: Kind, found: dict[str, int], form: str) -> Problem | None:
    if not found:
        return None
    names = tuple(name[:_SHOWN] for name in sorted(found, key=lambda name: found[name]))
    more = [f"and {len(names) - _MANY} more"] if len(names) > _MANY else []
    return Problem(kind, names, (*(form.format(name) for name in names[:_MANY]), *more), min(found.values()))
