"""Structure of schemas as digests: the whole fleet in one pass, one tenant at the price of one tenant, two of them exactly.

Equal digests mean equal structure. Unequal ones may still be equal (a column that was dropped and added again leaves a hole):
`difference` compares the deparsed definitions and has the last word.
"""

import hashlib
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

from capliquify_ops.database import Session, load
from capliquify_ops.model.errors import TenantConflict
from capliquify_ops.tenants.structure import Definition, Difference, differences, neutral

_PACKAGE = "capliquify_ops.tenants"
_BEYOND = 2**32 - 1
RELATIONS_PER_PAGE = 250_000
"""Rows of pg_class in a page: about 4,000 standard tenants, about 3 s on two cores."""
_SAMPLE_PERCENT, _SAMPLED_FROM = 5, 10_000
GROUPS_AT_MOST = 400
"""At 20 ms for each group's fingerprint, the pass over all schemas by name is no slower from here on."""


@dataclass(frozen=True, slots=True)
class Schema:
    """One schema of the catalogue."""

    oid: int
    name: str
    owner: str


@dataclass(frozen=True, slots=True)
class Fingerprint:
    """A schema's structure. `parts` counts what was hashed, by kind: columns, indexes, constraints, triggers, objects."""

    schema: Schema
    digest: str
    parts: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class _Sum:
    schema: int
    kind: str
    parts: int
    total: str


@dataclass(frozen=True, slots=True)
class _RawSum:
    schema: int
    parts: int
    total: str


def schemas(session: Session) -> list[Schema]:
    """Return every schema that is not the server's own, by OID, within the session's open transaction."""
    return session.rows(load(_PACKAGE, "schemas"), Schema)


def fleet_fingerprints(
    session: Session, *, relations_per_page: int = RELATIONS_PER_PAGE, groups_at_most: int = GROUPS_AT_MOST
) -> list[Fingerprint]:
    """Return the fingerprint of every schema, empty ones included, by OID, within the session's open transaction.

    A first pass groups schemas that are stored alike; of each group one is looked at by name. More groups than
    `groups_at_most` are not worth the detour: then every schema is.
    """
    pages = _pages(session, relations_per_page)
    found = schemas(session)
    groups = _groups(session, found, pages)
    if len(groups) > groups_at_most:
        sums = [
            row
            for low, high in pages
            for row in session.rows(load(_PACKAGE, "fingerprint"), _Sum, {"schema": None, "low": low, "high": high})
        ]
        return _fingerprints(found, sums)
    known = {
        schema.oid: replace(one, schema=schema)
        for members in groups
        for one in [_fingerprint_of(session, members[0])]
        for schema in members
    }
    return [known[schema.oid] for schema in found]


def _pages(session: Session, relations: int) -> list[tuple[int, int]]:
    """Return ranges of pg_class.oid that hold about so many relations each: a sample of a large catalogue says where they end."""
    percent = _SAMPLE_PERCENT if relations >= _SAMPLED_FROM else 100
    step = {"percent": percent, "step": relations * percent // 100}
    starts = [int(row) for row in session.rows(load(_PACKAGE, "fingerprint_pages"), int, step)]
    return list(zip([0, *starts], [*starts, _BEYOND], strict=True))


def _groups(session: Session, found: Iterable[Schema], pages: Iterable[tuple[int, int]]) -> list[list[Schema]]:
    """Return the schemas in groups whose members are stored alike, so that their fingerprints are equal."""
    sums: dict[int, list[int]] = defaultdict(lambda: [0, 0])
    for low, high in pages:
        for row in session.rows(load(_PACKAGE, "fingerprint_raw"), _RawSum, {"low": low, "high": high}):
            parts, total = sums[row.schema]
            sums[row.schema] = [parts + row.parts, total + int(row.total)]
    groups: dict[tuple[int, ...], list[Schema]] = defaultdict(list)
    for schema in found:
        groups[tuple(sums[schema.oid])].append(schema)
    return list(groups.values())


def tenant_fingerprint(session: Session, schema: str) -> Fingerprint:
    """Return one schema's fingerprint, within the session's open transaction. Raises TenantConflict when it does not exist."""
    return _fingerprint_of(session, _schema(session, schema))


def _fingerprint_of(session: Session, schema: Schema) -> Fingerprint:
    sums = session.rows(load(_PACKAGE, "fingerprint"), _Sum, {"schema": schema.oid, "low": 0, "high": 0})
    return _fingerprints([schema], sums)[0]


def difference(session: Session, baseline: str, found: str) -> tuple[Difference, ...]:
    """Compare two schemas by deparsed definitions, names of the schemas aside. Raises TenantConflict when one does not exist."""
    return differences(definitions(session, baseline), definitions(session, found))


def definitions(session: Session, schema: str) -> tuple[Definition, ...]:
    """Return everything in a schema as neutral text, within the session's open transaction."""
    oid = _schema(session, schema).oid
    neutralise = neutral(schema)
    rows = session.rows(load(_PACKAGE, "definitions"), Definition, {"schema": oid})
    return tuple(Definition(row.kind, row.relation, neutralise(row.object), neutralise(row.definition or "")) for row in rows)


def _schema(session: Session, name: str) -> Schema:
    query = (
        "SELECT n.oid::bigint, n.nspname::text, pg_catalog.pg_get_userbyid(n.nspowner)::text"
        " FROM pg_catalog.pg_namespace AS n WHERE n.nspname::text = %(name)s"
    )
    if rows := session.rows(query, Schema, {"name": name}):
        return rows[0]
    raise TenantConflict(f"The schema {name!r} does not exist.", hint="Compare both sides with: capliquify-ops fleet check")


def _fingerprints(found: Iterable[Schema], sums: Iterable[_Sum]) -> list[Fingerprint]:
    totals: dict[int, dict[str, int]] = defaultdict(lambda: defaultdict(int))
    parts: dict[int, dict[str, int]] = defaultdict(lambda: defaultdict(int))
    for row in sums:
        totals[row.schema][row.kind] += int(row.total)
        parts[row.schema][row.kind] += row.parts
    return [Fingerprint(schema, _digest(totals[schema.oid], parts[schema.oid]), dict(parts[schema.oid])) for schema in found]


def _digest(totals: Mapping[str, int], parts: Mapping[str, int]) -> str:
    text = "\n".join(f"{kind} {parts[kind]} {totals[kind]}" for kind in sorted(totals))
    return hashlib.sha256(text.encode()).hexdigest()[:16]
