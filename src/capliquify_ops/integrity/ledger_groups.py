"""Ledgers of migrations in groups that say the same, against the structures that they speak of: pure."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from capliquify_ops.integrity.faults import Fault
from capliquify_ops.integrity.ledger_reading import TOOLS, Entries, Found, Ledger
from capliquify_ops.tenants.structure import Difference

Structure = tuple[Difference, ...]
"""What a schema differs in from the most common one: in nothing, mostly."""
FAILED, MISSING, STRAY = "failed migration", "missing ledger", "ledger that few have"
DENIED, LYING = "drift that the ledger denies", "ledger that lies"
BEHIND, AHEAD, OTHER = "ledger behind", "ledger ahead", "ledger at another version"
_PHRASES = 3


@dataclass(frozen=True, slots=True)
class LedgerRows:
    """The fleet, tenants oldest first, as `role` sees it.

    `unread` says why of the ledgers that could not be read. `entries` is by tool and digest, `structures` by schema: what is in
    neither was not compared.
    """

    role: str
    found: tuple[Found, ...]
    ledgers: tuple[Ledger, ...]
    unread: tuple[str, ...]
    entries: Mapping[tuple[str, str], Entries]
    structures: Mapping[str, Structure]


@dataclass(frozen=True, slots=True)
class Compared:
    """Faults, the tenants whose ledgers differ in history only, and those that could not be compared."""

    faults: tuple[Fault, ...]
    histories: tuple[str, ...]
    unknown: tuple[str, ...]


def settled(ledgers: Iterable[Ledger]) -> list[Ledger]:
    """Return the ledgers in which nothing failed and nothing is running: those that can be compared."""
    return [each for each in ledgers if not each.failed and not each.running]


def groups(ledgers: Iterable[Ledger]) -> list[list[Ledger]]:
    """Return one tool's ledgers by digest, the most common first; of equally common ones that of most migrations."""
    found: dict[str, list[Ledger]] = defaultdict(list)
    for ledger in ledgers:
        found[ledger.digest].append(ledger)
    return sorted(found.values(), key=lambda group: (-len(group), -group[0].applied))


def absent(found: Iterable[Found], tenants: Iterable[str]) -> Iterator[Fault]:
    """Yield, for each ledger, the tenants without it; where most are without it, those that have it."""
    having: dict[str, set[str]] = defaultdict(set)
    for each in found:
        if each.tool:
            having[each.relation].add(each.tenant)
    expected = list(dict.fromkeys(tenants))
    for relation, owners in having.items():
        have = [tenant for tenant in expected if tenant in owners]
        lacking = [tenant for tenant in expected if tenant not in owners]
        detail = f"{len(have)} tenants have one, {len(lacking)} have none"
        if len(lacking) > len(have):
            yield from (Fault(tenant, STRAY, relation, detail) for tenant in have)
        else:
            yield from (Fault(tenant, MISSING, relation, detail) for tenant in lacking)


def compared(ledgers: Iterable[Ledger], rows: LedgerRows) -> Compared:
    """Compare one tool's settled ledgers with the most common one, and each structure with what its ledger says."""
    grouped = groups(ledgers)
    faults: list[Fault] = []
    histories: list[str] = []
    unknown: list[str] = []
    usual = grouped[0] if grouped else []
    expected = _most_common(usual, rows)
    for group in grouped:
        # What is built as usual under an unusual ledger says nothing of how the others of its group should be built.
        own = expected if group is usual else _most_common(group, rows, but=expected)
        for ledger in group:
            structure = rows.structures.get(ledger.tenant)
            if structure is None or not {_key(ledger), _key(usual[0])} <= rows.entries.keys():
                unknown.append(ledger.tenant)
            elif structure not in {expected, own}:
                faults.append(_fault(ledger, DENIED, _phrases(structure)))
            elif group is not usual:
                found = _differing(ledger, usual[0], rows, is_alike=structure == expected)
                faults += found
                histories += [] if found else [ledger.tenant]
    return Compared(tuple(faults), tuple(histories), tuple(unknown))


def _most_common(group: Iterable[Ledger], rows: LedgerRows, but: Structure | None = None) -> Structure | None:
    """Return the structure that most of a group have, of equally common ones the oldest's; `but` only where there is no other."""
    found = Counter(rows.structures[each.tenant] for each in group if each.tenant in rows.structures)
    return max(found, key=lambda structure: (structure != but, found[structure]), default=None)


def _differing(ledger: Ledger, usual: Ledger, rows: LedgerRows, *, is_alike: bool) -> list[Fault]:
    """Say in what a ledger differs from the usual one: nothing of it where both end alike, and so do the structures."""
    own, other = rows.entries[_key(ledger)], rows.entries[_key(usual)]
    missing, extra = sorted(other.names - own.names), sorted(own.names - other.names)
    if not TOOLS[ledger.tool].has_history:
        detail = f"it is at {_some(sorted(own.names))}, most are at {_some(sorted(other.names))}"
        return [_fault(ledger, LYING if is_alike else OTHER, detail)]
    if is_alike and own.is_as_new_as(other):
        return []
    lacks = f"{len(missing)} of {len(other.names)} migrations are not in it: {_some(missing)}" if missing else ""
    has = f"{len(extra)} are in it that most have not: {_some(extra)}" if extra else ""
    kind = LYING if is_alike else BEHIND if missing else AHEAD
    return [_fault(ledger, kind, "; ".join(filter(None, (lacks, has))))]


def _fault(ledger: Ledger, kind: str, detail: str) -> Fault:
    return Fault(ledger.tenant, kind, ledger.relation, detail)


def _key(ledger: Ledger) -> tuple[str, str]:
    return ledger.tool, ledger.digest


def _some(names: list[str]) -> str:
    more = f" and {len(names) - _PHRASES} more" if len(names) > _PHRASES else ""
    return (", ".join(names[:_PHRASES]) or "nothing") + more


def _phrases(structure: Structure) -> str:
    return "it " + _some([each.phrase() for each in structure]) if structure else "it is built as most tenants are"
