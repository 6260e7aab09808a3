"""The tables that some statements are about, over all tenants: which are large, how they are read, which lack an index."""

import re
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from capliquify_ops.database import Session, quoted
from capliquify_ops.database.connect import Query
from capliquify_ops.observation.statements import unquoted

MOST_NAMES = 4
"""Names of tables that are looked at: one name is a table of every tenant."""
BIGGEST = 8
SAMPLE = 40
"""Tenants whose indexes are compared with: what most of them have, the fleet has."""
_AT_MOST = 400
_FEWEST_OTHERS = 2
_WORD = r'(?:"(?:[^"]|"")+"|[^\W\d][\w$]*|~)'
_TABLE = rf"(?:only\s+)?({_WORD}(?:\s*\.\s*{_WORD})?)"
_FROM = re.compile(rf"\b(?:from|join|update|into|using)\s+{_TABLE}((?:(?:\s+(?:as\s+)?{_WORD})?\s*,\s*{_TABLE})*)", re.IGNORECASE)
_NEXT = re.compile(rf",\s*{_TABLE}", re.IGNORECASE)
_PARTS = re.compile(_WORD)


@dataclass(frozen=True, slots=True)
class Table:
    """One table with what the server counts of it. `siblings` have its name; `analysed_s` ago, None for never."""

    oid: int
    schema: str
    name: str
    is_tenant: bool
    rows: float
    siblings: int
    scans: int
    scanned_rows: int
    dead_rows: int
    changed_rows: int
    is_new: bool
    analysed_s: float | None


@dataclass(frozen=True, slots=True)
class Indexed:
    """One index of one table, or a table without any: `index` is "" then. `definition` is what follows the table's name."""

    oid: int
    schema: str
    table: str
    is_sample: bool
    index: str
    is_whole: bool
    is_unique: bool
    shape: str
    definition: str


@dataclass(frozen=True, slots=True)
class Missing:
    """An index that most tenants have and `schemas` lack; `statements` make it there, "" where nobody can tell how.

    `columns` are the words of its first key, `have` how many of the `sampled` have it.
    """

    table: str
    index: str
    schemas: tuple[str, ...]
    statements: tuple[str, ...]
    columns: frozenset[str]
    have: int
    sampled: int


def table_names(text: str) -> tuple[str, ...]:
    """Return the names of tables that a folded statement speaks of, without their schemas."""
    named = (name for match in _FROM.finditer(text) for name in (match[1], *_NEXT.findall(match[2])))
    return tuple(dict.fromkeys(unquoted(_PARTS.findall(name)[-1]) for name in named))


def read_tables(
    session: Session, query: Query, names: Sequence[str], schemas: Iterable[str], shared: Iterable[str]
) -> tuple[Table, ...]:
    """Read the largest tables of these names and those of these tenants, by the filled statement, within the open transaction."""
    params = {
        "names": list(names)[:MOST_NAMES],
        "schemas": list(schemas),
        "shared": list(shared),
        "biggest": BIGGEST,
        "at_most": _AT_MOST,
    }
    return tuple(session.rows(query, Table, params))


def read_indexes(session: Session, query: Query, tables: Iterable[Table]) -> tuple[Indexed, ...]:
    """Read the indexes of some tenants' tables and of a sample of their siblings, within the open transaction."""
    concerned = [each for each in tables if each.is_tenant]
    names = list(dict.fromkeys(each.name for each in concerned))
    params = {"tables": [each.oid for each in concerned], "names": names, "sample": SAMPLE}
    return tuple(session.rows(query, Indexed, params)) if concerned else ()


def missing_indexes(tables: Iterable[Table], indexes: Sequence[Indexed]) -> tuple[Missing, ...]:
    """Return for these tables the indexes that more than half of their siblings have and they lack.

    With fewer than two siblings to compare with nobody knows which of them is right.
    """
    by_name: dict[str, list[Indexed]] = defaultdict(list)
    for each in indexes:
        by_name[each.table].append(each)
    wanted = [each for each in tables if each.is_tenant]
    return tuple(
        missing for name, found in sorted(by_name.items()) for missing in _missing([t for t in wanted if t.name == name], found)
    )


def _missing(tables: Sequence[Table], indexes: Sequence[Indexed]) -> Iterable[Missing]:
    sample = {each.oid for each in indexes if each.is_sample}
    owners: dict[str, dict[int, Indexed]] = defaultdict(dict)
    for each in indexes:
        if each.is_whole:
            owners[each.shape][each.oid] = each
    for having in owners.values():
        common = having.keys() & sample
        lacking = [table for table in tables if table.oid not in having and _most_others_have(common, sample, table)]
        if lacking:
            model = min(having.values(), key=lambda each: each.oid)
            yield Missing(
                model.table,
                model.index,
                tuple(table.schema for table in lacking),
                tuple(_create(table, model) for table in lacking),
                _first_key(model.definition),
                len(common),
                len(sample),
            )


def _most_others_have(having: set[int], sample: set[int], table: Table) -> bool:
    others = len(sample - {table.oid})
    return others >= _FEWEST_OTHERS and 2 * len(having - {table.oid}) > others


def _first_key(definition: str) -> frozenset[str]:
    """Return the words of an index's first key: a statement that speaks of none of them has no use for it."""
    key = definition.partition("(")[2].partition(",")[0].partition(") ")[0]
    return frozenset(word.lower() for word in re.findall(r"[^\W\d]\w*", key))


def _create(table: Table, model: Indexed) -> str:
    """Return the statement that makes the index, "" where it speaks of the tenant that it is taken from."""
    if not model.definition.startswith("USING ") or model.schema in model.definition:
        return ""
    kind = "UNIQUE INDEX" if model.is_unique else "INDEX"
    return f"CREATE {kind} CONCURRENTLY {quoted(model.index)} ON {quoted(table.schema, table.name)} {model.definition}"
