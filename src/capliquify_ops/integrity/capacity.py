"""Does the server have room for the fleet? Locks, connections, transaction ids, vacuum, the catalogue: figures against limits."""

from collections.abc import Mapping
from dataclasses import replace
from types import MappingProxyType

from capliquify_ops.configuration import Limits, Profile, Registry
from capliquify_ops.database import Session, fill, load, quoted
from capliquify_ops.integrity.capacity_figure import Figure
from capliquify_ops.integrity.capacity_figures import figures_of, forecast
from capliquify_ops.integrity.capacity_rows import (
    Age,
    Capacity,
    Catalogue,
    Connections,
    Gap,
    Holder,
    Relations,
    Server,
    Statements,
    Vacuum,
)
from capliquify_ops.integrity.observing import healthy, inconclusive, runner, spread_of
from capliquify_ops.integrity.registry_access import require_registry
from capliquify_ops.model.errors import PrivilegeMissing, ServerUnsupported, StatementFailed
from capliquify_ops.model.finding import Evidence, Finding, Scalar, Subject, SubjectKind, Witness
from capliquify_ops.model.names import check_id
from capliquify_ops.model.outcome import Grade, Outcome
from capliquify_ops.model.roles import Roles
from capliquify_ops.tenants.registry_columns import fill_registry

CHECK = check_id("capacity")
_PACKAGE = "capliquify_ops.integrity"
_NOT_LOADED = "55000"
"""object_not_in_prerequisite_state: the extension is there, its library was not loaded when the server started."""


def measure(session: Session, *, profile: Profile, roles: Roles) -> Capacity:
    """Read every figure, within the open transaction. What this role may not read is a gap of the result, not an error."""
    server = session.rows(load(_PACKAGE, "capacity_server"), Server)[0]
    relations, locks, gaps = _relations(session, profile.registry, roles.owner)
    statements, state, unread = _statements(session, server)
    return Capacity(
        server=server,
        connections=tuple(session.rows(load(_PACKAGE, "capacity_connections"), Connections, {"app": roles.app})),
        holders=tuple(session.rows(load(_PACKAGE, "capacity_holders"), Holder)),
        databases=tuple(session.rows(load(_PACKAGE, "capacity_ages"), Age)),
        oldest=tuple(session.rows(load(_PACKAGE, "capacity_oldest"), Age)),
        vacuum=session.rows(load(_PACKAGE, "capacity_vacuum"), Vacuum)[0],
        catalogues=tuple(session.rows(load(_PACKAGE, "capacity_catalogue"), Catalogue)),
        relations=relations,
        tenant_locks=locks,
        statements=statements,
        statements_state=state,
        gaps=(*gaps, *unread, *_unseen(server)),
    )


def judge(rows: Capacity, limits: Limits, evidence: Evidence) -> tuple[Finding, ...]:
    """Return one finding per figure that misses its limits and per gap; without any, one healthy finding with all figures."""
    figures = figures_of(rows)
    measured = {key: value for figure in figures for key, value in figure.measured.items()}
    everything = MappingProxyType({**measured, **forecast(rows)})
    findings = [_failing(figure, limits, evidence) for figure in figures if figure.misses(limits)]
    findings += [_inconclusive(gap, evidence, everything) for gap in rows.gaps]
    return tuple(findings) or (healthy(CHECK, evidence, _room(len(figures), rows, limits), len(figures), everything),)


run = runner(CHECK, f"{CHECK}_*", measure, judge)


def _relations(session: Session, registry: Registry, owner: str) -> tuple[Relations | None, int, tuple[Gap, ...]]:
    """Return what the fleet holds, and the locks that dropping its largest tenant takes."""
    try:
        require_registry(session, registry, owner)
    except PrivilegeMissing as fault:
        return None, 0, (Gap("lock table", str(fault)),)
    found = session.rows(fill_registry(load(_PACKAGE, "capacity_relations").text, registry), Relations)[0]
    if found.largest_oid is None:
        return found, 0, ()
    return found, session.rows(load(_PACKAGE, "capacity_locks"), int, {"schema": found.largest_oid})[0], ()


def _statements(session: Session, server: Server) -> tuple[Statements | None, str, tuple[Gap, ...]]:
    """Return the statistics of statements, or the word for why there are none; a server without them is not at fault."""
    schema = server.statements_schema
    if not schema:
        return None, "absent", ()
    query = fill(load(_PACKAGE, "capacity_statements").text, {"statements_schema": schema})
    try:
        with session.transaction():
            return session.rows(query, Statements)[0], "on", ()
    except PrivilegeMissing:
        return None, "not readable", (_may_not_read_statements(server),)
    except ServerUnsupported:
        return None, "outdated", ()
    except StatementFailed as fault:
        if fault.sqlstate != _NOT_LOADED:
            raise
        return None, "not loaded", ()


def _may_not_read_statements(server: Server) -> Gap:
    schema, role = quoted(server.statements_schema), quoted(server.role)
    functions = f"FUNCTION {schema}.pg_stat_statements(boolean), {schema}.pg_stat_statements_info()"
    grant = f"EXECUTE ON {functions}" if server.may_use_statements else f"USAGE ON SCHEMA {schema}"
    why = f"The role {server.role!r} may not read the statistics of statements. As their owner: GRANT {grant} TO {role}"
    return Gap("statistics of statements", why)


def _unseen(server: Server) -> tuple[Gap, ...]:
    gaps = []
    if server.masked_sessions:
        why = (
            f"What {server.masked_sessions} sessions of other roles do is hidden from {server.role!r}, so connections, idle"
            f" transactions and the horizon of vacuum were counted without them. GRANT pg_monitor TO {quoted(server.role)}"
        )
        gaps.append(Gap("sessions of other roles", why))
    if server.is_standby:
        why = "The server is a standby: vacuum, its counters and who holds it up are the primary's. Ask the primary."
        gaps.append(Gap("vacuum", why))
    return tuple(gaps)


def _room(figures: int, rows: Capacity, limits: Limits) -> str:
    age_s = rows.server.statistics_age_s
    is_young = age_s < limits.number("statement_statistics_age_s")
    since = f" Dead rows and waiting tables have been counted for {age_s:,.0f} s only." if is_young else ""
    return f"The server has room for the fleet: all {figures} figures are within their limits.{since}"


def _failing(figure: Figure, limits: Limits, evidence: Evidence) -> Finding:
    return Finding(
        check=CHECK,
        subject=Subject(figure.subject, figure.name),
        outcome=Outcome.FAILING,
        severity=figure.severity,
        evidence=evidence,
        why=figure.why,
        examined=1,
        eligible=1,
        measured=figure.measured,
        limit=limits[next(iter(figure.tests))],
        tenants=spread_of([figure.tenant]) if figure.tenant else None,
        witness=Witness(figure.lines) if figure.lines else None,
        grade=Grade.PROOF,
    )


def _inconclusive(gap: Gap, evidence: Evidence, measured: Mapping[str, Scalar]) -> Finding:
    subject = Subject(SubjectKind.CLUSTER, gap.what)
    return replace(inconclusive(CHECK, evidence, gap.why, eligible=1), subject=subject, measured=measured)
