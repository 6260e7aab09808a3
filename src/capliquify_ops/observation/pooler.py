"""The pools of a PgBouncer: who waits for a session of the server, for how long."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from capliquify_ops.database import show_pooler
from capliquify_ops.model.errors import IntegrationFailed
from capliquify_ops.model.secret import Secret

_OWN = "pgbouncer"


@dataclass(frozen=True, slots=True)
class Pool:
    """The sessions of one role in one database as the pooler has it. `size` is how many it may open, None where it is unknown."""

    database: str
    role: str
    clients_active: int
    clients_waiting: int
    servers_active: int
    servers_idle: int
    longest_wait_s: float
    mode: str
    size: int | None


def read_pools(console: Secret) -> tuple[Pool, ...]:
    """Return the pools, those with most waiting clients first. Raises TargetUnreachable, IntegrationFailed."""
    shown = show_pooler(console)
    sizes = {row.get("name"): row.get("pool_size") for row in shown["DATABASES"]}
    try:
        found = [_pool(row, sizes) for row in shown["POOLS"] if row["database"] != _OWN]
    except (KeyError, TypeError, ValueError):
        raise IntegrationFailed("PgBouncer's SHOW POOLS has other columns than are known here.") from None
    return tuple(sorted(found, key=lambda each: (-each.clients_waiting, each.database, each.role)))


def _pool(row: Mapping[str, Any], sizes: Mapping[Any, Any]) -> Pool:
    size = sizes.get(row["database"])
    return Pool(
        database=str(row["database"]),
        role=str(row["user"]),
        clients_active=int(row["cl_active"]),
        clients_waiting=int(row["cl_waiting"]),
        servers_active=int(row["sv_active"]),
        servers_idle=int(row["sv_idle"]) + int(row["sv_used"]),
        longest_wait_s=int(row["maxwait"]) + int(row.get("maxwait_us", 0)) / 1e6,
        mode=str(row.get("pool_mode", "")),
        size=int(size) if size is not None else None,
    )
