"""What a rollback leaves in the database: migrations applied after the last good deploy, by the ledgers of their tools."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from types import MappingProxyType

from capliquify_ops.database import Session, fill, load
from capliquify_ops.integrity.chunks import select_grant
from capliquify_ops.model.errors import PrivilegeMissing

PACKAGE = "capliquify_ops.diagnostics"
MOST_LEDGERS, MOST_MIGRATIONS = 50, 100
"""Read at most: ledgers of which each tenant may have one, and the newest migrations of each."""
_SHOWN = 5
_OURS = "capliquify"


@dataclass(frozen=True, slots=True)
class _Tool:
    relation: str
    columns: str
    name: str
    has_times: bool = True


_TOOLS: Mapping[str, _Tool] = MappingProxyType(
    {
        "alembic": _Tool("alembic_version", "version_num", "Alembic", has_times=False),
        "django": _Tool("django_migrations", "app name applied", "Django"),
        "ecto": _Tool("schema_migrations", "version inserted_at", "Ecto"),
        "flyway": _Tool("flyway_schema_history", "version script success installed_on", "Flyway"),
        "golang": _Tool("schema_migrations", "version dirty", "golang-migrate", has_times=False),
        _OURS: _Tool("tenant_migration", "file_name schema_name state finished_at", "capliquify-ops"),
        "prisma": _Tool("_prisma_migrations", "migration_name finished_at rolled_back_at", "Prisma"),
        "versions": _Tool("schema_migrations", "version", "schema_migrations", has_times=False),
    }
)


@dataclass(frozen=True, slots=True)
class _Ledger:
    schema: str
    tool: str
    may_select: bool
    is_filtered: bool
    locks: int


@dataclass(frozen=True, slots=True)
class _Row:
    name: str
    at: datetime


@dataclass(frozen=True, slots=True)
class Applied:
    """Migrations since a time by name, with the schemas whose ledgers have them. `timeless` are tools that keep no times."""

    migrations: Mapping[str, tuple[str, ...]]
    timeless: tuple[str, ...]
    unread: tuple[str, ...]
    ledgers: int
    left_out: int


def read_applied(session: Session, since: datetime) -> tuple[Applied, str]:
    """Read what was applied since then, within a transaction of its own, of the first MOST_LEDGERS ledgers.

    Raises PrivilegeMissing where there are ledgers and none may be read.
    """
    with session.transaction():
        ledgers = _ledgers(session)
        timed = [each for each in ledgers if _TOOLS[each.tool].has_times]
        readable = [each for each in timed if each.may_select and not each.is_filtered]
        unread = _unread(session, [each for each in timed if each not in readable])
        if unread and not readable:
            raise PrivilegeMissing("No ledger of migrations may be read by this role.", hint=unread[0])
        found: dict[str, list[str]] = defaultdict(list)
        for ledger in readable[:MOST_LEDGERS]:
            for row in _since(session, ledger, since):
                found[row.name].append(ledger.schema)
    applied = Applied(
        {name: tuple(sorted(set(schemas))) for name, schemas in found.items()},
        tuple(sorted({_TOOLS[each.tool].name for each in ledgers if not _TOOLS[each.tool].has_times})),
        unread,
        min(len(readable), MOST_LEDGERS),
        max(0, len(readable) - MOST_LEDGERS),
    )
    return applied, "; ".join(rollback_lines(applied))


def rollback_lines(applied: Applied | None) -> tuple[str, ...]:
    """Say what a rollback would do to migrations: nothing, so that these stay."""
    if applied is None:
        return ()
    many, names = len(applied.migrations), list(applied.migrations)
    told = ", ".join(f"{name} in {_where(applied.migrations[name])}" for name in names[:_SHOWN])
    lines = []
    if many:
        more = f" and {many - _SHOWN} more" if many > _SHOWN else ""
        plural = "this migration" if many == 1 else f"these {many} migrations"
        lines.append(f"a rollback leaves {plural} applied, which the older code does not know: {told}{more}")
    elif applied.ledgers:
        lines.append(f"no migration was applied since the last good deploy, by {applied.ledgers} ledgers")
    if applied.timeless:
        lines.append(f"whether migrations of {', '.join(applied.timeless)} were applied since cannot be told: it keeps no times")
    if applied.unread:
        lines.append(f"{len(applied.unread)} ledgers could not be read: {applied.unread[0]}")
    if applied.left_out:
        lines.append(f"{applied.left_out} ledgers more were not read")
    return tuple(lines) or ("no ledger of migrations was found in this database",)


def _ledgers(session: Session) -> list[_Ledger]:
    """Return the ledgers of this database, our own and those that tenants share first."""
    given = {
        "tools": list(_TOOLS),
        "relations": [tool.relation for tool in _TOOLS.values()],
        "columns": [tool.columns for tool in _TOOLS.values()],
    }
    found = session.rows(load("capliquify_ops.integrity", "migration_ledgers"), _Ledger, given)
    return sorted(found, key=lambda each: (each.tool != _OURS, each.schema != "public", each.schema, each.tool))


def _since(session: Session, ledger: _Ledger, since: datetime) -> list[_Row]:
    names = {"schema": ledger.schema, "relation": _TOOLS[ledger.tool].relation}
    query = fill(load(PACKAGE, f"failed_deployment_{ledger.tool}").text, names)
    return session.rows(query, _Row, {"since": since, "at_most": MOST_MIGRATIONS})


def _unread(session: Session, ledgers: Iterable[_Ledger]) -> tuple[str, ...]:
    role = str(session.value("SELECT current_user::text"))
    return tuple(
        f"row security hides rows of {each.schema}.{_TOOLS[each.tool].relation} from {role}: give it BYPASSRLS"
        if each.may_select
        else select_grant(role, each.schema, _TOOLS[each.tool].relation)
        for each in ledgers
    )


def _where(schemas: Sequence[str]) -> str:
    return schemas[0] if len(schemas) == 1 else f"{len(schemas)} schemas"
