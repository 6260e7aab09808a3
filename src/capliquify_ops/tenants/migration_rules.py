"""Rules for a file that runs in every tenant: what locks long, names another schema or cannot be seen through is refused.

PostgreSQL's own parser (libpg_query, through pglast) reads the file, and what it cannot parse is refused too. A rule that squawk
has is called as there. Nothing here touches a server.
"""

import re
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from importlib import import_module
from typing import Any

from capliquify_ops.model.errors import ConfigurationInvalid
from capliquify_ops.tenants.migration_columns import Seen
from capliquify_ops.tenants.migration_locks import lock_rules
from capliquify_ops.tenants.migration_names import name_rules
from capliquify_ops.tenants.migration_rule_table import RULES

LARGEST = 1_000_000
"""Bytes of a file at most: more is data, not a migration."""
_SHALLOW = 20_000
"""Characters of a statement that the parser's tree fits the stack for, whatever they are: measured, with a factor of two."""
_DEEPEST = 5_000
_FOLD = re.compile(r"[^\x00-\x7f]")
_OPENING = frozenset({"ASCII_40", "ASCII_91"})
_CLOSING = frozenset({"ASCII_41", "ASCII_93"})
_COMMA = "ASCII_44"
_CHAINED = frozenset({"UNION", "INTERSECT", "EXCEPT"})


@dataclass(frozen=True, slots=True)
class Statement:
    """One statement of a file, and the line that it begins in (1 for the first)."""

    text: str
    line: int


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why a statement may not run in every tenant. `rule` is a key of RULES; `detail` names what it is about, or is empty."""

    rule: str
    line: int
    detail: str

    @property
    def why(self) -> str:
        """One sentence for whoever wrote the file: what is wrong, and what to do instead."""
        return f"{self.detail}: {RULES[self.rule].why}" if self.detail else RULES[self.rule].why

    @property
    def can_be_allowed(self) -> bool:
        """Whether the rule is a matter of judgement, which `--allow` overrules."""
        return RULES[self.rule].can_be_allowed


@dataclass(frozen=True, slots=True)
class Script:
    """A file as it is to be run, statement by statement, and everything against it."""

    statements: tuple[Statement, ...]
    refusals: tuple[Refusal, ...]


def refusals(text: str, tenant_schemas: Collection[str] = ()) -> list[Refusal]:
    """Judge a file: every reason against it, in its order; [] for one that may run. As `read_script`."""
    return list(read_script(text, tenant_schemas).refusals)


def read_script(text: str, tenant_schemas: Collection[str] = ()) -> Script:
    """Read and judge a file. Any text has an answer and none an exception; raises ConfigurationInvalid without pglast.

    `tenant_schemas` are names that no string and no function's body may qualify another name with.
    """
    parser, schemas = _parser(), frozenset(tenant_schemas)
    try:
        parsed = list(_statements(parser, _readable(text)))
    except _Unparsable as fault:
        return Script((), (Refusal("syntax-error", fault.line, fault.why),))
    seen, found = Seen(), list[Refusal]()
    for statement, tree in parsed:
        against = dict.fromkeys([*name_rules(tree, schemas), *lock_rules(tree, seen)])
        found += [Refusal(rule, statement.line, detail) for rule, detail in against]
    return Script(tuple(statement for statement, _ in parsed), tuple(found))


class _Unparsable(Exception):
    def __init__(self, line: int, why: str) -> None:
        super().__init__(why)
        self.line, self.why = line, why


def _readable(text: str) -> str:
    if "\0" in text:
        raise _Unparsable(text.count("\n", 0, text.index("\0")) + 1, "a NUL ends the text for the parser")
    size = len(text.encode("utf-8", "surrogatepass"))
    if size > LARGEST:
        raise _Unparsable(1, f"{size} bytes, of at most {LARGEST}")
    try:
        text.encode()
    except UnicodeEncodeError as fault:
        raise _Unparsable(text.count("\n", 0, fault.start) + 1, "bytes that are not UTF-8") from None
    return text


def _statements(parser: Any, text: str) -> Iterator[tuple[Statement, Any]]:  # noqa: ANN401 -- a module that may be missing
    """Yield each statement with its tree. Where one ends is found in folded text: the parser maps other characters slowly.

    The fold may deceive it, so each part is parsed again as it is, and only what was parsed is ever run.
    """
    parts = _parsed(lambda: parser.split(_FOLD.sub("Q", text), only_slices=True), parser, text, 0)
    if not parts:
        raise _Unparsable(1, "no statement in it")
    for part in parts:
        statement = Statement(text[part], text.count("\n", 0, part.start) + 1)
        _refuse_depth(parser, statement)
        trees = _parsed(lambda given=statement.text: parser.parse_sql(given), parser, text, part.start)
        if len(trees) != 1:
            raise _Unparsable(statement.line, "where a statement ends is not clear")
        yield statement, trees[0].stmt


def _parsed(parse: Any, parser: Any, text: str, start: int) -> Any:  # noqa: ANN401 -- as above
    try:
        return parse()
    except (parser.ParseError, UnicodeDecodeError) as fault:
        message, place = (*fault.args, None, None)[:2]
        end = start + place if isinstance(place, int) else len(text)
        raise _Unparsable(text.count("\n", 0, end) + 1, str(message)) from None


def _refuse_depth(parser: Any, statement: Statement) -> None:  # noqa: ANN401 -- as above
    """Refuse what may be nested deeper than the stack is: the parser's tree is read recursively, and the process would end.

    Tokens between commas, on every level that is open, are more than the tree is deep; only UNION goes on past commas.
    """
    if len(statement.text) <= _SHALLOW:
        return
    levels, total = [[0, 0]], 0
    for token in _parsed(lambda: parser.scan(_FOLD.sub("Q", statement.text)), parser, statement.text, 0):
        if token.name in _CLOSING and len(levels) > 1:
            total -= sum(levels.pop())
        elif token.name == _COMMA:
            total -= levels[-1][0]
            levels[-1][0] = 0
        else:
            levels[-1][token.name in _CHAINED] += 1
            total += 1
        if token.name in _OPENING:
            levels.append([0, 0])
        if total > _DEEPEST:
            raise _Unparsable(statement.line, "a statement that is nested too deeply to be judged")


def _parser() -> Any:  # noqa: ANN401 -- as above
    try:
        return import_module("pglast.parser")
    except ImportError:
        message = "A migration is judged by PostgreSQL's own parser, which is not installed."
        raise ConfigurationInvalid(message, hint="Install it with: pip install 'capliquify-ops[migrate]'") from None
