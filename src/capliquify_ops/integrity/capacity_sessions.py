"""Figures of the check capacity about who uses the server: connections, open transactions, slots, statistics of statements."""

from collections.abc import Callable, Iterable, Iterator

from capliquify_ops.integrity.capacity_figure import LINES, Figure
from capliquify_ops.integrity.capacity_rows import Connections, Holder, Statements
from capliquify_ops.model.finding import SubjectKind
from capliquify_ops.model.outcome import Severity

_SCOPES = {"server": "the server", "database": "the database", "role": "the application's role"}


def connections(row: Connections) -> Figure:
    """Return the share of connections in use."""
    ratio, of = round(row.used / max(row.usable, 1), 4), _SCOPES[row.scope]
    prefix = "" if row.scope == "server" else f"{row.scope}_"
    return Figure(
        f"connections of {of}",
        {"connections_used_ratio": ratio},
        Severity.HIGH,
        f"{row.used} of {row.usable} connections of {of} are in use: at the next peak some are refused. Find who holds them,"
        " and pool them.",
        {
            f"{prefix}connections_used": row.used,
            f"{prefix}connections_usable": row.usable,
            f"{prefix}connections_used_ratio": ratio,
        },
        SubjectKind.DATABASE if row.scope == "database" else SubjectKind.CLUSTER,
    )


def holders(found: tuple[Holder, ...]) -> Iterator[Figure]:
    """Return the longest idle and prepared transactions, the oldest horizon, and the slots that fill the disk."""
    yield _idle(tuple(each for each in found if each.kind == "session"))
    yield _prepared(tuple(each for each in found if each.kind == "prepared transaction"))
    yield _horizon(found)
    yield _behind(tuple(each for each in found if each.is_behind))


def statements(row: Statements) -> Figure:
    """Return how often statistics of statements were thrown away. Those that are young are full of whatever was done first."""
    per_hour = round(row.evictions * 3600 / max(row.age_s, 1), 2)
    return Figure(
        "statistics of statements",
        {"statement_evictions_per_h": per_hour, "statement_statistics_age_s": row.age_s},
        Severity.LOW,
        f"The server throws away statistics of statements {per_hour:g} times an hour to make room: a list of the slowest is"
        " chance. Raise pg_stat_statements.max; before PostgreSQL 18 each tenant's copy of a statement counts.",
        {
            "statement_entries": row.entries,
            "statement_fill_ratio": round(row.entries / max(row.most, 1), 4),
            "statement_evictions_per_h": per_hour,
            "statement_statistics_age_s": round(row.age_s),
        },
    )


def _idle(sessions: tuple[Holder, ...]) -> Figure:
    idle_s = _most(sessions, _idle_s)
    return Figure(
        "idle transactions",
        {"idle_in_transaction_s": idle_s},
        Severity.MEDIUM,
        f"A session has held its transaction open for {idle_s:g} s without working: its locks stay, and no vacuum removes what it"
        " may still see. Find the code that forgot it; to end it: pg_terminate_backend.",
        {"idle_in_transaction_s": idle_s},
        SubjectKind.DATABASE,
        _lines(sessions, _idle_s, "idle for {:.0f} s"),
    )


def _prepared(prepared: tuple[Holder, ...]) -> Figure:
    waits_s = _most(prepared, _idle_s)
    return Figure(
        "prepared transactions",
        {"idle_in_transaction_s": waits_s},
        Severity.HIGH,
        f"A prepared transaction has waited for {waits_s:g} s, and keeps its locks even over a restart. Ask its transaction"
        " manager what became of it, then COMMIT PREPARED or ROLLBACK PREPARED.",
        {"prepared_transaction_s": waits_s},
        SubjectKind.DATABASE,
        _lines(prepared, _idle_s, "waits for {:.0f} s"),
    )


def _horizon(found: tuple[Holder, ...]) -> Figure:
    held = int(_most(found, _held))
    return Figure(
        "horizon of vacuum",
        {"horizon_xids": held},
        Severity.HIGH,
        f"Vacuum removes nothing of what the last {held:,} transactions left behind: something still looks at what was before"
        " them. End what stands first below.",
        {"horizon_xids": held},
        SubjectKind.DATABASE,
        _lines(found, _held, "holds {:,.0f} transactions"),
    )


def _behind(slots: tuple[Holder, ...]) -> Figure:
    return Figure(
        "replication slots",
        {"slots_behind": len(slots)},
        Severity.HIGH,
        f"Without a reader, {len(slots)} replication slots keep more WAL than max_wal_size, until the disk is full, or have lost"
        " it already. Start what reads them, or drop them.",
        {"slots_behind": len(slots)},
        lines=tuple(f"{each.kind} {each.name}" for each in slots[:LINES]),
    )


def _idle_s(holder: Holder) -> float:
    return holder.idle_s


def _held(holder: Holder) -> float:
    return holder.held_xids


def _most(found: Iterable[Holder], by: Callable[[Holder], float]) -> float:
    return round(max(map(by, found), default=0.0), 1)


def _lines(found: Iterable[Holder], by: Callable[[Holder], float], how: str) -> tuple[str, ...]:
    worst = sorted((each for each in found if by(each) > 0), key=by, reverse=True)[:LINES]
    return tuple(f"{each.kind} {each.name}: {how.format(by(each))}" for each in worst)
