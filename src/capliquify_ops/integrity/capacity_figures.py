"""All figures of the check capacity. Rows in, figures out: nothing here asks a server."""

from collections.abc import Mapping

from capliquify_ops.integrity import capacity_sessions as sessions
from capliquify_ops.integrity import capacity_storage as storage
from capliquify_ops.integrity.capacity_figure import Figure
from capliquify_ops.integrity.capacity_rows import Capacity
from capliquify_ops.model.finding import Scalar


def figures_of(rows: Capacity) -> tuple[Figure, ...]:
    """Return every figure that could be measured; those of vacuum not on a standby, where none runs."""
    server, relations = rows.server, rows.relations
    found = [*map(sessions.connections, rows.connections), *sessions.holders(rows.holders)]
    found += storage.ages(rows.databases, rows.oldest, server)
    if relations is not None and relations.largest:
        found.append(storage.lock_table(relations, rows.tenant_locks, server.lock_capacity))
    if not server.is_standby:
        found += [storage.autovacuum(server.vacuum_settings_off), storage.backlog(rows.vacuum, server.vacuum_workers)]
        # The one with most dead rows comes last: what a healthy finding shows of figures alike is the last.
        found += [storage.dead_rows(each) for each in sorted(rows.catalogues, key=lambda each: each.dead_rows)]
    found.append(storage.catalogue_size(rows.catalogues))
    if rows.statements is not None:
        found.append(sessions.statements(rows.statements))
    return tuple(found)


def forecast(rows: Capacity) -> Mapping[str, Scalar]:
    """Return what is counted and not judged: it grows with the fleet, and so does what a dump, an upgrade and a backup cost."""
    server, relations = rows.server, rows.relations
    found: dict[str, Scalar] = {
        "lock_capacity": server.lock_capacity,
        "locks_used": server.locks_used,
        "tables": rows.vacuum.tables,
        "tables_never_analysed": rows.vacuum.never_analysed,
        "tables_without_autovacuum": rows.vacuum.switched_off,
        "statistics_age_s": round(server.statistics_age_s),
        "statement_statistics": rows.statements_state,
    }
    if relations is not None:
        found |= {
            "tenants": relations.tenants,
            "relations": relations.relations,
            "relation_files": relations.files,
            "relation_bytes": relations.bytes,
            "whole_dump_locks": relations.dump_locks,
            "whole_dump_fits_lock_table": relations.dump_locks <= server.lock_capacity,
        }
    return found
