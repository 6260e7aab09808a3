"""What the registry and the catalogue can disagree in: pure, one function per kind of disagreement."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

from capliquify_ops.model.finding import SAMPLE_OF_TENANTS, Level, Scalar
from capliquify_ops.model.names import IDENTIFIER_BYTES
from capliquify_ops.model.outcome import Severity


@dataclass(frozen=True, slots=True)
class Registered:
    """One row of the registry with the schema that bears exactly its name. `owner` is None without one."""

    id: str
    slug: str
    schema_name: str
    status: str
    is_deleted: bool
    age_s: float
    has_schema: bool
    owner: str | None


@dataclass(frozen=True, slots=True)
class Unregistered:
    """One schema that no row names: its owner, how many objects it holds, and how many of the tenant tables by name."""

    name: str
    owner: str
    objects: int
    tenant_tables: int


@dataclass(frozen=True, slots=True)
class RegistryRows:
    """Both sides. `owner` should own tenants' schemas; `table` is the registry, and `column` the one of schema names."""

    tenants: tuple[Registered, ...]
    unregistered: tuple[Unregistered, ...]
    owner: str
    owner_exists: bool
    table: str = "public.tenants"
    column: str = "schema_name"


@dataclass(frozen=True, slots=True)
class Disagreement:
    """One kind of disagreement: the schemas it concerns, a line of proof for each, how to say it, and how to look.

    `look` is a query with `{table}` and `{column}` of the registry.
    """

    name: str
    schemas: tuple[str, ...]
    lines: tuple[str, ...]
    severity: Severity
    why: str
    look: str
    escalation: Level | None = None


def is_missing(tenant: Registered) -> bool:
    """A cancelled tenant's schema may be gone: retention is over some day. Anybody else's may not."""
    return not tenant.is_deleted and not tenant.has_schema and tenant.status != "cancelled"


def _missing(rows: RegistryRows, grace: float) -> Iterable[Disagreement]:
    found = [tenant for tenant in rows.tenants if is_missing(tenant) and tenant.age_s >= grace]
    if found:
        yield Disagreement(
            "missing_schema",
            tuple(tenant.schema_name for tenant in found),
            _lines(found),
            Severity.CRITICAL,
            f"{_tenants(len(found))} registered without a schema: every request of {_theirs(len(found))} fails.",
            "SELECT t.* FROM {table} t LEFT JOIN pg_namespace n ON n.nspname = t.{column} WHERE n.oid IS NULL",
            Level.L2,
        )


def _orphans(rows: RegistryRows, _grace: float) -> Iterable[Disagreement]:
    found = [schema for schema in rows.unregistered if _looks_like_a_tenants(schema, rows.owner)]
    if found:
        lines = [f"{s.name!r} owned by {s.owner!r}: {s.objects} objects, {s.tenant_tables} tenant tables" for s in found]
        yield Disagreement(
            "orphan_schema",
            tuple(schema.name for schema in found),
            tuple(lines[:SAMPLE_OF_TENANTS]),
            Severity.HIGH,
            f"{len(found)} schema{'s' if len(found) > 1 else ''} built like a tenant's without a row in the registry.",
            "SELECT nspname FROM pg_namespace n WHERE NOT EXISTS (SELECT FROM {table} t WHERE t.{column} = n.nspname)",
        )


def _looks_like_a_tenants(schema: Unregistered, owner: str) -> bool:
    """Tenant tables in it, or nothing at all in a schema of the owner's: provisioning that stopped half-way."""
    return schema.tenant_tables > 0 or (schema.owner == owner and schema.objects == 0)


def _shared(rows: RegistryRows, _grace: float) -> Iterable[Disagreement]:
    groups = _groups(rows.tenants, lambda name: name)
    found = [group for group in groups.values() if len(group) > 1]
    if found:
        yield Disagreement(
            "shared_schema",
            tuple(group[0].schema_name for group in found),
            tuple(_together(group) for group in found[:SAMPLE_OF_TENANTS]),
            Severity.CRITICAL,
            f"{len(found)} schema{'s are' if len(found) > 1 else ' is'} named by more than one tenant: they share all rows.",
            "SELECT {column}, count(*) FROM {table} GROUP BY 1 HAVING count(*) > 1",
            Level.L3,
        )


def _colliding(rows: RegistryRows, _grace: float) -> Iterable[Disagreement]:
    groups = _groups(rows.tenants, folded)
    found = [group for group in groups.values() if len({tenant.schema_name for tenant in group}) > 1]
    long = [tenant for tenant in rows.tenants if len(tenant.schema_name.encode("utf-8", "replace")) > IDENTIFIER_BYTES]
    if found or long:
        names = {tenant.schema_name for group in (*found, long) for tenant in group}
        lines = [_together(group) for group in found] + [f"{t.slug!r}: over {IDENTIFIER_BYTES} bytes" for t in long]
        yield Disagreement(
            "colliding_names",
            tuple(names),
            tuple(lines[:SAMPLE_OF_TENANTS]),
            Severity.HIGH,
            f"{len(names)} schema names are over {IDENTIFIER_BYTES} bytes, or become equal when they are cut there and folded.",
            "SELECT lower({column}), count(*) FROM {table} GROUP BY 1 HAVING count(*) > 1",
        )


def folded(name: str) -> str:
    """Return the name that PostgreSQL makes of it unquoted: cut at 63 bytes, never inside a character, in lower case."""
    cut = name.encode("utf-8", "replace")[:IDENTIFIER_BYTES].decode("utf-8", "ignore")
    return cut.lower()


def _wrong_owner(rows: RegistryRows, _grace: float) -> Iterable[Disagreement]:
    found = [t for t in rows.tenants if t.has_schema and not t.is_deleted and t.owner != rows.owner] if rows.owner_exists else []
    if found:
        yield Disagreement(
            "wrong_owner",
            tuple(tenant.schema_name for tenant in found),
            tuple(f"{t.schema_name!r} of {t.slug!r} is owned by {t.owner!r}" for t in found[:SAMPLE_OF_TENANTS]),
            Severity.HIGH,
            f"{len(found)} of the tenants' schemas have another owner than {rows.owner!r}: no verb can act there.",
            "SELECT nspname, pg_get_userbyid(nspowner) FROM pg_namespace ORDER BY 2, 1",
        )


LOOKS: tuple[Callable[[RegistryRows, float], Iterable[Disagreement]], ...] = (
    _missing,
    _shared,
    _orphans,
    _colliding,
    _wrong_owner,
)


def _groups(tenants: Iterable[Registered], key: Callable[[str], str]) -> Mapping[str, list[Registered]]:
    """Return tenants by their schema; those that name none share nothing."""
    groups: dict[str, list[Registered]] = defaultdict(list)
    for tenant in tenants:
        if tenant.schema_name:
            groups[key(tenant.schema_name)].append(tenant)
    return groups


def _together(group: Iterable[Registered]) -> str:
    return " and ".join(f"{tenant.slug!r} ({tenant.schema_name!r})" for tenant in group)


def _lines(tenants: Iterable[Registered]) -> tuple[str, ...]:
    return tuple(f"{t.slug!r} ({t.id}) names {t.schema_name!r}, {t.status}" for t in tenants)[:SAMPLE_OF_TENANTS]


def _tenants(number: int) -> str:
    return "1 tenant is" if number == 1 else f"{number} tenants are"


def _theirs(number: int) -> str:
    return "that tenant" if number == 1 else "those tenants"


def counted(rows: RegistryRows, grace: float) -> Mapping[str, Scalar]:
    """Return how many of what there are. `grace` in seconds: younger rows without a schema are being provisioned."""
    missing = [tenant for tenant in rows.tenants if is_missing(tenant)]
    return MappingProxyType(
        {
            "tenants": len(rows.tenants),
            "deleted": sum(tenant.is_deleted for tenant in rows.tenants),
            "in_progress": sum(tenant.age_s < grace for tenant in missing),
            "cancelled_without_schema": sum(
                t.status == "cancelled" and not t.is_deleted and not t.has_schema for t in rows.tenants
            ),
            "unregistered_schemas": len(rows.unregistered),
        }
    )
