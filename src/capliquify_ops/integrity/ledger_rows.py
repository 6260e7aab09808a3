"""Everything that is known of a fleet's ledgers: what they say, and how the schemas are built that they speak of."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from capliquify_ops.configuration import Registry
from capliquify_ops.database import Session
from capliquify_ops.integrity.chunks import read_in_chunks
from capliquify_ops.integrity.ledger_groups import LedgerRows, Structure, groups, settled
from capliquify_ops.integrity.ledger_reading import TOOLS, Entries, Ledger, find_ledgers, read_entries, read_ledgers
from capliquify_ops.model.errors import TenantConflict
from capliquify_ops.tenants.fingerprint import difference, fleet_fingerprints

GROUPS_COMPARED = 50
"""At most this many ledgers are read in full, and this many structures compared word by word, at 20 ms each."""
_LOCKS = 256
"""Of deparsing two schemas, at most: their tables, indexes and views. Twice what two standard tenants take."""


def read_rows(session: Session, registry: Registry) -> LedgerRows:
    """Read ledgers and structures, within the open transaction; locks on tables are given back chunk by chunk."""
    found = find_ledgers(session, registry)
    readable = [each for each in found if each.tool and each.may_select and not each.is_filtered]
    ledgers, unread = read_ledgers(session, readable)
    role = str(session.value("SELECT current_user::text"))
    entries, structures = _all_entries(session, ledgers), _structures(session, ledgers)
    return LedgerRows(role, tuple(found), tuple(ledgers), tuple(unread), entries, structures)


def _all_entries(session: Session, ledgers: Iterable[Ledger]) -> Mapping[tuple[str, str], Entries]:
    """Read one ledger of each group in full, the most common ones first."""
    found: dict[tuple[str, str], Entries] = {}
    for tool in TOOLS:
        for first, *_ in groups(settled(each for each in ledgers if each.tool == tool))[:GROUPS_COMPARED]:
            entries = read_entries(session, first)
            if entries is not None:
                found[tool, first.digest] = entries
    return found


@dataclass(frozen=True, slots=True)
class _Example:
    digest: str
    schema: str
    locks: int = _LOCKS


def _structures(session: Session, ledgers: Sequence[Ledger]) -> Mapping[str, Structure]:
    """Return in what each tenant with a ledger differs from the most common structure."""
    if not ledgers:
        return {}
    digests = {each.schema.name: each.digest for each in fleet_fingerprints(session)}
    tenants = {each.tenant: digests[each.tenant] for each in ledgers if each.tenant in digests}
    (usual, _), *others = Counter(tenants.values()).most_common(GROUPS_COMPARED + 1)
    schema_of = {digest: schema for schema, digest in reversed(tenants.items())}

    def ask(session: Session, chunk: Sequence[_Example]) -> list[tuple[str, Structure]]:
        return [(each.digest, found) for each in chunk for found in _difference(session, schema_of[usual], each.schema)]

    examples = [_Example(digest, schema_of[digest]) for digest, _ in others]
    known = {usual: (), **dict(read_in_chunks(session, examples, ask, at_once=1).rows)}
    return {schema: known[digest] for schema, digest in tenants.items() if digest in known}


def _difference(session: Session, usual: str, schema: str) -> list[Structure]:
    try:
        return [difference(session, usual, schema)]
    except TenantConflict:
        return []  # dropped since the digests were taken
