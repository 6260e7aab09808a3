"""The fleet in groups of equal structure, and the objects that groups differ in: pure."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

from capliquify_ops.model.finding import Scalar
from capliquify_ops.tenants.structure import Difference, without_consequences

_PHRASES = 3
"""Differences that the line of a group names; the findings name them all."""


@dataclass(frozen=True, slots=True)
class Structure:
    """One live tenant. `digest` is empty when its schema does not exist."""

    slug: str
    schema_name: str
    age_s: float
    digest: str


@dataclass(frozen=True, slots=True)
class StructureRows:
    """The fleet. `is_tied`: another structure is as common as the baseline.

    `differences` is by digest, for each that differs from the baseline; None where it was not compared word by word.
    """

    tenants: tuple[Structure, ...]
    baseline: str
    baseline_schema: str
    is_template: bool
    is_tied: bool
    differences: Mapping[str, tuple[Difference, ...] | None]


@dataclass(frozen=True, slots=True)
class DifferingObject:
    """One object, the ways in which it differs from the baseline, and the schemas of each way."""

    kind: str
    object: str
    ways: Mapping[Difference, tuple[str, ...]]

    @property
    def schemas(self) -> tuple[str, ...]:
        """Every schema in which it differs."""
        return tuple(schema for schemas in self.ways.values() for schema in schemas)

    @property
    def is_extra(self) -> bool:
        """Whether it is only ever one too many."""
        return all(one.baseline is None for one in self.ways)


def summary(rows: StructureRows) -> tuple[str, ...]:
    """Return the fleet in groups, largest first: `987 equal`, `12 lack column products.region`, `1 has an extra index i`."""
    sizes = Counter(tenant.digest for tenant in rows.tenants if tenant.digest)
    equal = sum(number for digest, number in sizes.items() if digest not in rows.differences)
    lines = [f"{equal} equal"]
    for digest, number in sizes.most_common():
        if digest in rows.differences:
            lines.append(f"{number} {_phrases(rows.differences[digest], number)}")
    if rows.is_tied:
        lines.append(f"no structure is the most common one; compared with {rows.baseline_schema}")
    return tuple(lines)


def differing_objects(rows: StructureRows) -> tuple[DifferingObject, ...]:
    """Return each object that differs anywhere, most tenants first."""
    told = {digest: without_consequences(found or ()) for digest, found in rows.differences.items()}
    found: dict[tuple[str, str], dict[Difference, tuple[str, ...]]] = defaultdict(dict)
    for tenant in rows.tenants:
        for one in told.get(tenant.digest, ()):
            ways = found[one.kind, one.object]
            ways[one] = (*ways.get(one, ()), tenant.schema_name)
    objects = [DifferingObject(kind, name, ways) for (kind, name), ways in found.items()]
    return tuple(sorted(objects, key=lambda each: (-len(each.schemas), each.kind, each.object)))


def not_compared(rows: StructureRows) -> tuple[str, ...]:
    """Return the schemas that differ and were not compared word by word."""
    return tuple(t.schema_name for t in rows.tenants if rows.differences.get(t.digest, ()) is None)


def counted(rows: StructureRows, examined: Iterable[Structure], eligible: Iterable[Structure]) -> Mapping[str, Scalar]:
    """Return how many of what there are."""
    found = list(examined)
    return MappingProxyType(
        {
            "tenants_equal": sum(tenant.digest not in rows.differences for tenant in found),
            "tenants_differing": sum(tenant.digest in rows.differences for tenant in found),
            "tenants_without_schema": sum(not tenant.digest for tenant in eligible),
            "structures": 1 + len(rows.differences),
        }
    )


def _phrases(differences: tuple[Difference, ...] | None, number: int) -> str:
    if differences is None:
        return "not compared"
    telling = without_consequences(differences)
    told = ", ".join(one.phrase(number) for one in telling[:_PHRASES])
    more = f" and {len(telling) - _PHRASES} more" if len(telling) > _PHRASES else ""
    return told + more
