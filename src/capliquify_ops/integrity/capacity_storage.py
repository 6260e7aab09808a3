"""Figures of the check capacity about what the server keeps: transaction ids, the lock table, vacuum's work, the catalogue."""

from collections.abc import Iterator, Sequence

from capliquify_ops.integrity.capacity_figure import LINES, Figure
from capliquify_ops.integrity.capacity_rows import Age, Catalogue, Relations, Server, Vacuum
from capliquify_ops.model.finding import SubjectKind
from capliquify_ops.model.outcome import Severity


def ages(databases: Sequence[Age], oldest: Sequence[Age], server: Server) -> Iterator[Figure]:
    """Return how old the oldest database is: in transactions, in MultiXacts, and by what autovacuum should have allowed."""
    xids = max((each.xids for each in databases), default=0)
    multixacts = max((each.multixacts for each in databases), default=0)
    by_age = sorted((*databases, *oldest), key=lambda each: max(each.xids, each.multixacts), reverse=True)
    lines = tuple(f"{each.name}: {each.xids:,} transactions, {each.multixacts:,} MultiXacts" for each in by_age)
    yield _wraparound("transaction ids", xids, {"oldest_xids": xids}, lines)
    yield _wraparound("multixact ids", multixacts, {"oldest_multixacts": multixacts}, lines)
    ratio = round(max(xids / server.freeze_max_age, multixacts / server.multixact_freeze_max_age), 4)
    yield Figure(
        "freezing",
        {"freeze_age_ratio": ratio},
        Severity.HIGH,
        f"The oldest table is {ratio:g} times as old as autovacuum should let it get: freezing does not keep up with the"
        " transactions. See what holds the horizon, then VACUUM (FREEZE) the oldest.",
        {"freeze_age_ratio": ratio},
        lines=lines,
    )


def lock_table(relations: Relations, locks: int, capacity: int) -> Figure:
    """Return the share of the lock table that dropping the largest tenant's schema at once takes."""
    ratio = round(locks / capacity, 4)
    return Figure(
        "lock table",
        {"tenant_locks_ratio": ratio},
        Severity.HIGH,
        f"Dropping the largest tenant's schema at once takes {locks:,} locks of the {capacity:,} that the server has room for:"
        ' "out of shared memory", for everybody. Raise max_locks_per_transaction (a restart), or drop it in parts.',
        {"largest_tenant_locks": locks, "tenant_locks_ratio": ratio},
        lines=(f"{relations.largest}: {locks:,} locks",),
        tenant=relations.largest,
    )


def autovacuum(settings_off: int) -> Figure:
    """Return how many of the settings are off without which autovacuum does nothing."""
    return Figure(
        "autovacuum",
        {"vacuum_settings_off": settings_off},
        Severity.HIGH,
        "Autovacuum does nothing: autovacuum or track_counts is off. Dead rows pile up, plans go stale, and transaction ids run"
        " out. Set both to on, and reload.",
        {"vacuum_settings_off": settings_off},
    )


def backlog(vacuum: Vacuum, workers: int) -> Figure:
    """Return how many tables wait for each worker of autovacuum."""
    each = round(vacuum.waiting / max(workers, 1), 1)
    return Figure(
        "backlog of vacuum",
        {"vacuum_backlog_per_worker": each},
        Severity.MEDIUM,
        f"{vacuum.waiting:,} of {vacuum.tables:,} tables wait for vacuum or analyze, before {workers} workers: dead rows stay,"
        f" and {vacuum.never_analysed:,} have never been analysed. After a restore: vacuumdb --analyze-in-stages. If it stays so,"
        " raise autovacuum_max_workers together with autovacuum_vacuum_cost_limit.",
        {"tables_waiting": vacuum.waiting, "vacuum_workers": workers, "vacuum_backlog_per_worker": each},
        SubjectKind.DATABASE,
    )


def dead_rows(catalogue: Catalogue) -> Figure:
    """Return the dead rows of one catalogue, and their share."""
    ratio = round(catalogue.dead_rows / max(catalogue.rows + catalogue.dead_rows, 1), 4)
    return Figure(
        f"dead rows of {catalogue.name}",
        {"catalogue_dead_ratio": ratio, "catalogue_dead_rows": catalogue.dead_rows},
        Severity.MEDIUM,
        f"Of the rows of {catalogue.name}, {catalogue.dead_rows:,} are dead and {catalogue.rows:,} are not: every plan reads past"
        " them. See what holds the horizon of vacuum, then VACUUM it.",
        {"catalogue_dead_rows": catalogue.dead_rows, "catalogue_dead_ratio": ratio},
        SubjectKind.DATABASE,
    )


def catalogue_size(catalogues: Sequence[Catalogue]) -> Figure:
    """Return the size of the catalogues for each row that they hold."""
    size = sum(each.bytes for each in catalogues)
    each_row = round(size / max(sum(each.rows for each in catalogues), 1))
    largest = sorted(catalogues, key=lambda each: each.bytes, reverse=True)[:LINES]
    return Figure(
        "size of the catalogue",
        {"catalogue_row_bytes": each_row, "catalogue_bytes": size},
        Severity.MEDIUM,
        f"The catalogue takes {size:,} bytes, {each_row:,} for each row: most of it is empty, and every session reads it. In a"
        " maintenance window: VACUUM FULL the largest, which locks everybody out.",
        {"catalogue_row_bytes": each_row, "catalogue_bytes": size},
        SubjectKind.DATABASE,
        tuple(f"{each.name}: {each.bytes:,} bytes, {each.rows:,} rows" for each in largest),
    )


def _wraparound(name: str, age: int, measured: dict[str, int], lines: tuple[str, ...]) -> Figure:
    return Figure(
        name,
        {"wraparound_xids": age},
        Severity.CRITICAL,
        f"The oldest database was frozen {age:,} {name} ago; near 2,147,000,000 the server stops writing. Now: end what holds the"
        " horizon of vacuum, and VACUUM (FREEZE) the oldest tables of that database.",
        measured,
        lines=lines,
    )
