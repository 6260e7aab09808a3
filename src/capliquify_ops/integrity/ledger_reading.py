"""The ledgers of migrations in tenants' schemas: which there are, what each says in short, and some of them in full."""

import zlib
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from types import MappingProxyType

from capliquify_ops.configuration import Registry
from capliquify_ops.database import Session, load
from capliquify_ops.integrity.chunks import Unread, body, read_in_chunks, together
from capliquify_ops.tenants.registry_columns import fill_registry

_PACKAGE = "capliquify_ops.integrity"
_ENTRIES = ':"entries"'
_GOLANG = "golang"
_GOLANG_SALT = 1_486_364_155


@dataclass(frozen=True, slots=True)
class Tool:
    """A ledger as a tool keeps it: its table, the columns to know it by, and whether it keeps more than where it stands."""

    relation: str
    columns: str
    has_history: bool = True


TOOLS: Mapping[str, Tool] = MappingProxyType(
    {
        "alembic": Tool("alembic_version", "version_num", has_history=False),
        "django": Tool("django_migrations", "app name"),
        "flyway": Tool("flyway_schema_history", "version script checksum success type installed_rank"),
        _GOLANG: Tool("schema_migrations", "version dirty", has_history=False),
        "prisma": Tool("_prisma_migrations", "migration_name started_at finished_at rolled_back_at"),
        "versions": Tool("schema_migrations", "version"),
    }
)


@dataclass(frozen=True, slots=True)
class Found:
    """A live tenant with a schema, and one table in it that looks like a ledger; `tool` is empty where there is none."""

    tenant: str
    age_s: float
    tool: str
    relation: str
    may_select: bool
    is_filtered: bool
    locks: int


@dataclass(frozen=True, slots=True)
class _Tenant:
    schema: str
    age_s: float


@dataclass(frozen=True, slots=True)
class _Table:
    schema: str
    tool: str
    may_select: bool
    is_filtered: bool
    locks: int


_NONE = _Table("", "", may_select=False, is_filtered=False, locks=0)


@dataclass(frozen=True, slots=True)
class Ledger:
    """What a ledger says: how many migrations are applied, the digest of their names, one that failed, one that is running."""

    tenant: str
    tool: str
    relation: str
    applied: int
    digest: str
    failed: str = ""
    running: str = ""


@dataclass(frozen=True, slots=True)
class Entries:
    """A ledger in full: the names of what is applied, and the newest of each family (of an app, say)."""

    names: frozenset[str]
    heads: Mapping[str, frozenset[str]]

    def is_as_new_as(self, other: "Entries") -> bool:
        """Whether both end alike, in every family: what they differ in is history."""
        families = self.heads.keys() | other.heads.keys()
        nothing: frozenset[str] = frozenset()
        return all(self.heads.get(family, nothing) & other.heads.get(family, nothing) for family in families)


@dataclass(frozen=True, slots=True)
class _Numbered:
    number: int
    found: Found

    @property
    def locks(self) -> int:
        return self.found.locks

    @property
    def names(self) -> dict[str, str]:
        return {"number": str(self.number), "schema": self.found.tenant, "relation": self.found.relation}


@dataclass(frozen=True, slots=True)
class _Digest:
    number: int
    applied: int
    digest: str
    failed: str
    running: str


@dataclass(frozen=True, slots=True)
class _Entry:
    name: str
    family: str
    rank: str


@dataclass(frozen=True, slots=True)
class _Locks:
    database: str
    held: Sequence[int]


def find_ledgers(session: Session, registry: Registry) -> list[Found]:
    """Return live tenants with their ledgers, oldest tenants first, within the open transaction."""
    given = {
        "tools": list(TOOLS),
        "relations": [tool.relation for tool in TOOLS.values()],
        "columns": [tool.columns for tool in TOOLS.values()],
    }
    ledgers: dict[str, list[_Table]] = defaultdict(list)
    for table in session.rows(load(_PACKAGE, "migration_ledgers"), _Table, given):
        ledgers[table.schema].append(table)
    tenants = session.rows(fill_registry(load(_PACKAGE, "migration_ledgers_tenants").text, registry), _Tenant)
    return [_found(tenant, table) for tenant in tenants for table in ledgers.get(tenant.schema, [_NONE])]


def _found(tenant: _Tenant, table: _Table) -> Found:
    relation = TOOLS[table.tool].relation if table.tool else ""
    return Found(tenant.schema, tenant.age_s, table.tool, relation, table.may_select, table.is_filtered, table.locks)


def read_ledgers(session: Session, readable: Sequence[Found]) -> tuple[list[Ledger], list[str]]:
    """Return what the ledgers say, and a sentence for each that could not be read."""
    parts = [_Numbered(*each) for each in enumerate(readable)]
    texts = {tool: _over(tool, "migration_ledgers_digest") for tool in TOOLS}

    def ask(session: Session, chunk: Sequence[_Numbered]) -> list[_Digest]:
        return session.rows(together((texts[each.found.tool], each.names) for each in chunk), _Digest)

    read = read_in_chunks(session, parts, ask)
    ledgers = []
    for row in sorted(read.rows, key=lambda row: row.number):
        found = readable[row.number]
        ledgers.append(Ledger(found.tenant, found.tool, found.relation, row.applied, row.digest, row.failed, row.running))
    return _without_running(session, ledgers), [_why(each) for each in read.unread]


def read_entries(session: Session, ledger: Ledger, locks: int = 1) -> Entries | None:
    """Return one ledger in full; None where it cannot be read any more."""
    text = _over(ledger.tool, "migration_ledgers_entries")
    part = _Numbered(0, Found(ledger.tenant, 0.0, ledger.tool, ledger.relation, may_select=True, is_filtered=False, locks=locks))
    read = read_in_chunks(session, [part], lambda session, _: [session.rows(together([(text, part.names)]), _Entry)])
    return next((_entries(rows) for rows in read.rows), None)


def _entries(rows: Sequence[_Entry]) -> Entries:
    newest: dict[str, str] = {}
    for row in rows:
        newest[row.family] = max(row.rank, newest.get(row.family, ""))
    heads = {
        family: frozenset(row.name for row in rows if row.family == family and row.rank == rank)
        for family, rank in newest.items()
    }
    return Entries(frozenset(row.name for row in rows), heads)


def _over(tool: str, stem: str) -> str:
    """Return a statement over the entries of a tool's ledger."""
    entries = body(load(_PACKAGE, f"migration_ledgers_{tool}"))
    return body(load(_PACKAGE, stem)).replace(_ENTRIES, f"(\n{entries}\n)")


def _why(unread: Unread[_Numbered]) -> str:
    return f"{unread.part.found.tenant}.{unread.part.found.relation}: {unread.why}"


def _without_running(session: Session, ledgers: list[Ledger]) -> list[Ledger]:
    """Tell a migration of golang-migrate that is running from one that failed: both are dirty, the first holds its lock."""
    if not any(each.failed for each in ledgers if each.tool == _GOLANG):
        return ledgers
    locks = session.rows(load(_PACKAGE, "migration_ledgers_locks"), _Locks)[0]
    return [
        replace(each, failed="", running=each.failed)
        if each.tool == _GOLANG and each.failed and not golang_locks(locks.database, each).isdisjoint(locks.held)
        else each
        for each in ledgers
    ]


def golang_locks(database: str, ledger: Ledger) -> frozenset[int]:
    """Return the numbers of the lock of golang-migrate; its versions put the names together in different ways."""
    names = (
        (database,),
        (database, ledger.tenant, ledger.relation),
        (ledger.tenant, ledger.relation, database),
    )
    return frozenset(zlib.crc32("\0".join(each).encode()) * _GOLANG_SALT % 2**32 for each in names)
