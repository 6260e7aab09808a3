"""What the check capacity reads, row by row: durations in seconds, ages in transactions, sizes in bytes."""

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Server:
    """Settings that bound the server, and what this role sees of it.

    `masked_sessions` are those of other roles of which only the user is shown; `statements_schema` is "" where the database
    has no pg_stat_statements.
    """

    role: str
    is_standby: bool
    masked_sessions: int
    vacuum_settings_off: int
    vacuum_workers: int
    freeze_max_age: int
    multixact_freeze_max_age: int
    lock_capacity: int
    locks_used: int
    statistics_age_s: float
    statements_schema: str
    may_use_statements: bool


@dataclass(frozen=True, slots=True)
class Connections:
    """Connections in use of those that are to be had, of the server, the database, or the application's role."""

    scope: str
    used: int
    usable: int


@dataclass(frozen=True, slots=True)
class Holder:
    """A session, prepared transaction or replication slot that holds the horizon of vacuum, locks, or the WAL."""

    kind: str
    name: str
    held_xids: int
    idle_s: float
    is_behind: bool


@dataclass(frozen=True, slots=True)
class Age:
    """A database or a table, and how long ago it was frozen."""

    name: str
    xids: int
    multixacts: int


@dataclass(frozen=True, slots=True)
class Relations:
    """What grows with the fleet, and the tenant that has most; `largest` is "" where no tenant has a schema."""

    tenants: int
    relations: int
    files: int
    dump_locks: int
    bytes: int
    largest: str
    largest_oid: int | None


@dataclass(frozen=True, slots=True)
class Vacuum:
    """Tables, those that autovacuum leaves alone, and those of all that wait for vacuum or analyze by their own thresholds."""

    tables: int
    switched_off: int
    waiting: int
    never_analysed: int


@dataclass(frozen=True, slots=True)
class Catalogue:
    """One of the catalogues that grow with every table; `bytes` with its indexes."""

    name: str
    rows: int
    dead_rows: int
    bytes: int


@dataclass(frozen=True, slots=True)
class Statements:
    """The statistics of statements: how full, how often some were thrown away since `age_s`."""

    entries: int
    most: int
    evictions: int
    age_s: float


@dataclass(frozen=True, slots=True)
class Gap:
    """What could not be read, and the sentence that says why and what would help."""

    what: str
    why: str


@dataclass(frozen=True, slots=True)
class Capacity:
    """Everything read. What is None or empty could not be read, and a gap says why, or is not there, and needs no limit."""

    server: Server
    connections: tuple[Connections, ...]
    holders: tuple[Holder, ...]
    databases: tuple[Age, ...]
    oldest: tuple[Age, ...]
    vacuum: Vacuum
    catalogues: tuple[Catalogue, ...]
    relations: Relations | None = None
    tenant_locks: int = 0
    statements: Statements | None = None
    statements_state: str = "absent"
    gaps: tuple[Gap, ...] = field(default=())
